"""What the team's desk writes hundreds of times on one page, so that no template loop has to."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from onboarding.desk import LOOKS, Need
from track360.templatetags.ui import sprite

register = template.Library()


@register.filter
def needs(found: Iterable[Need]) -> SafeString:
    """What a partner needs somebody for: icon and words each; nothing for nothing."""
    items = format_html_join(
        "",
        '<li class="need" data-tone="{}"><svg class="icon" aria-hidden="true"><use href="{}#{}"/></svg>{}</li>',
        ((tone, sprite(), icon, need.words) for need in found for tone, icon in [LOOKS[need.kind]]),
    )
    return format_html('<ul class="needs">{}</ul>', items) if items else SafeString()
