"""What a partner sends that nobody has said the meaning of."""

from __future__ import annotations

from collections.abc import Iterable

from django.db import connection
from django.db.models import Count, Exists, OuterRef, QuerySet

from entities.models import SeenStatus, StatusMapping
from track360.models import Environment, Partner

# A walk along the index `customer_by_affiliate`, one probe for each distinct id, so that its cost does not depend on
# how many customers there are; it stops at the limit, and after the first 2,000 affiliates.
UNKNOWN_AFFILIATES_SQL = """
WITH RECURSIVE walk (affiliate_id, step) AS (
    (SELECT affiliate_id, 1 FROM entities_customer WHERE environment_id = %(environment)s
      ORDER BY affiliate_id LIMIT 1)
    UNION ALL
    SELECT (SELECT affiliate_id FROM entities_customer
             WHERE environment_id = %(environment)s AND affiliate_id > walk.affiliate_id
             ORDER BY affiliate_id LIMIT 1), step + 1
      FROM walk WHERE walk.affiliate_id IS NOT NULL AND step < 2000
)
SELECT affiliate_id FROM walk
 WHERE affiliate_id IS NOT NULL
   AND EXISTS (SELECT FROM entities_affiliate WHERE partner_id = %(partner)s)
   AND NOT EXISTS (SELECT FROM entities_affiliate known
                    WHERE known.partner_id = %(partner)s AND known.affiliate_id = walk.affiliate_id)
 LIMIT %(limit)s
"""


def unmapped_statuses(environment: Environment, *, limit: int) -> QuerySet[SeenStatus]:
    """Status values that have arrived and have no canonical one yet, the oldest first."""
    return (
        SeenStatus.objects.filter(environment=environment)
        .filter(~Exists(_mapped(partner=environment.partner_id)))
        .order_by("first_seen_at", "id")[:limit]
    )


def unmapped_counts(partners: Iterable[Partner]) -> dict[int, int]:
    """Environment id -> how many status values have no canonical one, for the environments of `partners`."""
    return dict(
        SeenStatus.objects.filter(environment__partner__in=list(partners))
        .filter(~Exists(_mapped(partner=OuterRef("environment__partner_id"))))
        .values("environment_id")
        .annotate(values_seen=Count("id"))
        .values_list("environment_id", "values_seen")
    )


def unknown_affiliates(environment: Environment, *, limit: int) -> list[str]:
    """Affiliate ids of customers that the partner has not registered; none while he has registered none."""
    with connection.cursor() as cursor:
        cursor.execute(
            UNKNOWN_AFFILIATES_SQL,
            {"environment": environment.pk, "partner": environment.partner_id, "limit": limit},
        )
        return [row[0] for row in cursor.fetchall()]


def _mapped(*, partner: int | OuterRef) -> QuerySet[StatusMapping]:
    return StatusMapping.objects.filter(
        partner_id=partner,
        field=OuterRef("field"),
        raw_value=OuterRef("raw_value"),
        canonical_value__isnull=False,
    )
