"""From bytes to Python, without losing a digit and without guessing."""

from __future__ import annotations

import json
from decimal import Decimal
from types import NoneType
from typing import Any, NamedTuple

import msgspec
import orjson

from entities.pipeline.columns import Column, Columns, TooWide, columns_of

MAX_DEPTH = 64


class InvalidJson(ValueError):
    """The body is not JSON as RFC 8259 and the contract have it. `offset` is the byte where it goes wrong, if known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class Parsed(NamedTuple):
    """A body: numbers with a fraction or an exponent are Decimal, the others int.

    `columns` is the same by field, where it is an array of objects of plain values.
    """

    value: Any
    columns: Columns | None


def parse_json(raw: bytes) -> Any:
    """The value of a body alone. Raises InvalidJson."""
    return parse(raw).value


def parse(raw: bytes) -> Parsed:
    """Parse a body. Raises InvalidJson.

    The values come from one pass of msgspec, which hands on each digit. Of a plain array it accepts nothing that RFC
    8259 forbids; of any other body orjson is the gate (it refuses lone surrogates, and numbers that no double can
    hold), and `json` looks for keys that come twice.
    """
    try:
        value = _DECODER.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        value, columns = None, None
    else:
        columns = _plain_columns(raw, value)
    if columns is None:
        value = _strictly(raw)
    return Parsed(value, columns)


def _strictly(raw: bytes) -> Any:
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(error.msg, _byte_offset(raw, error.pos)) from None
    try:
        value = _DECODER.decode(raw)
        _STRICT.decode(raw.decode("utf-8"))
        _refuse_deep(value)
    except RecursionError:
        raise InvalidJson(_TOO_DEEP) from None
    return value


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


def _byte_offset(raw: bytes, position: int) -> int:
    """orjson counts characters of the text; the log cuts bytes."""
    try:
        return len(raw.decode("utf-8")[:position].encode("utf-8"))
    except UnicodeDecodeError as error:
        return error.start


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidJson(f"the key {key[:64]!r} appears twice in one object")
            seen.add(key)
    return found


def _plain_columns(raw: bytes, value: Any) -> Columns | None:
    """By field, where this is an array of objects of plain values, and no key can have come twice: as nearly every
    batch. The quotes tell: without escapes there are two for each key and each text, a second one of a key too. A
    number that is no double is not plain either."""
    if type(value) is not list or b"\\" in raw or set(map(type, value)) != {dict}:
        return None
    try:
        columns = columns_of(value)
    except TooWide:
        return None
    texts = sum(map(len, value))
    for column in columns.values():
        if not column.kinds <= _PLAIN or (column.kinds & _NUMBERS and not _are_doubles(column)):
            return None
        if str in column.kinds:
            texts += len(value) if len(column.kinds) == 1 else sum(type(text) is str for text in column.values)
    return columns if raw.count(b'"') == 2 * texts else None


def _are_doubles(column: Column) -> bool:
    numbers = column.filled
    if not numbers.kinds <= _NUMBERS:
        numbers = Column([value for value in numbers.values if type(value) in _NUMBERS], _NUMBERS)
    least, greatest = numbers.span
    return bool(least > -_DOUBLE and greatest < _DOUBLE)


def _refuse_deep(value: Any) -> None:
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        deeper: list[Any] = []
        for container in level:
            children = container.values() if type(container) is dict else container
            deeper += [child for child in children if type(child) is dict or type(child) is list]
        if not deeper:
            return
        level = deeper
    raise InvalidJson(_TOO_DEEP)


_NUMBERS = {int, Decimal}
_PLAIN = {str, bool, NoneType, *_NUMBERS}
_DOUBLE = Decimal("1E+308")
_DECODER = msgspec.json.Decoder(float_hook=Decimal)
_STRICT = json.JSONDecoder(object_pairs_hook=_refuse_duplicates)  # only to find a key that comes twice
