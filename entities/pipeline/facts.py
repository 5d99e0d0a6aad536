"""What the rules have to know of the database: one short look before anything is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any

import orjson
from django.db import connection

from entities.fx import Rate, rates_for
from entities.models import Entity, StatusField
from track360.models import Environment

Row = dict[str, Any]

STATUS_FIELDS: dict[str, tuple[str, ...]] = {
    Entity.CUSTOMERS: (StatusField.KYC_STATUS, StatusField.SALES_STATUS),
    Entity.TRANSACTIONS: (StatusField.TRANSACTION_STATUS,),
    Entity.ACTIVITY: (),
}


@dataclass(slots=True)
class Facts:
    """`seen`: status field and raw value -> when it last came, to a few minutes.

    `affiliates` is None while the partner has registered none; else those of the batch that are known.
    """

    unknown_customers: frozenset[str] = frozenset()
    mapped: set[tuple[str, str]] = field(default_factory=set)
    seen: dict[tuple[str, str], dt.datetime] = field(default_factory=dict)
    affiliates: frozenset[str] | None = None
    rates: dict[tuple[str, dt.date], Rate] = field(default_factory=dict)

    def seen_in(self, field_name: str) -> int:
        return sum(1 for name, _ in self.seen if name == field_name)


# Everything in one round trip. OFFSET 0 keeps it a look-up for each customer: the environment must not be read whole.
_FACTS = """
SELECT mapped.fields, mapped.raws, seen.fields, seen.raws, seen.lasts, unknown.ids, known.ids,
       EXISTS (SELECT FROM entities_affiliate WHERE partner_id = %(partner)s)
  FROM (SELECT array_agg(field) AS fields, array_agg(raw_value) AS raws
          FROM entities_statusmapping
         WHERE partner_id = %(partner)s AND field = ANY(%(fields)s) AND canonical_value IS NOT NULL) AS mapped,
       (SELECT array_agg(field) AS fields, array_agg(raw_value) AS raws, array_agg(last_seen_at) AS lasts
          FROM entities_seenstatus
         WHERE environment_id = %(environment)s AND field = ANY(%(fields)s)) AS seen,
       (SELECT array_agg(id) AS ids
          FROM json_array_elements_text(%(customers)s::json) AS wanted (id)
         WHERE NOT EXISTS (SELECT 1 FROM entities_customer
                            WHERE environment_id = %(environment)s AND customer_id = wanted.id
                           OFFSET 0)) AS unknown,
       (SELECT array_agg(affiliate_id) AS ids
          FROM entities_affiliate
         WHERE partner_id = %(partner)s
           AND affiliate_id IN (SELECT json_array_elements_text(%(affiliates)s::json))) AS known
"""


def facts_for(
    environment: Environment,
    *,
    entity: str,
    customers: Set[str],
    affiliates: Set[str],
    rates: set[tuple[str, dt.date]],
) -> Facts:
    """Everything the rules ask about a batch, in one round trip; in two where rates are needed."""
    with connection.cursor() as cursor:
        cursor.execute(
            _FACTS,
            {
                "environment": environment.pk,
                "partner": environment.partner_id,
                "fields": [str(field) for field in STATUS_FIELDS[entity]],
                "customers": orjson.dumps(list(customers)).decode(),
                "affiliates": orjson.dumps(list(affiliates)).decode(),
            },
        )
        *mapped, seen_fields, seen_raws, seen_at, unknown, known, are_registered = cursor.fetchone()
    return Facts(
        unknown_customers=frozenset(unknown or ()),
        mapped=set(_pairs(*mapped)),
        seen=dict(zip(_pairs(seen_fields, seen_raws), seen_at or (), strict=True)),
        affiliates=frozenset(known or ()) if affiliates and are_registered else None,
        rates=rates_for(rates),
    )


def _pairs(fields: list[str] | None, raws: list[str] | None) -> list[tuple[str, str]]:
    return list(zip(fields or (), raws or (), strict=True))


def rate_key(row: Row) -> tuple[str, dt.date]:
    """The currency and the UTC date that decide the rate of a transaction."""
    return row["currency"], dt.date.fromisoformat(row["transaction_date"][:10])
