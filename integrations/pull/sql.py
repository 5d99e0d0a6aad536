"""A table, a view or a SELECT of a partner's PostgreSQL, MySQL or MariaDB as a source.

One statement reads in the order of (cursor column, natural key) through a cursor that the server keeps, so that a view
without an index is sorted once and not for every page. After a minute it begins anew behind the last row, because a
replica that is held by one snapshot for long breaks the reading off.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from integrations.connections import secret_of
from integrations.models import Connection, Feed
from integrations.outbound.databases import Database, OpenedDatabase, open_database
from integrations.pull import day_counts
from integrations.pull.fields import supplied_fields
from integrations.pull.source import Call, Note, Page, Position, SourceError, Window
from integrations.pull.sql_errors import TooSlow, told, too_slow
from integrations.pull.sql_plan import (
    UTC,
    Plan,
    key_of,
    kind_of,
    mapping_problem,
    plan_of,
    reached_by,
    records_of,
    without,
)
from integrations.pull.sql_query import (
    Holds,
    behind,
    column,
    columns_of,
    from_json,
    key_column,
    relation_of,
    shown_relation,
    to_json,
    value,
)
from integrations.pull.windows import Bound, across_an_hour_that_comes_twice, bound_of, day_of, moment_of, naive_text

MAX_RECORDS = 1000
STRETCH_SECONDS = 60
ANSWER_SECONDS = 60
COUNT_SECONDS = 5
MAX_PAGE_BYTES = 50_000_000
FIRST_ROWS = 100  # taken at once until it is known how long they are
GRACE_SECONDS = 2  # in which an honest server ends a statement itself; one that was left alone goes on with it


class SqlSource:
    """Reads one feed of a database, by a connection of its own for each stretch of reading."""

    fields: frozenset[str] | None

    def __init__(self, feed: Feed, note: Note, *, budget_seconds: float) -> None:
        self._feed, self._note = feed, note
        self._connection = feed.connection
        self._zone = ZoneInfo(feed.time_zone)
        self._answer_seconds = max(1.0, min(ANSWER_SECONDS, budget_seconds))
        self._relation = relation_of(feed)
        self._known: Plan | None = None
        self.fields = supplied_fields(feed)
        self.names: list[str] = []  # of the columns

    def close(self) -> None:
        """Each stretch closes its own connection."""

    def sign_in(self) -> bool:
        """Reach the database and sign in; whether by TLS. Raises SourceError."""
        with self._opened(COUNT_SECONDS) as database:
            return database.is_secured

    def cursor_kind(self) -> str:
        """What the cursor column holds, by its type; moment where there is none. Raises SourceError."""
        with self._opened() as database:
            plan = self._plan(database)
        name = self._feed.cursor_column
        return kind_of(plan.holds[name], name) if name else Feed.CursorKind.MOMENT

    def pages(self, window: Window, position: Position | None = None) -> Iterator[Page]:
        """A position holds the key of the last row given out."""
        size = max(1, min(self._feed.page_size, MAX_RECORDS))
        after = None if position is None else from_json(position["after"])
        reached: str | None = None
        waiting: list[Any] = []
        is_over = False
        while not is_over:
            is_over = True
            with self._opened() as database:
                plan = self._plan(database)
                if after is None:
                    self._refuse_null_cursors(database, plan)
                begun, begun_after = time.monotonic(), after
                for rows in self._rows(database, self._statement(plan, window, after), size):
                    rows = without(rows, plan, after) if after is begun_after else rows
                    if waiting:
                        yield Page(waiting, {"after": to_json(after or ())}, reached)
                        waiting = []
                    if not rows:
                        continue
                    waiting = records_of(plan, rows)
                    after = key_of(plan, rows[-1])
                    reached = reached_by(self._feed, plan, after)
                    if time.monotonic() - begun > STRETCH_SECONDS and after != begun_after:
                        is_over = False
                        break
        yield Page(waiting, None, reached)

    def expected(self, window: Window) -> int | None:
        try:
            with self._opened(COUNT_SECONDS) as database:
                plan = self._plan(database)
                counted = sa.select(sa.func.count()).select_from(self._relation).where(*self._bounds(plan, window))
                with database.limit(COUNT_SECONDS + GRACE_SECONDS):
                    return int(database.connection.execute(counted).scalar_one())
        except TooSlow:
            return None

    def count_days(self, first_day: dt.date, last_day: dt.date, *, time_zone: str) -> day_counts.Lines:
        """What the source has of each day of the zone, first and last included: lines as `DayTotals` keeps them.

        Raises SourceError, also where the source has no column to count by.
        """
        with self._opened() as database:
            plan = self._plan(database)
            days = day_counts.Days(first_day, last_day, ZoneInfo(time_zone))
            statement = day_counts.statement(
                self._feed.entity, self._relation, plan.sources, days, lambda name, day: self._literal(plan, name, day)
            )
            with self._noted() as call, database.limit(self._answer_seconds + GRACE_SECONDS), self._told(database):
                rows = database.connection.execute(statement.limit(day_counts.MAX_ROWS + 1)).all()
                call["records"] = len(rows)
            if len(rows) > day_counts.MAX_ROWS:
                raise mapping_problem(
                    f"The days have more than {day_counts.MAX_ROWS:,} currencies and types: the columns that are "
                    "counted by hold something else."
                )
            return day_counts.lines(self._feed.entity, days, rows)

    # -- The statement --------------------------------------------------------

    def _statement(self, plan: Plan, window: Window, after: Sequence[Any] | None) -> Any:
        keys = [key_column(name, plan.holds[name]) for name in plan.keys]
        statement = (
            sa.select(*map(column, plan.selected)).select_from(self._relation).where(*self._bounds(plan, window))
        )
        if after is not None:
            has_cursor = bool(self._feed.cursor_column)
            nulls_last = self._connection.kind == Connection.Kind.POSTGRESQL
            statement = statement.where(behind(keys, after, nulls_last=nulls_last, first_is_null=not has_cursor))
            if has_cursor:  # once more by itself, which an index can begin at
                statement = statement.where(keys[0] >= value(after[0]))
        return statement.order_by(*keys)

    def _bounds(self, plan: Plan, window: Window) -> list[Any]:
        name = self._feed.cursor_column
        if not name:
            return []
        found = []
        if window.since:
            found.append(column(name) >= value(self._literal(plan, name, self._widened(plan, name, window.since))))
        if window.until:
            found.append(
                column(name)
                < value(self._literal(plan, name, self._widened(plan, name, window.until, up=True), up=True))
            )
        return found

    def _widened(self, plan: Plan, name: str, text: str, up: bool = False) -> Bound:
        try:
            bound = bound_of(text)
        except ValueError:
            raise mapping_problem(f"“{text[:64]}” is no cursor: set it to a moment, a date or a number.") from None
        if plan.holds[name] != Holds.MOMENT or isinstance(bound, Decimal):
            return bound
        return across_an_hour_that_comes_twice(moment_of(bound, self._zone), self._zone, up=up)

    def _literal(self, plan: Plan, name: str, bound: Bound, up: bool = False) -> Any:
        """A bound as the column compares with it."""
        holds = plan.holds[name]
        kind = kind_of(holds, name)
        if isinstance(bound, Decimal) or kind == Feed.CursorKind.NUMBER:
            if not isinstance(bound, Decimal) or kind != Feed.CursorKind.NUMBER:
                raise mapping_problem(f"“{name}” and the feed's cursor are not of a kind: set the cursor anew.")
            return bound
        if kind == Feed.CursorKind.DAY:
            return day_of(bound, self._zone, up=up).isoformat()
        moment = moment_of(bound, self._zone)
        zone = UTC if holds == Holds.INSTANT else self._zone
        text = naive_text(moment, zone)
        is_postgresql = self._connection.kind == Connection.Kind.POSTGRESQL
        return f"{text}+00" if holds == Holds.INSTANT and is_postgresql else text

    def _refuse_null_cursors(self, database: OpenedDatabase, plan: Plan) -> None:
        """They stand in no window, so that such rows would never be fetched."""
        name = self._feed.cursor_column
        if not name:
            return
        statement: Any = (
            sa.select(sa.literal_column("1")).select_from(self._relation).where(column(name).is_(None)).limit(1)
        )
        with database.limit(self._answer_seconds + GRACE_SECONDS), self._told(database):
            found = database.connection.execute(statement).first()
        if found is not None:
            raise mapping_problem(
                f"The cursor column “{name}” is NULL in some rows, which no run would ever fetch: the view has to fill "
                "it, for instance by COALESCE with the date of creation."
            )

    # -- Reading --------------------------------------------------------------

    @contextmanager
    def _opened(self, answer_seconds: float | None = None) -> Iterator[OpenedDatabase]:
        """Signed in, with so long for each answer, by the server's clock too."""
        connection = self._connection
        limit = answer_seconds or self._answer_seconds
        if connection.kind == Connection.Kind.MYSQL:
            limit = limit + STRETCH_SECONDS + limit  # there a statement lasts until its last row has been taken
        target = Database(
            host=connection.host,
            port=connection.port or 0,
            database=connection.database,
            user=connection.user,
            password=secret_of(connection),
            ca_certificate=connection.ca_certificate,
        )
        kind = "postgresql" if connection.kind == Connection.Kind.POSTGRESQL else "mysql"
        try:
            with (
                told(connection, shown_relation(self._feed)),
                open_database(kind, target, statement_seconds=limit) as database,
            ):
                yield database
        except SourceError as error:
            if error.step != "read":
                self._note(Call(url=shown_relation(self._feed), problem=str(error)))
            raise

    @contextmanager
    def _told(self, database: OpenedDatabase) -> Iterator[None]:
        """A connection that was cut raises whatever the driver makes of that."""
        try:
            yield
        except Exception as error:
            if database.was_cut:
                raise too_slow(self._connection) from error
            raise

    @contextmanager
    def _noted(self) -> Iterator[dict[str, Any]]:
        """One line of the log for a statement, from its start until its last row or its failure."""
        at, started = dt.datetime.now(dt.UTC), time.monotonic()
        known: dict[str, Any] = {"records": 0}
        try:
            with told(self._connection, shown_relation(self._feed)):
                yield known
        except SourceError as error:
            known["problem"] = str(error)
            raise
        finally:
            milliseconds = int((time.monotonic() - started) * 1000)
            self._note(Call(url=shown_relation(self._feed), at=at, duration_ms=milliseconds, **known))

    def _rows(self, database: OpenedDatabase, statement: Any, size: int) -> Iterator[Sequence[Sequence[Any]]]:
        with self._noted() as call:
            with database.limit(self._answer_seconds + GRACE_SECONDS), self._told(database):
                result = database.connection.execution_options(stream_results=True, yield_per=size).execute(statement)
            part = FIRST_ROWS
            while rows := self._page(database, result, size, part):
                call["records"] += len(rows)
                part = size if _weight(rows) * size < MAX_PAGE_BYTES * len(rows) else FIRST_ROWS
                yield rows

    def _page(self, database: OpenedDatabase, result: Any, size: int, part: int) -> list[Sequence[Any]]:
        """As many rows as a page has, taken in parts, so that long ones are seen before there are too many of them."""
        rows: list[Sequence[Any]] = []
        weight = 0
        while len(rows) < size:
            with database.limit(self._answer_seconds + GRACE_SECONDS), self._told(database):
                taken = result.fetchmany(min(part, size - len(rows)))
            if not taken:
                break
            weight += _weight(taken)
            if weight > MAX_PAGE_BYTES:
                raise mapping_problem(
                    f"A page of {size:,} rows of {shown_relation(self._feed)} holds more than"
                    f" {MAX_PAGE_BYTES // 1_000_000:,} MB: make the feed's pages smaller, or shorten what the longest"
                    " column holds."
                )
            rows += taken
        return rows

    def _plan(self, database: OpenedDatabase) -> Plan:
        if self._known is None:
            with self._noted(), database.limit(self._answer_seconds + GRACE_SECONDS), self._told(database):
                holds = columns_of(database.connection, self._connection.kind, self._relation)
            self.names = list(holds)
            self._known = plan_of(self._feed, holds)
            self.fields = supplied_fields(self._feed, self._known.sources)
        return self._known


def _weight(rows: Sequence[Sequence[Any]]) -> int:
    """Characters of text: all else is short."""
    return sum(len(of) for row in rows for of in row if type(of) is str)
