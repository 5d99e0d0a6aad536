"""The test of a connection: a worker opens each feed, reads a page, and shows ten records as they would be stored.

What is to be tested stands in the row; a message only says that there is something. A worker that is killed leaves
the row running, and the minute's round ends it.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ValidationError
from django.db import connection as database
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from entities.models import Batch
from entities.pipeline import ingest
from entities.pipeline.erased import concerns, erased_among, without_personal
from entities.pipeline.erased import storable as as_kept
from entities.pipeline.locks import INGEST_LOCK
from integrations import connection_rules, feed_rules
from integrations.connections import live_feeds, locked
from integrations.models import Connection, ConnectionTest, Feed
from integrations.pull import opening
from integrations.pull.source import Call
from track360 import audit
from track360.models import Environment, Partner

logger = logging.getLogger(__name__)

State = ConnectionTest.State
OPEN = (State.WAITING, State.RUNNING)
TESTING_SECONDS = 200  # for all feeds; then the worker is stopped
# By then a worker that is alive has been stopped: this one was killed.
GIVEN_UP_AFTER = dt.timedelta(seconds=300)
SHOWN_CALLS = 10
KEPT_FINDINGS = 20  # of a record
Json = dict[str, Any]

CHANGED = "It was changed while it was tested. Test it again."
KILLED = "The worker that made the test was stopped on our side. Test it again."
NOT_ACTIVE = "The partner is suspended or closed: nothing of theirs is called."
TOO_LONG = "It took too long and was stopped."
BROKE = "It broke off on our side. Test it again, and tell the integrations team if it repeats."


@transaction.atomic
def request_test(connection: Connection, *, actor: audit.Actor) -> tuple[ConnectionTest, bool]:
    """The test that waits or runs, and whether it is a new one. Refused: `no_feeds`, `secret` where it lacks one."""
    connection = locked(connection)
    standing = connection.tests.filter(state__in=OPEN).order_by("-requested_at").first()
    if standing is not None:
        return standing, False
    if not live_feeds(connection).exists():
        raise ValidationError("There is nothing to read yet. Make a feed first.", code="no_feeds")
    if not connection.sealed_secret and not connection.is_sql and connection.auth in connection_rules.NEEDS_SECRET:
        raise ValidationError("It has no secret to sign in with. Set it first.", code="secret")
    test = ConnectionTest.objects.create(
        connection=connection,
        environment=connection.environment,
        requested_by=actor.user,
        client_id=actor.client_id,
    )
    audit.record(
        "connection.test_asked",
        actor=actor,
        environment=connection.environment,
        target=str(connection.pk),
        name=connection.name,
        test=str(test.pk),
    )
    return test, True


def newest_test(connection: Connection) -> ConnectionTest | None:
    return connection.tests.order_by("-requested_at").first()


# -- In the worker ------------------------------------------------------------


def waiting_tests(*, since: dt.datetime) -> QuerySet[ConnectionTest]:
    """Those that no worker has taken up although they were asked for before `since`."""
    return ConnectionTest.objects.filter(state=State.WAITING, requested_at__lt=since)


def end_killed(*, now: dt.datetime) -> None:
    for test in ConnectionTest.objects.filter(state=State.RUNNING, started_at__lt=now - GIVEN_UP_AFTER):
        _end(test, problem=KILLED)


def run_test(test_id: uuid.UUID) -> None:
    """Once: what is done, or is done by another, is left alone."""
    now = timezone.now()
    if not ConnectionTest.objects.filter(pk=test_id, state=State.WAITING).update(state=State.RUNNING, started_at=now):
        return
    test = ConnectionTest.objects.select_related("connection", "environment__partner").get(pk=test_id)
    if test.environment.partner.status != Partner.Status.ACTIVE:
        _end(test, problem=NOT_ACTIVE)
        return
    try:
        feeds = list(live_feeds(test.connection).select_related("connection"))
        found = {feed: _tested(feed) for feed in feeds}
        _finish(test, found)
    except SoftTimeLimitExceeded:
        _end(test, problem=TOO_LONG)
    except ValidationError as refusal:
        _end(test, problem=" ".join(refusal.messages))
    except Exception:
        logger.exception("%s failed", test)
        _end(test, problem=BROKE)


def _tested(feed: Feed) -> Json:
    """`{"ok", "steps", "cursor_kind", "names", "calls", "rows"}` of one feed; no transaction is open meanwhile."""
    calls: list[Call] = []
    probe = opening.probe(feed, note=calls.append)
    steps = [{"name": step.name, "ok": step.ok, "detail": step.detail, "ms": step.ms} for step in probe.steps]
    rows: list[Json] = []
    if all(step["ok"] for step in steps):
        rows = _as_stored(feed.environment, feed.entity, probe.records)
        steps.append(_verdict(rows))
    return {
        "ok": bool(steps) and all(step["ok"] for step in steps),
        "steps": steps,
        "cursor_kind": probe.cursor_kind,
        "names": probe.names,
        "calls": [
            {"url": call.url, "status": call.status, "ms": call.duration_ms, "problem": call.problem}
            for call in calls[:SHOWN_CALLS]
        ],
        "rows": rows,
    }


def _as_stored(environment: Environment, entity: str, records: list[Any]) -> list[Json]:
    """Each record with what the pipeline says of it."""
    if not records:
        return []
    report = ingest(environment, entity, records, shape="array", door=Batch.Door.SAMPLE, dry_run=True)
    rows: list[Json] = [{"record": record, "errors": [], "warnings": []} for record in records]
    for kind, findings in (("errors", report.errors), ("warnings", report.warnings)):
        for finding in findings:
            kept = rows[finding.index or 0][kind]
            if len(kept) < KEPT_FINDINGS:
                kept.append(as_kept(finding))
    return rows


def _verdict(rows: list[Json]) -> Json:
    """It does not pass if nothing of what was read could be stored: then the fields are named wrongly."""
    good = sum(not row["errors"] for row in rows)
    if not rows:
        detail = "No records there yet."
    elif good == len(rows):
        detail = f"All {good} would be stored." if good > 1 else "The one record would be stored."
    elif good:
        detail = f"{good} of {len(rows)} would be stored; the others would go to quarantine."
    else:
        detail = f"None of the {len(rows)} would be stored. Look at their errors; most often fields are to be mapped."
    return {"name": "Records fit", "ok": good > 0 or not rows, "detail": detail, "ms": 0}


# -- The end ------------------------------------------------------------------


@transaction.atomic
def _finish(test: ConnectionTest, found: dict[Feed, Json]) -> None:
    """Give the pass to what was tested and is still the same; a feed that failed keeps no other from its own."""
    connection = locked(test.connection)
    # Who was held up beyond its time must not undo what was said of it meanwhile.
    if not ConnectionTest.objects.select_for_update().filter(pk=test.pk, state=State.RUNNING).exists():
        return
    with database.cursor() as cursor:
        # An erasure either comes after this and finds the rows, or is seen here.
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [INGEST_LOCK, connection.environment_id])
    feeds = {feed.pk: feed for feed in live_feeds(connection).select_for_update(of=("self",), no_key=True)}
    now = timezone.now()
    same = _print(connection, connection_rules.TESTED) == _print(test.connection, connection_rules.TESTED)
    passed = False
    for tested, result in found.items():
        feed = feeds.get(tested.pk)
        if not same or feed is None or _print(feed, feed_rules.READ) != _print(tested, feed_rules.READ):
            result["steps"].append({"name": "Unchanged", "ok": False, "detail": CHANGED, "ms": 0})
            result["ok"] = False
        elif result["ok"]:
            _pass(feed, result["cursor_kind"], now=now)
            passed = True
    if passed:
        connection.passed_at = now
        connection.save(update_fields=["passed_at"])
    test.state = State.PASSED if found and all(result["ok"] for result in found.values()) else State.FAILED
    test.finished_at = now
    test.rows = {feed.entity: _without_erased(test.environment, feed.entity, found[feed].pop("rows")) for feed in found}
    test.feeds = {feed.entity: result for feed, result in found.items()}
    test.save(update_fields=["state", "finished_at", "rows", "feeds"])
    _record(test, connection)


def _pass(feed: Feed, cursor_kind: str, *, now: dt.datetime) -> None:
    feed.passed_at = now
    if feed.cursor_kind != cursor_kind:
        feed.cursor_kind, feed.cursor, feed.cursor_moved_at = cursor_kind, "", None
    feed.save(update_fields=["passed_at", "cursor_kind", "cursor", "cursor_moved_at"])


def _print(row: Connection | Feed, names: tuple[str, ...]) -> list[Any]:
    """What the test was of."""
    return [*(getattr(row, name) for name in names), getattr(row, "secret_set_at", None)]


def _without_erased(environment: Environment, entity: str, rows: list[Json]) -> list[Json]:
    mentioned = {row_id for row in rows for row_id in concerns(row["record"])}
    erased = erased_among(environment, mentioned)
    for row in rows:
        if concerns(row["record"]) & erased:
            row["record"] = without_personal(entity, row["record"])
            for finding in (*row["errors"], *row["warnings"]):
                finding.pop("value", None)
    return rows


@transaction.atomic
def _end(test: ConnectionTest, *, problem: str) -> None:
    """Without a result, for a reason that is no feed's."""
    step = {"name": "Tested", "ok": False, "detail": problem, "ms": 0}
    ended = ConnectionTest.objects.filter(pk=test.pk, state=State.RUNNING).update(
        state=State.FAILED, steps=[step], finished_at=timezone.now()
    )
    if ended:
        test.state = State.FAILED
        _record(test, test.connection)


def _record(test: ConnectionTest, connection: Connection) -> None:
    audit.record(
        "connection.tested",
        actor=None,
        environment=connection.environment,
        target=str(connection.pk),
        name=connection.name,
        test=str(test.pk),
        state=test.state,
    )
