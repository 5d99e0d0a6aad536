"""Records turned into columns: the glance looks at a field of all at once, and the statements take an array of each."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from operator import itemgetter
from types import NoneType
from typing import Any

MOST_FIELDS = 1_000
MOST_CELLS = 1_000_000
_BARE = {int, Decimal, NoneType}


@dataclass(frozen=True)
class Column:
    """A field of all records, null where it is absent, and of which types the values are."""

    values: Sequence[Any]
    kinds: set[type]

    @property
    def filled(self) -> Column:
        """Without nulls."""
        # A column that remembered itself would stay in memory until the garbage collector comes by.
        return self._filled if NoneType in self.kinds else self

    @cached_property
    def _filled(self) -> Column:
        return Column([value for value in self.values if value is not None], self.kinds - {NoneType})

    @cached_property
    def span(self) -> tuple[Any, Any]:
        """The least and the greatest of values that can be compared, at least one."""
        return min(self.values), max(self.values)

    @classmethod
    def of(cls, values: Sequence[Any]) -> Column:
        return cls(values, set(map(type, values)))


Columns = dict[str, Column]


class TooWide(ValueError):
    """The records have so many different fields that columns of them would take a multiple of what was sent."""


def columns_of(records: list[dict[str, Any]]) -> Columns:
    """By field. Records mostly have the same fields in the same order. Raises TooWide."""
    shapes = set(map(tuple, records))
    fields = dict.fromkeys(field for shape in shapes for field in shape)
    if len(fields) > MOST_FIELDS or (len(shapes) > 1 and len(fields) * len(records) > MOST_CELLS):
        raise TooWide
    if len(shapes) == 1:
        values = zip(*map(dict.values, records), strict=True)
        return dict(zip(fields, map(Column.of, values), strict=True))
    return {field: Column.of([record.get(field) for record in records]) for field in fields}


def height(columns: Columns) -> int:
    """How many records they hold."""
    return next((len(column.values) for column in columns.values()), 0)


def in_order_of(columns: Columns, key: str) -> Columns:
    """The same records, by the values of a field, as most come."""
    values = columns[key].values
    if len(values) < 2 or sorted(values) == list(values):
        return columns
    places = itemgetter(*sorted(range(len(values)), key=values.__getitem__))
    return {name: Column(places(column.values), column.kinds) for name, column in columns.items()}


def arrays(columns: Columns, names: Iterable[str]) -> dict[str, str]:
    """The named fields as PostgreSQL writes arrays; one that is not there as an empty array, which `unnest` fills with
    nulls. Less than half of the text that JSON takes, and quicker to read."""
    return {name: _array(columns[name]) if name in columns else "{}" for name in names}


def array_of_texts(values: Collection[str]) -> str:
    return _array(Column(list(values), {str} if values else set()))


def _array(column: Column) -> str:
    values = column.values
    if column.kinds == {str}:
        inside = '","'.join(values)
        if "\\" not in inside and inside.count('"') == 2 * (len(values) - 1):
            return f'{{"{inside}"}}'
    if column.kinds <= _BARE:
        return f"{{{','.join(['NULL' if value is None else str(value) for value in values])}}}"
    return f"{{{','.join(map(_element, values))}}}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'
