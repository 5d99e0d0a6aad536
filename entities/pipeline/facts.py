"""What the rules have to know of the database: one short look before anything is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from entities.fx import Rate, rates_for
from entities.models import Entity, StatusField
from entities.pipeline.columns import array_of_texts
from track360.models import Environment

Row = dict[str, Any]

STATUS_FIELDS: dict[str, tuple[str, ...]] = {
    Entity.CUSTOMERS: (StatusField.KYC_STATUS, StatusField.SALES_STATUS),
    Entity.TRANSACTIONS: (StatusField.TRANSACTION_STATUS,),
    Entity.ACTIVITY: (),
}


@dataclass(slots=True)
class Facts:
    """By status field and raw value: `mapped` is the canonical value, `seen` when it last came, to a few minutes.

    `affiliates` is None while the partner has registered none; else those of the batch that are known.
    """

    unknown_customers: frozenset[str] = frozenset()
    mapped: dict[tuple[str, str], str] = field(default_factory=dict)
    seen: dict[tuple[str, str], dt.datetime] = field(default_factory=dict)
    affiliates: frozenset[str] | None = None
    rates: dict[tuple[str, dt.date], Rate] = field(default_factory=dict)

    def seen_in(self, field_name: str) -> int:
        return sum(1 for name, _ in self.seen if name == field_name)


REMEMBERED = 100_000
"""Customers that a process remembers as stored; then it begins anew. They take some 10 MB."""


@dataclass(slots=True)
class _Stored:
    """Customers that were found stored. They stay, but where a sandbox is emptied: then `emptied_at` is another."""

    emptied_at: dt.datetime | None = None
    customers: set[str] = field(default_factory=set)


_stored: dict[int, _Stored] = {}


def facts_for(
    environment: Environment,
    *,
    entity: str,
    customers: Set[str],
    affiliates: Set[str],
    rates: set[tuple[str, dt.date]],
) -> Facts:
    """Everything the rules ask about a batch, in one round trip; in two where rates are needed."""
    stored = _stored.setdefault(environment.pk, _Stored())
    asked = customers - stored.customers
    answer = _ask(environment, entity, asked, affiliates)
    if answer.emptied_at != stored.emptied_at:
        stored = _stored[environment.pk] = _Stored(answer.emptied_at)
        asked = customers
        answer = _ask(environment, entity, asked, affiliates)
    unknown = frozenset(answer.unknown_customers or ())
    if asked:
        _remember(stored, asked - unknown)
    return Facts(
        unknown_customers=unknown,
        mapped=dict(zip(_pairs(answer.mapped_fields, answer.mapped_raws), answer.mapped_values or (), strict=True)),
        seen=dict(zip(_pairs(answer.seen_fields, answer.seen_raws), answer.seen_at or (), strict=True)),
        affiliates=frozenset(answer.known_affiliates or ()) if affiliates and answer.has_affiliates else None,
        rates=rates_for(rates),
    )


class _Answer(NamedTuple):
    """What the function `entities_facts` returns; arrays are null where they would be empty."""

    emptied_at: dt.datetime | None
    mapped_fields: list[str] | None
    mapped_raws: list[str] | None
    mapped_values: list[str] | None
    seen_fields: list[str] | None
    seen_raws: list[str] | None
    seen_at: list[dt.datetime] | None
    unknown_customers: list[str] | None
    known_affiliates: list[str] | None
    has_affiliates: bool


def _ask(environment: Environment, entity: str, customers: Set[str], affiliates: Set[str]) -> _Answer:
    texts = [array_of_texts(values) for values in (STATUS_FIELDS[entity], customers, affiliates)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(_Answer._fields)} FROM entities_facts(%s, %s, %s, %s, %s)",
            [environment.partner_id, environment.pk, *texts],
        )
        return _Answer(*cursor.fetchone())


def _remember(stored: _Stored, customers: Set[str]) -> None:
    so_many = sum(len(one.customers) for one in list(_stored.values()))  # other threads add to them
    if so_many + len(customers) > REMEMBERED:
        _stored.clear()  # what another thread holds of it stays true
    stored.customers |= customers


def _pairs(fields: list[str] | None, raws: list[str] | None) -> list[tuple[str, str]]:
    return list(zip(fields or (), raws or (), strict=True))


def rate_key(row: Row) -> tuple[str, dt.date]:
    """The currency and the UTC date that decide the rate of a transaction."""
    return row["currency"], dt.date.fromisoformat(row["transaction_date"][:10])
