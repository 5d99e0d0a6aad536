"""A glance at a whole batch: a yes says that no rule of `rules.py` has anything to add.

Nearly every batch is in order, and a look at each value of each record costs more than storing them. Here a rule sees
all values of a field at once, in a few calls that run in native code. A no says nothing: `rules.check_record` then
looks at every record. That the two agree is tested with generated batches.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from entities.codes import COUNTRIES, CURRENCIES, LANGUAGES
from entities.models import Entity
from entities.pipeline import rules
from entities.pipeline.rules import CHECKS, Clock, sort_key

Column = list[Any]

_MONEY = re.compile(r"(-?\d{1,13}(\.\d\d?)?\|)+", re.ASCII)


def in_order(entity: str, records: list[Any], *, clock: Clock) -> bool:
    """Whether each record can be stored as it stands. The schema has been checked, and found nothing."""
    for field, check in CHECKS[entity].items():
        column = [value for record in records if (value := record.get(field)) is not None]
        if column and not _TESTS[check](column, clock):
            return False
    if entity == Entity.CUSTOMERS:
        return True
    if entity == Entity.TRANSACTIONS and any(
        record["amount_currency"] < 0 or (record.get("amount_usd") or 0) < 0 for record in records
    ):
        return False
    return {record["currency"] for record in records} <= CURRENCIES


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
    return _MONEY.fullmatch("|".join(map(str, column)) + "|") is not None


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
