"""How a sample is shown: its records with marked faults, its groups with hints, the refused rows to take away."""

from __future__ import annotations

import csv
import io
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from entities.findings import ERROR_CODES, WARNING_CODES, Code
from entities.pipeline.report import PII_FIELDS
from entities.pipeline.validate import MAX_RECORDS
from entities.privacy import HIDDEN, masked_payload, masked_value
from onboarding.models import Sample
from onboarding.sample_checks import is_without_columns
from onboarding.sample_reading import Text, Unreadable, csv_rows, look
from onboarding.sample_results import Checked, Json, records_from
from track360 import exact_json
from track360.payload import Line, payload_lines
from track360.spreadsheets import guarded

EDITABLE = 256 * 1024  # bytes of a payload that is mended as a whole
LAYOUT = 64 * 1024  # bytes in which a header ends

# What the pipeline cannot see, and what it means only in a sample.
CODES = (
    ERROR_CODES
    | WARNING_CODES
    | {
        "cells": Code(
            "cells",
            "The row has more or fewer cells than the header.",
            "Empty cells keep their delimiters. A cell that holds the delimiter stands in quotation marks.",
        ),
        "repeated_header": Code(
            "repeated_header",
            "The header stands in the middle of the file again.",
            "It often comes from files that were joined. Take the line out.",
        ),
    }
)


MEND = " Next: mend them here."


def sentence_of_page(sample: Sample) -> str:
    """As `sentence_for`, which lists read without the upload; nobody is sent to mend one that is gone."""
    if sample.body:
        return sentence_for(sample)
    return sentence_for(sample).replace(MEND, " The upload was erased with a customer. Next: try a new one.")


def sentence_for(sample: Sample) -> str:
    """How it stands, and what to do next."""
    if is_without_columns(sample):
        return "Not checked yet. Next: say which column is which."
    if sample.state == Sample.State.UNREADABLE:
        return f"It could not be read. {sample.problem}"
    if sample.state != Sample.State.DONE:
        return f"Being checked: {sample.checked:,} of {sample.total:,} records." if sample.total else "Being read."
    records = "record" if sample.total == 1 else "records"
    if sample.invalid:
        have = "has" if sample.invalid == 1 else "have"
        return f"{sample.invalid:,} of {sample.total:,} {records} {have} errors.{MEND}"
    all_of = f"All {sample.total:,} records are" if sample.total > 1 else "The one record is"
    if sample.warning_count:
        warnings = "1 warning" if sample.warning_count == 1 else f"{sample.warning_count:,} warnings"
        return f"{all_of} valid, with {warnings}."
    return f"{all_of} valid."


@dataclass(frozen=True)
class View:
    """A sample as one reader may see it: without `personal`, what may be a person's is dots."""

    sample: Sample
    personal: bool

    @cached_property
    def layout(self) -> Text:
        """Delimiter and header of a CSV; commas and the mapped columns where its payload was erased."""
        beginning = zlib.decompressobj().decompress(bytes(self.sample.body), LAYOUT) if self.sample.body else b""
        if len(beginning) == LAYOUT:
            beginning = beginning[: beginning.rfind(b"\n") + 1]
        try:
            return look(beginning)
        except Unreadable:
            return Text("", Sample.Format.CSV, [], list(self.sample.columns), ",")

    @property
    def is_csv(self) -> bool:
        return self.sample.format == Sample.Format.CSV

    def record(self, record: Any) -> Any:
        return record if self.personal else masked_payload(self.sample.entity, record)

    def message(self, finding: Json) -> str:
        """What was said; about a personal field a viewer reads the rule, not a sentence that may quote the value."""
        if not self.personal and finding["field"] in PII_FIELDS:
            known = CODES.get(finding["code"])
            return known.meaning if known else "is not allowed"
        return str(finding["message"])

    def lines(self, checked: Checked) -> list[Line]:
        """The record laid out as JSON, or its row, with each error on the line where it lies."""
        if self.is_csv:
            messages = tuple(f"{error['field'] or 'The row'} {self.message(error)}" for error in checked.errors)
            return [Line(checked.line, self.row(checked.record), messages)]
        prefix = f"/{checked.index - checked.index // MAX_RECORDS * MAX_RECORDS}"
        errors = [(error["pointer"].removeprefix(prefix), self.message(error)) for error in checked.errors]
        lines = payload_lines(self.record(checked.record), errors)
        if checked.span != len(lines):
            return lines
        # It was sent laid out over lines as it is here: they bear the numbers that they have in the payload.
        return [Line(checked.line + line.number - 1, line.text, line.messages) for line in lines]

    def first_rows(self, number: int) -> list[list[str]]:
        """The first rows under the header as this reader may see them, from the beginning of the payload."""
        try:
            rows = list(itertools.islice(text_rows(self.layout), 1, number + 1))
        except Unreadable:
            return []
        return [self._shown_row(row) for row in rows]

    def columns(self) -> list[tuple[str, str]]:
        """Column and field of a CSV, in the file's order."""
        return [(name, self.sample.columns.get(name, "")) for name in self.layout.header] if self.is_csv else []

    def row(self, record: Json) -> str:
        """A record as the row that it was, without the columns that hold no field."""
        record = self.record(record)
        cells = [record.get(field, "") for name in self.layout.header if (field := self.sample.columns.get(name))]
        return _csv_line([_cell(cell) for cell in cells], self.layout.delimiter)

    def explained(self, finding: Json) -> Json:
        """A finding with the rule behind it and what to do about it."""
        known = CODES.get(finding["code"])
        return {
            **finding,
            "message": self.message(finding),
            "meaning": known.meaning if known else "",
            "hint": known.hint if known else "",
        }

    def groups(self) -> list[Json]:
        return self.all_explained(self.sample.groups)

    def all_explained(self, findings: list[Json]) -> list[Json]:
        return [self.explained(finding) for finding in findings]

    # -- The refused rows, to take away ---------------------------------------

    def refused_csv(self) -> str:
        """The faulty rows as they were sent, under the same header, with what is wrong in one more column.

        Only what a spreadsheet would compute is made text: what players typed stands in these cells.
        """
        faults = {found.index: found for found in records_from(self.sample, faulty=True)}
        layout = self.layout
        out = io.StringIO()
        writer = csv.writer(out, delimiter=layout.delimiter)
        writer.writerow([*map(guarded, layout.header), "error"])
        for index, row in enumerate(self._rows(faults)):
            if index in faults:
                shown = self._shown_row(row)
                padding = [""] * (len(layout.header) - len(row))
                writer.writerow([*map(guarded, shown), *padding, guarded(self.sentences(faults[index]))])
        return out.getvalue()

    def _rows(self, faults: dict[int, Checked]) -> Iterator[list[str]]:
        """As sent; from the records where the payload was erased."""
        if self.sample.body:
            rows = text_rows(look(zlib.decompress(bytes(self.sample.body))))
            yield from itertools.islice(rows, 1, None)
            return
        for index in range(self.sample.total):
            record = faults[index].record if index in faults else {}
            yield [_cell(record.get(self.sample.columns.get(name), "")) for name in self.layout.header]

    def _shown_row(self, row: list[str]) -> list[str]:
        return row if self.personal else [self._masked_cell(place, cell) for place, cell in enumerate(row)]

    def _masked_cell(self, place: int, cell: str) -> str:
        header = self.layout.header
        field = self.sample.columns.get(header[place], "") if place < len(header) else ""
        return str(masked_value(field, cell)) if field else HIDDEN

    def refused_lines(self) -> str:
        """The faulty records as JSON lines, each with what is wrong under `_errors`."""
        lines = []
        for found in records_from(self.sample, faulty=True):
            record = self.record(found.record)
            body = record if isinstance(record, dict) else {"_record": record}
            errors = [self._short(error) for error in found.errors]
            lines.append(exact_json.dumps({**body, "_errors": errors}))
        return "".join(f"{line}\n" for line in lines)

    def sentences(self, found: Checked) -> str:
        return "; ".join(f"{error['field'] or 'row'} {self.message(error)}" for error in found.errors)

    def _short(self, error: Json) -> Json:
        return {"field": error["field"], "code": error["code"], "message": self.message(error)}


def text_rows(text: Text) -> Iterator[list[str]]:
    """The rows of a CSV that hold something, its header the first."""
    return (row for row, _ in csv_rows(text.text, text.delimiter) if any(row))


def _csv_line(cells: list[str], delimiter: str) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, lineterminator="").writerow(cells)
    return out.getvalue()


def _cell(value: Any) -> str:
    return "" if value is None else value if isinstance(value, str) else str(value)


def editable_text(sample: Sample) -> str | None:
    """The whole payload as text, where it is small enough to be mended in one piece."""
    if not sample.body or sample.size > EDITABLE:
        return None
    return look(zlib.decompress(bytes(sample.body))).text


def faulty_text(sample: Sample, found: list[Checked]) -> str:
    """Faulty records to be mended apart from the rest: rows under their header, or JSON lines."""
    if sample.format != Sample.Format.CSV:
        return "\n".join(exact_json.dumps(checked.record) for checked in found)
    text = look(zlib.decompress(bytes(sample.body)))
    wanted = {checked.index for checked in found}
    rows = text_rows(text)
    lines = [next(rows), *(row for index, row in enumerate(rows) if index in wanted)]
    return "\n".join(_csv_line(row, text.delimiter) for row in lines)
