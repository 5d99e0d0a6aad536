"""Days that do not agree with the partner's control totals, and days whose total came again, doubled."""

from __future__ import annotations

import datetime as dt
import itertools
from collections import defaultdict

from entities.models import Entity
from integrations.models import DayTotals, DoubledDay
from integrations.reconciliation.compare import BOOKS, State, compared
from onboarding.days import sentence_of_day, time_zones
from onboarding.models import Onboarding
from onboarding.steps import BY_NUMBER
from onboarding.watched import Finding, page_of_environment
from track360.models import Environment

WATCHED = dt.timedelta(days=14)
GO_LIVE = BY_NUMBER[7].phase.number


def differing_days(environments: list[Environment], *, now: dt.datetime) -> list[Finding]:
    """Complete days of the last two weeks that differ: of production, and of sandboxes of partners about to go live.

    Only environments of which the partner said something are looked at, each by two queries.
    """
    days = _said_days(_watched(environments), since=(now - WATCHED).date())
    by_id = {environment.pk: environment for environment in environments}
    zones = time_zones([by_id[number].partner for number in days]) if days else {}
    found = []
    for number, said in sorted(days.items()):
        environment = by_id[number]
        cells = compared(environment, said, time_zone=zones[environment.partner_id], now=now, sides=BOOKS)
        for day in sorted(said):
            differing = [cells[entity, day] for entity in Entity.values if cells[entity, day].state == State.DIFFERS]
            if differing:
                found.append(_differs(environment, day, sentence_of_day(differing)))
    return found


def _watched(environments: list[Environment]) -> list[Environment]:
    live = set(
        Onboarding.objects.filter(figures__phase__gte=GO_LIVE, partner__in={row.partner_id for row in environments})
        .values_list("partner", flat=True)
        .order_by()
    )
    return [row for row in environments if row.kind == Environment.Kind.PRODUCTION or row.partner_id in live]


def _said_days(environments: list[Environment], *, since: dt.date) -> dict[int, set[dt.date]]:
    said = DayTotals.objects.filter(environment__in=environments, side=DayTotals.Side.PARTNER, day__gte=since)
    days: dict[int, set[dt.date]] = defaultdict(set)
    for number, day in said.values_list("environment", "day").distinct():
        days[number].add(day)
    return days


def _differs(environment: Environment, day: dt.date, words: str) -> Finding:
    return Finding(
        environment=environment,
        subject=f"{environment.kind} {day}",
        title=f"{day:%-d %B %Y} does not agree with the control totals in {environment.kind}",
        text=f"{words} Look which records are missing or differ, and send them again, or accept the difference with a "
        "reason.",
        path=page_of_environment("reconciliation-day", environment, day.isoformat()),
    )


def doubled(environments: list[Environment]) -> list[Finding]:
    """Days of an entity that are flagged, until a person has said which total is right."""
    by_id = {environment.pk: environment for environment in environments}
    rows = DoubledDay.objects.filter(environment__in=by_id, verdict="").order_by("environment", "entity", "day", "pk")
    return [
        _doubled(by_id[number], Entity(entity), day, list(group))
        for (number, entity, day), group in itertools.groupby(
            rows, key=lambda row: (row.environment_id, row.entity, row.day)
        )
    ]


def _doubled(environment: Environment, entity: Entity, day: dt.date, rows: list[DoubledDay]) -> Finding:
    what = ", ".join(" ".join(filter(None, (row.currency, row.type))) or "the count" for row in rows)
    return Finding(
        environment=environment,
        subject=f"{environment.kind} {entity.value} {day}",
        title=f"{entity.label} of {day:%-d %B %Y} came again, doubled, in {environment.kind}",
        text=f"What came after the day should have been complete is twice an earlier total: {what}. Nothing is held "
        "back. Say which of the two is right.",
        path=page_of_environment("reconciliation-day", environment, day.isoformat()),
    )
