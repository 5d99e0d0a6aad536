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
    """Parse a body: numbers with a fraction or an exponent become Decimal, the others int.

    orjson is only the gate (it refuses NaN, 1e400, a BOM, bad UTF-8 and lone surrogates); the values come from one
    pass of the standard parser, so that no second parser can disagree. Raises InvalidJson.
    """
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise InvalidJson(error.msg, _byte_offset(raw, error.pos)) from None
    try:
        value = _DECODER.decode(raw.decode("utf-8"))
        if not _is_flat(raw, value):
            _refuse_deep(value)
    except RecursionError:
        raise InvalidJson(_TOO_DEEP) from None
    except InvalidJson as error:
        raise InvalidJson(str(error), error.offset) from None
    except ValueError:
        raise InvalidJson("a number has too many digits") from None
    return value


_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


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


def _is_flat(raw: bytes, value: Any) -> bool:
    """Whether there are too few brackets for a deep nesting, as in nearly every body: an array of plain objects."""
    brackets = raw.count(b"{") + raw.count(b"[")
    if brackets <= MAX_DEPTH:
        return True
    return type(value) is list and brackets == len(value) + 1 and set(map(type, value)) == {dict}


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


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_refuse_duplicates)
