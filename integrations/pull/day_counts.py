"""How many records a database has of each day, and their sum: the partner's side of the control totals."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from entities.models import Entity
from integrations.pull.source import Party, SourceError
from integrations.pull.sql_query import column, value

Lines = dict[dt.date, list[dict[str, Any]]]
DAY_FIELD = {Entity.CUSTOMERS: "signup_date", Entity.TRANSACTIONS: "transaction_date", Entity.ACTIVITY: "date"}
MAX_DAYS = 400
MAX_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Days:
    """First and last are included; the days are those of the zone."""

    first: dt.date
    last: dt.date
    zone: ZoneInfo

    def __iter__(self) -> Any:
        return (self.first + dt.timedelta(days=number) for number in range((self.last - self.first).days + 1))


def statement(
    entity: str,
    relation: Any,
    sources: dict[str, str],
    days: Days,
    literal: Callable[[str, dt.datetime | dt.date], Any],
) -> Any:
    """Day by number from the first, currency, type, count, sum. The bounds of the days are worked out here, since not
    every database knows the zones."""
    name = sources[DAY_FIELD[Entity(entity)]]
    listed = list(days)
    if not 0 < len(listed) <= MAX_DAYS:
        raise SourceError(f"From 1 to {MAX_DAYS} days can be counted at once.", party=Party.US, is_final=True)

    def begin(day: dt.date) -> Any:
        # A day of activity is the partner's own and is not moved between zones.
        bound = day if entity == Entity.ACTIVITY else dt.datetime.combine(day, dt.time(), days.zone).astimezone(dt.UTC)
        return value(literal(name, bound))

    ends = [begin(day + dt.timedelta(days=1)) for day in listed]
    number = sa.case(*((column(name) < end, sa.literal_column(str(index))) for index, end in enumerate(ends))).label(
        "day"
    )
    groups = [number, *(column(source) for source in _group_columns(entity, sources))]
    counted = sa.select(*groups, sa.func.count().label("records"), _sum(entity, sources).label("total"))
    return (
        counted.select_from(relation)
        .where(column(name) >= begin(days.first), column(name) < ends[-1])
        .group_by(*(sa.literal_column(str(index + 1)) for index in range(len(groups))))
    )


def _group_columns(entity: str, sources: dict[str, str]) -> list[str]:
    if entity == Entity.CUSTOMERS:
        return []
    return [sources["currency"]] + ([sources["transaction_type"]] if entity == Entity.TRANSACTIONS else [])


def _sum(entity: str, sources: dict[str, str]) -> Any:
    """ggr as it is stored: the partner's, and where it is missing total_bets - wins."""
    if entity == Entity.CUSTOMERS:
        return sa.null()
    if entity == Entity.TRANSACTIONS:
        return sa.func.sum(column(sources["amount_currency"]))
    parts = [column(sources["ggr"])] if "ggr" in sources else []
    if "total_bets" in sources and "wins" in sources:
        parts.append(column(sources["total_bets"]) - column(sources["wins"]))
    if not parts:
        return sa.null()
    return sa.func.sum(sa.func.coalesce(*parts) if len(parts) > 1 else parts[0])


def lines(entity: str, days: Days, rows: Iterable[Any]) -> Lines:
    """A day without records has no lines."""
    found: Lines = {day: [] for day in days}
    for row in rows:
        number, *groups, count, total = row
        currency, kind = (*map(_text, groups), "", "")[:2]
        found[days.first + dt.timedelta(days=int(number))].append(
            {
                "currency": currency,
                "type": kind,
                "count": int(count),
                "sum": None if entity == Entity.CUSTOMERS else _sum_text(total),
            }
        )
    for day_lines in found.values():
        day_lines.sort(key=lambda line: (line["currency"], line["type"]))
    return found


def _text(of: Any) -> str:
    return "" if of is None else str(of)


def _sum_text(total: Any) -> str:
    return format(Decimal("0") if total is None else Decimal(str(total)), "f")
