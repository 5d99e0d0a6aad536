"""A single record that is new, as most that come by themselves are: stored with its batch and its count in one message.

Ten statements and the waits between them take four times as long as what they do. Whatever needs more than this, or
is stored already, goes the way of every batch.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import IntegrityError, OperationalError, connection

from entities.models import Batch, Entity
from entities.pipeline.columns import Columns, arrays
from entities.pipeline.insert import insert_sql
from entities.pipeline.locks import INGEST_LOCK
from entities.pipeline.tables import TABLES
from entities.pipeline.transaction import RETRYABLE, STATEMENT_TIMEOUT, batch_sql, batch_values, count_sql


@cache
def _sql(entity: str) -> str:
    """One message is one transaction. Its statement_timestamp() may be from before the lock, so the record bears the
    clock's time."""
    key = ", ".join(TABLES[Entity(entity)].key)
    insert = insert_sql(entity, now="now", beside=", (SELECT clock_timestamp() AS now OFFSET 0) AS moment")
    return f"""
SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}';
SELECT pg_advisory_xact_lock_shared({INGEST_LOCK}, %(environment)s);
WITH stored AS ({insert} ON CONFLICT (environment_id, {key}) DO NOTHING RETURNING *),
     batch AS ({batch_sql("FROM stored")}),
     counted AS ({count_sql("FROM stored")})
SELECT * FROM stored"""


def insert_single(batch: Batch, columns: Columns, *, source: str) -> dict[str, Any] | None:
    """Store the record and its batch. The row as stored; None where its key is stored already, or comes just now."""
    values = {
        **arrays(columns, TABLES[Entity(batch.entity)].columns),
        **batch_values(batch, change=1),
        "environment": batch.environment_id,
        "source": source,
        "batch": batch.id,
    }
    with connection.cursor() as cursor:
        try:
            cursor.execute(_sql(batch.entity), values)
        except (OperationalError, IntegrityError) as error:
            if getattr(error.__cause__, "pgcode", None) not in RETRYABLE:
                raise
            return None
        row = cursor.fetchone()
        return row and dict(zip((column.name for column in cursor.description), row, strict=True))
