"""A single record that is new, as most that come by themselves are: stored with its batch and its count in one message.

Ten statements and the waits between them take four times as long as what they do, and planning them as long again.
Whatever needs more than this, or is stored already, goes the way of every batch.
"""

from __future__ import annotations

from typing import Any

from django.db import IntegrityError, OperationalError, connection

from entities.models import Batch, Entity
from entities.pipeline.locks import INGEST_LOCK
from entities.pipeline.tables import TABLES
from entities.pipeline.transaction import RETRYABLE, STATEMENT_TIMEOUT, as_json, batch_values


def function_sql(entity: str) -> str:
    """What creates the function that stores a record of the entity with its batch, both given as JSON. It returns the
    row; nothing where the key is stored already. A connection plans its statements once: that takes longer than they.

    Migrations call it, and a test tells whoever changes what goes into it that it takes another one.
    """
    table = TABLES[Entity(entity)]
    return f"""
CREATE OR REPLACE FUNCTION {function_name(entity)}(sent jsonb, done jsonb, of_slot integer) RETURNS SETOF {table.name}
LANGUAGE plpgsql AS $$
DECLARE
    record {table.name} := jsonb_populate_record(NULL::{table.name}, sent);
BEGIN
    PERFORM pg_advisory_xact_lock_shared({INGEST_LOCK}, record.environment_id::integer);
    SELECT {", ".join(table.computed.values())}
      INTO {", ".join(f"record.{name}" for name in table.computed)}
      FROM (SELECT record.*) AS i;
    record.id := nextval('{table.name}_id_seq');
    -- The message may have begun before the lock was granted, so the record bears the clock's time.
    record.received_at := clock_timestamp();
    record.updated_at := record.received_at;
    INSERT INTO {table.name} SELECT record.* ON CONFLICT (environment_id, {", ".join(table.key)}) DO NOTHING;
    IF FOUND THEN
        PERFORM entities_save_batch(jsonb_populate_record(NULL::entities_batch, done), of_slot, 1);
        RETURN NEXT record;
    END IF;
END $$"""


def function_name(entity: str) -> str:
    return f"entities_store_{TABLES[Entity(entity)].name.removeprefix('entities_')}"


def insert_single(batch: Batch, row: dict[str, Any], *, source: str) -> dict[str, Any] | None:
    """Store the record and its batch. The row as stored; None where its key is stored already, or comes just now."""
    columns = TABLES[Entity(batch.entity)].columns
    sent = {name: value for name, value in row.items() if name in columns}
    sent |= {"environment_id": batch.environment_id, "source": source, "batch_id": batch.id}
    values = batch_values(batch)
    connection.ensure_connection()
    # The driver's own cursor, as in `upsert`. One message is one transaction.
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        try:
            cursor.execute(
                f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}';"
                f" SELECT * FROM {function_name(batch.entity)}(%s, %s, %s)",
                [as_json(sent), values["batch"], values["slot"]],
            )
        except (OperationalError, IntegrityError) as error:
            if getattr(error.__cause__, "pgcode", None) not in RETRYABLE:
                raise
            return None
        stored = cursor.fetchone()
        return stored and dict(zip((column.name for column in cursor.description), stored, strict=True))
