"""What has come in a partner's status fields: each value with how many records bear it, when it came, and examples.

Quick at any size of the tables: the newest 10,000 records of each environment are counted; where there are more, an
index counts up to 10,000 records of a value, and what is beyond is estimated from its share in the newest ones.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from django.db import connection

from entities.models import CANONICAL_VALUES, CanonicalValue, Entity, RecordCounter, SeenStatus, StatusField
from track360.models import Partner

NEWEST = 10_000
ENTITY_OF = {
    StatusField.KYC_STATUS: Entity.CUSTOMERS,
    StatusField.SALES_STATUS: Entity.CUSTOMERS,
    StatusField.TRANSACTION_STATUS: Entity.TRANSACTIONS,
}
TABLES = {Entity.CUSTOMERS: "entities_customer", Entity.TRANSACTIONS: "entities_transaction"}
INDEXED = {Entity.CUSTOMERS: StatusField.KYC_STATUS, Entity.TRANSACTIONS: StatusField.TRANSACTION_STATUS}
Key = tuple[str, str]  # field, raw value


@dataclass(frozen=True)
class Example:
    """A record that bears a value: the number in its page's address, its environment, its key."""

    number: int
    kind: str
    key: str


@dataclass
class ValueUse:
    """One raw value. `is_exact` false: `count` is an estimate, or of 0 says that none of the newest has it."""

    count: int = 0
    is_exact: bool = True
    first_seen_at: dt.datetime | None = None
    last_seen_at: dt.datetime | None = None
    examples: list[Example] = field(default_factory=list)

    @property
    def words(self) -> str:
        if self.is_exact:
            return f"{self.count:,}"
        return f"about {_rounded(self.count):,}" if self.count else f"none of the newest {NEWEST:,}"


def _rounded(count: int) -> int:
    """To two digits: an estimate has no more."""
    size = 10 ** max(0, len(str(count)) - 2)
    return round(count / size) * size


def canonical_values() -> dict[str, tuple[str, ...]]:
    """Field -> the canonical values: ours, and those that the team added."""
    added = defaultdict(list)
    for name, value in CanonicalValue.objects.order_by("id").values_list("field", "value"):
        added[name].append(value)
    return {str(name): (*values, *added[name]) for name, values in CANONICAL_VALUES.items()}


def uses_of(partner: Partner) -> dict[Key, ValueUse]:
    """Every value that has ever come in a status field of one of the partner's environments."""
    kinds = dict(partner.environments.values_list("id", "kind"))
    uses: dict[Key, ValueUse] = {}
    for seen in SeenStatus.objects.filter(environment__in=kinds):
        use = uses.setdefault((seen.field, seen.raw_value), ValueUse())
        use.first_seen_at = min(filter(None, (use.first_seen_at, seen.first_seen_at)))
        use.last_seen_at = max(filter(None, (use.last_seen_at, seen.last_seen_at)))
    totals = _totals(kinds)
    for entity, table in TABLES.items():
        _count_newest(uses, entity, table, kinds=kinds, totals=totals)
        if any(totals[environment, entity] > NEWEST for environment in kinds):
            _count_by_index(uses, entity, table, environments=list(kinds))
    return uses


def _totals(environments: Iterable[int]) -> dict[tuple[int, str], int]:
    totals: dict[tuple[int, str], int] = defaultdict(int)
    rows = RecordCounter.objects.filter(environment__in=environments)
    for environment, entity, count in rows.values_list("environment_id", "entity", "count"):
        totals[environment, entity] += count
    return totals


def _count_newest(
    uses: dict[Key, ValueUse],
    entity: Entity,
    table: str,
    *,
    kinds: dict[int, str],
    totals: dict[tuple[int, str], int],
) -> None:
    fields = [name for name, of in ENTITY_OF.items() if of == entity]
    key = f"{entity.value[:-1]}_id"
    groups = ", ".join(f"(environment.id, {name})" for name in fields)
    grouped = ", ".join(f"grouping({name})" for name in fields)
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT environment.id, ARRAY[{grouped}], ARRAY[{", ".join(fields)}], count(*),
                   (array_agg(newest.id ORDER BY newest.id DESC))[1:3],
                   (array_agg(newest.{key} ORDER BY newest.id DESC))[1:3]
              FROM unnest(%s::bigint[]) AS environment (id)
             CROSS JOIN LATERAL (SELECT id, {key}, {", ".join(fields)} FROM {table}
                                  WHERE environment_id = environment.id ORDER BY id DESC LIMIT {NEWEST}) newest
             GROUP BY GROUPING SETS ({groups})
            """,
            [list(kinds)],
        )
        for environment, left_out, values, count, numbers, keys in cursor.fetchall():
            place = left_out.index(0)
            use = uses.get((fields[place], values[place]))
            if use is None:
                continue
            total = totals[environment, entity]
            if total > NEWEST:
                use.is_exact = False
                count = round(total * count / NEWEST)
            use.count += count
            examples = [Example(number, kinds[environment], name) for number, name in zip(numbers, keys, strict=True)]
            use.examples = (use.examples + examples)[:3]
    if any(totals[environment, entity] > NEWEST for environment in kinds):
        for (name, _), use in uses.items():  # one that none of the newest bears may still stand in older records
            if name in fields and not use.count:
                use.is_exact = False


def _count_by_index(uses: dict[Key, ValueUse], entity: Entity, table: str, *, environments: list[int]) -> None:
    """Exact figures for the values of the indexed field that few enough records bear."""
    name = INDEXED[entity]
    values = [raw for of, raw in uses if of == name]
    with connection.cursor() as cursor:
        cursor.execute(
            f"""
            SELECT wanted.value, sum(counted.count)
              FROM unnest(%s::text[]) AS wanted (value)
             CROSS JOIN unnest(%s::bigint[]) AS environment (id)
             CROSS JOIN LATERAL (
                    SELECT count(*) FROM (
                        SELECT FROM {table} WHERE environment_id = environment.id AND {name} = wanted.value
                         LIMIT {NEWEST + 1}) few) counted
             GROUP BY wanted.value HAVING max(counted.count) <= {NEWEST}
            """,
            [values, environments],
        )
        for raw, count in cursor.fetchall():
            use = uses[name, raw]
            use.count, use.is_exact = int(count), True
