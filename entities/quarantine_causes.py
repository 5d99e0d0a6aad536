"""Why records are held: grouped by cause, with the money and the first deposits that are held up."""

from __future__ import annotations

import dataclasses
import datetime as dt
import uuid
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import orjson
from django.db import connection

from track360.models import Environment

# Groups are counted over the newest records only: a count over all of them would grow without end.
GROUPED = 5_000
CAUSES_SQL = """
SELECT entity, code, field, count(*), max(received_at)
  FROM (SELECT entity, code, field, received_at FROM entities_quarantinedrecord
         WHERE environment_id = %(environment)s AND state = 'held' {of_run} ORDER BY id DESC LIMIT %(grouped)s) newest
 GROUP BY entity, code, field
 ORDER BY count(*) DESC, entity, code, field
 LIMIT %(limit)s
"""
HELD_UP_SQL = """
WITH held AS MATERIALIZED (
    SELECT code, field, amount, currency, depositor
      FROM (SELECT entity, code, field, amount, currency, depositor FROM entities_quarantinedrecord
             WHERE environment_id = %(environment)s AND state = 'held' {of_run}
             ORDER BY id DESC LIMIT %(grouped)s) newest
     WHERE entity = 'transactions'
),
first AS (
    SELECT code, field, count(*) AS deposits
      FROM (SELECT DISTINCT code, field, depositor FROM held WHERE depositor IS NOT NULL) d
     WHERE NOT EXISTS (SELECT FROM entities_transaction t
                        WHERE t.environment_id = %(environment)s AND t.customer_id = d.depositor
                          AND t.transaction_type = 'deposit')
     GROUP BY code, field
),
money AS (
    SELECT code, field, json_object_agg(currency, total::text ORDER BY currency) AS sums
      FROM (SELECT code, field, currency, sum(amount::numeric) AS total FROM held
             WHERE amount IS NOT NULL AND currency IS NOT NULL GROUP BY code, field, currency) c
     GROUP BY code, field
)
SELECT code, field, coalesce(sums, '{}')::text, coalesce(deposits, 0)
  FROM money FULL JOIN first USING (code, field)
"""


@dataclass(frozen=True, slots=True)
class Cause:
    """Records held for the same reason: entity, code and field of the first error.

    `money`: currency -> the sum of the transactions that are held up; `first_deposits`: customers whose deposit is
    held while none is stored.
    """

    entity: str
    code: str
    field: str
    count: int
    last_at: dt.datetime
    money: dict[str, Decimal] = dataclasses.field(default_factory=dict)
    first_deposits: int = 0


def quarantine_causes(
    environment: Environment, *, limit: int | None = None, run_id: uuid.UUID | None = None
) -> list[Cause]:
    """Why records are held, or those that a run fetched, the commonest cause first, counted over the newest 5,000."""
    return [Cause(*row) for row in _read(CAUSES_SQL, environment, run_id, limit=limit)]


def _read(sql: str, environment: Environment, run_id: uuid.UUID | None, **values: Any) -> list[Any]:
    statement = sql.replace("{of_run}", "AND run_id = %(run)s" if run_id else "")
    with connection.cursor() as cursor:
        cursor.execute(statement, {"environment": environment.pk, "grouped": GROUPED, "run": run_id, **values})
        return cursor.fetchall()


def causes_with_money(environment: Environment, *, run_id: uuid.UUID | None = None) -> list[Cause]:
    """The same, with what is held up by each."""
    causes = quarantine_causes(environment, run_id=run_id)
    if not any(cause.entity == "transactions" for cause in causes):
        return causes
    rows = _read(HELD_UP_SQL, environment, run_id)
    held_up = {(code, name): (orjson.loads(sums), deposits) for code, name, sums, deposits in rows}
    found = []
    for cause in causes:
        sums, deposits = held_up.get((cause.code, cause.field), ({}, 0)) if cause.entity == "transactions" else ({}, 0)
        money = {currency: Decimal(total) for currency, total in sums.items()}
        found.append(Cause(cause.entity, cause.code, cause.field, cause.count, cause.last_at, money, deposits))
    return found
