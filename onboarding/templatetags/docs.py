"""Tags of the docs pages."""

from __future__ import annotations

from django import template
from django.template.context import Context
from django.template.loader import render_to_string
from django.utils.safestring import SafeString

from onboarding import docs

register = template.Library()


@register.simple_block_tag
def code_block(content: str, label: str, *, id: str) -> SafeString:
    """An example to copy; `id` is unique on the page. Variables inside are escaped as everywhere."""
    return render_to_string("components/code.html", {"code": SafeString(content.strip()), "label": label, "id": id})


@register.simple_tag(takes_context=True)
def docs_url(context: Context, slug: str = "") -> str:
    """The address of a docs page, inside the partner's pages where the reader is."""
    return docs.address(context["request"], slug)
