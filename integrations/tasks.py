"""What the worker does for this app."""

from __future__ import annotations

import datetime as dt
import uuid

from celery import shared_task
from django.db import transaction
from django.utils import timezone
from oauth2_provider.models import clear_expired

from integrations import connection_tests
from integrations.conformance import reports
from integrations.models import ConformanceReport, Connection, ConnectionTest, Feed, SyncRun
from integrations.partitions import drop_old_partitions, ensure_partitions
from integrations.pull import lease
from integrations.pull.run import work_next
from integrations.pull.schedule import plan_due_runs
from track360.audit import Actor
from track360.limits import forget_old_counts

# A doorbell that nobody has answered in this time is rung again.
UNANSWERED = dt.timedelta(seconds=45)


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


# -- Tests of connections -----------------------------------------------------

TESTING_SECONDS = connection_tests.TESTING_SECONDS


@shared_task(name="integrations.test_connection", soft_time_limit=TESTING_SECONDS, time_limit=TESTING_SECONDS + 40)
def test_connection(test_id: str) -> None:
    connection_tests.run_test(uuid.UUID(test_id))


@shared_task(name="integrations.ring_for_tests")
def ring_for_tests() -> None:
    """Each minute: a message may be lost, and a worker killed; what is left to do stands in the rows themselves."""
    now = timezone.now()
    connection_tests.end_killed(now=now)
    for test in connection_tests.waiting_tests(since=now - UNANSWERED):
        test_connection.apply_async((str(test.pk),), expires=60)


@transaction.atomic
def start_test(connection: Connection, *, actor: Actor) -> tuple[ConnectionTest, bool]:
    """Ask for a test, and ring; whether it is a new one. It cannot fail for want of a broker."""
    test, is_new = connection_tests.request_test(connection, actor=actor)
    if is_new:
        transaction.on_commit(lambda: test_connection.delay(str(test.pk)), robust=True)
    return test, is_new


# -- Conformance --------------------------------------------------------------

LIMIT_SECONDS = reports.LIMIT_SECONDS


@shared_task(name="integrations.check_conformance", soft_time_limit=LIMIT_SECONDS, time_limit=LIMIT_SECONDS + 40)
def check_conformance(report_id: str) -> None:
    reports.run_conformance(uuid.UUID(report_id))


@shared_task(name="integrations.ring_for_conformance")
def ring_for_conformance() -> None:
    """Each minute, as for the tests of connections."""
    now = timezone.now()
    reports.end_killed(now=now)
    for report in reports.waiting_reports(since=now - UNANSWERED):
        check_conformance.apply_async((str(report.pk),), expires=60)


@transaction.atomic
def start_conformance(feed: Feed, *, actor: Actor) -> tuple[ConformanceReport, bool]:
    """Ask for a report, and ring; whether it is a new one. It cannot fail for want of a broker."""
    report, is_new = reports.request_conformance(feed, actor=actor)
    if is_new:
        transaction.on_commit(lambda: check_conformance.delay(str(report.pk)), robust=True)
    return report, is_new
