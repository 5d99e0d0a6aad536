"""Days that came twice: a total that, after it should have been there, is twice an earlier one."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from entities.totals import Line
from integrations.models import DayTotals, DoubledDay
from integrations.reconciliation.days import lines_of, settles_at
from integrations.reconciliation.words import checked_reason
from track360 import audit
from track360.audit import Actor
from track360.models import Environment

LOOKED_BACK = 50  # versions of a day


def flag_doubled(later: DayTotals) -> None:
    """Flag each line of a new version that has become twice what an earlier version of the same side said.

    Only of a version that came when the day had settled, and only exactly twice: a day that is still coming in, or a
    backfill on its way, passes through nearly every figure.
    """
    if later.at < settles_at(later.day, later.time_zone):
        return
    versions = DayTotals.objects.filter(
        environment=later.environment, entity=later.entity, day=later.day, side=later.side, pk__lt=later.pk
    )
    earlier = [(version, _by_cell(version)) for version in versions.order_by("-pk")[:LOOKED_BACK]]
    if not earlier:
        return
    for cell, line in _by_cell(later).items():
        if earlier[0][1].get(cell) == line:
            continue  # what this version did not change has been looked at
        for version, lines in earlier:
            before = lines.get(cell)
            if before is not None and is_twice(line, before):
                DoubledDay.objects.get_or_create(
                    environment=later.environment,
                    entity=later.entity,
                    day=later.day,
                    currency=line.currency,
                    type=line.type,
                    later=later,
                    defaults={"earlier": version},
                )
                break


def is_twice(line: Line, before: Line) -> bool:
    """In count and sum; or in the sum alone, where the rows of a day were written over with twice their amounts."""
    if before.sum is None or line.sum is None:
        return before.count > 0 and line.count == 2 * before.count
    return bool(before.sum) and line.sum == 2 * before.sum and line.count in (before.count, 2 * before.count)


def _by_cell(totals: DayTotals) -> dict[tuple[str, str], Line]:
    return {(line.currency, line.type): line for line in lines_of(totals)}


def doubled_days(environment: Environment, *, first: dt.date, last: dt.date) -> list[DoubledDay]:
    """The latest day first, with the totals of both versions."""
    rows = DoubledDay.objects.filter(environment=environment, day__gte=first, day__lte=last)
    return list(rows.select_related("earlier", "later", "said_by").order_by("-day", "entity", "-pk"))


@transaction.atomic
def say_which_is_right(
    environment: Environment, number: int, *, verdict: str, reason: str, actor: Actor
) -> DoubledDay | None:
    """A person's word on a doubled day; saying it again replaces it. None where there is no such day.

    Raises ValidationError: `verdict`, or `reason`.
    """
    reason = checked_reason(reason, missing="Say how you know.")
    if verdict not in DoubledDay.Verdict.values:
        raise ValidationError("Choose which of the two totals is right.", code="verdict")
    doubled = DoubledDay.objects.select_for_update().filter(environment=environment, pk=number).first()
    if doubled is None:
        return None
    doubled.verdict, doubled.reason = verdict, reason
    doubled.said_at, doubled.said_by, doubled.client_id = timezone.now(), actor.user, actor.client_id
    doubled.save(update_fields=["verdict", "reason", "said_at", "said_by", "client_id"])
    audit.record(
        "doubled_day.judged",
        actor=actor,
        environment=environment,
        target=f"{doubled.entity} of {doubled.day}",
        verdict=verdict,
        reason=reason,
    )
    return doubled
