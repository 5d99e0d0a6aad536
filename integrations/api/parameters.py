"""Query parameters: one declaration each, which reads it and documents it."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest

from track360.problems import Problem

VALUE_LENGTH = 64
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# A plus that was not escaped arrives as a blank.
MOMENT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?([Zz]|[ +-][0-9]{2}:[0-9]{2})"
)


@dataclass(frozen=True)
class Parameter:
    """`read` makes the value from the text, or raises ValueError with what to write instead."""

    read: Callable[[str], Any]
    schema: dict[str, Any]
    description: str


def read_parameters(request: HttpRequest, known: Mapping[str, Parameter]) -> dict[str, Any]:
    """The values of the parameters that were sent. Raises Problem `invalid_parameter` that names each bad one."""
    query = request.META.get("QUERY_STRING", "")
    if not query:
        return {}
    if BROKEN_ESCAPE.search(query):
        raise Problem("bad_request", "The query string has a % that is not followed by two hexadecimal digits.")
    values: dict[str, Any] = {}
    errors: list[dict[str, Any]] = []
    for name, sent in request.GET.lists():
        message = None
        shown = True
        if name not in known:
            message = f"is not known here; known are: {', '.join(known) or 'none'}"
            shown = False  # it may be anything, a token too
        elif len(sent) > 1:
            message = "may be given only once"
        else:
            try:
                values[name] = known[name].read(sent[0])
            except ValueError as error:
                message = str(error)
        if message:
            errors.append(_error(name, message) | ({"value": sent[-1][:VALUE_LENGTH]} if shown else {}))
    if errors:
        detail = " ".join(f"The parameter {error['field']} {error['message']}." for error in errors[:3])
        raise Problem("invalid_parameter", detail, errors=errors)
    return values


def _error(name: str, message: str) -> dict[str, Any]:
    return {
        "index": None,
        "pointer": "",
        "field": name[:VALUE_LENGTH],
        "code": "invalid_parameter",
        "message": message,
    }


def integer(description: str, *, low: int, high: int, default: int | None = None) -> Parameter:
    def read(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ValueError(f"must be a whole number from {low} to {high}")
        return int(text)

    schema: dict[str, Any] = {"type": "integer", "minimum": low, "maximum": high}
    return Parameter(read, schema if default is None else schema | {"default": default}, description)


def text(description: str, *, pattern: str | None = None, max_length: int = 500) -> Parameter:
    def read(value: str) -> str:
        if "\x00" in value or len(value) > max_length:
            raise ValueError(f"must have at most {max_length} characters, and no NUL")
        if pattern and not re.fullmatch(pattern, value):
            raise ValueError(f"must match {pattern}")
        return value

    schema: dict[str, Any] = {"type": "string", "maxLength": max_length}
    return Parameter(read, schema | ({"pattern": f"^{pattern}$"} if pattern else {}), description)


def one_of(description: str, choices: tuple[str, ...]) -> Parameter:
    def read(value: str) -> str:
        if value not in choices:
            raise ValueError(f"must be one of {', '.join(choices)}")
        return value

    return Parameter(read, {"type": "string", "enum": list(choices)}, description)


def flag(description: str) -> Parameter:
    def read(value: str) -> bool:
        if value not in {"0", "1"}:
            raise ValueError("must be 1 or 0")
        return value == "1"

    return Parameter(read, {"type": "integer", "enum": [0, 1], "default": 0}, description)


def read_date(value: str) -> dt.date:
    try:
        if not DATE.fullmatch(value):
            raise ValueError
        return dt.date.fromisoformat(value)
    except ValueError:
        raise ValueError("must be a date as in 2026-03-15") from None


def read_moment(value: str) -> dt.datetime:
    """RFC 3339 with an offset, or a date: its first moment in UTC."""
    if DATE.fullmatch(value):
        return dt.datetime.combine(read_date(value), dt.time(), dt.UTC)
    try:
        parts = MOMENT.fullmatch(value)
        if parts is None:
            raise ValueError
        day, time, fraction, offset = parts.groups(default="")
        offset = "+00:00" if offset in "Zz" else offset.replace(" ", "+")
        return dt.datetime.fromisoformat(f"{day}T{time}{fraction[:7]}{offset}").astimezone(dt.UTC)
    except (ValueError, OverflowError):
        raise ValueError(
            "must be a date as in 2026-03-15, or a moment with its offset as in 2026-03-15T12:00:00Z"
        ) from None


def date(description: str) -> Parameter:
    return Parameter(read_date, {"type": "string", "format": "date"}, description)


def moment(description: str) -> Parameter:
    either = [{"type": "string", "format": "date-time"}, {"type": "string", "format": "date"}]
    return Parameter(read_moment, {"anyOf": either}, description)
