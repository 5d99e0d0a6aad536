"""What ends with a partner, and what begins anew with his emptied sandbox: connections, feeds and their runs.

Runs are locked before feeds, as where a run ends and moves the cursor of its feed.
"""

from __future__ import annotations

from django.db import connection
from django.db.models import Q
from django.utils import timezone

from integrations.models import Connection, Feed, SyncRun
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
    with connection.cursor() as cursor:
        for statement in FORGET_RUNS:
            cursor.execute(statement, [environment.pk])
        forgotten = cursor.rowcount
    feeds = Feed.objects.filter(environment=environment, removed_at=None)
    feeds.update(cursor="", cursor_moved_at=None)
    scheduled = feeds.filter(Q(every_minutes__isnull=False) | Q(daily_at__isnull=False), is_on=True, paused_at=None)
    scheduled.update(next_run_at=timezone.now())
    return forgotten


def end_fetching(partner: Partner) -> dict[str, int]:
    """Stop his runs, switch his feeds and connections off and wipe their secrets, in a transaction; gives how many."""
    now = timezone.now()
    runs = SyncRun.objects.filter(environment__partner=partner, state__in=SyncRun.OPEN)
    numbers = list(runs.select_for_update(of=("self",)).order_by("pk").values_list("pk", flat=True))
    stopped = SyncRun.objects.filter(pk__in=numbers).update(
        state=SyncRun.State.STOPPED,
        finished_at=now,
        lease_token=None,
        lease_until=None,
    )
    feeds = Feed.objects.filter(environment__partner=partner, is_on=True)
    connections = Connection.objects.filter(environment__partner=partner)
    counts = {
        "runs": stopped,
        "feeds": feeds.update(is_on=False, next_run_at=None),
        "connections": connections.filter(is_on=True).update(is_on=False),
    }
    connections.exclude(sealed_secret="").update(sealed_secret="", secret_set_at=None, passed_at=None)
    return counts
