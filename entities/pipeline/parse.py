"""From bytes to Python, without losing a digit and without guessing."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn

import orjson

MAX_DEPTH = 64


class InvalidJson(ValueError):
    """The body is not JSON as RFC 8259 and the contract have it. `offset` is the byte where it goes wrong, if known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


def parse_json(raw: bytes) -> Any:
    """Parse a body: numbers with a fraction or exponent become Decimal, the others int.

    orjson is only the gate (it refuses NaN, 1e400, a BOM, bad UTF-8 and lone surrogates); the values come from one
    pass of the standard parser, so that no second parser can disagree. Raises InvalidJson.
    """
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(_plain(error.msg), _byte_offset(raw, error.pos)) from None
    _refuse_depth(raw)
    return json.loads(
        raw, parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates
    )


def _plain(message: str) -> str:
    return message.split(": line ")[0] or "not valid JSON"


def _byte_offset(raw: bytes, position: int) -> int:
    """orjson counts characters of the text; the log cuts bytes."""
    try:
        return len(raw.decode("utf-8")[:position].encode("utf-8"))
    except UnicodeDecodeError as error:
        return error.start


def _refuse_constant(name: str) -> NoReturn:
    raise InvalidJson(f"{name} is not JSON")


def _refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InvalidJson(f"the key {key[:64]!r} appears twice in one object")
            seen.add(key)
    return found


def _refuse_depth(raw: bytes) -> None:
    """Refuse nesting deeper than 64. The bytes are valid JSON here, so only strings have to be stepped over."""
    if raw.count(b"[") + raw.count(b"{") <= MAX_DEPTH:
        return
    depth = 0
    in_string = escaped = False
    for position, byte in enumerate(raw):
        if in_string:
            if escaped:
                escaped = False
            elif byte == 0x5C:
                escaped = True
            elif byte == 0x22:
                in_string = False
        elif byte == 0x22:
            in_string = True
        elif byte in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise InvalidJson("nested deeper than 64 levels", position)
        elif byte in b"]}":
            depth -= 1
