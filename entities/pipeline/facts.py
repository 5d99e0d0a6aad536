"""What the rules have to know of the database: one short look before anything is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from entities.fx import Rate, rates_for
from entities.models import Affiliate, Entity, SeenStatus, StatusField, StatusMapping
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


def facts_for(environment: Environment, *, entity: str, rows: list[Row]) -> Facts:
    """Everything the rules ask about these rows, in two to four indexed look-ups."""
    facts = Facts()
    fields = STATUS_FIELDS[entity]
    if fields:
        facts.mapped = set(
            StatusMapping.objects.filter(
                partner_id=environment.partner_id, field__in=fields, canonical_value__isnull=False
            ).values_list("field", "raw_value")
        )
        seen = SeenStatus.objects.filter(environment=environment, field__in=fields)
        facts.seen = {(name, raw): last for name, raw, last in seen.values_list("field", "raw_value", "last_seen_at")}
    if entity == Entity.CUSTOMERS:
        facts.affiliates = _affiliates(environment, (row["affiliate_id"] for row in rows))
    else:
        facts.unknown_customers = unknown_customers(
            environment, (row["customer_id"] for row in rows if "customer_id" in row)
        )
    if entity == Entity.TRANSACTIONS:
        facts.rates = rates_for({rate_key(row) for row in rows if "amount_usd" not in row})
    return facts


def rate_key(row: Row) -> tuple[str, dt.date]:
    """The currency and the UTC date that decide the rate of a transaction."""
    return row["currency"], dt.date.fromisoformat(row["transaction_date"][:10])


def unknown_customers(environment: Environment, customer_ids: Iterable[str]) -> frozenset[str]:
    """Those of the ids that no stored customer of this environment has."""
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT id FROM unnest(%s::text[]) AS wanted (id)
             WHERE NOT EXISTS (SELECT 1 FROM entities_customer
                                WHERE environment_id = %s AND customer_id = wanted.id
                               OFFSET 0)  -- a look-up for each id: the environment must not be read whole
            """,
            [list(set(customer_ids)), environment.pk],
        )
        return frozenset(row[0] for row in cursor.fetchall())


def _affiliates(environment: Environment, affiliate_ids: Iterable[str]) -> frozenset[str] | None:
    registered = Affiliate.objects.filter(partner_id=environment.partner_id)
    known = frozenset(registered.filter(affiliate_id__in=set(affiliate_ids)).values_list("affiliate_id", flat=True))
    return known if known or registered.exists() else None
