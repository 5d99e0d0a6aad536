"""Walking a list along its cursor, exactly once, while others write.

A walk shows the list as it stood when its first page was read. The first page notes the snapshot of its own statement
(`pg_current_snapshot()`), and a watermark taken before it: whatever bears an older `updated_at` had been committed
and has not been touched since. On the pages that follow, a record

* not updated since the watermark stands where it stood: the table's own index finds it;
* changed or removed since (a row of its history that the snapshot does not see) is shown with the values it had, at
  the place it had: the oldest such row holds them;
* brought by a batch that the snapshot does not see did not exist yet and is left out.

So nobody moves, enters or leaves the list during a walk. The second kind is few: what changed since the walk began.
`updated_since` is not walked that way: there a changed record shall come again, further on.

A batch writes its records, their history and its own row in one transaction without savepoints (a snapshot does not
list subtransactions), so the row's xmin stands for all of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass, replace
from typing import Any

from django.core import signing
from django.db import connection

from entities.listings import UPDATED_SINCE, Filters, Listing
from entities.models import Batch, Record, RecordChange
from entities.pipeline.locks import INGEST_LOCK
from entities.scans import Scan
from track360.models import Environment
from track360.problems import Problem

CURSOR_AGE_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Walk:
    """Where a walk stands and when it began. `snapshot` is None where the reader's own transaction has written."""

    page: int
    after: tuple[Any, ...]
    watermark: dt.datetime
    newest_id: int
    snapshot: str | None

    def step(self, after: tuple[Any, ...]) -> Walk:
        return replace(self, page=self.page + 1, after=after)


def watermark_for(environment: Environment) -> dt.datetime:
    """The moment before which every version of a record that will ever be stored has been committed.

    The clock is read first: who takes the lock after that writes later times.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp(), pg_stat_clear_snapshot()")
        now = cursor.fetchone()[0]
        cursor.execute(
            """
            SELECT min(activity.xact_start)
            FROM pg_locks lock JOIN pg_stat_activity activity USING (pid)
            WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 2
              AND lock.classid = %s AND lock.objid = %s
              AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """,
            [INGEST_LOCK, environment.pk],
        )
        oldest = cursor.fetchone()[0]
    return now if oldest is None else min(now, oldest)


def first_rows(
    environment: Environment, listing: Listing, filters: Filters, *, limit: int, offset: int
) -> list[Record]:
    """The rows of a page by number. Each bears `walk_snapshot` and `walk_newest_id`, for a walk that begins here."""
    columns = f"""t.*,
        CASE WHEN pg_current_xact_id_if_assigned() IS NULL THEN pg_current_snapshot()::text END AS walk_snapshot,
        (SELECT max(id) FROM {listing.table} WHERE environment_id = %s) AS walk_newest_id"""
    scan = Scan(environment, listing, filters)
    return scan.rows(limit=limit, offset=offset, columns=columns, values=(environment.pk,))


def next_rows(environment: Environment, listing: Listing, filters: Filters, walk: Walk, *, limit: int) -> list[Record]:
    """The rows after `walk.after`, in order."""
    rows: list[Record] = []
    after: tuple[Any, ...] | None = walk.after
    while after is not None and len(rows) < limit:
        part, after = _window(environment, listing, filters, replace(walk, after=after), limit=limit)
        rows += part
    return rows[:limit]


def _window(
    environment: Environment, listing: Listing, filters: Filters, walk: Walk, *, limit: int
) -> tuple[list[Record], tuple[Any, ...] | None]:
    """The rows from `walk.after` to where `limit` rows of the table reach, and that place (None at the end).

    What is asked last sees most: a record that changes between two statements is found twice, never not at all.
    """
    columns = listing.order(filters)
    standing = _standing(environment, listing, filters, walk, limit=limit)
    edge = _key(standing[-1], columns) if len(standing) == limit else None
    if UPDATED_SINCE in filters or walk.snapshot is None:
        return standing, edge
    recent = [row.pk for row in standing if row.updated_at >= walk.watermark]
    moved = _changed_among(environment, listing, walk, recent) if recent else set()
    found = {row.pk: row for row in standing if row.pk not in moved}
    found |= {row.pk: row for row in _former(environment, listing, filters, walk, edge=edge, limit=limit)}
    return sorted(found.values(), key=lambda row: _key(row, columns)), edge


def _key(row: Record, columns: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(getattr(row, column) for column in columns)


def _standing(environment: Environment, listing: Listing, filters: Filters, walk: Walk, *, limit: int) -> list[Record]:
    """The table's own rows; without those that a walk with a snapshot knows to be newer than itself."""
    if UPDATED_SINCE in filters or walk.snapshot is None:
        return Scan(environment, listing, filters, after=walk.after).rows(limit=limit)
    existed, values = _existed(walk, row="t")
    conditions = f" AND t.id <= %s AND {existed}"
    scan = Scan(environment, listing, filters, conditions, (walk.newest_id, *values), walk.after)
    return scan.rows(limit=limit)


def _changed_among(environment: Environment, listing: Listing, walk: Walk, ids: list[int]) -> set[int]:
    """Which of these records changed since the walk began."""
    changed, values = _changed(environment, listing, walk)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT history.record_id {changed} AND history.record_id = ANY(%s)", [*values, ids])
        return {record_id for (record_id,) in cursor.fetchall()}


def _former(
    environment: Environment,
    listing: Listing,
    filters: Filters,
    walk: Walk,
    *,
    edge: tuple[Any, ...] | None,
    limit: int,
) -> list[Record]:
    """The records that changed or went since the walk began, as they were, where that was up to `edge`."""
    columns = listing.order(filters)
    changed, changed_values = _changed(environment, listing, walk)
    where, values = _after(environment, listing, filters, walk, row="t")
    existed, existed_values = _existed(walk, row="t")
    between, bounds = _date_between(listing, columns, walk, edge)
    if edge is not None:
        where += f" AND {_row(columns, 't')} <= {_row(columns)}"
        values += edge
        if columns == ("id",):  # known without a look at the values
            changed += " AND history.record_id > %s AND history.record_id <= %s"
            changed_values += [*walk.after, *edge]
    sql = f"""
        WITH changed AS MATERIALIZED (
            SELECT history.record_id AS id, min(history.id) AS first {changed} GROUP BY history.record_id
        )
        SELECT t.* FROM changed
        JOIN {RecordChange._meta.db_table} history
          ON history.environment_id = %s AND history.id = changed.first{between}
        CROSS JOIN LATERAL jsonb_populate_record(
            NULL::{listing.table},
            history.old || jsonb_build_object('id', changed.id, 'environment_id', %s)
        ) t
        WHERE {where} AND t.id <= %s AND {existed}
        ORDER BY {_row(columns, "t")} LIMIT %s
    """
    place = [environment.pk, *bounds, environment.pk]
    parameters = [*changed_values, *place, *values, walk.newest_id, *existed_values, limit]
    return list(listing.model._default_manager.raw(sql, parameters))


def _date_between(
    listing: Listing, columns: tuple[str, ...], walk: Walk, edge: tuple[Any, ...] | None
) -> tuple[str, list[Any]]:
    """SQL that rules most of the history out by its date alone, before whole records are made of the rest."""
    if columns[0] != listing.date_column:
        return "", []
    type_ = listing.model._meta.get_field(listing.date_column).db_type(connection)
    date = f"(history.old ->> '{listing.date_column}')::{type_}"
    if edge is None:
        return f" AND {date} >= %s", [walk.after[0]]
    return f" AND {date} BETWEEN %s AND %s", [walk.after[0], edge[0]]


def _row(columns: tuple[str, ...], row: str | None = None) -> str:
    """The columns of a row, or as many parameters, to be compared as one."""
    return f"({', '.join(f'{row}.{column}' if row else '%s' for column in columns)})"


def _after(
    environment: Environment, listing: Listing, filters: Filters, walk: Walk, *, row: str
) -> tuple[str, list[Any]]:
    """SQL for "in the list, after the walk's place"."""
    conditions, values = listing.conditions(filters, row=row)
    columns = listing.order(filters)
    sql = f"{row}.environment_id = %s{conditions} AND {_row(columns, row)} > {_row(columns)}"
    return sql, [environment.pk, *values, *walk.after]


def _changed(environment: Environment, listing: Listing, walk: Walk) -> tuple[str, list[Any]]:
    """SQL for the history that was written since the walk began."""
    assert walk.snapshot is not None
    seen, seen_values = _seen(walk.snapshot, row="history")
    sql = (
        f"FROM {RecordChange._meta.db_table} history"
        f" WHERE history.environment_id = %s AND history.entity = %s AND history.changed_at >= %s AND NOT {seen}"
    )
    return sql, [environment.pk, listing.entity.value, walk.watermark, *seen_values]


def _seen(snapshot: str, *, row: str) -> tuple[str, list[Any]]:
    """SQL for "the snapshot sees the transaction that wrote this row".

    A row's xmin is the lower half of a transaction id; the whole one is the nearest to the snapshot's own.
    """
    newest = int(snapshot.split(":")[1])
    whole = f"(%s - mod(%s - {row}.xmin::text::bigint + 2147483648, 4294967296) + 2147483648)"
    return (
        f"pg_visible_in_snapshot({whole}::text::xid8, %s::pg_snapshot)",
        [newest, newest, snapshot],
    )


def _existed(walk: Walk, *, row: str) -> tuple[str, list[Any]]:
    """SQL for "this version of the record was there when the walk began"."""
    assert walk.snapshot is not None
    seen, seen_values = _seen(walk.snapshot, row="batch")
    return (
        f"({row}.received_at < %s OR NOT EXISTS (SELECT FROM {Batch._meta.db_table} batch"
        f" WHERE batch.environment_id = {row}.environment_id AND batch.id = {row}.batch_id AND NOT {seen}))",
        [walk.watermark, *seen_values],
    )


def encode_cursor(environment: Environment, listing: Listing, filters: Filters, walk: Walk) -> str:
    """An opaque text, signed for this environment, entity and set of filters."""
    after = [value if isinstance(value, int) else value.isoformat() for value in walk.after]
    payload = [walk.page, after, walk.watermark.isoformat(), walk.newest_id, walk.snapshot]
    return signing.dumps(payload, salt=_salt(environment, listing, filters), compress=True)


def decode_cursor(environment: Environment, listing: Listing, filters: Filters, cursor: str) -> Walk:
    """The walk that `encode_cursor` wrote for the same list. Raises Problem("invalid_cursor")."""
    try:
        page, after, watermark, newest_id, snapshot = signing.loads(
            cursor, salt=_salt(environment, listing, filters), max_age=CURSOR_AGE_SECONDS
        )
    except signing.BadSignature:
        raise Problem(
            "invalid_cursor",
            "The cursor does not belong to this list with these filters, or is older than a day. "
            "Begin again without it.",
        ) from None
    return Walk(page, tuple(after), dt.datetime.fromisoformat(watermark), newest_id, snapshot)


def _salt(environment: Environment, listing: Listing, filters: Filters) -> str:
    text = repr((environment.pk, listing.entity.value, sorted((k, str(v)) for k, v in filters.items())))
    return f"entities.cursor.{hashlib.sha256(text.encode()).hexdigest()}"
