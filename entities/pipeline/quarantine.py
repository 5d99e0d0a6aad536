"""Refused records of a lenient batch, kept whole."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from django.db.models import Q, QuerySet

from entities.models import QuarantinedRecord, QuarantineEvent
from entities.pipeline.duplicates import key_of
from entities.pipeline.erased import storable
from entities.pipeline.report import RecordError
from entities.pipeline.rules import Row
from entities.pipeline.transaction import BatchRow

KEY_LENGTH = 500


def hold(batch: BatchRow, *, records: list[Any], errors: list[RecordError]) -> None:
    """Keep each refused record as sent, with its errors, in the transaction that stores the others.

    What is fetched comes again with each overlap: it is held once, and a newer version takes the place of an older one.
    """
    by_position: dict[int, list[RecordError]] = defaultdict(list)
    for error in errors:
        by_position[error.index or 0].append(error)
    held = [
        QuarantinedRecord(
            environment_id=batch.environment_id,
            entity=batch.entity,
            batch_id=batch.id,
            run_id=batch.run_id,
            index=position,
            received_at=batch.started_at,
            key=readable_key(batch.entity, records[position]),
            code=code,
            field=field,
            payload=records[position],
            errors=[storable(error) for error in found],
            waits_for=awaited_customer(records[position], found),
        )
        for position, found in sorted(by_position.items())
        for code, field in [first_cause(found)]
    ]
    if batch.run_id:
        held = _unless_held(batch, held)
    QuarantinedRecord.objects.bulk_create(held)


def first_cause(errors: list[RecordError]) -> tuple[str, str]:
    """Code and field of the first error, by which records are grouped."""
    return errors[0].code, (errors[0].field or "").replace("\x00", "")[:KEY_LENGTH]


def awaited_customer(record: Any, errors: list[RecordError]) -> str | None:
    """The customer whose coming is all that the record lacks."""
    if {error.code for error in errors} == {"unknown_customer"}:
        return str(record["customer_id"])
    return None


def supersede_held(batch: BatchRow, *, rows: list[Row]) -> None:
    """Close what was held of the records that a fetch brings in good order now."""
    held = _held(batch)
    if rows and held.exists():
        keys = [readable_key(batch.entity, row) for row in rows]
        _supersede(held.filter(key__in=keys), batch)


def _held(batch: BatchRow) -> QuerySet[QuarantinedRecord]:
    """What earlier fetches left."""
    return QuarantinedRecord.objects.filter(
        environment_id=batch.environment_id,
        entity=batch.entity,
        state=QuarantinedRecord.State.HELD,
        run_id__isnull=False,
    )


def _unless_held(batch: BatchRow, found: list[QuarantinedRecord]) -> list[QuarantinedRecord]:
    """Those that are not held yet. Other versions of the same record are superseded by them, where its whole key can
    be read: without a part of it they may be different records."""
    payloads: dict[str, list[Any]] = defaultdict(list)
    for record in found:
        payloads[record.key].append(record.payload)
    same_name = Q(key__in=payloads.keys() - {""}) | Q(key="", payload__in=payloads.get("", []))
    before: dict[str, list[QuarantinedRecord]] = defaultdict(list)
    for record in _held(batch).filter(same_name):
        before[record.key].append(record)
    fresh = [record for record in found if all(held.payload != record.payload for held in before[record.key])]
    older = [
        held.pk
        for key in {record.key for record in fresh if whole_key(batch.entity, record.payload)}
        for held in before[key]
        if held.payload not in payloads[key]
    ]
    if older:
        _supersede(_held(batch).filter(pk__in=older), batch)
    return fresh


def _supersede(records: QuerySet[QuarantinedRecord], batch: BatchRow) -> None:
    numbers = list(records.select_for_update().order_by("pk").values_list("pk", flat=True))
    QuarantinedRecord.objects.filter(pk__in=numbers).update(
        state=QuarantinedRecord.State.SUPERSEDED, closed_at=batch.started_at
    )
    QuarantineEvent.objects.bulk_create(
        QuarantineEvent(record_id=number, kind=QuarantineEvent.Kind.SUPERSEDED, batch_id=batch.id) for number in numbers
    )


def readable_key(entity: str, record: Any) -> str:
    """The natural key as far as it can be read, for finding the record again."""
    if not isinstance(record, dict):
        return ""
    parts = (part for part in key_of(entity, record) if isinstance(part, str))
    return " ".join(parts).replace("\x00", "")[:KEY_LENGTH]


def whole_key(entity: str, record: Any) -> tuple[str, ...] | None:
    """The natural key where all of it can be read: two records that lack a part of it may be different ones."""
    key = key_of(entity, record) if isinstance(record, dict) else ()
    return key if key and all(isinstance(part, str) for part in key) else None
