"""The write of a batch of which nothing is stored yet, as most are: no look at each record, no comparison.

Whether one of many ids is stored is one look at the unique index, which takes a fiftieth of the time that writing the
records does; the statement of `upsert.py`, which has to compare, takes a quarter more. A key that comes meanwhile
violates the unique key, as there. What was pushed and needs no more is stored in one message (`insert_new`); all else
within the transaction that does the rest (`insert_if_new`).
"""

from __future__ import annotations

import uuid
from functools import cache

from django.db import connection

from entities.models import Entity
from entities.pipeline.columns import Columns, arrays, height, in_order_of
from entities.pipeline.locks import INGEST_LOCK
from entities.pipeline.tables import TABLES
from entities.pipeline.transaction import BatchRow, as_json, in_one_message, some_slot
from track360.models import Environment

WITH_IDS = tuple(entity for entity, table in TABLES.items() if len(table.key) == 1)
FEW = 20
"""Up to so many records the one statement that compares is as fast as two."""


def is_stored(entity: str, *, environment: str, keys: str) -> str:
    """Whether one of the records is stored; all is given as SQL, the keys as an array.

    Ids that rise with time leave nothing between the first and the last, which is one look. ARRAY hides from the
    planner how many keys there are: it would rather read the whole environment than look up a thousand.
    """
    table = TABLES[Entity(entity)]
    (key,) = table.key
    return f"""coalesce((SELECT {key} FROM {table.name}
                  WHERE environment_id = {environment} AND {key} >= (SELECT min(key) FROM unnest({keys}) AS key)
                  ORDER BY {key} LIMIT 1) <= (SELECT max(key) FROM unnest({keys}) AS key), false)
   AND EXISTS (SELECT FROM {table.name}
                WHERE environment_id = {environment} AND {key} = ANY(ARRAY(SELECT unnest({keys}))))"""


@cache
def stored_sql(entity: str) -> str:
    """The look at a batch. Parameters: environment, keys (an array)."""
    return f"SELECT {is_stored(entity, environment='%(environment)s', keys='%(keys)s::text[]')}"


def function_sql(entity: str) -> str:
    """What creates the function that stores a pushed batch, given as an array of each column, with its row and its
    count: true; or false, and nothing stored, where one of the records may be stored already, or the environment's
    facts have changed since `facts_of`. Only for entities with an id of their own.

    Migrations call it, and a test tells whoever changes what goes into it that it takes another one.
    """
    table = TABLES[Entity(entity)]
    (key,) = table.key
    values = ", ".join(table.computed.get(name, name) for name in table.columns)
    looks = is_stored(entity, environment="of_environment", keys=f"sent_{key}")
    return f"""
CREATE OR REPLACE FUNCTION {function_name(entity)}(
    of_environment bigint, facts_of timestamptz, done jsonb, of_slot integer,
    {", ".join(f"sent_{name} {type_}[]" for name, type_ in table.columns.items())}) RETURNS boolean
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    batch entities_batch := jsonb_populate_record(NULL::entities_batch, done);
    came_at timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock_shared({INGEST_LOCK}, of_environment::integer);
    IF facts_of IS DISTINCT FROM (SELECT facts_changed_at FROM track360_environment WHERE id = of_environment)
       OR {looks} THEN
        RETURN false;
    END IF;
    -- The message may have begun before the lock was granted, so the records bear the clock's time.
    came_at := clock_timestamp();
    INSERT INTO {table.name} (environment_id, received_at, updated_at, source, batch_id, {", ".join(table.columns)})
    SELECT of_environment, came_at, came_at, batch.door, batch.id, {values}
      FROM unnest({", ".join(f"sent_{name}" for name in table.columns)}) AS i ({", ".join(table.columns)});
    PERFORM entities_save_batch(batch, of_slot, batch.created);
    RETURN true;
END $$"""


def function_name(entity: str) -> str:
    return f"entities_add_{entity}"


def insert_new(batch: BatchRow, columns: Columns, environment: Environment) -> bool:
    """Store a pushed batch and its row in one message, which is one transaction; False, and nothing stored, where one
    of the records is stored already, or comes just now, or the environment's facts have changed since it was read."""
    table = TABLES[Entity(batch.entity)]
    (key,) = table.key
    columns = in_order_of(columns, key)
    sent = list(arrays(columns, table.columns).values())
    stored = in_one_message(
        f"SELECT {function_name(batch.entity)}({', '.join(['%s'] * (4 + len(sent)))})",
        [environment.pk, environment.facts_changed_at, as_json(batch), some_slot(), *sent],
    )
    return bool(stored)


@cache
def insert_sql(entity: str) -> str:
    """The write. Parameters: the `arrays` of the columns, environment, source, batch."""
    table = TABLES[Entity(entity)]
    columns = ", ".join(table.columns)
    values = ", ".join(table.computed.get(name, name) for name in table.columns)
    return f"""
INSERT INTO {table.name} (environment_id, received_at, updated_at, source, batch_id, {columns})
SELECT %(environment)s, statement_timestamp(), statement_timestamp(), %(source)s, %(batch)s, {values}
  FROM {table.incoming()} AS i ({columns})"""


def insert_if_new(environment: Environment, *, entity: str, columns: Columns, source: str, batch_id: uuid.UUID) -> bool:
    """Insert the records where none of them is stored, and return whether that was so; inside `in_transaction`.

    Only for entities with an id of their own: a look at the four columns of activity's key costs what it would save.
    Raises IntegrityError where a key came meanwhile.
    """
    table, size = TABLES[Entity(entity)], height(columns)
    if size == 1:
        return _insert_one(environment, entity=entity, columns=columns, source=source, batch_id=batch_id)
    if size <= FEW or len(table.key) > 1:
        return False
    (key,) = table.key
    # The driver's own cursor, as in `upsert`.
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        columns = in_order_of(columns, key)
        keys = arrays(columns, [key])[key]
        cursor.execute(stored_sql(entity), {"environment": environment.pk, "keys": keys})
        if cursor.fetchone()[0]:
            return False
        cursor.execute(
            insert_sql(entity),
            {
                # Everyone locks in the same order.
                **arrays(columns, table.columns),
                "environment": environment.pk,
                "source": source,
                "batch": batch_id,
            },
        )
    return True


def _insert_one(environment: Environment, *, entity: str, columns: Columns, source: str, batch_id: uuid.UUID) -> bool:
    key = ", ".join(TABLES[Entity(entity)].key)
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        cursor.execute(
            f"{insert_sql(entity)} ON CONFLICT (environment_id, {key}) DO NOTHING",
            {
                **arrays(columns, TABLES[Entity(entity)].columns),
                "environment": environment.pk,
                "source": source,
                "batch": batch_id,
            },
        )
        return cursor.rowcount == 1
