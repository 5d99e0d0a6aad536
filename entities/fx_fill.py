"""Dollars for transactions that came before their rate did."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from functools import partial
from typing import Any

from django.db import connection

from entities.fx import rates_for, to_usd
from entities.pipeline.transaction import in_transaction
from track360.models import Environment

BATCH = 500

# Rows that somebody is writing at this moment are left to him: waiting for them could end in a deadlock.
DUE_SQL = """
SELECT id, currency, (transaction_date AT TIME ZONE 'UTC')::date, transaction_date, amount_currency
  FROM entities_transaction
 WHERE environment_id = %s AND amount_usd IS NULL AND (transaction_date, id) > (%s, %s)
 ORDER BY transaction_date, id
 LIMIT %s
   FOR UPDATE SKIP LOCKED
"""

FILL_SQL = """
WITH filled AS MATERIALIZED (
    SELECT * FROM json_to_recordset(%(rows)s::json)
        AS f (id bigint, amount_usd numeric, fx_source text, fx_rate numeric, fx_rate_date date)
),
changed AS (
    INSERT INTO entities_recordchange (environment_id, entity, record_id, changed_at, batch_id, removed, old)
    SELECT %(environment)s, 'transactions', t.id, statement_timestamp(), %(batch)s, false, to_jsonb(t)
      FROM filled f JOIN entities_transaction t ON t.environment_id = %(environment)s AND t.id = f.id
)
UPDATE entities_transaction t
   SET amount_usd = f.amount_usd, fx_source = f.fx_source, fx_rate = f.fx_rate, fx_rate_date = f.fx_rate_date,
       updated_at = statement_timestamp()
  FROM filled f
 WHERE t.environment_id = %(environment)s AND t.id = f.id
"""

Place = tuple[dt.datetime, int]


def fill_missing(environment: Environment) -> int:
    """Give `amount_usd` to the transactions that have none and whose rate is known now; returns how many.

    Each is a change like any other: the old row goes to its history, `updated_at` moves, so that whoever reads by
    `updated_since` sees it. `source` and `batch_id` stay: the partner's version still stands. Raises Problem
    `unavailable` where the database stays contended.
    """
    after: Place | None = (dt.datetime(1, 1, 2, tzinfo=dt.UTC), 0)
    run = uuid.uuid4()
    filled = 0
    while after is not None:
        number, after = in_transaction(environment, partial(_fill_batch, environment, after=after, run=run))
        filled += number
    return filled


def _fill_batch(environment: Environment, *, after: Place, run: uuid.UUID) -> tuple[int, Place | None]:
    """How many of the next few were filled, and the place to go on from: None at the end."""
    with connection.cursor() as cursor:
        cursor.execute(DUE_SQL, [environment.pk, *after, BATCH])
        due = cursor.fetchall()
        rates = rates_for({(currency, day) for _, currency, day, _, _ in due})
        rows: list[dict[str, Any]] = [
            {
                "id": record_id,
                "amount_usd": str(to_usd(amount, rate.usd_rate)),
                "fx_source": rate.source,
                "fx_rate": str(rate.usd_rate),
                "fx_rate_date": rate.day.isoformat(),
            }
            for record_id, currency, day, _, amount in due
            if (rate := rates.get((currency, day)))
        ]
        if rows:
            cursor.execute(FILL_SQL, {"rows": json.dumps(rows), "environment": environment.pk, "batch": run})
    return len(rows), (due[-1][3], due[-1][0]) if len(due) == BATCH else None
