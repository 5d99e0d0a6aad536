"""How long records take to us, entity by entity, and what to do where that is too long."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.utils import timezone

from entities.freshness import PERIODS, Freshness, activity_days, days_in_time, freshness_of
from entities.models import Entity
from integrations.models import Feed
from onboarding.agreements import newest_scope
from onboarding.freshness_view import Advice, blocks_for, day_cells, sentence
from track360.access import portal_view
from track360.htmx import PortalRequest, render_page
from track360.templatetags.ui import portal_url


@dataclass(frozen=True)
class Action:
    label: str
    url: str


@portal_view()
def freshness(request: PortalRequest) -> HttpResponse:
    period = PERIODS.get(request.GET.get("span", "")) or PERIODS["24h"]
    now = timezone.now()
    environment = request.environment
    found = freshness_of(environment, period=period, now=now)
    days = activity_days(environment, now=now)
    scope = newest_scope(request.partner)
    feeds = {feed.entity: feed for feed in Feed.objects.filter(environment=environment, is_on=True, removed_at=None)}
    blocks = blocks_for(found, period=period, in_scope=scope.patterns if scope else Entity.values, feeds=feeds)
    shown = [(block, _action(request, block.advice) if block.advice else None) for block in blocks]
    short = [row for row in shown if row[0].advice]
    context = {
        "state": sentence(found, days, period=period, feeds=feeds),
        "action": min(short, key=lambda row: row[0].figures.share or 0)[1] if short else _first(request, found),
        "spans": [(one.words, f"?span={one.name}", one is period) for one in PERIODS.values()],
        "period": period,
        "blocks": shown,
        "days": day_cells(days),
        "days_in_time": days_in_time(days),
        "activity": Entity.ACTIVITY,
    }
    return render_page(request, "onboarding/freshness.html", context)


def _first(request: PortalRequest, found: dict[str, Freshness]) -> Action | None:
    """Where nothing came, the docs that say how to send."""
    if any(one.whole.created for one in found.values()):
        return None
    return _action(request, Advice("", "How to send records", docs="pushing"))


def _action(request: PortalRequest, advice: Advice) -> Action | None:
    """The page where it is done, if this installation has it."""
    more = {"slug": advice.docs} if advice.docs else {}
    url = portal_url(request.partner, request.environment.kind, advice.url_name, **more)
    return Action(advice.label, url) if url else None
