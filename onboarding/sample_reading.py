"""From the bytes of a sample to its records: which format it is, what was odd about it, on which line each begins.

Pure: nothing here touches the database. The API takes JSON in UTF-8 only; a sample may be what a spreadsheet saves, and
is told apart and told about.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from entities.pipeline import InvalidJson, parse_json
from entities.pipeline.validate import MAX_RECORDS
from onboarding.models import Sample
from onboarding.sample_columns import cell_value, is_known_name

MAX_BYTES = 10 * 1024 * 1024
MAX_SAMPLE_RECORDS = 200_000
MAX_COLUMNS = 200
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
BINARIES = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook: unpack it, or save the sheet as CSV"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"%PDF", "a PDF: export the data as CSV or JSON"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook: save the sheet as CSV"),
    (b"Rar!", "a RAR archive: unpack it first"),
    (b"7z\xbc\xaf", "a 7-zip archive: unpack it first"),
    (b"\xff\xfe", "UTF-16 text: save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text: save it as UTF-8"),
)
BOM = b"\xef\xbb\xbf"
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
NOT_BLANK = re.compile(r"[^ \t\r\n]")


class Unreadable(Exception):
    """A payload of which no record can be read; the text is a sentence for whoever sent it."""


@dataclass(frozen=True)
class Text:
    """A payload as text, and how it is laid out. `header` and `delimiter` only of CSV."""

    text: str
    format: str
    notices: list[str]
    header: list[str] = field(default_factory=list)
    delimiter: str = ""


@dataclass(frozen=True)
class Finding:
    """Something wrong with a record that the pipeline cannot see: it lies in how the file was written."""

    code: str
    message: str


@dataclass(frozen=True)
class Chunk:
    """Up to 1,000 records with the line on which each begins (from 1), and findings by position in the chunk."""

    records: list[Any]
    lines: list[int]
    findings: dict[int, Finding]


def look(payload: bytes) -> Text:
    """Decode a payload and tell its format, without reading all of it. Raises Unreadable."""
    if len(payload) > MAX_BYTES:
        raise Unreadable(f"It has {len(payload) / 2**20:.1f} MB; a sample has at most {MAX_BYTES // 2**20} MB.")
    text, notices = decoded(payload)
    if not NOT_BLANK.search(text):
        raise Unreadable("It is empty. Paste or upload at least one record.")
    start = text.lstrip(" \t\r\n")
    if start[0] == "[":
        return Text(text, Sample.Format.JSON, notices)
    if start[0] == "{":
        return Text(text, _object_or_lines(start), notices)
    if start[0] == "<":
        raise Unreadable("This looks like XML or a web page. Send JSON, JSON lines or CSV.")
    return _csv(text, notices)


def chunks(text: Text, entity: str, columns: Mapping[str, str]) -> Iterator[Chunk]:
    """The records in order, in chunks as the pipeline takes them. Raises Unreadable, where it goes wrong late too."""
    readers = {Sample.Format.JSON: _json_records, Sample.Format.LINES: _line_records}
    found: Iterator[tuple[Any, int, Finding | None]]
    if text.format == Sample.Format.CSV:
        found = _csv_records(text, entity, columns)
    else:
        found = readers[Sample.Format(text.format)](text.text)
    count = 0
    while part := list(itertools.islice(found, MAX_RECORDS)):
        count += len(part)
        if count > MAX_SAMPLE_RECORDS:
            raise Unreadable(
                f"It has over {MAX_SAMPLE_RECORDS:,} records. Send a part of them: a sample is to learn from."
            )
        findings = {position: finding for position, (_, _, finding) in enumerate(part) if finding}
        yield Chunk([record for record, _, _ in part], [line for _, line, _ in part], findings)
    if not count:
        raise Unreadable("The array is empty. Send at least one record.")


# -- Bytes to text ------------------------------------------------------------


def decoded(payload: bytes) -> tuple[str, list[str]]:
    """The text, and sentences on what was odd about its bytes. Raises Unreadable for what is no text."""
    for start, what in BINARIES:
        if payload.startswith(start):
            raise Unreadable(f"This is {what}. Send JSON, JSON lines or CSV as text.")
    beginning = payload[:8192]
    if len(CONTROL.findall(beginning)) > 8 + len(beginning) // 50:
        raise Unreadable("This is a binary file. Send JSON, JSON lines or CSV as text.")
    notices = []
    if payload.startswith(BOM):
        payload = payload[len(BOM) :]
        notices.append("It began with a byte order mark, which was taken away; the API refuses a body with one.")
    try:
        return payload.decode("utf-8"), notices
    except UnicodeDecodeError:
        notices.append("It is not UTF-8 and was read as Windows-1252 (latin-1); the API takes UTF-8 only.")
        return payload.decode("cp1252", errors="replace"), notices


# -- JSON ---------------------------------------------------------------------


def _object_or_lines(text: str) -> str:
    """One object, which may span lines, or an object a line: told by where the first object ends."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        # Broken: lines where more than one line begins an object of its own.
        objects = sum(line.startswith("{") for line in itertools.islice(io.StringIO(text), 1000))
        return Sample.Format.LINES if objects > 1 else Sample.Format.JSON
    return Sample.Format.LINES if NOT_BLANK.search(text, end) else Sample.Format.JSON


def _json_records(text: str) -> Iterator[tuple[Any, int, None]]:
    value = _parsed(text, first_line=1)
    if isinstance(value, dict):
        wrapped = next((name for name, member in value.items() if _is_records(member)), None)
        if wrapped is not None:
            raise Unreadable(
                f"This is one object whose member “{wrapped[:64]}” holds the records. Send that list itself."
            )
        yield value, _line_at(text, text.index("{")), None
        return
    yield from ((record, line, None) for record, line in zip(value, _element_lines(text), strict=True))


def _is_records(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) for item in value[:5])


def _element_lines(text: str) -> Iterator[int]:
    """The line on which each element of the array begins; the text is known to be JSON."""
    decoder = json.JSONDecoder()
    line, counted, place = 1, 0, text.index("[") + 1
    while (begin := NOT_BLANK.search(text, place)) and begin.group() != "]":
        line += text.count("\n", counted, begin.start())
        counted = begin.start()
        yield line
        _, end = decoder.raw_decode(text, counted)
        after = NOT_BLANK.search(text, end)
        place = after.end() if after and after.group() == "," else end


def _line_records(text: str) -> Iterator[tuple[Any, int, None]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip(" \t\r"):
            yield _parsed(line, first_line=number), number, None


def _parsed(text: str, *, first_line: int) -> Any:
    raw = text.encode("utf-8", errors="surrogatepass")
    try:
        return parse_json(raw)
    except InvalidJson as error:
        place = f"Line {first_line}"
        if error.offset is not None:
            before = raw[: error.offset].decode("utf-8", errors="replace")
            place = f"Line {first_line + before.count(chr(10))}, character {len(before) - before.rfind(chr(10))}"
        raise Unreadable(f"{place}: not valid JSON, {error}.") from None


def _line_at(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


# -- CSV ----------------------------------------------------------------------


def _csv(text: str, notices: list[str]) -> Text:
    first = text.lstrip("\r\n").partition("\n")[0].rstrip("\r")
    bare = re.sub(r'"[^"]*"', "", first)
    delimiter = max(DELIMITERS, key=bare.count)
    if not bare.count(delimiter):
        raise Unreadable(
            "It is neither JSON nor CSV: it begins with neither { nor [, and its first line has no comma, "
            "semicolon, tab or bar between columns."
        )
    if delimiter != ",":
        notices.append(f"Its columns are separated by {DELIMITERS[delimiter]}.")
    if sum(1 for _ in itertools.islice((row for row, _ in csv_rows(text, delimiter) if any(row)), 2)) < 2:
        raise Unreadable("It has a header and no rows under it. Send at least one record.")
    return Text(text, Sample.Format.CSV, notices, _header(text, delimiter), delimiter)


def _header(text: str, delimiter: str) -> list[str]:
    cells = [cell.strip() for cell in next((row for row, _ in csv_rows(text, delimiter) if any(row)), [])]
    if len(cells) > MAX_COLUMNS:
        raise Unreadable(f"The first line has {len(cells)} columns; a sample has at most {MAX_COLUMNS}.")
    if any("\x00" in cell for cell in cells):
        raise Unreadable("The first line holds a NUL character. Take it out.")
    if sum(_is_value(cell) for cell in cells) * 2 >= len(cells):
        raise Unreadable("The first line must name the columns, and it looks like data. Put a header line above it.")
    names = [cell[:200] or f"(column {number})" for number, cell in enumerate(cells, start=1)]
    doubled = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if doubled is not None:
        raise Unreadable(f"The header names the column “{doubled}” twice. Rename or take out one of them.")
    return names


def _is_value(cell: str) -> bool:
    """Whether a cell of the first line is no name: a figure, a date, an address, an id with a number."""
    if is_known_name(cell):
        return False
    return bool(re.fullmatch(r"[-+]?[\d.,:TZ/ -]+|\d{4}-\d\d-\d\d.*|\S+@\S+|[A-Z]{2,3}|[a-z]+_\d+", cell, re.ASCII))


def csv_rows(text: str, delimiter: str) -> Iterator[tuple[list[str], int]]:
    """Each row with the line on which it begins. Raises Unreadable."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for row in reader:
            yield row, line
            line = reader.line_num + 1
    except csv.Error as error:
        raise Unreadable(f"Line {line}: not valid CSV, {error}. Is a quotation mark missing or doubled?") from None


def _csv_records(text: Text, entity: str, columns: Mapping[str, str]) -> Iterator[tuple[Any, int, Finding | None]]:
    width = len(text.header)
    places = [(place, columns[name]) for place, name in enumerate(text.header) if columns.get(name)]
    rows = ((row, line) for row, line in csv_rows(text.text, text.delimiter) if any(row))
    names = next(rows)[0]
    for row, line in rows:
        finding = None
        if row == names:
            finding = Finding("repeated_header", "repeats the header; take this line out")
        elif len(row) != width:
            few = "too few" if len(row) < width else "too many"
            finding = Finding("cells", f"has {len(row)} cells where the header has {width}: {few}")
        values = ((field, cell_value(entity, field, row[place])) for place, field in places if place < len(row))
        yield {field: value for field, value in values if value is not None}, line, finding
