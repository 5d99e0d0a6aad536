"""The write of a batch of which nothing is stored yet, as most are: no look at each record, no comparison.

Whether one of many ids is stored is one look at the unique index, which takes a fiftieth of the time that writing the
records does; the statement of `upsert.py`, which has to compare, takes a quarter more. A key that comes meanwhile
violates the unique key, as there. A single record is just tried: to plan that statement takes longer than to write.
"""

from __future__ import annotations

import uuid
from functools import cache

from django.db import connection

from entities.models import Entity
from entities.pipeline.columns import Columns, arrays, height, in_order_of
from entities.pipeline.tables import TABLES
from track360.models import Environment

FEW = 20
"""Up to so many records the one statement that compares is as fast as two."""


@cache
def stored_sql(entity: str) -> str:
    """Whether one of the records is stored. Parameters: environment, keys (an array), the first and the last of them.

    Ids that rise with time leave nothing between the two, which is one look. ARRAY hides from the planner how many keys
    there are: it would rather read the whole environment than look up a thousand.
    """
    table = TABLES[Entity(entity)]
    (key,) = table.key
    return f"""
SELECT coalesce((SELECT {key} FROM {table.name}
                  WHERE environment_id = %(environment)s AND {key} >= %(first)s
                  ORDER BY {key} LIMIT 1) <= %(last)s, false)
   AND EXISTS (SELECT FROM {table.name}
                WHERE environment_id = %(environment)s
                  AND {key} = ANY(ARRAY(SELECT unnest(%(keys)s::text[]))))"""


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
        keys = columns[key].values
        named = {"keys": arrays(columns, [key])[key], "first": keys[0], "last": keys[-1]}
        cursor.execute(stored_sql(entity), {"environment": environment.pk, **named})
        if cursor.fetchone()[0]:
            return False
        cursor.execute(
            insert_sql(entity),
            {
                # Everyone locks in the same order: that of the column's collation, C.
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
