"""What has come in a partner's status fields: each value with how many records bear it, when it came, and examples.

Quick at any size of the tables: the newest 2,000 records of each environment are counted; where there are more, an
index counts up to 2,000 records of a value, and what is beyond is estimated from its share in the newest ones.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field

from django.db import connection

from entities.models import CANONICAL_VALUES, CanonicalValue, Entity, SeenStatus, StatusField
from entities.scans import ALONG_THE_INDEX
from track360.models import Partner

NEWEST = 2_000  # 10,000 took 70 ms
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


def seen_values(partner: Partner) -> set[Key]:
    """Every value that has ever come in a status field of one of the partner's environments."""
    return set(SeenStatus.objects.filter(environment__partner=partner).values_list("field", "raw_value"))


def uses_of(partner: Partner) -> dict[Key, ValueUse]:
    """Every value that has ever come, with how it is used."""
    kinds, totals = _environments(partner)
    uses: dict[Key, ValueUse] = {}
    for seen in SeenStatus.objects.filter(environment__in=kinds):
        use = uses.setdefault((seen.field, seen.raw_value), ValueUse())
        use.first_seen_at = min(filter(None, (use.first_seen_at, seen.first_seen_at)))
        use.last_seen_at = max(filter(None, (use.last_seen_at, seen.last_seen_at)))
    large = {entity for (_, entity), total in totals.items() if total > NEWEST}
    _count_newest(uses, kinds=kinds, totals=totals)
    for (name, _), use in uses.items():  # one that none of the newest bears may still stand in older records
        if ENTITY_OF[StatusField(name)] in large and not use.count:
            use.is_exact = False
    _count_by_index(uses, large=large, environments=list(kinds))
    return uses


def _environments(partner: Partner) -> tuple[dict[int, str], dict[tuple[int, str], int]]:
    """Environment id -> kind, and environment id and entity -> how many records it holds."""
    kinds: dict[int, str] = {}
    totals: dict[tuple[int, str], int] = defaultdict(int)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT environment.id, environment.kind, counter.entity, sum(counter.count)
              FROM track360_environment environment
              LEFT JOIN entities_recordcounter counter ON counter.environment_id = environment.id
             WHERE environment.partner_id = %s
             GROUP BY environment.id, counter.entity ORDER BY environment.id
            """,
            [partner.pk],
        )
        for environment, kind, entity, count in cursor.fetchall():
            kinds[environment] = kind
            totals[environment, entity] = int(count or 0)
    return kinds, totals


def _count_newest(uses: dict[Key, ValueUse], *, kinds: dict[int, str], totals: dict[tuple[int, str], int]) -> None:
    """How many of the newest records of each environment bear each value, and the newest three of those."""
    with connection.cursor() as cursor:
        cursor.execute(
            ALONG_THE_INDEX + " UNION ALL ".join(f"({_newest_sql(entity)})" for entity in TABLES),
            {"environments": list(kinds)},
        )
        rows = cursor.fetchall()
    for entity, environment, name, value, count, numbers, keys in rows:
        use = uses.get((name, value))
        if use is None:  # no value, or one beyond the most that are remembered
            continue
        total = totals[environment, entity]
        if total > NEWEST:
            use.is_exact = False
            count = round(total * count / NEWEST)
        use.count += count
        examples = [Example(number, kinds[environment], key) for number, key in zip(numbers, keys, strict=True)]
        use.examples = (use.examples + examples)[:3]


def _newest_sql(entity: Entity) -> str:
    """Entity, environment, field, value, count, and the number and the key of up to three examples."""
    fields = [field.value for field, of in ENTITY_OF.items() if of == entity]
    key = f"{entity.value[:-1]}_id"
    values = ", ".join(f"('{field}', newest.{field})" for field in fields)
    # Not by ordered aggregates: those would have all rows sorted by their text.
    return f"""
        SELECT '{entity.value}', borne.environment, borne.field, borne.value, cardinality(borne.ids),
               examples.ids, examples.keys
          FROM (SELECT environment.id AS environment, said.field, said.value,
                       array_agg(newest.id) AS ids, array_agg(newest.{key}) AS keys
                  FROM unnest(%(environments)s::bigint[]) AS environment (id)
                 CROSS JOIN LATERAL (SELECT id, {key}, {", ".join(fields)} FROM {TABLES[entity]}
                                      WHERE environment_id = environment.id ORDER BY id DESC LIMIT {NEWEST}) newest
                 CROSS JOIN LATERAL (VALUES {values}) AS said (field, value)
                 WHERE said.value IS NOT NULL
                 GROUP BY environment.id, said.field, said.value) borne
         CROSS JOIN LATERAL (
                SELECT array_agg(id ORDER BY id DESC) AS ids, array_agg(key ORDER BY id DESC) AS keys
                  FROM (SELECT * FROM unnest(borne.ids, borne.keys) AS one (id, key) ORDER BY id DESC LIMIT 3) newest
               ) examples"""


def _count_by_index(uses: dict[Key, ValueUse], *, large: set[str], environments: list[int]) -> None:
    """Exact figures for the values of the indexed fields that few enough records bear; of most others none is read."""
    wanted = {
        field: [raw for (of, raw), use in uses.items() if of == field and entity in large and use.count <= 2 * NEWEST]
        for entity, field in INDEXED.items()
    }
    with connection.cursor() as cursor:
        cursor.execute(
            ALONG_THE_INDEX + " UNION ALL ".join(f"({_by_index_sql(entity)})" for entity in INDEXED),
            {"environments": environments, **{str(field): values for field, values in wanted.items()}},
        )
        for field, raw, count in cursor.fetchall():
            use = uses[field, raw]
            use.count, use.is_exact = int(count), True


def _by_index_sql(entity: Entity) -> str:
    field = INDEXED[entity].value
    return f"""
        SELECT '{field}', wanted.value, sum(counted.count)
          FROM unnest(%({field})s::text[]) AS wanted (value)
         CROSS JOIN unnest(%(environments)s::bigint[]) AS environment (id)
         CROSS JOIN LATERAL (
                SELECT count(*) FROM (
                    SELECT FROM {TABLES[entity]} WHERE environment_id = environment.id AND {field} = wanted.value
                     LIMIT {NEWEST + 1}) few) counted
         GROUP BY wanted.value HAVING max(counted.count) <= {NEWEST}"""
