"""Customers who were erased: what is personal in what is sent for them is dropped before anything is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any

from entities.models import Entity, Erasure
from entities.pipeline.report import PII_FIELDS, RecordError
from entities.pipeline.validate import schema_for
from entities.pipeline.work import Work
from track360.models import Environment

ERASED = "(erased)"
LONGEST_ID = 128


@cache
def plain_fields(entity: str | None = None) -> frozenset[str]:
    """The guide's fields, of one entity or of all, that say nothing of who a person is."""
    entities = Entity.values if entity is None else [entity]
    return frozenset(name for one in entities for name in schema_for(one)["properties"]) - PII_FIELDS


def without_personal(entity: str, record: Any) -> Any:
    """A record as sent, without the PII fields and without whatever else may hold a person: all that is no plain
    field of the guide. What is not an object may hold anything."""
    if not isinstance(record, dict):
        return ERASED
    plain = plain_fields(entity)
    return {name: value for name, value in record.items() if name in plain and not isinstance(value, dict | list)}


def concerns(record: Any) -> set[str]:
    """The customers that a record as sent may be about: its customer_id where it has one, else every value in it.

    An id that was sent as a number or between blanks was refused, and is still that customer's.
    """
    claimed = record.get("customer_id") if isinstance(record, dict) else None
    values = [claimed] if claimed is not None and not isinstance(claimed, dict | list) else _scalars(record)
    ids = {str(value).strip() for value in values}
    return {one for one in ids if 0 < len(one) <= LONGEST_ID and "\x00" not in one}


def _scalars(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _scalars(item)
    elif isinstance(value, list):
        for item in value:
            yield from _scalars(item)
    elif value is not None and not isinstance(value, bool):
        yield value


def erased_among(environment: Environment, customer_ids: Iterable[str]) -> frozenset[str]:
    """Those of the ids whose customer was erased in this environment."""
    erased = Erasure.objects.filter(environment=environment, customer_id__in=set(customer_ids))
    return frozenset(erased.values_list("customer_id", flat=True))


def drop_erased(work: Work) -> None:
    """Take erased customers' personal data out of the rows and out of the refused records, with a warning for each.

    Called where the batch holds the environment's lock, and an erasure takes that for itself: so no batch that looked
    before an erasure writes after it. One look-up, and none for a batch that carries nothing personal. Running again
    over the same batch changes nothing.
    """
    carried = _carriers(work)
    erased = erased_among(work.environment, set().union(*carried.values())) if carried else frozenset()
    if not erased:
        return
    work.records = list(work.records)  # the body stays as sent
    for position, ids in carried.items():
        if not ids & erased:
            continue
        record = work.records[position]
        if position in work.rows:
            row = {name: value for name, value in work.rows[position].items() if name not in PII_FIELDS}
            work.replace(position, row)
        work.records[position] = without_personal(work.entity, record)
        message = "was erased; what came with it of a person is dropped, the rest counts"
        work.report.warnings = [
            *work.report.warnings,
            work.finding(position, "customer_id", "erased_customer", message),
        ]


def carries_personal(work: Work) -> bool:
    """Whether `drop_erased` has anything to look up."""
    return bool(_carriers(work))


def _carriers(work: Work) -> dict[int, set[str]]:
    """Position -> customers, of the records that hold more than plain fields."""
    found = {}
    if work.entity == Entity.CUSTOMERS:
        for position, row in work.rows.items():
            if "email" in row or "first_name" in row or "last_name" in row:
                found[position] = {row["customer_id"]}
    for error in work.report.errors:
        position = error.index or 0
        record = work.records[position]
        if position not in found and without_personal(work.entity, record) != record:
            found[position] = concerns(record)
    return found


def storable(error: RecordError) -> dict[str, Any]:
    """An error as it is kept: without a value that is an object or an array, since that may hold anything."""
    nested = isinstance(error.value, str) and error.value[:1] in {"{", "["}
    return (replace(error, has_value=False) if nested else error).as_dict()
