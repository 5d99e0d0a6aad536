"""How far a feed has come, as text by its kind: RFC 3339 in UTC with `Z`, a date, or a whole number."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_datetime

from integrations.models import Feed, SyncRun

Kind = Feed.CursorKind
WRITE_LIKE = {
    Kind.MOMENT: "Write a time like 2026-03-15T12:00:00Z.",
    Kind.DAY: "Write a day like 2026-03-15.",
    Kind.NUMBER: "Write a whole number.",
}
AHEAD = dt.timedelta(minutes=5)  # as far as another's clock may go before ours (contract: `future_date`)
FARTHEST_ZONE = dt.timedelta(hours=14)
LONGEST_NUMBER = 30
WHOLE = r"^(-?[0-9]+)?$"


def checked_cursor(text: str, kind: str, *, now: dt.datetime) -> str:
    """The cursor in its one spelling; empty stays empty, the beginning. Raises ValidationError `cursor`."""
    text = text.strip()
    if not text:
        return ""
    try:
        value = value_of(text, kind)
        spelling = spelled(value, kind)
    except (ValueError, OverflowError):
        raise ValidationError(WRITE_LIKE[Kind(kind)], code="cursor") from None
    # A day may have begun already where the partner is
    latest = {Kind.MOMENT: now, Kind.DAY: (now + dt.timedelta(days=1)).date()}.get(Kind(kind))
    if latest is not None and value > latest:
        raise ValidationError("That lies ahead: until then nothing would be fetched.", code="cursor")
    return spelling


def value_of(text: str, kind: str) -> Any:
    """What the text stands for, to be compared. Raises ValueError."""
    if kind == Kind.DAY:
        return dt.date.fromisoformat(text)
    if kind == Kind.NUMBER:
        if not text.lstrip("-").isdecimal() or len(text) > LONGEST_NUMBER:
            raise ValueError(text)
        return int(text)
    moment = parse_datetime(text)
    if moment is None or moment.tzinfo is None:
        raise ValueError(text)
    return moment.astimezone(dt.UTC)


def spelled(value: Any, kind: str) -> str:
    if kind == Kind.MOMENT:
        return value.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"
    return str(value)


def furthest(first: str, second: str, kind: str) -> str:
    """The later of two; empty is the beginning."""
    if not first or not second:
        return first or second
    return max(first, second, key=lambda text: value_of(text, kind))


def believed(text: str, kind: str, *, begun: dt.datetime, now: dt.datetime) -> str:
    """A cursor that a record bears; where that lies ahead of us, when the run began: one wrong date must not hide all
    that is written until then."""
    if kind == Kind.MOMENT and value_of(text, kind) > now + AHEAD:
        return spelled(begun, kind)
    if kind == Kind.DAY and value_of(text, kind) > (now + FARTHEST_ZONE).date():
        return spelled((begun - FARTHEST_ZONE).date(), kind)
    return text


def start_of(feed: Feed, *, now: dt.datetime) -> str:
    """Where the next run begins: the overlap before the cursor; empty: from the beginning.

    Numbers have no distance in time, so theirs is the cursor that stood an overlap ago: what was still open in the
    source's transactions then is read again.
    """
    if not feed.cursor:
        return ""
    if feed.cursor_kind == Kind.NUMBER:
        return _standing_at(feed, now - feed.overlap)
    value = value_of(feed.cursor, feed.cursor_kind)
    back = (
        feed.overlap if feed.cursor_kind == Kind.MOMENT else dt.timedelta(days=-(-feed.overlap // dt.timedelta(days=1)))
    )
    try:
        return spelled(value - back, feed.cursor_kind)
    except OverflowError:
        return ""


def _standing_at(feed: Feed, moment: dt.datetime) -> str:
    runs = SyncRun.objects.filter(
        feed=feed, state=SyncRun.State.DONE, cursor_before__regex=WHOLE, cursor_after__regex=WHOLE
    )
    runs = runs.exclude(kind=SyncRun.Kind.BACKFILL)
    # Of another source, or of one that is read from its beginning again, it says nothing where the cursor stood.
    anew = runs.filter(cursor_before="").order_by("-finished_at").values_list("finished_at", flat=True).first()
    if anew is not None:
        runs = runs.filter(finished_at__gte=anew)
    before = (
        runs.filter(finished_at__lte=moment).order_by("-finished_at").values_list("cursor_after", flat=True).first()
    )
    if before is None:
        first = runs.order_by("finished_at").values_list("cursor_before", flat=True).first()
        before = feed.cursor if first is None else first
    # A person may have set the cursor back further.
    return before if not before or value_of(before, Kind.NUMBER) <= value_of(feed.cursor, Kind.NUMBER) else feed.cursor
