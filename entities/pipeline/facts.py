"""What the rules have to know of the database: one short look before anything is written."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from django.db import connection

from entities.fx import Rate, rates_for
from entities.models import CANONICAL, Entity, StatusField
from entities.pipeline.columns import array_of_texts
from track360.models import Environment

Row = dict[str, Any]

STATUS_FIELDS: dict[str, tuple[str, ...]] = {
    Entity.CUSTOMERS: (StatusField.KYC_STATUS, StatusField.SALES_STATUS),
    Entity.TRANSACTIONS: (StatusField.TRANSACTION_STATUS,),
    Entity.ACTIVITY: (),
}


def set_canonical(entity: str, record: Any, mapped: Mapping[Any, str | None]) -> None:
    """Give a record what its statuses mean; `mapped`: status field and raw value -> canonical value."""
    for field_name in STATUS_FIELDS[entity]:
        setattr(record, CANONICAL[field_name], mapped.get((field_name, getattr(record, field_name))))


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


# How far behind `last_seen_at` may be: were it exact, all writers of an environment would queue for its row.
BEHIND = dt.timedelta(minutes=5)

REMEMBERED = 100_000
"""Customers, mapped and seen values that a process remembers; then it begins anew. They take some 10 MB."""


@dataclass(frozen=True, slots=True)
class _Statuses:
    """What does not depend on the records of a batch; as in `Facts`."""

    mapped: dict[tuple[str, str], str]
    seen: dict[tuple[str, str], dt.datetime]
    has_affiliates: bool

    @property
    def size(self) -> int:
        return len(self.mapped) + len(self.seen)

    def tell(self, statuses: Set[tuple[str, str]]) -> bool:
        """Whether these came not long ago, so that there is nothing to note about them."""
        since = dt.datetime.now(dt.UTC) - BEHIND
        return all(status in self.seen and self.seen[status] > since for status in statuses)


@dataclass(slots=True)
class _Memory:
    """What was found in the database, and is so while the environment's `facts_changed_at` is this. Customers stay."""

    changed_at: dt.datetime
    customers: set[str] = field(default_factory=set)
    statuses: dict[str, _Statuses] = field(default_factory=dict)


class _Memories(dict[int, _Memory]):
    """By environment. Threads race here: the worst is that what was remembered is asked again."""

    room = REMEMBERED

    def take(self, entries: int) -> None:
        """Make room for so many more; what another thread holds of what is forgotten stays true."""
        self.room -= entries
        if self.room < 0:
            self.clear()
            self.room = REMEMBERED - entries


_memories = _Memories()


def facts_for(
    environment: Environment,
    *,
    entity: str,
    statuses: Set[tuple[str, str]],
    customers: Set[str],
    affiliates: Set[str],
    rates: set[tuple[str, dt.date]],
    is_fresh: bool = False,
) -> Facts:
    """Everything the rules ask about a batch, in one round trip at most; in two where rates are needed.

    `statuses` are pairs of field and raw value. With `is_fresh` the environment was read just now, and what is
    remembered of it need not be asked.
    """
    memory = _memories.get(environment.pk)
    if memory is None or (is_fresh and memory.changed_at != environment.facts_changed_at):
        memory = _memories[environment.pk] = _Memory(environment.facts_changed_at)
    known = memory.statuses.get(entity) if is_fresh else None
    if known and customers <= memory.customers and not (affiliates and known.has_affiliates) and known.tell(statuses):
        return Facts(mapped=known.mapped, seen=known.seen, rates=rates_for(rates))
    asked = customers - memory.customers
    answer = _ask(environment, entity, asked, affiliates)
    if answer.facts_changed_at != memory.changed_at:
        memory = _memories[environment.pk] = _Memory(answer.facts_changed_at)
        if asked != customers:
            asked = customers
            answer = _ask(environment, entity, asked, affiliates)
    unknown = frozenset(answer.unknown_customers or ())
    known = answer.statuses()
    _memories.take(len(asked) - len(unknown) + (0 if entity in memory.statuses else 1 + known.size))
    memory.customers |= asked - unknown
    memory.statuses[entity] = known
    return Facts(
        unknown_customers=unknown,
        mapped=known.mapped,
        seen=known.seen,
        affiliates=frozenset(answer.known_affiliates or ()) if affiliates and answer.has_affiliates else None,
        rates=rates_for(rates),
    )


class _Answer(NamedTuple):
    """What the function `entities_facts` returns; arrays are null where they would be empty."""

    facts_changed_at: dt.datetime
    mapped_fields: list[str] | None
    mapped_raws: list[str] | None
    mapped_values: list[str] | None
    seen_fields: list[str] | None
    seen_raws: list[str] | None
    seen_at: list[dt.datetime] | None
    unknown_customers: list[str] | None
    known_affiliates: list[str] | None
    has_affiliates: bool

    def statuses(self) -> _Statuses:
        return _Statuses(
            mapped=dict(zip(_pairs(self.mapped_fields, self.mapped_raws), self.mapped_values or (), strict=True)),
            seen=dict(zip(_pairs(self.seen_fields, self.seen_raws), self.seen_at or (), strict=True)),
            has_affiliates=self.has_affiliates,
        )


def _ask(environment: Environment, entity: str, customers: Set[str], affiliates: Set[str]) -> _Answer:
    texts = [array_of_texts(values) for values in (STATUS_FIELDS[entity], customers, affiliates)]
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {', '.join(_Answer._fields)} FROM entities_facts(%s, %s, %s, %s, %s)",
            [environment.partner_id, environment.pk, *texts],
        )
        return _Answer(*cursor.fetchone())


def _pairs(fields: list[str] | None, raws: list[str] | None) -> list[tuple[str, str]]:
    return list(zip(fields or (), raws or (), strict=True))


def rate_key(row: Row) -> tuple[str, dt.date]:
    """The currency and the UTC date that decide the rate of a transaction."""
    return row["currency"], dt.date.fromisoformat(row["transaction_date"][:10])
