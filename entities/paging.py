"""Paging of the portal's lists: newest first, by keyset, in both directions.

The API walks its lists from the oldest record on, so that a walk is complete; a person looks for the newest one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.db import models
from django.db.models import Model
from django.utils.dateparse import parse_date, parse_datetime

PER_PAGE = 40
MAX_ID = 2**63 - 1

Row = TypeVar("Row", bound=Model)
Position = tuple[Any, ...]
# (position or None for an end, upwards) -> up to 51 rows beyond it, the nearest first
Fetch = Callable[[Position | None, bool], list[Row]]


@dataclass(frozen=True)
class Page(Generic[Row]):
    """Up to 50 rows, newest first, and the query parameter that leads to the older and to the newer ones."""

    rows: list[Row]
    older: dict[str, str] | None
    newer: dict[str, str] | None
    is_first: bool


def keyset_page(
    fetch: Fetch[Row], *, model: type[Row], columns: tuple[str, ...] = ("id",), before: str = "", after: str = ""
) -> Page[Row]:
    """The page before (older than) or after (newer than) a position, or the newest one.

    `columns` are those that order the list, the last one the id. A position that cannot be read counts as none: it is
    nothing that a person typed.
    """
    position = read_position(before or after, model=model, columns=columns)
    upwards = bool(after and not before and position)
    found = fetch(position, upwards)
    more, rows = len(found) > PER_PAGE, found[:PER_PAGE]
    if upwards:
        rows.reverse()
    has_older, has_newer = (True, more) if upwards else (more, position is not None)
    return Page(
        rows=rows,
        older={"before": position_of(rows[-1], columns)} if rows and has_older else None,
        newer={"after": position_of(rows[0], columns)} if rows and has_newer else None,
        is_first=position is None,
    )


def position_of(row: Model, columns: tuple[str, ...]) -> str:
    """`2026-03-15T12:10:00.000001+00:00~812`, or `812` where the id alone orders."""
    values = [getattr(row, column) for column in columns]
    return "~".join(value.isoformat() if isinstance(value, dt.date) else str(value) for value in values)


def read_position(text: str, *, model: type[Model], columns: tuple[str, ...]) -> Position | None:
    """What `position_of` wrote; None for anything else."""
    *moments, last = text.split("~")
    if len(moments) != len(columns) - 1 or not (last.isascii() and last.isdigit() and len(last) < 20):
        return None
    values: list[Any] = []
    for column, moment in zip(columns, moments, strict=False):
        try:
            value = _parser(model, column)(moment)
        except ValueError:
            return None
        if value is None or (isinstance(value, dt.datetime) and value.tzinfo is None):
            return None
        values.append(value)
    return (*values, min(int(last), MAX_ID))


def _parser(model: type[Model], column: str) -> Callable[[str], dt.date | None]:
    return parse_datetime if isinstance(model._meta.get_field(column), models.DateTimeField) else parse_date
