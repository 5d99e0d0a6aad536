"""What a partner sends that nobody has said the meaning of."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection

from track360.models import Environment, Partner

# A walk along the index `customer_by_affiliate`, one probe for each distinct id, so that its cost does not depend on
# how many customers there are; it stops at the limit, and after so many affiliates.
UNKNOWN_AFFILIATES_SQL = """
WITH RECURSIVE walk (affiliate_id, step) AS (
    (SELECT affiliate_id, 1 FROM entities_customer WHERE environment_id = %(environment)s
      ORDER BY affiliate_id LIMIT 1)
    UNION ALL
    SELECT (SELECT affiliate_id FROM entities_customer
             WHERE environment_id = %(environment)s AND affiliate_id > walk.affiliate_id
             ORDER BY affiliate_id LIMIT 1), step + 1
      FROM walk WHERE walk.affiliate_id IS NOT NULL AND step < %(probes)s
)
SELECT affiliate_id FROM walk
 WHERE affiliate_id IS NOT NULL
   AND (%(while_none)s OR EXISTS (SELECT FROM entities_affiliate WHERE partner_id = %(partner)s))
   AND NOT EXISTS (SELECT FROM entities_affiliate known
                    WHERE known.partner_id = %(partner)s AND known.affiliate_id = walk.affiliate_id)
 LIMIT %(limit)s
"""


@dataclass(frozen=True, slots=True)
class Coverage:
    """How far the values of a status field of a partner, seen or declared, have a canonical one."""

    declared: int = 0
    unmapped: int = 0
    examples: tuple[str, ...] = ()  # up to three of those unmapped


# One row a value, of those declared and those that arrived; a value is mapped by what it was declared with.
COVERAGE_SQL = """
SELECT field, count(*) FILTER (WHERE declared), count(*) FILTER (WHERE canonical_value IS NULL),
       coalesce((array_agg(raw_value ORDER BY raw_value) FILTER (WHERE canonical_value IS NULL))[1:3], '{}')
  FROM (SELECT field, raw_value, bool_or(declared) AS declared, max(canonical_value) AS canonical_value
          FROM (SELECT field, raw_value, true AS declared, canonical_value
                  FROM entities_statusmapping WHERE partner_id = %(partner)s
                 UNION ALL
                SELECT seen.field, seen.raw_value, false, NULL
                  FROM entities_seenstatus seen JOIN track360_environment environment
                    ON environment.id = seen.environment_id
                 WHERE environment.partner_id = %(partner)s) AS said
         GROUP BY field, raw_value) AS value
 GROUP BY field
"""


def status_coverage(partner: Partner) -> dict[str, Coverage]:
    """Status field -> coverage, over both environments; a field of which nothing is known is left out."""
    with connection.cursor() as cursor:
        cursor.execute(COVERAGE_SQL, {"partner": partner.pk})
        return {
            field: Coverage(declared, unmapped, tuple(examples))
            for field, declared, unmapped, examples in cursor.fetchall()
        }


def unknown_affiliates(
    environment: Environment, *, limit: int, probes: int = 2000, while_none: bool = False
) -> list[str]:
    """Affiliate ids of customers that the partner has not registered; `while_none`: also while there is none at all.

    Of the first `probes` ids in their order: each costs a look into an index.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            UNKNOWN_AFFILIATES_SQL,
            {
                "environment": environment.pk,
                "partner": environment.partner_id,
                "limit": limit,
                "probes": probes,
                "while_none": while_none,
            },
        )
        return [row[0] for row in cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class UnknownAffiliate:
    """An id that customers name and the partner has not registered. `customers`: up to 10,000 of each environment."""

    affiliate_id: str
    customers: int
    first_seen_at: dt.datetime | None  # None: its last customer has just gone


# Both parts go along the index `customer_by_affiliate`.
CUSTOMERS_OF_SQL = """
SELECT wanted.id, sum(counted.count), min(first.received_at)
  FROM unnest(%s::text[]) AS wanted (id)
 CROSS JOIN unnest(%s::bigint[]) AS environment (id)
 CROSS JOIN LATERAL (
        SELECT count(*) FROM (
            SELECT FROM entities_customer
             WHERE environment_id = environment.id AND affiliate_id = wanted.id LIMIT 10000) few) counted
  LEFT JOIN LATERAL (
        SELECT received_at FROM entities_customer
         WHERE environment_id = environment.id AND affiliate_id = wanted.id ORDER BY id LIMIT 1) first ON true
 GROUP BY wanted.id ORDER BY 2 DESC, 1
"""


def unknown_affiliates_of(partner: Partner, *, limit: int, probes: int) -> list[UnknownAffiliate]:
    """Of both environments, those with the most customers first; see `unknown_affiliates` for `probes`."""
    environments = list(partner.environments.all())
    found = {
        affiliate
        for environment in environments
        for affiliate in unknown_affiliates(environment, limit=limit, probes=probes, while_none=True)
    }
    if not found:
        return []
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMERS_OF_SQL, [list(found), [environment.pk for environment in environments]])
        return [UnknownAffiliate(name, int(count), first) for name, count, first in cursor.fetchall()][:limit]
