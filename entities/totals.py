"""Counts and sums of a day by door, and which days changed: what reconciliation computes from the records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db import connection

from entities.models import Entity
from entities.pipeline.differences import HOLDS_SQL, WAIVED_SQL
from entities.pipeline.upsert import PUSHED_SQL
from track360.models import Environment

# A difference bears the time its batch was received, and that batch may have waited for its locks.
WAITED_AT_MOST = dt.timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Line:
    """Count and sum of one currency and type; `sum` is null where there is no money."""

    currency: str
    type: str
    count: int
    sum: Decimal | None


@dataclass(frozen=True, slots=True)
class Measure:
    """What is counted of an entity: SQL over a record named `s`, and over the pulled version `said` of one."""

    table: str
    date: str
    currency: str = "''"
    type: str = "''"
    amount: str = "NULL::numeric"
    said_currency: str = "''"
    said_type: str = "''"
    said_amount: str = "NULL::numeric"

    @property
    def has_type(self) -> bool:
        return self.type != "''"

    @property
    def has_sum(self) -> bool:
        return self.amount != "NULL::numeric"


# A source that lacks a field says nothing of it: there what stands here counts.
MEASURES: Mapping[str, Measure] = {
    Entity.CUSTOMERS: Measure("entities_customer", "signup_date"),
    Entity.TRANSACTIONS: Measure(
        "entities_transaction",
        "transaction_date",
        "s.currency",
        "s.transaction_type",
        "s.amount_currency",
        "coalesce(said ->> 'currency', currency)",
        "coalesce(said ->> 'transaction_type', type)",
        "coalesce((said ->> 'amount_currency')::numeric, amount)",
    ),
    Entity.ACTIVITY: Measure(
        "entities_activity",
        "date",
        "s.currency",
        amount="coalesce(s.ggr, 0)",
        said_currency="coalesce(said ->> 'currency', currency)",
        said_amount="coalesce((said ->> 'ggr')::numeric,"
        " (said ->> 'total_bets')::numeric - (said ->> 'wins')::numeric, amount)",
    ),
}

DIFFERENCES_SQL = f"""
      LEFT JOIN entities_difference differing ON differing.environment_id = s.environment_id
            AND differing.entity = %(entity)s AND differing.record_id = s.id AND differing.closed_at IS NULL
      LEFT JOIN {WAIVED_SQL} waived ON waived.record_id = s.id AND differing.record_id IS NULL AND {HOLDS_SQL}
"""
# A sighting from before the record's `updated_at` was of an earlier version.
DOORS_SQL = f"""
      LEFT JOIN entities_sighting pushed ON pushed.environment_id = s.environment_id AND pushed.entity = %(entity)s
            AND pushed.record_id = s.id AND pushed.door = 'push' AND pushed.seen_at >= s.updated_at
      LEFT JOIN entities_sighting pulled ON pulled.environment_id = s.environment_id AND pulled.entity = %(entity)s
            AND pulled.record_id = s.id AND pulled.door = 'pull' AND pulled.seen_at >= s.updated_at
      {DIFFERENCES_SQL}
"""
WAS_PUSHED = f"({PUSHED_SQL} OR pushed.door IS NOT NULL)"
WAS_PULLED = f"(NOT {PUSHED_SQL} OR pulled.door IS NOT NULL)"


@dataclass(frozen=True, slots=True)
class Sides:
    """The lines of a day: all that stands, what was pushed of it, and what was pulled, as it was pulled."""

    stored: list[Line]
    pushed: list[Line]
    pulled: list[Line]


def _sides_sql(measure: Measure) -> str:
    """Records that differ, also where that was waived, count as pushed with what stands and as pulled with what was
    pulled, both on the day of the version that stands."""
    return f"""
WITH day AS MATERIALIZED (
    SELECT {measure.currency} AS currency, {measure.type} AS type, {measure.amount} AS amount,
           {WAS_PUSHED} AS was_pushed, {WAS_PULLED} AS was_pulled,
           coalesce(differing.payload, waived.payload)::json AS said
      FROM {measure.table} s {DOORS_SQL}
     WHERE s.environment_id = %(environment)s AND s.{measure.date} >= %(start)s AND s.{measure.date} < %(end)s
)
SELECT currency, type, count(*), sum(amount),
       count(*) FILTER (WHERE was_pushed), sum(amount) FILTER (WHERE was_pushed),
       count(*) FILTER (WHERE was_pulled AND said IS NULL), sum(amount) FILTER (WHERE was_pulled AND said IS NULL)
  FROM day GROUP BY 1, 2
UNION ALL
SELECT {measure.said_currency}, {measure.said_type}, 0, NULL, 0, NULL, count(*), sum({measure.said_amount})
  FROM day WHERE said IS NOT NULL GROUP BY 1, 2
"""


def sides_of_day(environment: Environment, entity: str, *, start: Any, end: Any) -> Sides:
    """The lines of the records dated from `start` to before `end`: moments, of activity days."""
    measure = MEASURES[entity]
    with connection.cursor() as cursor:
        cursor.execute(
            _sides_sql(measure), {"environment": environment.pk, "entity": entity, "start": start, "end": end}
        )
        rows = cursor.fetchall()
    sides: list[dict[tuple[str, str], tuple[int, Decimal]]] = [{}, {}, {}]
    for currency, type_, *figures in rows:
        for side, count, amount in zip(sides, figures[::2], figures[1::2], strict=True):
            before = side.get((currency, type_), (0, Decimal(0)))
            if count:
                side[currency, type_] = (before[0] + count, before[1] + (amount or 0))
    return Sides(*([_line(measure, cell, *found) for cell, found in sorted(side.items())] for side in sides))


def _line(measure: Measure, cell: tuple[str, str], count: int, amount: Decimal) -> Line:
    return Line(*cell, count, amount if measure.has_sum else None)


# -- What changed -------------------------------------------------------------


def changed_hours(environment: Environment, entity: str, *, since: dt.datetime, until: dt.datetime) -> list[Any]:
    """The UTC hours (of activity: the days) of records that came, changed, went, or were seen at another door from
    `since` to before `until`, each hour as its first moment: of a record that changed, the old one too.

    Hours, since a day of any time zone is made of them and PostgreSQL need not know the zone.
    """
    measure = MEASURES[entity]
    is_day = entity == Entity.ACTIVITY
    old = f"(c.old ->> '{measure.date}')"
    place = f"s.{measure.date}" if is_day else f"date_trunc('hour', s.{measure.date}, 'UTC')"
    old_place = f"{old}::date" if is_day else f"date_trunc('hour', {old}::timestamptz, 'UTC')"
    standing = f"JOIN {measure.table} s ON s.environment_id = %(environment)s AND s.id"
    sql = f"""
SELECT {place} FROM {measure.table} s
 WHERE s.environment_id = %(environment)s AND s.updated_at >= %(since)s AND s.updated_at < %(until)s
 UNION
SELECT {old_place} FROM entities_recordchange c
 WHERE c.environment_id = %(environment)s AND c.entity = %(entity)s
   AND c.changed_at >= %(since)s AND c.changed_at < %(until)s
 UNION
SELECT {place} FROM entities_sighting g {standing} = g.record_id
 WHERE g.environment_id = %(environment)s AND g.entity = %(entity)s
   AND g.seen_at >= %(since)s AND g.seen_at < %(until)s
 UNION
SELECT {place} FROM entities_difference d {standing} = d.record_id
 WHERE d.environment_id = %(environment)s AND d.entity = %(entity)s
   AND d.fetched_at >= %(since)s - %(waited)s AND d.fetched_at < %(until)s
 UNION
SELECT {place} FROM entities_difference d {standing} = d.record_id
 WHERE d.environment_id = %(environment)s AND d.entity = %(entity)s
   AND d.closed_at >= %(since)s AND d.closed_at < %(until)s
"""
    parameters: dict[str, Any] = {"environment": environment.pk, "entity": entity, "since": since, "until": until}
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters | {"waited": WAITED_AT_MOST})
        return [row[0] for row in cursor.fetchall()]
