"""What a feed makes of a source's columns: found out once, so that nothing is asked of a row."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import MAX_PREC, Context, Decimal
from functools import partial
from typing import Any
from zoneinfo import ZoneInfo

from entities.models import Entity
from integrations.models import Feed
from integrations.pull.fields import (
    NATURAL_KEYS,
    Converter,
    Kind,
    as_moment,
    converter,
    field_kinds,
    required_fields,
)
from integrations.pull.source import Party, SourceError
from integrations.pull.sql_query import Holds, shown_relation
from integrations.pull.windows import bound_of

UTC = ZoneInfo("UTC")
_EXACT = Context(prec=MAX_PREC)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is selected, and what becomes of each column."""

    holds: dict[str, Holds]
    selected: list[str]
    keys: list[str]  # the order: the cursor column where there is one, then the natural key
    outputs: list[tuple[str, int, Converter | None]]  # the guide's field, its column's index, what converts it
    sources: dict[str, str]  # the guide's field -> column


def plan_of(feed: Feed, holds: dict[str, Holds]) -> Plan:
    """Raises SourceError where the source lacks a column, or has one that cannot be read."""
    entity, cursor = feed.entity, feed.cursor_column
    known = field_kinds(entity)
    sources = {field: str(name) for field, name in feed.fields.items() if field in known}
    sources = sources or {field: field for field in known if field in holds}
    missing = [f"“{sources.get(field, field)}”" for field in sorted(required_fields(entity) - set(sources))]
    missing += [
        f"“{name}”" for name in dict.fromkeys([*sources.values(), *filter(None, [cursor])]) if name not in holds
    ]
    if missing:
        has = ", ".join(list(holds)[:30])
        raise mapping_problem(f"{shown_relation(feed)} has no column {', '.join(missing)}; it has {has}.")
    if binary := [name for name in sources.values() if holds[name] == Holds.BINARY]:
        raise mapping_problem(f"The column “{binary[0]}” holds bytes: the view has to give it as text.")
    if cursor:
        kind_of(holds[cursor], cursor)
    keys = list(dict.fromkeys([*filter(None, [cursor]), *(sources[field] for field in NATURAL_KEYS[Entity(entity)])]))
    selected = list(dict.fromkeys([*sources.values(), *keys]))
    outputs = [
        (field, selected.index(name), _column_converter(known[field], holds[name], ZoneInfo(feed.time_zone)))
        for field, name in sources.items()
    ]
    return Plan(holds, selected, keys, outputs, sources)


def kind_of(holds: Holds, name: str) -> Feed.CursorKind:
    """What a cursor of the column would be. Raises SourceError where it can be none."""
    match holds:
        case Holds.INSTANT | Holds.MOMENT:
            return Feed.CursorKind.MOMENT
        case Holds.DAY:
            return Feed.CursorKind.DAY
        case Holds.INTEGER | Holds.NUMBER:
            return Feed.CursorKind.NUMBER
        case Holds.TEXT:
            raise mapping_problem(
                f"The column “{name}” is text, whose order is not that of time: cast it at the source, to a "
                "timestamp, a date or a number."
            )
    raise mapping_problem(
        f"The column “{name}” cannot be a cursor: it must hold a timestamp, a date or a whole or decimal number."
    )


def mapping_problem(message: str) -> SourceError:
    return SourceError(message, party=Party.MAPPING, is_final=True)


# -- Rows --------------------------------------------------------------------


def records_of(plan: Plan, rows: Sequence[Sequence[Any]]) -> list[Any]:
    columns = list(zip(*rows, strict=True))
    names = [field for field, _, _ in plan.outputs]
    values = [
        columns[index] if convert is None else list(map(convert, columns[index])) for _, index, convert in plan.outputs
    ]
    return [dict(zip(names, record, strict=True)) for record in zip(*values, strict=True)]


def key_of(plan: Plan, row: Sequence[Any]) -> list[Any]:
    return [_key_value(row[plan.selected.index(name)]) for name in plan.keys]


def _key_value(of: Any) -> Any:
    return of if of is None or type(of) in (int, str, Decimal) else str(of)


def without(rows: Sequence[Sequence[Any]], plan: Plan, after: Sequence[Any] | None) -> Sequence[Sequence[Any]]:
    """A stretch begins at the last row given out, not behind it: the database may take another key for the same."""
    return rows[1:] if after is not None and rows and key_of(plan, rows[0]) == list(after) else rows


def reached_by(feed: Feed, plan: Plan, key: Sequence[Any]) -> str | None:
    """The cursor of a row by its key, as text by its kind."""
    if not feed.cursor_column:
        return None
    holds = plan.holds[feed.cursor_column]
    if holds in (Holds.INSTANT, Holds.MOMENT, Holds.DAY):
        zone = UTC if holds == Holds.INSTANT else ZoneInfo(feed.time_zone)
        text = str(key[0] if holds == Holds.DAY else as_moment(key[0], zone))
        try:
            bound_of(text)
        except ValueError:
            raise mapping_problem(
                f"The cursor column “{feed.cursor_column}” is “{key[0]}” in some rows, which is no date that "
                "a run could go on from: the view has to give one."
            ) from None
        return text
    return str(math.floor(key[0])) if holds == Holds.NUMBER else str(key[0])  # cursors are whole numbers


# -- Columns ------------------------------------------------------------------


def _column_converter(kind: Kind, holds: Holds, zone: ZoneInfo) -> Converter | None:
    """None: the column's values are as the guide wants them."""
    match kind, holds:
        case Kind.TEXT, Holds.TEXT:
            return None
        case ((Kind.NUMBER | Kind.INTEGER), Holds.INTEGER):
            return None
        case ((Kind.NUMBER | Kind.INTEGER), (Holds.NUMBER | Holds.FLOAT)):
            return _trimmed
        case Kind.MOMENT, Holds.INSTANT:
            return partial(_utc, slow=converter(Kind.MOMENT, UTC))
        case Kind.MOMENT, Holds.MOMENT if zone.key == "UTC":
            return partial(_utc, slow=converter(Kind.MOMENT, UTC))
        case Kind.DAY, Holds.DAY:
            return None
    return converter(kind, zone)


def _trimmed(of: Decimal | None) -> Any:
    """Without the zeros that a column of many places puts behind each number: they are not the partner's digits."""
    if of is None or not of.is_finite():
        return of if of is None else str(of)
    if of.as_tuple().exponent >= -2:  # type: ignore[operator]  # as most money is kept
        return of
    trimmed = of.normalize(_EXACT)
    return trimmed if trimmed.as_tuple().exponent <= 0 else trimmed.quantize(Decimal(1))  # type: ignore[operator]


def _utc(text: str | None, slow: Callable[[Any], Any]) -> Any:
    """`2026-03-15 12:10:00.5`, with or without `+00`, as databases write it."""
    if text is None or text[10:11] != " ":
        return slow(text)
    if text[-3:] == "+00":
        return _with_microseconds(text[:-3])
    return _with_microseconds(text) if text[-1:].isdigit() and len(text) < 27 and "+" not in text else slow(text)


def _with_microseconds(text: str) -> str:
    """In the spelling that the pipeline lets pass at a glance: no fraction, or six digits of it."""
    if len(text) == 19 or text.endswith(".000000"):
        return f"{text[:10]}T{text[11:19]}Z"
    return f"{text[:10]}T{text[11:].ljust(15, '0')}Z"
