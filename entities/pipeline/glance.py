"""A glance at a whole batch: a yes says that no rule of `rules.py` has anything to add.

Nearly every batch is in order, and a look at each value of each record costs more than storing them. Here a rule sees
all values of a field at once, in a few calls that run in native code. A no says nothing: `rules.check_record` then
looks at every record. That the two agree is tested with generated batches.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import Decimal
from types import NoneType
from typing import Any

from entities.codes import COUNTRIES, CURRENCIES, LANGUAGES
from entities.models import Entity
from entities.pipeline import rules
from entities.pipeline.rules import CHECKS, Clock, Row, present, sort_key

Column = Sequence[Any]

_MONEY_LIMIT = 10**13
_PLACES = (Decimal(1), Decimal("0.1"), Decimal("0.01"))


def rows_in_order(entity: str, records: list[Any], *, clock: Clock) -> list[Row] | None:
    """The rows, where each record can be stored as it stands. The schema has been checked, and found nothing."""
    columns = _columns(records)
    has_nulls = False
    for field, check in CHECKS[entity].items():
        column = columns.get(field, ())
        if NoneType in set(map(type, column)):  # a Decimal takes long to say that it is not None
            has_nulls = True
            column = [value for value in column if value is not None]
        if column and not _TESTS[check](column, clock):
            return None
    if entity == Entity.TRANSACTIONS and any(
        (record["amount_currency"] < 0 or (record.get("amount_usd") or 0) < 0) for record in records
    ):
        return None
    if entity != Entity.CUSTOMERS and not set(columns.get("currency", ())) <= CURRENCIES:
        return None
    return [present(record) for record in records] if has_nulls else records


def _columns(records: list[Any]) -> dict[str, Column]:
    """The values by field, an absent one as null. Records mostly have the same fields in the same order."""
    shapes = set(map(tuple, records))
    if len(shapes) == 1:
        return dict(zip(*shapes, zip(*map(dict.values, records), strict=True), strict=True))
    return {
        field: [record.get(field) for record in records] for field in {field for shape in shapes for field in shape}
    }


def _texts(column: Column, clock: Clock) -> bool:
    return "\x00" not in "".join(column)


def _identifiers(column: Column, clock: Clock) -> bool:
    joined = f"|{'|'.join(column)}|"
    return joined.isascii() and joined.isprintable() and "| " not in joined and " |" not in joined


def _moments(column: Column, clock: Clock) -> bool:
    """In UTC, without a fraction (20 characters) or with microseconds (27); the others have to be converted."""
    if not set(map(len, column)) <= {20, 27}:
        return False
    joined = "".join(column)
    return (
        joined.isupper()
        and joined.count("Z") == len(column)  # an offset may be as long as a fraction
        and ":60Z" not in joined
        and ":60." not in joined
        and ".000000" not in joined
        and min(column) >= rules.FIRST_MOMENT
        and max(map(sort_key, column)) <= sort_key(clock.last_moment)
    )


def _days(column: Column, clock: Clock) -> bool:
    return min(column) >= rules.FIRST_DAY and max(column) <= clock.last_day


def _amounts(column: Column, clock: Clock) -> bool:
    """13 digits and 2 places are within every limit."""
    return (
        set(map(type, column)) <= {int, Decimal}
        and min(column) > -_MONEY_LIMIT
        and max(column) < _MONEY_LIMIT
        and sum(sum(map(places.same_quantum, column)) for places in _PLACES) == len(column)
    )


def _counts(column: Column, clock: Clock) -> bool:
    return set(map(type, column)) == {int} and max(column) <= rules.COUNT_LIMIT


def _among(codes: frozenset[str]) -> Callable[[Column, Clock], bool]:
    return lambda column, clock: set(column) <= codes


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
