"""What ends with a partner, and what begins anew with his emptied sandbox: connections, feeds, runs and totals.

Connections are locked before feeds and these before runs, as everywhere: a run that ends moves the cursor of its feed
first.
"""

from __future__ import annotations

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from entities.models import Entity
from integrations.models import Connection, Feed, SyncRun, TotalsWatermark
from track360.models import Environment, Partner

# A run that is locked gets no more lines in its log.
FORGET_RUNS = (
    "SELECT FROM integrations_syncrun WHERE environment_id = %s ORDER BY id FOR UPDATE",
    "DELETE FROM integrations_syncevent USING integrations_syncrun r WHERE run_id = r.id AND r.environment_id = %s",
    "DELETE FROM integrations_syncrun WHERE environment_id = %s",
)


def forget_runs(environment: Environment) -> int:
    """Delete the environment's runs with their logs, and let its feeds begin anew; gives how many runs.

    In a transaction. Whoever is at one of the runs finds no lease to renew at his next write. A feed that is on is due
    at once: its schedule may have counted on the end of a run that is gone.
    """
    feeds = Feed.objects.filter(environment=environment, removed_at=None)
    feeds.update(cursor="", cursor_moved_at=None)
    with connection.cursor() as cursor:
        for statement in FORGET_RUNS:
            cursor.execute(statement, [environment.pk])
        forgotten = cursor.rowcount
    scheduled = feeds.filter(Q(every_minutes__isnull=False) | Q(daily_at__isnull=False), is_on=True, paused_at=None)
    scheduled.update(next_run_at=timezone.now())
    return forgotten


def hold_totals(environment: Environment) -> None:
    """In a transaction: until its end nobody computes totals of the environment, and who is at it is waited for.

    He would find the marks gone and write down, of records that go, days that stay.
    """
    marks = [TotalsWatermark(environment=environment, entity=entity, upto=timezone.now()) for entity in Entity.values]
    TotalsWatermark.objects.bulk_create(marks, ignore_conflicts=True)
    list(TotalsWatermark.objects.select_for_update().filter(environment=environment).order_by("pk"))


def end_fetching(partner: Partner) -> dict[str, int]:
    """Stop his runs, switch his feeds and connections off and wipe their secrets, in a transaction; gives how many."""
    connections = Connection.objects.filter(environment__partner=partner)
    feeds = Feed.objects.filter(environment__partner=partner)
    runs = SyncRun.objects.filter(environment__partner=partner, state__in=SyncRun.OPEN)
    counts = {
        "connections": connections.filter(is_on=True).update(is_on=False),
        "feeds": feeds.filter(is_on=True).update(is_on=False, next_run_at=None),
    }
    connections.exclude(sealed_secret="").update(sealed_secret="", secret_set_at=None, passed_at=None)
    numbers = list(runs.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    counts["runs"] = SyncRun.objects.filter(pk__in=numbers).update(
        state=SyncRun.State.STOPPED, finished_at=timezone.now(), lease_token=None, lease_until=None
    )
    return counts
