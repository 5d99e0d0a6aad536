"""A glance at a whole batch: a yes says that no rule of `rules.py` has anything to add.

Nearly every batch is in order, and a look at each value of each record costs more than storing them. Here a rule sees
all values of a field at once, in a few calls that run in native code. A no says nothing: `rules.check_record` then
looks at every record. That the two agree is tested with generated batches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from itertools import filterfalse
from types import NoneType
from typing import Any

from entities.codes import COUNTRIES, CURRENCIES, LANGUAGES
from entities.models import Entity
from entities.pipeline import rules
from entities.pipeline.columns import Column, Columns, columns_of
from entities.pipeline.rules import CHECKS, Clock, Row, present

_MONEY_LIMIT = 10**13
_PLACES = (Decimal("0.01"), Decimal("0.1"), Decimal(1))  # the most frequent first


@dataclass(frozen=True, slots=True)
class InOrder:
    """What can be stored as it stands: by row, and by field."""

    rows: list[Row]
    columns: Columns


def in_order(entity: str, records: list[Any], *, columns: Columns | None = None, clock: Clock) -> InOrder | None:
    """The rows, where each record can be stored as it stands. The schema has been checked, and found nothing."""
    if columns is None:
        columns = columns_of(records)
    has_nulls = False
    for field, check in CHECKS[entity].items():
        if field not in columns:
            continue
        has_nulls = has_nulls or NoneType in columns[field].kinds
        column = columns[field].filled
        if column.values and not _TESTS[check](column, clock):
            return None
    if entity == Entity.TRANSACTIONS and any(
        columns[field].filled.span[0] < 0
        for field in ("amount_currency", "amount_usd")
        if field in columns and columns[field].filled.values
    ):
        return None
    if "currency" in columns and not set(columns["currency"].values) <= CURRENCIES:
        return None
    return InOrder([present(record) for record in records] if has_nulls else records, columns)


def _texts(column: Column, clock: Clock) -> bool:
    return "\x00" not in "".join(column.values)


def _identifiers(column: Column, clock: Clock) -> bool:
    joined = f"|{'|'.join(column.values)}|"
    return joined.isascii() and joined.isprintable() and "| " not in joined and " |" not in joined


def _moments(column: Column, clock: Clock) -> bool:
    """In UTC, without a fraction (20 characters) or with microseconds (27); the others have to be converted."""
    if not set(map(len, column.values)) <= {20, 27}:
        return False
    joined = "".join(column.values)
    return (
        joined.isupper()
        and joined.count("Z") == len(column.values)  # an offset may be as long as a fraction
        and ":60Z" not in joined
        and ":60." not in joined
        and ".000000" not in joined
        and min(column.values) >= rules.FIRST_MOMENT
        and max(column.values)[:19] < clock.last_moment[:19]  # by whole seconds: in the last one, each is looked at
    )


def _days(column: Column, clock: Clock) -> bool:
    return min(column.values) >= rules.FIRST_DAY and max(column.values) <= clock.last_day


def _amounts(column: Column, clock: Clock) -> bool:
    """13 digits and 2 places are within every limit."""
    if not column.kinds <= {int, Decimal}:
        return False
    least, greatest = column.span
    if least <= -_MONEY_LIMIT or greatest >= _MONEY_LIMIT:
        return False
    others = column.values
    for places in _PLACES:
        others = list(filterfalse(places.same_quantum, others))
    return not others


def _counts(column: Column, clock: Clock) -> bool:
    return column.kinds == {int} and max(column.values) <= rules.COUNT_LIMIT


def _among(codes: frozenset[str]) -> Callable[[Column, Clock], bool]:
    return lambda column, clock: set(column.values) <= codes


_TESTS: dict[rules.Check, Callable[[Column, Clock], bool]] = {
    rules.text: _texts,
    rules.identifier: _identifiers,
    rules.moment: _moments,
    rules.day: _days,
    rules.money: _amounts,
    rules.count: _counts,
    rules.country: _among(COUNTRIES),
    rules.language: _among(LANGUAGES),
}
