"""What the connections pages say: how a connection stands, what its feeds do, what the last test saw."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import httpx
from django.db.models import OuterRef, Prefetch, QuerySet, Subquery

from entities.findings import ERROR_CODES, WARNING_CODES
from entities.models import Entity
from entities.pipeline.report import PII_FIELDS
from entities.privacy import masked_payload
from integrations.connection_rules import NEEDS_SECRET
from integrations.connection_tests import OPEN
from integrations.models import Connection, ConnectionTest, Feed, SyncRun
from track360.models import Environment
from track360.payload import Line, payload_lines

Look = tuple[str, str]  # tone and word of a badge
Json = dict[str, Any]
ORDER = {entity: place for place, entity in enumerate(Entity.values)}
TIMES = {1: "minute", 60: "hour", 1440: "day"}


@dataclass(frozen=True)
class FeedState:
    """One feed as a row."""

    feed: Feed
    last_run: SyncRun | None

    @property
    def look(self) -> Look:
        if self.feed.paused_at is not None:
            return "warning", "Paused"
        if self.feed.is_on and self.feed.connection.is_on:
            return "success", "On"
        if self.feed.passed_at is None:
            return "neutral", "Not tested"
        return "neutral", "Off"

    @property
    def when(self) -> str:
        return schedule_words(self.feed)

    @property
    def what(self) -> str:
        """Where its records are read, in a line."""
        feed = self.feed
        if feed.connection.is_sql:
            return feed.relation or "a SELECT"
        return f"{feed.connection.base_url.rstrip('/')}/{feed.path.lstrip('/')}".rstrip("/")


@dataclass(frozen=True)
class ConnectionState:
    """One connection as a row, its feeds in the order in which they are fetched."""

    connection: Connection
    feeds: list[FeedState] = field(default_factory=list)

    @property
    def look(self) -> Look:
        if any(state.feed.paused_at for state in self.feeds):
            return "warning", "Paused"
        if self.connection.is_on:
            return ("success", "On") if any(state.feed.is_on for state in self.feeds) else ("warning", "On, idle")
        return ("neutral", "Off") if self.has_passed else ("neutral", "Not tested")

    @property
    def has_passed(self) -> bool:
        """Whether switching it on would fetch anything: a feed that was changed since has to pass again."""
        return self.connection.passed_at is not None and any(state.feed.passed_at for state in self.feeds)

    @property
    def last_run(self) -> SyncRun | None:
        runs = [state.last_run for state in self.feeds if state.last_run]
        return max(runs, key=lambda run: run.due_at, default=None)

    @property
    def next_run_at(self) -> dt.datetime | None:
        times = [state.feed.next_run_at for state in self.feeds if state.feed.next_run_at and self.connection.is_on]
        return min(times, default=None)

    @property
    def lacks_secret(self) -> bool:
        connection = self.connection
        return not connection.sealed_secret and not connection.is_sql and connection.auth in NEEDS_SECRET

    @property
    def place(self) -> str:
        """Where it leads, in a line."""
        connection = self.connection
        if connection.is_sql:
            return f"{connection.host}:{connection.port}"
        return httpx.URL(connection.base_url).host


def connections_for(environment: Environment) -> QuerySet[Connection]:
    return Connection.objects.filter(environment=environment, removed_at=None)


def feeds_for(environment: Environment) -> QuerySet[Feed]:
    feeds = Feed.objects.filter(environment=environment, removed_at=None, connection__removed_at=None)
    return feeds.select_related("connection")


def connection_states(connections: QuerySet[Connection]) -> list[ConnectionState]:
    """By name; three queries for any number."""
    live = Prefetch("feeds", Feed.objects.filter(removed_at=None), to_attr="live")
    found = list(connections.order_by("name").prefetch_related(live))
    latest = SyncRun.objects.filter(feed=OuterRef("pk")).order_by("-due_at").values("pk")[:1]
    of_feeds = Feed.objects.filter(connection__in=[connection.pk for connection in found], removed_at=None)
    newest = {run.feed_id: run for run in SyncRun.objects.filter(pk__in=of_feeds.values(latest=Subquery(latest)))}
    states = []
    for connection in found:
        feeds: list[Feed] = sorted(getattr(connection, "live", []), key=lambda feed: ORDER[feed.entity])
        for feed in feeds:
            feed.connection = connection
        states.append(ConnectionState(connection, [FeedState(feed, newest.get(feed.pk)) for feed in feeds]))
    return states


def feeds_in_order(environment: Environment) -> list[Feed]:
    """All of its connections; each entity is in at most one."""
    return sorted(feeds_for(environment), key=lambda feed: ORDER[feed.entity])


def seen_names(test: ConnectionTest | None, entity: str) -> list[str]:
    """The names that the last test saw at the source."""
    return list(test.feeds.get(entity, {}).get("names", [])) if test else []


# -- Sentences ----------------------------------------------------------------


def sentence_for_list(states: list[ConnectionState]) -> str:
    if not states:
        return "Let us fetch from your API or your database."
    paused = [state for state in states if state.look[1] == "Paused"]
    if paused:
        return f"{paused[0].connection.name} is paused. Open it to see why."
    waiting = [state for state in states if not state.connection.is_on]
    if waiting:
        return f"{waiting[0].connection.name}: {sentence_for(waiting[0], None)}"
    fetched = [state.feed.entity for one in states for state in one.feeds if state.look[1] == "On"]
    return f"Fetching {_and(sorted(fetched, key=ORDER.__getitem__))}." if fetched else "Nothing is fetched yet."


def sentence_for(state: ConnectionState, test: ConnectionTest | None, *, may_add: bool = True) -> str:
    """How it stands, and what to do next. `may_add`: there is an entity that no connection fetches."""
    connection = state.connection
    for feed in (one.feed for one in state.feeds if one.feed.paused_at):
        return f"{feed.get_entity_display()} is paused. {feed.pause_reason}"
    if test and test.state in OPEN:
        return "Being tested."
    if state.lacks_secret:
        return "It has no secret to sign in with. Next: set it."
    if not state.feeds:
        if not may_add:
            return "It fetches nothing: other connections fetch every entity."
        return "It fetches nothing yet. Next: say what, by a feed."
    if not state.has_passed:
        if test and test.state == ConnectionTest.State.FAILED:
            return "The last test failed. Next: see below why, mend it, and test again."
        return "Not tested as it stands. Next: test it."
    untested = [one.feed for one in state.feeds if one.feed.passed_at is None]
    off = [one.feed for one in state.feeds if not one.feed.is_on]
    if untested:
        return f"{untested[0].get_entity_display()} has not passed a test as it stands. Next: test again."
    if not connection.is_on:
        return "The test has passed. Next: switch it on."
    if off:
        return f"{off[0].get_entity_display()} is off. Next: switch it on."
    return f"Fetching {_and([one.feed.entity for one in state.feeds])}."


def schedule_words(feed: Feed) -> str:
    if feed.daily_at:
        return f"daily at {feed.daily_at:%H:%M} UTC"
    if feed.every_minutes:
        if feed.every_minutes in TIMES:
            return f"every {TIMES[feed.every_minutes]}"
        return f"every {feed.every_minutes} minutes"
    return "when asked for"


def _and(words: list[str]) -> str:
    return ", ".join(words[:-1]) + (" and " if words[:-1] else "") + words[-1] if words else ""


# -- A test as it is read -----------------------------------------------------


@dataclass(frozen=True)
class RowView:
    lines: list[Line]
    is_bad: bool
    notes: list[str]  # warnings


@dataclass(frozen=True)
class FeedTestView:
    label: str
    ok: bool
    steps: list[Json]
    calls: list[Json]
    rows: list[RowView]

    @property
    def good(self) -> int:
        return sum(not row.is_bad for row in self.rows)


def test_views(test: ConnectionTest, *, personal: bool) -> list[FeedTestView]:
    """What was found of each feed; without `personal`, what may be a person's is dots."""
    rows = test.rows or {}
    return [
        FeedTestView(
            label=Entity(entity).label,
            ok=result["ok"],
            steps=result["steps"],
            calls=result["calls"],
            rows=[_row_view(entity, place, row, personal) for place, row in enumerate(rows.get(entity, []))],
        )
        for entity, result in sorted(test.feeds.items(), key=lambda item: ORDER[item[0]])
    ]


def _row_view(entity: str, place: int, row: Json, personal: bool) -> RowView:
    record = row["record"] if personal else masked_payload(entity, row["record"])
    errors = [(error["pointer"].removeprefix(f"/{place}"), _message(error, personal)) for error in row["errors"]]
    notes = [f"{warning['field'] or 'The record'} {_message(warning, personal)}" for warning in row["warnings"]]
    return RowView(payload_lines(record, errors), bool(errors), notes)


def _message(finding: Json, personal: bool) -> str:
    """What was said; about a personal field a viewer reads the rule, not a sentence that may quote the value."""
    if personal or finding["field"] not in PII_FIELDS:
        return str(finding["message"])
    known = (ERROR_CODES | WARNING_CODES).get(finding["code"])
    return known.meaning if known else "is not allowed"


def still_open(test: ConnectionTest | None) -> bool:
    return test is not None and test.state in OPEN
