"""Who is at a run. What is due, who holds it and how far it got stands in PostgreSQL, by its clock.

A worker takes a run with a fresh token and holds it for `LEASE`; each write of the run bears the token, renews the
lease and, where the token is another's by now, does not happen (fencing). So a worker that was halted, or is cut off,
can write nothing once somebody else has taken over, or a person has stopped the run.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import connection
from django.db.models.functions import Now

from integrations.models import SyncRun
from track360.models import Partner

# Longer than a batch takes, which ends within 20 s; while a page is waited for it is renewed.
LEASE = dt.timedelta(seconds=90)

# Customers before transactions before activity: a run waits for those of earlier entities that were planned with it or
# before it, unless these wait themselves for another try, or are not fetched now. A backfill waits for nobody.
CLAIMABLE = """
    FROM integrations_syncrun r
    JOIN integrations_feed f ON f.id = r.feed_id
    JOIN integrations_connection c ON c.id = f.connection_id
    JOIN track360_environment e ON e.id = r.environment_id
    JOIN track360_partner p ON p.id = e.partner_id
   WHERE r.state IN ('due', 'running') AND r.due_at <= statement_timestamp()
     AND (r.lease_until IS NULL OR r.lease_until < statement_timestamp())
     AND f.is_on AND f.removed_at IS NULL AND f.paused_at IS NULL AND c.is_on AND c.removed_at IS NULL
     AND p.status = %(active)s
     AND (r.kind = 'backfill' OR NOT EXISTS (
          SELECT FROM integrations_syncrun o
            JOIN integrations_feed of ON of.id = o.feed_id
            JOIN integrations_connection oc ON oc.id = of.connection_id
           WHERE of.is_on AND of.removed_at IS NULL AND of.paused_at IS NULL AND oc.is_on AND oc.removed_at IS NULL
             AND o.environment_id = r.environment_id AND o.state IN ('due', 'running') AND o.kind <> 'backfill'
             AND o.due_at <= statement_timestamp() AND o.requested_at <= r.requested_at
             AND array_position(ARRAY['customers', 'transactions', 'activity'], o.entity::text)
               < array_position(ARRAY['customers', 'transactions', 'activity'], r.entity::text)))
"""
CLAIM = f"""
UPDATE integrations_syncrun
   SET lease_token = %(token)s, lease_until = statement_timestamp() + make_interval(secs => %(lease)s),
       state = 'running', started_at = coalesce(started_at, statement_timestamp()), attempts = attempts + 1
 WHERE id = (SELECT r.id {CLAIMABLE} ORDER BY r.due_at FOR UPDATE OF r SKIP LOCKED LIMIT 1)
RETURNING id
"""


class LeaseLost(Exception):
    """The run is another's now, or was stopped. Nothing of this worker may be written any more."""


def claim() -> SyncRun | None:
    """Take the run that has been due longest; None where none may be taken."""
    with connection.cursor() as cursor:
        cursor.execute(CLAIM, {"token": uuid.uuid4(), "lease": LEASE.total_seconds(), "active": Partner.Status.ACTIVE})
        found = cursor.fetchone()
    if found is None:
        return None
    return SyncRun.objects.select_related("feed__connection", "environment__partner").get(pk=found[0])


def claimable(limit: int) -> int:
    """How many runs wait for a worker, counted to `limit`."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT count(*) FROM (SELECT {CLAIMABLE} LIMIT %(limit)s) AS waiting",
            {"active": Partner.Status.ACTIVE, "limit": limit},
        )
        return int(cursor.fetchone()[0])


def write(run: SyncRun, **changes: Any) -> None:
    """Change the run, and hold it for another `LEASE`. Raises LeaseLost, and then nothing is changed."""
    _update(run, lease_until=Now() + LEASE, **changes)


def give_up(run: SyncRun, **changes: Any) -> None:
    """The last change: nobody holds the run after it. Raises LeaseLost."""
    _update(run, lease_token=None, lease_until=None, **changes)


def _update(run: SyncRun, **changes: Any) -> None:
    held = SyncRun.objects.filter(pk=run.pk, lease_token=run.lease_token, state=SyncRun.State.RUNNING)
    if not held.update(**changes):
        raise LeaseLost(f"{run} is somebody else's")
