"""ISO code lists: which currencies, countries and languages are real."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from functools import cache

import pycountry
from babel.core import get_global

COUNTRIES = frozenset(country.alpha_2 for country in pycountry.countries)
LANGUAGES = frozenset(language.alpha_2 for language in pycountry.languages if getattr(language, "alpha_2", None))
CURRENCIES = frozenset(currency.alpha_3 for currency in pycountry.currencies)

Tender = tuple[str, tuple[int, int, int] | None, tuple[int, int, int] | None, bool]


@cache
def _withdrawn() -> dict[str, list[tuple[dt.date, dt.date]]]:
    """When currencies that ISO 4217 no longer lists were legal tender somewhere (CLDR; both days inclusive)."""
    periods: dict[str, list[tuple[dt.date, dt.date]]] = {}
    by_territory: Mapping[str, list[Tender]] = get_global("territory_currencies")
    for tenders in by_territory.values():
        for code, start, end, is_tender in tenders:
            if is_tender and code not in CURRENCIES:
                first = dt.date(*start) if start else dt.date.min
                last = dt.date(*end) if end else dt.date.max
                periods.setdefault(code, []).append((first, last))
    return periods


def is_currency(code: str, day: dt.date) -> bool:
    """ISO 4217: a current code, or one that was valid on the day (HRK in a backfill)."""
    return code in CURRENCIES or any(first <= day <= last for first, last in _withdrawn().get(code, ()))
