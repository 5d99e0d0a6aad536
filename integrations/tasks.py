"""What the worker does for this app."""

from __future__ import annotations

import datetime as dt

from celery import shared_task
from django.db import transaction
from oauth2_provider.models import clear_expired

from integrations.models import SyncRun
from integrations.partitions import drop_old_partitions, ensure_partitions
from integrations.pull import lease
from integrations.pull.run import work_next
from integrations.pull.schedule import plan_due_runs
from track360.limits import forget_old_counts


@shared_task(name="integrations.clear_expired_tokens")
def clear_expired_tokens() -> None:
    """Hourly: clients fetch up to 60 tokens a minute, and each leaves a row."""
    clear_expired()
    forget_old_counts()


@shared_task(name="integrations.keep_request_log")
def keep_request_log() -> None:
    """Daily: make the request log's next partitions, drop those older than 90 days."""
    today = dt.datetime.now(dt.UTC).date()
    ensure_partitions(today)
    drop_old_partitions(today)


# -- Fetching -----------------------------------------------------------------

RUNG_AT_ONCE = 8


@shared_task(name="integrations.pull")
def pull() -> None:
    """Work on the run that has been due longest, and ring for the next one."""
    if work_next() and lease.claimable(1):
        pull.apply_async(expires=60)


@shared_task(name="integrations.ring_for_runs")
def ring_for_runs() -> None:
    """Each 15 s, by any number of schedulers: plan what is due, and ring for what waits. A lost message costs that
    much, a killed worker his lease."""
    plan_due_runs(now=dt.datetime.now(dt.UTC))
    for _ in range(lease.claimable(RUNG_AT_ONCE)):
        pull.apply_async(expires=30)


def ring(run: SyncRun) -> None:
    """For a person who waits. Without a broker the next round of the schedule does it."""
    transaction.on_commit(lambda: pull.apply_async(expires=60), robust=True)
