"""A partner's start page."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.utils import timezone

from entities.addresses import portal_url
from entities.models import Entity
from onboarding.checklist import RIGHT_WITHIN, steps_for
from onboarding.checklist_view import Walk, walk_for
from onboarding.next_step import Facts, NextStep, next_step
from onboarding.overview import Overview, overview_of
from track360.access import portal_view
from track360.charts import HourCount, bars_per_hour
from track360.htmx import PortalRequest, render_page
from track360.templatetags.ui import number, percent

LIST_PAGES = {
    Entity.CUSTOMERS: "customer-list",
    Entity.TRANSACTIONS: "transaction-list",
    Entity.ACTIVITY: "activity-list",
}
# What a rehearsal allows (contract, section 7, step 6): 95 % within the freshness target.
ON_TIME_ALLOWS = 0.05
SPANS = {"24h": (24, "24 hours"), "7d": (7 * 24, "7 days")}


@portal_view()
def overview(request: PortalRequest) -> HttpResponse:
    span = request.GET.get("span", "")
    hours, words = SPANS.get(span) or SPANS["24h"]
    now = timezone.now()
    shown = overview_of(request.environment, hours=hours, now=now)
    walk = walk_for(request, steps_for(request.partner, rests=RIGHT_WITHIN), now=now)
    counts = [HourCount(hour.start, hour.traffic.records, hour.traffic.refused) for hour in shown.hours]
    context = {
        "overview": shown,
        "step": _next_step(request, shown, walk),
        "walk": walk if walk.next_row else None,
        "chart": bars_per_hour(counts, title=f"Records per hour, last {words}"),
        "spans": [(label, f"?span={name}", label == words) for name, (_, label) in SPANS.items()],
        "tiles": _tiles(request, shown),
    }
    return render_page(request, "onboarding/overview.html", context, fragment="traffic")


def _next_step(request: PortalRequest, shown: Overview, walk: Walk) -> NextStep:
    url, label = walk.action
    refused = shown.refused_requests
    return next_step(
        Facts(
            environment=request.environment,
            role=request.role,
            walk=NextStep("walk", walk.sentence, label, url) if walk.next_row else None,
            missing=walk.missing,
            has_way_in=shown.has_way_in,
            is_pulled=shown.is_pulled,
            day=shown.day,
            last_refused_request=str(refused[0].id) if refused else None,
        )
    )


@dataclass(frozen=True)
class Tile:
    """What `components/stat.html` takes."""

    label: str
    value: str
    hint: str = ""
    tone: str = ""
    href: str = ""
    icon: str = ""


def _tiles(request: PortalRequest, shown: Overview) -> list[Tile]:
    day = shown.day
    totals = [
        Tile(
            label=entity.label,
            value=number(shown.totals[entity]),
            hint="in all",
            href=portal_url(request, page),
            icon=entity.value,
        )
        for entity, page in LIST_PAGES.items()
    ]
    return [
        *totals,
        Tile("Records in 24 hours", number(day.records), "new, changed or the same"),
        Tile(
            "Refused in 24 hours",
            percent(day.refused, day.received),
            f"{day.refused:,} of {day.received:,}",
            tone="danger" if day.refused else "",
        ),
        Tile(
            "Late in 24 hours",
            percent(day.late, day.created),
            f"{day.late:,} of {day.created:,} new",
            href=portal_url(request, "freshness"),
            tone="warning" if day.late > ON_TIME_ALLOWS * day.created else "",
        ),
    ]
