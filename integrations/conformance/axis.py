"""What a feed's windows go by: the kind of its edges, and which field of a record shows where it lies."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from entities.models import Entity
from integrations.models import Feed
from integrations.pull.cursors import spelled, value_of
from integrations.pull.source import Window

Kind = Feed.CursorKind
FAR_NUMBER = 10**9  # beyond the highest that was seen
FUTURE = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
PAST = dt.datetime(1990, 1, 1, tzinfo=dt.UTC)
DAY, SECOND = dt.timedelta(days=1), dt.timedelta(seconds=1)
# Most telling first. Only a customer bears the time of his last change; a transaction's date is of the event.
DATES: dict[str, tuple[str, ...]] = {
    Entity.CUSTOMERS: ("last_modified_date", "signup_date"),
    Entity.TRANSACTIONS: ("transaction_date",),
    Entity.ACTIVITY: ("date",),
}
CHANGED = "last_modified_date"


@dataclass(frozen=True, slots=True)
class Axis:
    """`field` shows a record's place, "" none does. `is_certain`: the source surely goes by it, so that what lies
    outside of a window is wrong there. `step` is how fine the edges are that the source is sent."""

    kind: str
    field: str
    is_certain: bool
    has_since: bool
    has_until: bool
    step: dt.timedelta = dt.timedelta(0)
    zone: ZoneInfo = ZoneInfo("UTC")  # in which its days begin

    @property
    def is_time(self) -> bool:
        return self.kind != Kind.NUMBER

    def mark_of(self, record: dict[str, Any]) -> Any:
        text = record.get(self.field) if self.field else None
        if not isinstance(text, str):
            return None
        try:
            return self.mark(text)
        except (ValueError, OverflowError):
            return None

    def mark(self, text: str) -> Any:
        """Of a record's date, or of a cursor. Raises ValueError."""
        if self.kind == Kind.MOMENT and "T" not in text.upper():
            return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(), self.zone).astimezone(dt.UTC)
        if self.kind == Kind.DAY:
            text = text[:10]
        return value_of(text, self.kind)

    def floor(self, mark: Any) -> Any:
        """The edge at or before it that the source can be sent exactly."""
        if self.kind != Kind.MOMENT or not self.step:
            return mark
        if self.step == SECOND:
            return mark.replace(microsecond=0)
        day = mark.astimezone(self.zone).date()
        return dt.datetime.combine(day, dt.time(), self.zone).astimezone(dt.UTC)

    def window(self, since: Any = None, until: Any = None) -> Window:
        return Window(
            since=None if since is None else spelled(since, self.kind),
            until=None if until is None else spelled(until, self.kind),
        )

    def beyond(self, highest: Any) -> Window:
        """Where nothing can be yet."""
        if not self.is_time:
            return self.window((highest or 0) + FAR_NUMBER, (highest or 0) + FAR_NUMBER + 1)
        return self._days(FUTURE)

    def before_all(self) -> Window:
        return self._days(PAST)

    def _days(self, first: dt.datetime) -> Window:
        edges: list[Any] = [first, first + DAY]
        return self.window(*(edge.date() if self.kind == Kind.DAY else edge for edge in edges))


def axis_of(feed: Feed, *, shows: Iterable[str] | None = None) -> Axis:
    """`shows`: the fields that records were seen to bear; without it the most telling one is taken."""
    borne = set(DATES[feed.entity] if shows is None else shows)
    shown = next((name for name in DATES[feed.entity] if name in borne), "")
    if feed.connection.is_sql:
        column = bool(feed.cursor_column)
        is_its = column and feed.fields.get(shown, shown) == feed.cursor_column and feed.cursor_kind != Kind.NUMBER
        return Axis(feed.cursor_kind, shown if is_its else "", is_its, has_since=column, has_until=column)
    sent = " ".join([feed.path, *(str(value) for value in feed.query.values())])
    return Axis(
        Kind.MOMENT,
        shown,
        is_certain=shown == CHANGED,
        has_since="{since" in sent,
        has_until="{until" in sent,
        zone=ZoneInfo(feed.time_zone),
        step=DAY if ":date}" in sent else SECOND if ":unix}" in sent else dt.timedelta(0),
    )
