"""Keeping the totals of all partners, in the time zones that their scopes record."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

from django.db import DatabaseError, connection

from integrations.models import DayTotals
from integrations.reconciliation.compute import refresh
from onboarding.days import time_zones
from onboarding.models import Onboarding
from track360.models import Environment, Partner

logger = logging.getLogger(__name__)

# A batch may have begun this much before it was committed.
LATE_COMMIT = dt.timedelta(minutes=5)
# Those that have no totals yet, that were not finished, or where something came since.
CHANGED_SQL = """
SELECT environment.id
  FROM track360_environment environment JOIN track360_partner partner ON partner.id = environment.partner_id,
       LATERAL (SELECT count(*) AS number, min(upto) AS upto, coalesce(sum(jsonb_array_length(pending)), 0) AS pending,
                       array_agg(time_zone) AS zones
                  FROM integrations_totalswatermark WHERE environment_id = environment.id) AS mark,
       LATERAL (SELECT max(started_at) AS newest FROM entities_batch WHERE environment_id = environment.id) AS batch
 WHERE partner.status <> 'closed'
   AND (mark.number < 3 OR mark.pending > 0 OR batch.newest >= mark.upto - %(late)s
        OR EXISTS (SELECT FROM unnest(mark.zones) AS zone
                    WHERE zone <> (%(zones)s::jsonb ->> environment.partner_id::text)))
 ORDER BY mark.upto NULLS FIRST
"""


def reconcile(*, budget_seconds: float) -> int:
    """Bring the totals up where something came: the environments with the oldest ones first. How many were looked at.

    Each gets its share of the time, so that a partner who loads his history holds up nobody for long.
    """
    partners = list(Partner.objects.exclude(status=Partner.Status.CLOSED))
    zones = time_zones(partners)
    with connection.cursor() as cursor:
        parameters: dict[str, Any] = {"late": LATE_COMMIT, "zones": json.dumps(zones)}
        cursor.execute(CHANGED_SQL, parameters)
        numbers: list[int] = [row[0] for row in cursor.fetchall()]
    environments = Environment.objects.select_related("partner").in_bulk(numbers)
    for number in numbers:
        environment = environments[number]
        try:
            altered = refresh(
                environment, zones[environment.partner_id], budget_seconds=budget_seconds / max(1, len(numbers))
            )
        except DatabaseError:
            logger.exception("The totals of %s could not be brought up", environment)
            continue
        if altered and environment.kind == Environment.Kind.SANDBOX:
            _judge_anew(environment, altered)
    return len(numbers)


def _judge_anew(sandbox: Environment, days: set[dt.date]) -> None:
    """Step 7 may stand differently: of days of which the partner has said something."""
    said = DayTotals.objects.filter(environment=sandbox, side=DayTotals.Side.PARTNER, day__in=days)
    if said.exists():
        Onboarding.objects.filter(partner=sandbox.partner_id).update(computed_at=None)
