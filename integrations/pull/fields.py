"""From what a source gives to the guide's record: its names, and the types in which its fields are sent.

What can be written in the guide's type without a guess is; all else is passed on as it came, so that the pipeline
refuses the record with its reason.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from enum import StrEnum
from functools import cache, partial
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from entities.models import Entity
from entities.pipeline.validate import schema_for
from integrations.models import Feed
from integrations.pull.windows import DAY, rfc3339

Converter = Callable[[Any], Any]

NATURAL_KEYS = {
    Entity.CUSTOMERS: ("customer_id",),
    Entity.TRANSACTIONS: ("transaction_id",),
    Entity.ACTIVITY: ("date", "customer_id", "game_type", "currency"),
}

_PLAIN_NUMBER = re.compile(r"-?\d{1,40}(\.\d{1,40})?", re.ASCII)
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d(?:\.\d+)?) ?(Z|z|[+-]\d\d(?::?\d\d)?)?", re.ASCII)
_MIDNIGHT = re.compile(r"00:00:00(\.0+)?", re.ASCII)
_MISSING = object()


class Kind(StrEnum):
    TEXT = "text"
    NUMBER = "number"
    INTEGER = "integer"
    MOMENT = "moment"
    DAY = "day"


@cache
def field_kinds(entity: str) -> dict[str, Kind]:
    """The guide's fields, in its order, and what each holds."""
    return {name: _kind(rules) for name, rules in schema_for(entity)["properties"].items()}


@cache
def required_fields(entity: str) -> frozenset[str]:
    return frozenset(schema_for(entity)["required"])


def _kind(rules: dict[str, Any]) -> Kind:
    if rules.get("format") in ("date-time", "date"):
        return Kind.MOMENT if rules["format"] == "date-time" else Kind.DAY
    types = rules["type"] if isinstance(rules["type"], list) else [rules["type"]]
    return Kind.INTEGER if "integer" in types else Kind.NUMBER if "number" in types else Kind.TEXT


def supplied_fields(feed: Feed, columns: Iterable[str] | None = None) -> frozenset[str] | None:
    """The guide's fields that the source has; None: it may have any. `columns` are those of a table, where known."""
    known = field_kinds(feed.entity)
    if feed.fields:
        return frozenset(field for field in feed.fields if field in known)
    return None if columns is None else frozenset(columns) & frozenset(known)


# -- Values -------------------------------------------------------------------


def converter(kind: Kind, zone: ZoneInfo) -> Converter:
    """For values of JSON, or of a database that gives times as text and fractions as Decimal; null stays null."""
    match kind:
        case Kind.TEXT:
            return as_text
        case Kind.NUMBER | Kind.INTEGER:
            return as_number
        case Kind.MOMENT:
            return partial(as_moment, zone=zone)
        case Kind.DAY:
            return partial(as_day, zone=zone)


def as_text(value: Any) -> Any:
    """Whole numbers and UUIDs are ids that somebody keeps as such."""
    if type(value) is str or value is None:
        return value
    if type(value) is int or isinstance(value, UUID):
        return str(value)
    if type(value) is Decimal and value.is_finite() and value.as_tuple().exponent == 0:
        return str(value)
    return plain(value)


def as_number(value: Any) -> Any:
    """Databases and APIs quote decimals so that no digit is lost on the way."""
    if type(value) is str and _PLAIN_NUMBER.fullmatch(value):
        return Decimal(value) if "." in value else int(value)
    return plain(value)


def as_moment(value: Any, zone: ZoneInfo) -> Any:
    """RFC 3339 in UTC with Z; a time without an offset is one of the zone."""
    if type(value) is not str:
        return plain(value)
    found = _TIME.fullmatch(value)
    if not found:
        return value
    day, time, offset = found.groups()
    if offset in ("Z", "z", "+00", "+00:00", "+0000") or (offset is None and zone.key == "UTC"):
        return f"{day}T{time}Z"
    try:
        if offset is not None:
            offset = offset if ":" in offset else f"{offset[:3]}:{offset[3:] or '00'}"
            return rfc3339(dt.datetime.fromisoformat(f"{day}T{time}{offset}"))
        return rfc3339(dt.datetime.fromisoformat(f"{day}T{time}").replace(tzinfo=zone))
    except (ValueError, OverflowError):
        return value


def as_day(value: Any, zone: ZoneInfo) -> Any:
    """A moment is a day only where it is midnight: without an offset as it stands, else in the zone."""
    if type(value) is not str or DAY.fullmatch(value):
        return plain(value)
    found = _TIME.fullmatch(value)
    if not found:
        return value
    day, time, offset = found.groups()
    if offset is not None:
        try:
            moment = dt.datetime.fromisoformat(as_moment(value, zone)).astimezone(zone)
        except (ValueError, OverflowError):
            return value
        day, time = moment.date().isoformat(), moment.time().isoformat()
    return day if _MIDNIGHT.fullmatch(time) else value


def plain(value: Any) -> Any:
    """As JSON has it, so that a refused record can be kept whole."""
    if value is None or type(value) in (str, int, bool, list, dict):
        return value
    if isinstance(value, float):
        value = Decimal(repr(value))
    if isinstance(value, Decimal):
        return value if value.is_finite() else str(value)
    return str(value)


# -- Records of JSON ----------------------------------------------------------


def tokens_of(pointer: str) -> list[str]:
    """RFC 6901; raises ValueError for what is no pointer."""
    if not pointer:
        return []
    if not pointer.startswith("/"):
        raise ValueError("a JSON pointer begins with /")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer[1:].split("/")]


def at(value: Any, tokens: Sequence[str], missing: Any = None) -> Any:
    """What stands there; `missing` where nothing does."""
    for token in tokens:
        if isinstance(value, dict) and token in value:
            value = value[token]
        elif isinstance(value, list) and token.isdecimal() and int(token) < len(value):
            value = value[int(token)]
        else:
            return missing
    return value


def named(record: dict[str, Any], name: str, missing: Any = None) -> Any:
    """By its name as it stands, by a pointer, or by a path with dots."""
    if name in record:
        return record[name]
    if name.startswith("/"):
        return at(record, tokens_of(name), missing)
    return at(record, name.split("."), missing) if "." in name else missing


class JsonRecords:
    """Renames and converts the records of one feed."""

    def __init__(self, feed: Feed) -> None:
        zone = ZoneInfo(feed.time_zone)
        kinds = field_kinds(feed.entity)
        names = feed.fields or {field: field for field in kinds}
        self._fields = [
            (field, str(names[field]), converter(kind, zone)) for field, kind in kinds.items() if field in names
        ]

    def __call__(self, records: Iterable[Any]) -> list[Any]:
        return [self._record(record) if isinstance(record, dict) else record for record in records]

    def _record(self, record: dict[str, Any]) -> dict[str, Any]:
        found = {}
        for field, name, convert in self._fields:
            value = record[name] if name in record else named(record, name, _MISSING)
            if value is not _MISSING:
                found[field] = convert(value)
        return found
