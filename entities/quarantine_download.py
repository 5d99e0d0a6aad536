"""Refused records to take away: CSV or JSON lines, streamed, with what is wrong in one more column."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from entities.history import FIELDS
from entities.models import Entity, QuarantinedRecord
from entities.quarantine_shown import Shown
from track360 import exact_json
from track360.spreadsheets import guarded

CHUNK = 500
BEFORE = ("id", "entity", "received_at", "state")
AFTER = ("other_fields", "error")


class _Echo:
    """A file that gives back what is written."""

    def write(self, text: str) -> str:
        return text


def _read(rows: QuerySet[QuarantinedRecord]) -> Iterator[QuarantinedRecord]:
    """In the order of their ids, a part at a time."""
    after = 0
    while found := list(rows.filter(pk__gt=after).order_by("pk")[:CHUNK]):
        yield from found
        after = found[-1].pk


def csv_lines(rows: QuerySet[QuarantinedRecord], *, entity: str, personal: bool) -> Iterator[str]:
    """A column for each field of the guide; what is none of them is JSON in `other_fields`.

    Only what a spreadsheet would compute is made text: what players typed stands in these cells.
    """
    entities = [Entity(entity)] if entity else list(Entity)
    fields = list(dict.fromkeys(name for one in entities for name in FIELDS[one]))
    writer = csv.writer(_Echo())
    yield writer.writerow([*BEFORE, *fields, *AFTER])
    for record in _read(rows):
        shown = Shown(record, personal)
        body = shown.body()
        known = body if isinstance(body, dict) else {}
        others = {name: value for name, value in known.items() if name not in fields} or (
            None if isinstance(body, dict) else body
        )
        cells = [
            str(record.pk),
            record.entity,
            record.received_at.isoformat(),
            record.state,
            *(_cell(known.get(name)) for name in fields),
            "" if others is None else exact_json.dumps(others),
            shown.sentences(),
        ]
        yield writer.writerow(list(map(guarded, cells)))


def _cell(value: Any) -> str:
    if value is None or isinstance(value, str):
        return (value or "").replace("\x00", "")
    return format(value, "f") if isinstance(value, Decimal) else exact_json.dumps(value)


def json_lines(rows: QuerySet[QuarantinedRecord], *, entity: str, personal: bool) -> Iterator[str]:
    """The record as it would be tried, each with its number under `_id` and what is wrong under `_errors`."""
    for record in _read(rows):
        shown = Shown(record, personal)
        body = shown.body()
        errors = [
            {"field": error["field"], "code": error["code"], "message": shown.message(error)} for error in shown.errors
        ]
        line = {**(body if isinstance(body, dict) else {"_record": body}), "_id": record.pk, "_errors": errors}
        yield f"{exact_json.dumps(line)}\n"
