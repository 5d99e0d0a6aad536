"""The write: one statement a batch, which tells for each record what became of it. A batch of which nothing is stored
yet does without the comparison (see `insert.py`).

The statement compares each incoming record with the stored one as of its own snapshot, inserts what is new, updates
what differs, writes the old values of what it updates to the history, and touches nothing else. Another batch over the
same keys at the same moment shows: a key that came meanwhile violates the unique key, and an update that finds its row
changed meanwhile does nothing, so that the counts differ. The batch is then rolled back and run once more with the
environment to itself.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache
from typing import Any

from django.db import connection

from entities.models import Entity
from entities.pipeline.columns import Columns, arrays, height
from entities.pipeline.insert import insert_if_new
from entities.pipeline.policy import PUSHED, Door, Policy
from entities.pipeline.tables import TABLES, Table
from entities.pipeline.transaction import Contended
from track360.models import Environment


class Stands(StrEnum):
    """Why a stored version stands against the one that came."""

    NEWER = "newer"  # by the last_modified_date of the two
    LATER = "later"  # stored after the other was read or refused
    DIFFERS = "differs"  # pushed, and pulled for comparison


@dataclass(frozen=True, slots=True)
class Standing:
    """A stored version that stands: why, as of when; where it differs, its id and the fields that do."""

    why: Stands
    since: str
    record_id: int | None = None
    fields: tuple[str, ...] = ()


@dataclass(slots=True)
class Written:
    """What became of the rows, by their place in the list; all others were created.

    `updated` holds the old values that warnings need, `stale` the versions that stand instead. `agreed` are the ids of
    records that a comparing pull found to agree.
    """

    created: int
    unchanged: list[int]
    updated: dict[int, dict[str, Any]]
    stale: dict[int, Standing]
    agreed: list[int] = field(default_factory=list)


# What was pushed, or is a replay of what was; of a record named `s`.
PUSHED_SQL = """(s.source = 'push' OR s.source = 'replay' AND NOT EXISTS (
                    SELECT FROM entities_batch b
                     WHERE b.environment_id = s.environment_id AND b.id = s.batch_id AND b.run_id IS NOT NULL))"""
# When the standing version was stored: `updated_at` moves also where we ourselves fill in its dollars, or empty it.
STORED_SQL = """EXISTS (SELECT FROM entities_batch b
                     WHERE b.environment_id = s.environment_id AND b.id = s.batch_id AND b.finished_at {})"""
_SIGHTED = """,
sighted AS (
    INSERT INTO entities_sighting (environment_id, entity, record_id, door, seen_at)
    SELECT %(environment)s, %(entity)s, old_id, %(source)s, statement_timestamp()
      FROM verdict v
     WHERE outcome = 'unchanged' AND (v.old).source <> %(source)s
       AND NOT EXISTS (SELECT FROM entities_sighting g
                        WHERE g.environment_id = %(environment)s AND g.entity = %(entity)s AND g.record_id = v.old_id
                          AND g.door = %(source)s AND g.seen_at >= (v.old).updated_at)
        ON CONFLICT (environment_id, entity, record_id, door) DO UPDATE SET seen_at = excluded.seen_at
)"""


def _verdict(table: Table, door: Door) -> str:
    """The cases of `outcome` after `created`, in order: which version stands (contract, section 3)."""
    stored = ", ".join(expression.format("s") for expression in table.sent.values())
    incoming = ", ".join(expression.format("i") for expression in table.sent.values())
    newer = f"WHEN {table.stale} THEN '{Stands.NEWER}'"
    same = f"WHEN ({stored}) IS NOT DISTINCT FROM ({incoming}) THEN 'unchanged'"
    pushed_since = (
        f"WHEN s.source = 'push' AND s.updated_at >= %(fetched_since)s"
        f" AND NOT {STORED_SQL.format('< %(fetched_since)s')} THEN '{Stands.LATER}'"
    )
    match door:
        case Door.PUSH:
            cases = [newer, same]
        case Door.PULL:
            cases = [newer, same, pushed_since]
        case Door.COMPARE:
            # Only the fields that the source has: it says nothing of the others.
            agree = " AND ".join(
                f"(NOT '{name}' = ANY(%(fields)s) OR {expression.format('s')} IS NOT DISTINCT FROM"
                f" {expression.format('i')})"
                for name, expression in table.sent.items()
            )
            differs = f"WHEN {PUSHED_SQL} THEN '{Stands.DIFFERS}'"
            cases = [newer, f"WHEN {PUSHED_SQL} AND {agree} THEN 'unchanged'", same, pushed_since, differs]
        case Door.REPLAY:
            later = f"s.updated_at > i.came_at AND NOT {STORED_SQL.format('<= i.came_at')}"
            cases = [newer, same, f"WHEN {later} THEN '{Stands.LATER}'", pushed_since]
    return " ".join(cases)


def _compared(table: Table) -> tuple[str, str]:
    """Those of the source's fields in which the versions are unlike, and the records that a pull found to agree."""
    named = ", ".join(
        f"CASE WHEN '{name}' = ANY(%(fields)s)"
        f" AND {expression.format('(v.old)')} IS DISTINCT FROM {expression.format('v')} THEN '{name}' END"
        for name, expression in table.sent.items()
    )
    return (
        f"array_remove(ARRAY[{named}]::text[], NULL)",
        "array_agg(old_id) FILTER (WHERE outcome IN ('unchanged', 'updated'))",
    )


def _writes(table: Table) -> str:
    """The parts of the statement that write: what is new, what differs, and the old values of that."""
    columns = ", ".join(table.columns)
    assignments = ", ".join(
        f"{name} = {table.assign.get(name, f'v.{name}')}" for name in table.columns if name not in table.key
    )
    return f"""inserted AS (
    INSERT INTO {table.name} (environment_id, received_at, updated_at, source, batch_id, {columns})
    SELECT %(environment)s, statement_timestamp(), statement_timestamp(), %(source)s, %(batch)s, {columns}
      FROM verdict WHERE outcome = 'created'
),
updated AS (
    UPDATE {table.name} t
       SET updated_at = statement_timestamp(), source = %(source)s, batch_id = %(batch)s, {assignments}
      FROM verdict v
     WHERE v.outcome = 'updated' AND t.environment_id = %(environment)s
       AND t.ctid = v.place_on_disk AND t.xmin = v.old_version
    RETURNING 1
),
changed AS (
    INSERT INTO entities_recordchange (environment_id, entity, record_id, changed_at, batch_id, removed, old)
    SELECT %(environment)s, %(entity)s, old_id, statement_timestamp(), %(batch)s, false, to_jsonb(v.old)
      FROM verdict v WHERE outcome = 'updated'
)"""


@cache
def upsert_sql(entity: str, door: Door) -> str:
    """The statement. Parameters: the `arrays` of the columns, environment, source, batch, entity; by a pull, and a
    replay of one, also fetched_since, where it compares also fields."""
    table = TABLES[Entity(entity)]
    came_at = {"came_at": "timestamptz"} if door == Door.REPLAY else {}
    columns = ", ".join(table.columns | came_at)
    values = ", ".join(
        f"{table.computed[name]} AS {name}" if name in table.computed else name for name in (table.columns | came_at)
    )
    match = " AND ".join(f"s.{name} = i.{name}" for name in table.key)
    old = ", ".join(f"'{name}', ((v.old).{name})::text" for name in table.old)
    guard = f"CASE WHEN outcome = '{Stands.NEWER}' THEN (v.old).version_guard ELSE (v.old).updated_at END"
    if "version_guard" not in table.columns:
        guard = "(v.old).updated_at"
    unlike, agreed = _compared(table) if door == Door.COMPARE else ("NULL", "NULL")
    standing = ", ".join(f"'{why}'" for why in Stands)
    return f"""
WITH incoming AS MATERIALIZED (
    SELECT ordinality - 1 AS place, {values}
      FROM {table.incoming(came_at)} WITH ORDINALITY AS i ({columns}, ordinality)
),
verdict AS MATERIALIZED (
    SELECT i.*, s.old, s.id AS old_id, s.place_on_disk, s.old_version,
           CASE WHEN s.id IS NULL THEN 'created' {_verdict(table, door)} ELSE 'updated' END AS outcome
      FROM incoming i
      LEFT JOIN LATERAL (
           -- LIMIT keeps it a look-up by the unique key for each record, whatever the planner thinks of the table.
           SELECT s.*, s AS old, s.ctid AS place_on_disk, s.xmin AS old_version
             FROM {table.name} s WHERE s.environment_id = %(environment)s AND {match} LIMIT 1
           ) s ON true
     ORDER BY {", ".join(f"i.{name}" for name in table.key)}  -- everyone locks in the same order
),
{_writes(table)}{"" if door == Door.REPLAY else _SIGHTED}
SELECT (SELECT count(*) FROM updated),
       count(*) FILTER (WHERE outcome = 'created'),
       array_agg(place) FILTER (WHERE outcome = 'unchanged'),
       json_object_agg(place, json_build_object({old})) FILTER (WHERE outcome = 'updated'),
       json_object_agg(place, json_build_array(outcome, {guard}, old_id, {unlike}))
           FILTER (WHERE outcome IN ({standing})),
       {agreed}
  FROM verdict v
"""


def upsert(
    environment: Environment,
    *,
    entity: str,
    columns: Columns,
    source: str,
    batch_id: uuid.UUID,
    policy: Policy = PUSHED,
    may_be_new: bool = True,
) -> Written:
    """Store them; inside `in_transaction`. `may_be_new`: nothing says yet that one of them is stored already.

    Raises Contended, or IntegrityError where a new key came meanwhile.
    """
    if not height(columns):
        return Written(0, [], {}, {})
    if may_be_new and insert_if_new(environment, entity=entity, columns=columns, source=source, batch_id=batch_id):
        return Written(height(columns), [], {}, {})
    # The driver's own cursor: with DEBUG Django's would keep and format the text of every batch.
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute(
            upsert_sql(entity, policy.door),
            {
                **arrays(columns, [*TABLES[Entity(entity)].columns, "came_at"]),
                "environment": environment.pk,
                "source": source,
                "batch": batch_id,
                "entity": entity,
                "fetched_since": policy.fetched_since,
                "fields": sorted(policy.fields or TABLES[Entity(entity)].sent),
            },
        )
        updated, created, unchanged, old, stale, agreed = cursor.fetchone()
    if updated != len(old or {}):
        raise Contended
    return Written(
        created=created,
        unchanged=unchanged or [],
        updated={int(place): values for place, values in (old or {}).items()},
        stale={
            int(place): Standing(Stands(why), since, number, tuple(fields or ()))
            for place, (why, since, number, fields) in (stale or {}).items()
        },
        agreed=agreed or [],
    )


_REMOVE_OTHERS = """
WITH kept AS MATERIALIZED (
    SELECT * FROM unnest(%(customer_id)s::text[], %(game_type)s::text[], %(currency)s::text[])
        AS r(customer_id, game_type, currency)
),
removed AS (
    DELETE FROM entities_activity s
     WHERE environment_id = %(environment)s AND date = %(day)s
       AND (%(customer)s::text IS NULL OR customer_id = %(customer)s)
       AND NOT EXISTS (SELECT 1 FROM kept k
                        WHERE (k.customer_id, k.game_type, k.currency)
                            = (s.customer_id, s.game_type, s.currency))
    RETURNING s.*
),
changed AS (
    INSERT INTO entities_recordchange
           (environment_id, entity, record_id, changed_at, batch_id, removed, old)
    SELECT %(environment)s, 'activity', r.id, statement_timestamp(), %(batch)s, true, to_jsonb(r)
      FROM removed r
),
compared AS (
    DELETE FROM entities_difference d USING removed r
     WHERE d.environment_id = %(environment)s AND d.entity = 'activity' AND d.record_id = r.id
       AND d.closed_at IS NULL
),
sighted AS (
    DELETE FROM entities_sighting g USING removed r
     WHERE g.environment_id = %(environment)s AND g.entity = 'activity' AND g.record_id = r.id
)
SELECT count(*) FROM removed
"""


def remove_others(
    environment: Environment, *, day: str, customer_id: str | None, columns: Columns, batch_id: uuid.UUID
) -> int:
    """Take back the activity of the day (of the customer) that is not among the records; returns how many went.

    With each goes what was noted of it beside another door's version: nobody could decide on that any more.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            _REMOVE_OTHERS,
            {
                **arrays(columns, ["customer_id", "game_type", "currency"]),
                "environment": environment.pk,
                "day": day,
                "customer": customer_id,
                "batch": batch_id,
            },
        )
        return int(cursor.fetchone()[0])
