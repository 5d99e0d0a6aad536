"""The bounds of a window, from their text to what a source is asked with.

A bound is a moment (RFC 3339), a day or a whole number. Where a source wants another form than it is given, `since`
goes down and `until` goes up, so that the window may grow but never lose a record.
"""

from __future__ import annotations

import datetime as dt
import re
from decimal import Decimal
from zoneinfo import ZoneInfo

DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
NUMBER = re.compile(r"-?\d+(\.\d+)?", re.ASCII)

_NEAR = dt.timedelta(hours=3)  # longer than any clock is put back

Bound = dt.datetime | dt.date | Decimal


def bound_of(text: str) -> Bound:
    """Raises ValueError for what is none of the three."""
    if NUMBER.fullmatch(text):
        return Decimal(text)
    if DAY.fullmatch(text):
        return dt.date.fromisoformat(text)
    moment = dt.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a moment needs an offset")
    return moment.astimezone(dt.UTC)


def moment_of(bound: dt.datetime | dt.date, zone: ZoneInfo) -> dt.datetime:
    """In UTC; a day begins at midnight of the zone."""
    if isinstance(bound, dt.datetime):
        return bound
    return dt.datetime.combine(bound, dt.time(), zone).astimezone(dt.UTC)


def day_of(bound: dt.datetime | dt.date, zone: ZoneInfo, *, up: bool) -> dt.date:
    """The day of the zone in which the moment lies; `up`: the first day that begins at the moment or later."""
    if not isinstance(bound, dt.datetime):
        return bound
    local = bound.astimezone(zone)
    begins = local.time() == dt.time()
    return local.date() + dt.timedelta(days=0 if begins or not up else 1)


def rfc3339(moment: dt.datetime) -> str:
    return moment.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")


def naive_text(moment: dt.datetime, zone: ZoneInfo) -> str:
    """As databases write a time without an offset."""
    return moment.astimezone(zone).replace(tzinfo=None).isoformat(sep=" ")


def across_an_hour_that_comes_twice(moment: dt.datetime, zone: ZoneInfo, *, up: bool) -> dt.datetime:
    """For a bound without an offset, where clocks are put back near it: what is written in the hour's second pass reads
    as earlier than what was written in its first."""
    before, after = (moment - _NEAR, moment) if up else (moment, moment + _NEAR)
    lost = _offset(before, zone) - _offset(after, zone)
    return moment if lost <= dt.timedelta() else moment + (lost if up else -lost)


def _offset(moment: dt.datetime, zone: ZoneInfo) -> dt.timedelta:
    return moment.astimezone(zone).utcoffset() or dt.timedelta()


def latest(reached: str | None, other: str | None) -> str | None:
    """The higher of two cursors in the same form."""
    if reached is None or other is None:
        return reached if other is None else other
    return other if _rank(other) > _rank(reached) else reached


def _rank(text: str) -> tuple[Decimal, str]:
    """Moments with and without a fraction compare as text once the Z is off: a prefix is less than what it begins."""
    return (Decimal(text), "") if NUMBER.fullmatch(text) else (Decimal(0), text.removesuffix("Z"))
