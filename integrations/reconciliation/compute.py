"""The totals of what is here, kept as the records change: which days changed, and what they hold now."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterable

from django.db import transaction
from django.utils import timezone

from entities.models import Entity
from entities.totals import changed_hours, sides_of_day
from entities.walks import watermark_for
from integrations.models import DayTotals, TotalsWatermark
from integrations.reconciliation.days import (
    DAY,
    Side,
    bounds_of,
    day_of,
    lines_of,
    newest_totals,
    settles_at,
    written,
)
from integrations.reconciliation.doubled import flag_doubled
from track360.models import Environment

THE_BEGINNING = dt.datetime(1900, 1, 1, tzinfo=dt.UTC)
COMPUTED = (Side.STORED, Side.PUSHED, Side.PULLED)
BUDGET_SECONDS = 30.0
# A day that was counted rests a minute for each so many records in it, however many come: one of a million, which takes
# seconds, is counted every ten minutes.
RECORDS_A_MINUTE = 100_000


def refresh(environment: Environment, time_zone: str, *, budget_seconds: float = BUDGET_SECONDS) -> set[dt.date]:
    """Bring the totals up to what has been committed: the days whose totals became others.

    What is not done when the time is up is left for the next call, which goes on there. Twice at once: the second does
    nothing.
    """
    ends = time.monotonic() + budget_seconds
    altered: set[dt.date] = set()
    for entity in Entity.values:
        if not _find_changed(environment, entity, time_zone):
            continue
        while time.monotonic() < ends:
            done, changed = _compute_next(environment, entity)
            if done is None:
                break
            altered |= {done} if changed else set()
    return altered


@transaction.atomic
def _find_changed(environment: Environment, entity: str, time_zone: str) -> bool:
    """Write down which days changed since the last look. False where somebody else is at it."""
    TotalsWatermark.objects.bulk_create(
        [TotalsWatermark(environment=environment, entity=entity, upto=THE_BEGINNING, time_zone=time_zone)],
        ignore_conflicts=True,
    )
    mark = _locked(environment, entity)
    if mark is None:
        return False
    pending = set(map(dt.date.fromisoformat, mark.pending))
    if mark.time_zone != time_zone:
        # Each day begins at another moment now, of those that will hold nothing any more too.
        known = DayTotals.objects.filter(environment=environment, entity=entity, side=Side.STORED)
        pending |= set(known.values_list("day", flat=True))
        mark.upto, mark.time_zone = THE_BEGINNING, time_zone
    until = watermark_for(environment)
    if mark.upto < until:
        hours = changed_hours(environment, entity, since=mark.upto, until=until)
        pending |= days_of_hours(hours, time_zone)
        mark.upto = until
    mark.pending = sorted(day.isoformat() for day in pending)
    mark.save(update_fields=["upto", "time_zone", "pending"])
    return True


def days_of_hours(hours: Iterable[dt.date], time_zone: str) -> set[dt.date]:
    """The days that these UTC hours lie in: two of them where a day begins within the hour."""
    found: set[dt.date] = set()
    for hour in hours:
        if isinstance(hour, dt.datetime):
            last = hour + dt.timedelta(minutes=59, seconds=59)
            found |= {day_of(hour, time_zone), day_of(last, time_zone)}
        else:
            found.add(hour)
    return found


@transaction.atomic
def _compute_next(environment: Environment, entity: str) -> tuple[dt.date | None, bool]:
    """Compute the newest day that is pending, and take it off the list: the day, and whether its totals changed."""
    mark = _locked(environment, entity)
    pending = map(dt.date.fromisoformat, reversed(mark.pending)) if mark else iter(())
    day = next((day for day in pending if not _rests(environment, entity, day)), None)
    if mark is None or day is None:
        return None, False
    mark.pending.remove(day.isoformat())
    changed = compute_day(environment, entity, day, mark.time_zone)
    mark.save(update_fields=["pending"])
    return day, changed


def _rests(environment: Environment, entity: str, day: dt.date) -> bool:
    """Whether a large day was counted a moment ago."""
    stored = newest_totals(environment, [day], entities=[entity], sides=[Side.STORED]).get((entity, day, Side.STORED))
    if stored is None:
        return False
    minutes = sum(line.count for line in lines_of(stored)) // RECORDS_A_MINUTE
    return timezone.now() < stored.at + dt.timedelta(minutes=minutes)


def _locked(environment: Environment, entity: str) -> TotalsWatermark | None:
    marks = TotalsWatermark.objects.filter(environment=environment, entity=entity)
    return marks.select_for_update(skip_locked=True).first()


@transaction.atomic
def compute_day(environment: Environment, entity: str, day: dt.date, time_zone: str) -> bool:
    """Count one day by one statement over its records, and keep what became another than it was."""
    start, end = (day, day + DAY) if entity == Entity.ACTIVITY else bounds_of(day, time_zone)
    sides = sides_of_day(environment, entity, start=start, end=end)
    known = newest_totals(environment, [day], entities=[entity], sides=COMPUTED)
    now, changed = timezone.now(), False
    for side, lines in ((Side.STORED, sides.stored), (Side.PUSHED, sides.pushed), (Side.PULLED, sides.pulled)):
        before = known.get((entity, day, side))
        totals = DayTotals(
            environment=environment,
            entity=entity,
            day=day,
            side=side,
            at=now,
            time_zone=time_zone,
            lines=written(lines),
        )
        if totals.lines == (before.lines if before else []) and (before is None or before.time_zone == time_zone):
            continue
        changed = True
        if before and before.time_zone == time_zone and now < settles_at(day, time_zone):
            totals.pk = before.pk
        totals.save()
        if side == Side.STORED:
            flag_doubled(totals)
    return changed
