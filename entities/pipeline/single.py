"""A single record that is new, as most that come by themselves are: stored with its batch and its count in one message.

Ten statements and the waits between them take four times as long as what they do, and planning them as long again.
Whatever needs more than this, or is stored already, goes the way of every batch.
"""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from functools import cache
from typing import Any

import msgspec

from entities.listings import LISTINGS
from entities.models import CANONICAL, Entity
from entities.pipeline.facts import STATUS_FIELDS
from entities.pipeline.locks import INGEST_LOCK
from entities.pipeline.tables import TABLES
from entities.pipeline.transaction import BatchRow, as_json, in_one_message, some_slot
from track360.models import Environment


def function_sql(entity: str) -> str:
    """What creates the function that stores a record of the entity with its batch, both given as JSON. It returns the
    row; null where the key is stored already, or the environment's facts have changed since `facts_of`. A connection
    plans its statements once: that takes longer than they.

    Migrations call it, and a test tells whoever changes what goes into it that it takes another one.
    """
    table = TABLES[Entity(entity)]
    return f"""
CREATE OR REPLACE FUNCTION {function_name(entity)}(sent jsonb, done jsonb, of_slot integer, facts_of timestamptz)
RETURNS json
LANGUAGE plpgsql AS $$
DECLARE
    record {table.name} := jsonb_populate_record(NULL::{table.name}, sent);
BEGIN
    PERFORM pg_advisory_xact_lock_shared({INGEST_LOCK}, record.environment_id::integer);
    SELECT {", ".join(table.computed.values())}
      INTO {", ".join(f"record.{name}" for name in table.computed)}
      FROM (SELECT record.*) AS i
     WHERE facts_of = (SELECT e.facts_changed_at FROM track360_environment e WHERE e.id = i.environment_id);
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    record.id := nextval('{table.name}_id_seq');
    -- The message may have begun before the lock was granted, so the record bears the clock's time.
    record.received_at := clock_timestamp();
    record.updated_at := record.received_at;
    INSERT INTO {table.name} SELECT record.* ON CONFLICT (environment_id, {", ".join(table.key)}) DO NOTHING;
    IF FOUND THEN
        PERFORM entities_save_batch(jsonb_populate_record(NULL::entities_batch, done), of_slot, 1);
        RETURN row_to_json(record);
    END IF;
    RETURN NULL;
END $$"""


def function_name(entity: str) -> str:
    return f"entities_store_{TABLES[Entity(entity)].name.removeprefix('entities_')}"


_PYTHON: dict[str, Any] = {
    "ForeignKey": int,
    "BigAutoField": int,
    "IntegerField": int,
    "DecimalField": Decimal,
    "DateTimeField": dt.datetime,
    "DateField": dt.date,
    "UUIDField": uuid.UUID,
}


@cache
def _decoder(entity: str) -> msgspec.json.Decoder[Any]:
    """Of a row as JSON: an object with the attributes of the model, which takes three times as long to make."""
    model = LISTINGS[Entity(entity)].model
    fields = [
        (field.attname, _PYTHON.get(field.get_internal_type(), str) | None) for field in model._meta.concrete_fields
    ]
    canonical = [(CANONICAL[field], str | None, None) for field in STATUS_FIELDS[entity]]
    return msgspec.json.Decoder(msgspec.defstruct(model.__name__, [*fields, *canonical]))


def insert_single(batch: BatchRow, row: dict[str, Any], environment: Environment, *, source: str) -> Any:
    """Store the record and its batch. The record as stored, as `_decoder` has it; None where its key is stored already,
    or comes just now, or the environment's facts have changed since it was read."""
    columns = TABLES[Entity(batch.entity)].columns
    sent = {name: value for name, value in row.items() if name in columns}
    sent |= {"environment_id": batch.environment_id, "source": source, "batch_id": batch.id}
    stored = in_one_message(
        f"SELECT {function_name(batch.entity)}(%s, %s, %s, %s)::text",
        [as_json(sent), as_json(batch), some_slot(), environment.facts_changed_at],
    )
    return None if stored is None else _decoder(batch.entity).decode(stored)
