"""How fresh the records of an environment are: from the event to us, whose time that was, and which days were in time.

Lags run from the event to receipt and are counted for new records of live batches, pushed or pulled. Activity is due
once its day (UTC) is over. Percentiles are read off the counts by `BOUNDS`, as if the records of a count were spread
evenly between its bounds; past the last bound a percentile is infinite: over 24 hours.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Any

from django.db import connection

from entities.batch_hours import HOUR, LAGS, TRAFFIC
from entities.models import Entity
from entities.pipeline.lags import BOUNDS
from track360.models import Environment

DAY = dt.timedelta(days=1)
EVENT_TARGET = dt.timedelta(minutes=5)
DAY_TARGET = dt.timedelta(hours=6)  # 06:00 UTC of the next day
WANTED_SHARE = 0.95
DAYS_SHOWN = 30


@dataclass(frozen=True, slots=True)
class Period:
    """A time that is looked at, in equal steps; they begin with full hours, six hours or days (UTC)."""

    name: str
    words: str
    step: dt.timedelta
    steps: int

    def starts(self, now: dt.datetime) -> list[dt.datetime]:
        """The begins of its steps, oldest first, the one under way included."""
        midnight = dt.datetime.combine(now.astimezone(dt.UTC).date(), dt.time(), dt.UTC)
        last = midnight + (now - midnight) // self.step * self.step
        return [last - back * self.step for back in reversed(range(self.steps))]


PERIODS = {
    period.name: period
    for period in (
        Period("24h", "24 hours", HOUR, 24),
        Period("7d", "7 days", 6 * HOUR, 28),
        Period("30d", "30 days", DAY, 30),
    )
}


def target_of(entity: str) -> dt.timedelta:
    return DAY_TARGET if entity == Entity.ACTIVITY else EVENT_TARGET


@dataclass(frozen=True, slots=True)
class Lags:
    """`counts` as in `Batch.lags`; seconds are sums over the counted records."""

    counts: tuple[int, ...] = (0,) * (len(BOUNDS) + 1)
    partner_seconds: float = 0.0
    own_seconds: float = 0.0

    def __add__(self, other: Lags) -> Lags:
        return Lags(
            tuple(map(sum, zip(self.counts, other.counts, strict=True))),
            self.partner_seconds + other.partner_seconds,
            self.own_seconds + other.own_seconds,
        )

    @property
    def created(self) -> int:
        return sum(self.counts)


LAGS_SQL = f"""{TRAFFIC}
SELECT entity, date_bin(%(step)s, at, %(start)s) AS begin, {LAGS}, sum(partner_seconds), sum(own_seconds)
  FROM traffic
 GROUP BY entity, begin
"""


def lags_by_step(
    environment: Environment, *, start: dt.datetime, end: dt.datetime, step: dt.timedelta
) -> dict[tuple[str, dt.datetime], Lags]:
    """Entity and begin of a step -> what came in it; a step without a batch is left out.

    `start` is the begin of an hour, `step` one hour or several.
    """
    with connection.cursor() as cursor:
        values: dict[str, Any] = {"environment": environment.pk, "start": start, "end": end, "step": step}
        cursor.execute(LAGS_SQL, values)
        return {(entity, begin): Lags(tuple(counts), *seconds) for entity, begin, counts, *seconds in cursor.fetchall()}


@dataclass(frozen=True, slots=True)
class Figures:
    """What is said of some lags; all of it but `created` and `in_time` is None where there are none."""

    created: int = 0
    in_time: int = 0
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    partner_seconds: float | None = None  # means
    own_seconds: float | None = None

    @property
    def share(self) -> float | None:
        return self.in_time / self.created if self.created else None

    @property
    def is_missed(self) -> bool:
        return self.in_time < WANTED_SHARE * self.created

    @property
    def is_ours(self) -> bool:
        """Whether more of the time is ours than the partner's."""
        return (self.own_seconds or 0) > (self.partner_seconds or 0)


def figures_of(entity: str, lags: Lags) -> Figures:
    created = lags.created
    if not created:
        return Figures()
    return Figures(
        created=created,
        in_time=sum(lags.counts[: BOUNDS.index(int(target_of(entity).total_seconds())) + 1]),
        p50_seconds=percentile(lags.counts, 0.5),
        p95_seconds=percentile(lags.counts, 0.95),
        partner_seconds=lags.partner_seconds / created,
        own_seconds=lags.own_seconds / created,
    )


def percentile(counts: Sequence[int], share: float) -> float | None:
    """The lag in seconds within which this share of the records came; None of none, infinite past the last bound."""
    rank = share * sum(counts)
    before = 0
    for count, (low, high) in zip(counts, pairwise((0, *BOUNDS, math.inf)), strict=True):
        if count and before + count >= rank:
            return high if math.isinf(high) else low + (high - low) * (rank - before) / count
        before += count
    return None


@dataclass(frozen=True, slots=True)
class Step:
    start: dt.datetime
    figures: Figures


@dataclass(frozen=True, slots=True)
class Freshness:
    """One entity over a period: as one figure, and step by step."""

    entity: Entity
    whole: Figures
    steps: list[Step]


def freshness_of(environment: Environment, *, period: Period, now: dt.datetime) -> dict[str, Freshness]:
    """Every entity is there, and every step, with or without records."""
    starts = period.starts(now)
    sums = lags_by_step(environment, start=starts[0], end=starts[-1] + period.step, step=period.step)
    return {
        entity.value: _freshness(entity, {start: sums.get((entity.value, start), Lags()) for start in starts})
        for entity in Entity
    }


def _freshness(entity: Entity, lags: Mapping[dt.datetime, Lags]) -> Freshness:
    whole = sum(lags.values(), Lags())
    return Freshness(
        entity,
        figures_of(entity, whole),
        [Step(start, figures_of(entity, of_step)) for start, of_step in lags.items()],
    )


# -- Days of activity -----------------------------------------------------------


class DayState(StrEnum):
    IN_TIME = "in time"
    LATE = "late"
    MISSING = "missing"
    NOT_DUE = "not due"
    BEFORE = "before the first"


@dataclass(frozen=True, slots=True)
class ActivityDay:
    """`last_at` is when its last new row was received; None while there is none."""

    day: dt.date
    state: DayState
    last_at: dt.datetime | None = None


# A look into an index for each day: the row that was made last has the highest id. And one for the first day of all.
_DAYS = """
SELECT day.day, last.received_at,
       (SELECT date FROM entities_activity WHERE environment_id = %(environment)s ORDER BY date, id LIMIT 1)
  FROM unnest(%(days)s::date[]) AS day
  LEFT JOIN LATERAL (
       SELECT received_at FROM entities_activity
        WHERE environment_id = %(environment)s AND date = day.day
        ORDER BY id DESC LIMIT 1
       ) AS last ON true
 ORDER BY day.day
"""


def activity_days(environment: Environment, *, now: dt.datetime) -> list[ActivityDay]:
    """The last 30 days that are over, oldest first.

    A day (`date` of the rows, UTC) was complete in time when no new row of it was received after 06:00 UTC of the next
    day; corrections of rows that were there do not count. With a later new row it was late, be that row pushed,
    fetched, or loaded as history: what a report at 06:00 would have shown was not all. A day without a row is missing
    once it is due, if there is activity of a day before it.
    """
    today = now.astimezone(dt.UTC).date()
    days = [today - back * DAY for back in range(DAYS_SHOWN, 0, -1)]
    with connection.cursor() as cursor:
        cursor.execute(_DAYS, {"days": days, "environment": environment.pk})
        return [
            ActivityDay(day, _state(day, last_at, first, now), last_at) for day, last_at, first in cursor.fetchall()
        ]


def _state(day: dt.date, last_at: dt.datetime | None, first: dt.date | None, now: dt.datetime) -> DayState:
    due = dt.datetime.combine(day + DAY, dt.time(), dt.UTC) + DAY_TARGET
    if last_at is not None and last_at > due:
        return DayState.LATE
    if now <= due:
        return DayState.NOT_DUE
    if last_at is not None:
        return DayState.IN_TIME
    return DayState.BEFORE if first is None or day < first else DayState.MISSING


def days_in_time(days: Sequence[ActivityDay]) -> tuple[int, int]:
    """How many were in time, of how many that were to be there."""
    due = [day for day in days if day.state in (DayState.IN_TIME, DayState.LATE, DayState.MISSING)]
    return sum(day.state == DayState.IN_TIME for day in due), len(due)


def missed(found: Mapping[str, Freshness]) -> Iterator[Freshness]:
    """Those under 95 % within their target, the worst first."""
    short = [one for one in found.values() if one.whole.is_missed]
    yield from sorted(short, key=lambda one: one.whole.share or 0)
