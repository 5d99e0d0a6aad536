"""Reports on a source: asked for by people, made by a worker, kept with their date.

What is to be examined stands in the row; a message only says that there is something. A worker that is killed leaves
the row running, and the minute's round ends it.
"""

from __future__ import annotations

import copy
import datetime as dt
import logging
import time
import uuid
from collections.abc import Callable
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from integrations.conformance.axis import DATES, axis_of
from integrations.conformance.checks import CHECKS, Check
from integrations.conformance.examination import (
    FAIL,
    PASS,
    SKIP,
    WALK_PAGES,
    WALK_SECONDS,
    WARN,
    Examination,
    Finding,
)
from integrations.conformance.reading import SECONDS, OutOfBudget, Reader
from integrations.models import ConformanceReport, Feed
from integrations.pull.opening import open_source
from integrations.pull.source import Call, Source, SourceError, Window
from track360 import audit
from track360.models import Partner

logger = logging.getLogger(__name__)

Json = dict[str, Any]
State = ConformanceReport.State
OPEN = (State.WAITING, State.RUNNING)
LIMIT_SECONDS = int(SECONDS) + 40  # of the task; then the worker is stopped
# By then a worker that is alive has been stopped: this one was killed.
GIVEN_UP_AFTER = dt.timedelta(seconds=LIMIT_SECONDS + 80)
SCHEMA_RECORDS = 500
DATABASE_PAGE = 100  # of a database we choose it: small ones show more places to cut at

KILLED = "The worker that made it was stopped on our side. Ask for it again."
NOT_ACTIVE = "The partner is suspended or closed: nothing of theirs is called."
TOO_LONG = "It took too long and was stopped."
BROKE = "It broke off on our side. Ask for it again, and tell the integrations team if it repeats."


# -- What people ask for ------------------------------------------------------


@transaction.atomic
def request_conformance(feed: Feed, *, actor: audit.Actor) -> tuple[ConformanceReport, bool]:
    """The report that waits or is made, and whether it is a new one. The feed need not be on. Refused: `removed`."""
    feed = (
        Feed.objects.select_for_update(of=("self",), no_key=True)
        .select_related("connection", "environment__partner")
        .get(pk=feed.pk)
    )
    if feed.removed_at is not None or feed.connection.removed_at is not None:
        raise ValidationError("This feed was removed.", code="removed")
    standing = reports_of(feed).filter(state__in=OPEN).first()
    if standing is not None:
        return standing, False
    report = ConformanceReport.objects.create(
        feed=feed, environment=feed.environment, requested_by=actor.user, client_id=actor.client_id
    )
    audit.record(
        "conformance.requested",
        actor=actor,
        environment=feed.environment,
        target=str(feed.pk),
        entity=feed.entity,
        report=str(report.pk),
    )
    return report, True


def reports_of(feed: Feed) -> QuerySet[ConformanceReport]:
    return ConformanceReport.objects.filter(feed=feed).order_by("-requested_at", "-pk")


# -- In the worker ------------------------------------------------------------


def waiting_reports(*, since: dt.datetime) -> QuerySet[ConformanceReport]:
    """Those that no worker has taken up although they were asked for before `since`."""
    return ConformanceReport.objects.filter(state=State.WAITING, requested_at__lt=since)


def end_killed(*, now: dt.datetime) -> None:
    for report in ConformanceReport.objects.filter(state=State.RUNNING, started_at__lt=now - GIVEN_UP_AFTER):
        _end(report, State.FAILED, problem=KILLED)


def run_conformance(report_id: uuid.UUID) -> None:
    """Once: what is done, or is done by another, is left alone."""
    now = timezone.now()
    waiting = ConformanceReport.objects.filter(pk=report_id, state=State.WAITING)
    if not waiting.update(state=State.RUNNING, started_at=now):
        return
    report = ConformanceReport.objects.select_related("feed__connection", "environment__partner").get(pk=report_id)
    report.feed.environment = report.environment
    if report.environment.partner.status != Partner.Status.ACTIVE:
        _end(report, State.FAILED, problem=NOT_ACTIVE)
        return
    try:
        examine(report.feed, done=lambda checks: _save(report, checks))
        _end(report, State.DONE)
    except SoftTimeLimitExceeded:
        _end(report, State.FAILED, problem=TOO_LONG)
    except Exception:
        logger.exception("%s failed", report)
        _end(report, State.FAILED, problem=BROKE)


def _save(report: ConformanceReport, checks: list[Json]) -> None:
    ConformanceReport.objects.filter(pk=report.pk, state=State.RUNNING).update(checks=checks)


def _end(report: ConformanceReport, state: str, *, problem: str = "") -> None:
    """What has been ended meanwhile stays as it is."""
    running = ConformanceReport.objects.filter(pk=report.pk, state=State.RUNNING)
    running.update(state=state, finished_at=timezone.now(), problem=problem)


# -- The examination ----------------------------------------------------------


def examine(feed: Feed, *, done: Callable[[list[Json]], None]) -> list[Json]:
    """The checks in order, as the model keeps them; `done` gets those that are done, after each. No transaction is
    open meanwhile."""
    calls: list[Call] = []
    feed = copy.copy(feed)
    if feed.connection.is_sql:
        feed.page_size = min(feed.page_size, DATABASE_PAGE)
    rows: list[Json] = []

    def add(check: Check, finding: Finding, made: int) -> None:
        rows.append(_row(check, finding, calls[made:]))
        done(rows)

    try:
        with open_source(feed, note=calls.append, budget_seconds=SECONDS) as source:
            examination = _begin(feed, source, calls)
            made = 0
            for check in CHECKS:
                add(check, _finding(check, examination), made)
                made = len(calls)
    except SourceError as error:
        if rows:
            raise  # of closing it
        add(CHECKS[0], Finding(FAIL, str(error)), 0)
        for check in CHECKS[1:]:
            add(check, Finding(SKIP, "There was no answer to judge by."), len(calls))
    return rows


def _begin(feed: Feed, source: Source, calls: list[Call]) -> Examination:
    """Look at a page to see what the records bear, then walk on from the beginning. Raises SourceError."""
    reader = Reader(source, entity=feed.entity, axis=axis_of(feed), calls=calls, keep=SCHEMA_RECORDS)
    try:
        reader.read(Window(), pages=1)
    except OutOfBudget as problem:
        raise SourceError(f"It could not be examined: {problem}.") from None
    records = [record for record in reader.first if isinstance(record, dict)]
    borne = [name for name in DATES[feed.entity] if 2 * sum(bool(row.get(name)) for row in records) > len(records)]
    reader.axis, reader.first = axis_of(feed, shows=borne if records else None), []
    started = time.monotonic()
    walk = reader.read_on(Window(), pages=WALK_PAGES, seconds=WALK_SECONDS)
    logger.info("walked %d pages of %s in %.1f s", len(walk.parts), feed, time.monotonic() - started)
    return Examination(feed, reader, walk)


def _finding(check: Check, examination: Examination) -> Finding:
    try:
        return check.judge(examination)
    except SourceError as error:
        return Finding(FAIL, f"The source did not answer: {error}")
    except OutOfBudget as problem:
        return Finding(SKIP, f"It was left out: {problem}.")


def _row(check: Check, finding: Finding, calls: list[Call]) -> Json:
    return {
        "code": check.code,
        "title": check.title,
        "verdict": finding.verdict,
        "detail": finding.detail,
        "calls": [
            {
                "url": call.url,
                "status": call.status,
                "ms": call.duration_ms,
                "records": call.records,
                "problem": call.problem,
            }
            for call in calls
        ],
    }


# -- What a report says -------------------------------------------------------


def sentence_for(report: ConformanceReport) -> str:
    """How it stands, and what to do next."""
    if report.state == State.WAITING:
        return "Waiting for a worker to begin."
    if report.state == State.RUNNING:
        return f"Being checked: {len(report.checks)} of {len(CHECKS)} done."
    if report.state == State.FAILED:
        return report.problem
    verdicts = [row["verdict"] for row in report.checks]
    judged = len(verdicts) - verdicts.count(SKIP)
    said = f"{verdicts.count(PASS)} of {judged} passed"
    if judged < len(verdicts):
        said += f", {len(verdicts) - judged} could not be judged"
    code = next((row["code"] for verdict in (FAIL, WARN) for row in report.checks if row["verdict"] == verdict), None)
    todo = next((check.next for check in CHECKS if check.code == code), None)
    return f"{said}. Next: {todo}." if todo else f"{said}."


def address_of(feed: Feed) -> str:
    """What is examined, without a secret."""
    connection = feed.connection
    if connection.is_sql:
        what = feed.relation or "a SELECT"
        return f"{connection.host}:{connection.port}/{connection.database}, {what}"
    return f"{connection.base_url.rstrip('/')}/{feed.path.lstrip('/')}".rstrip("/")


def address_in(report: ConformanceReport) -> str:
    """What was examined then; the feed may have been changed since."""
    asked = [call["url"] for row in report.checks for call in row["calls"] if call["records"] is not None]
    if report.feed.connection.is_sql or not asked:
        return address_of(report.feed)
    return str(asked[0]).partition("?")[0]
