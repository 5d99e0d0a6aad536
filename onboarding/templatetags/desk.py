"""What the team's desk writes a hundred times on one page, so that no template loop has to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape

from django import template
from django.utils.safestring import SafeString

from onboarding.desk import LOOKS, Need, Row
from onboarding.models.checklist import Side
from track360.templatetags.ui import icon, when

register = template.Library()


@register.simple_tag
def tickets(rows: Iterable[Row]) -> SafeString:
    """Items of the board: each partner with how far it is, and what it needs somebody for."""
    return SafeString("\n".join(f'<li class="ticket">{"".join(_ticket(row))}</li>' for row in rows))


def _ticket(row: Row) -> Iterator[str]:
    name = escape(row.name)
    yield (
        f'<p class="ticket-head"><a class="ticket-link" href="{row.url}">{name}</a>'
        f'<a class="ticket-more" href="{row.detail_url}" aria-label="About {name}">{icon("settings")}</a></p>'
    )
    if not row.is_active:
        yield f'<p><span class="need" data-tone="neutral">{row.status.capitalize()}</span></p>'
    if not row.is_computed:
        yield '<p class="ticket-foot">Not computed yet</p>'
        return
    yield (
        f'<p class="pips" data-done="{row.done}"><span class="visually-hidden">{row.done} of 8 steps done</span></p>'
        f'<p class="ticket-step">{escape(row.step)}</p>'
    )
    yield needs(row.needs)
    waits = " · waits for the partner" if row.waiting_for == Side.PARTNER else ""
    yield f'<p class="ticket-foot">Traffic {when(row.last_traffic_at)}{waits}</p>'


@register.filter
def needs(found: Iterable[Need]) -> SafeString:
    """What a partner needs somebody for: icon and words each; nothing for nothing."""
    items = "".join(_need(need) for need in found)
    return SafeString(f'<ul class="needs">{items}</ul>' if items else "")


def _need(need: Need) -> str:
    tone, icon_name = LOOKS[need.kind]
    return f'<li class="need" data-tone="{tone}">{icon(icon_name)}{escape(need.words)}</li>'
