"""A single record that is new, as most that come by themselves are: stored with its batch and its count in one message.

Ten statements and the waits between them take four times as long as what they do, and planning them as long again.
Whatever needs more than this, or is stored already, goes the way of every batch.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django.db import IntegrityError, OperationalError, connection

from entities.models import Batch, Entity
from entities.pipeline.locks import INGEST_LOCK
from entities.pipeline.tables import TABLES
from entities.pipeline.transaction import BATCH_ROW, RETRYABLE, STATEMENT_TIMEOUT, as_json, batch_values


@cache
def _sql(entity: str) -> str:
    """One message is one transaction."""
    table = TABLES[Entity(entity)]
    more = ", ".join(f"'{name}', {value}" for name, value in table.computed.items())
    return f"""
SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}';
SELECT pg_advisory_xact_lock_shared({INGEST_LOCK}, %(environment)s);
SELECT stored.*
  FROM jsonb_populate_record(NULL::{table.name}, %(record)s) AS sent,
       entities_store_single(jsonb_populate_record(sent, jsonb_build_object({more})), {BATCH_ROW}, %(slot)s) AS stored
"""


def insert_single(batch: Batch, row: dict[str, Any], *, source: str) -> dict[str, Any] | None:
    """Store the record and its batch. The row as stored; None where its key is stored already, or comes just now."""
    sent = {name: row[name] for name in TABLES[Entity(batch.entity)].columns if name in row}
    record = sent | {"environment_id": batch.environment_id, "source": source, "batch_id": batch.id}
    values = batch_values(batch) | {"environment": batch.environment_id, "record": as_json(record)}
    with connection.cursor() as cursor:
        try:
            cursor.execute(_sql(batch.entity), values)
        except (OperationalError, IntegrityError) as error:
            if getattr(error.__cause__, "pgcode", None) not in RETRYABLE:
                raise
            return None
        stored = cursor.fetchone()
        return stored and dict(zip((column.name for column in cursor.description), stored, strict=True))
