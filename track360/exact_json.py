"""JSON in and out without losing a digit: a number with a fraction is a Decimal, never a binary float."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import orjson

_INT64 = 2**63


def loads(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


def dumps(value: Any, *, indent: bool = False) -> str:
    """JSON text; Decimals and integers of any size stand as the numbers they were written as."""
    option = orjson.OPT_INDENT_2 if indent else None
    return orjson.dumps(_writable(value), default=str, option=option).decode()


def _writable(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _writable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(item) for item in value]
    if isinstance(value, Decimal):
        return orjson.Fragment(str(value))
    if isinstance(value, int) and not isinstance(value, bool) and not -_INT64 <= value < _INT64:
        return orjson.Fragment(str(value))
    return value
