"""Refused records of a lenient batch, kept whole."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from entities.models import Batch, QuarantinedRecord
from entities.pipeline.duplicates import key_of
from entities.pipeline.erased import storable
from entities.pipeline.report import RecordError

KEY_LENGTH = 500


def hold(batch: Batch, *, records: list[Any], errors: list[RecordError]) -> None:
    """Keep each refused record as sent, with its errors, in the transaction that stores the others."""
    by_position: dict[int, list[RecordError]] = defaultdict(list)
    for error in errors:
        by_position[error.index or 0].append(error)
    QuarantinedRecord.objects.bulk_create(
        QuarantinedRecord(
            environment=batch.environment,
            entity=batch.entity,
            batch_id=batch.id,
            index=position,
            received_at=batch.started_at,
            key=_readable_key(batch.entity, records[position]),
            code=found[0].code,
            field=(found[0].field or "").replace("\x00", "")[:KEY_LENGTH],
            payload=records[position],
            errors=[storable(error) for error in found],
        )
        for position, found in sorted(by_position.items())
    )


def _readable_key(entity: str, record: Any) -> str:
    """The natural key as far as it can be read, for finding the record again."""
    if not isinstance(record, dict):
        return ""
    parts = (part for part in key_of(entity, record) if isinstance(part, str))
    return " ".join(parts).replace("\x00", "")[:KEY_LENGTH]
