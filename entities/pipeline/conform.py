"""A glance at a whole batch by its schema: a yes says that JSON Schema has nothing to object to.

Here a rule sees all values of a field at once, in a few calls that run in native code; the validator, to which decimals
are strange, takes six times as long. A no says nothing: the validator then looks at every record, and names what is
wrong. That the two agree is tested with generated batches.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from types import NoneType
from typing import Any

from entities.pipeline.columns import Column, Columns
from entities.pipeline.validate import schema_for

Values = Sequence[Any]
Test = Callable[[Values], bool]

_KINDS: dict[str, set[type]] = {"string": {str}, "number": {int, Decimal}, "integer": {int}, "null": {NoneType}}
_ZEROS = str.maketrans("123456789", "000000000")
_EMAIL = re.compile(r"[A-Za-z0-9]+(?:[._+-][A-Za-z0-9]+)*@[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*(?:\.[A-Za-z0-9]+)+")
_EMAIL_LENGTH = 60  # the parts of an address have limits of their own from 63 on


def conforms(entity: str, columns: Columns) -> bool:
    """Whether records that have these fields and no other are certainly in order, but for the size of numbers, which
    is left to the rules."""
    fields = _fields(entity)
    return columns.keys() <= fields.keys() and all(
        field.holds(columns[name]) if name in columns else not field.is_required for name, field in fields.items()
    )


@dataclass(frozen=True, slots=True)
class _Field:
    is_required: bool
    kinds: set[type]
    tests: tuple[Test, ...]

    def holds(self, column: Column) -> bool:
        if not column.kinds <= self.kinds:
            return False
        values = column.filled.values
        return not values or all(test(values) for test in self.tests)


@cache
def _fields(entity: str) -> dict[str, _Field]:
    schema = schema_for(entity)
    return {name: _field(rule, name in schema["required"]) for name, rule in schema["properties"].items()}


def _field(rule: dict[str, Any], is_required: bool) -> _Field:
    types = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
    tests: list[Test] = []
    if "minLength" in rule or "maxLength" in rule:
        tests.append(_lengths(rule.get("minLength", 0), rule.get("maxLength", 10**9)))
    if "enum" in rule:
        tests.append(_among(frozenset(rule["enum"])))
    if "pattern" in rule:
        tests.append(_matching(re.compile(rule["pattern"])))
    if "minimum" in rule:
        tests.append(_from(rule["minimum"]))
    if "format" in rule:
        tests.append(_FORMATS[rule["format"]])
    return _Field(is_required, set().union(*(_KINDS[name] for name in types)), tuple(tests))


def _lengths(least: int, most: int) -> Test:
    def test(values: Values) -> bool:
        lengths = set(map(len, values))
        return min(lengths) >= least and max(lengths) <= most

    return test


def _among(known: frozenset[str]) -> Test:
    return lambda values: set(values) <= known


def _matching(pattern: re.Pattern[str]) -> Test:
    return lambda values: all(map(pattern.fullmatch, set(values)))


def _from(least: int) -> Test:
    return lambda values: bool(min(values) >= least)


def _days(values: Values) -> bool:
    return _look_like(values, "0000-00-00") and _all_read(dt.date.fromisoformat, values)


def _moments(values: Values) -> bool:
    """In UTC, with microseconds or without a fraction; the others are for the validator."""
    shape = "0000-00-00T00:00:00Z" if len(values[0]) == 20 else "0000-00-00T00:00:00.000000Z"
    return _look_like(values, shape) and _all_read(dt.datetime.fromisoformat, values)


def _look_like(values: Values, shape: str) -> bool:
    return set(map(len, values)) == {len(shape)} and "".join(values).translate(_ZEROS) == shape * len(values)


def _all_read(read: Callable[[str], object], values: Values) -> bool:
    try:
        for value in set(values):
            read(value)
    except ValueError:
        return False
    return True


def _emails(values: Values) -> bool:
    return max(map(len, values)) <= _EMAIL_LENGTH and all(map(_EMAIL.fullmatch, values))


_FORMATS: dict[str, Test] = {"date": _days, "date-time": _moments, "email": _emails}
