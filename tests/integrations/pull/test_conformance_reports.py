"""A report from its asking to its end, whatever becomes of the worker that makes it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from celery import current_app
from django.core.exceptions import ValidationError
from django.utils import timezone

from entities.models import Batch, Customer
from integrations import tasks
from integrations.conformance import reports
from integrations.conformance.checks import CHECKS
from integrations.models import ConformanceReport, Feed
from tests.factories import FeedFactory, UserFactory
from tests.integrations.pull.test_conformance import MANY, feed_of
from tests.partner_api import customers, partner_api
from track360.audit import Actor
from track360.models import AuditEvent, Environment, Partner

pytestmark = pytest.mark.django_db
State = ConformanceReport.State


@pytest.fixture
def feed() -> Feed:
    return FeedFactory(is_on=False, passed_at=None)


def asked_for(feed: Feed) -> ConformanceReport:
    report, is_new = reports.request_conformance(feed, actor=Actor())
    assert is_new
    return report


def test_report_is_asked_for_once_and_audited(feed: Feed) -> None:
    somebody = UserFactory()

    first, is_new = reports.request_conformance(feed, actor=Actor(user=somebody))
    again, is_newer = reports.request_conformance(feed, actor=Actor(user=somebody))

    assert (is_new, is_newer) == (True, False)
    assert first == again
    assert (first.state, first.requested_by) == (State.WAITING, somebody)
    (event,) = AuditEvent.objects.filter(action="conformance.requested")
    assert event.target == str(feed.pk)
    assert event.actor == somebody


def test_nothing_of_a_suspended_partner_is_examined(feed: Feed) -> None:
    report = asked_for(feed)
    Partner.objects.update(status=Partner.Status.SUSPENDED)

    reports.run_conformance(report.pk)

    report.refresh_from_db()
    assert (report.state, report.problem, report.checks) == (State.FAILED, reports.NOT_ACTIVE, [])


@pytest.mark.parametrize("where", ["feed", "connection"])
def test_what_was_removed_is_not_examined(feed: Feed, where: str) -> None:
    row: Any = feed if where == "feed" else feed.connection
    row.removed_at = timezone.now()
    row.save()

    with pytest.raises(ValidationError) as refusal:
        reports.request_conformance(feed, actor=Actor())

    assert refusal.value.code == "removed"


def test_worker_makes_it_once_and_shows_each_check_as_it_is_done(
    sandbox: Environment, loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    save = reports._save

    def noted(report: ConformanceReport, rows: list[Any]) -> None:
        save(report, rows)
        seen.append(len(ConformanceReport.objects.get(pk=report.pk).checks))

    monkeypatch.setattr(reports, "_save", noted)
    with partner_api(customers(MANY), wrong="until inclusive") as api:
        report = asked_for(feed_of(api, sandbox))
        reports.run_conformance(report.pk)
        asked = api.asked
        reports.run_conformance(report.pk)

    report.refresh_from_db()
    assert api.asked == asked
    assert seen == list(range(1, len(CHECKS) + 1))
    assert (report.state, len(report.checks)) == (State.DONE, len(CHECKS))
    assert report.finished_at is not None
    assert reports.address_in(report) == f"{api.url}/records"
    assert reports.sentence_for(report) == "9 of 10 passed, 1 could not be judged. Next: make the window half-open."


def test_nothing_is_stored_and_the_cursor_stays(sandbox: Environment, loopback: None) -> None:
    with partner_api(customers(MANY)) as api:
        feed = feed_of(api, sandbox, cursor="2026-01-01T00:00:00Z")
        reports.run_conformance(asked_for(feed).pk)

    feed.refresh_from_db()
    assert feed.cursor == "2026-01-01T00:00:00Z"
    assert not feed.runs.exists()
    assert not Batch.objects.exists()
    assert not Customer.objects.exists()


def test_no_secret_is_kept_in_a_report(sandbox: Environment, loopback: None) -> None:
    with partner_api(customers(30)) as api:
        report = asked_for(feed_of(api, sandbox, query={"api_key": "hidden-in-the-query", "updated_from": "{since}"}))
        reports.run_conformance(report.pk)

    report.refresh_from_db()
    assert report.checks[0]["calls"]
    assert "hidden-in-the-query" not in str(report.checks)


def test_killed_worker_leaves_a_report_that_the_minutes_round_ends(feed: Feed) -> None:
    report = asked_for(feed)
    started = timezone.now() - reports.GIVEN_UP_AFTER - dt.timedelta(seconds=1)
    ConformanceReport.objects.filter(pk=report.pk).update(state=State.RUNNING, started_at=started)

    tasks.ring_for_conformance()

    report.refresh_from_db()
    assert (report.state, report.problem) == (State.FAILED, reports.KILLED)
    assert reports.sentence_for(report) == reports.KILLED
    assert asked_for(feed) != report


def test_worker_that_was_given_up_changes_nothing_any_more(feed: Feed) -> None:
    report = asked_for(feed)
    ConformanceReport.objects.filter(pk=report.pk).update(state=State.FAILED, problem=reports.KILLED)

    reports._save(report, [{"code": "reached"}])
    reports._end(report, State.DONE)

    report.refresh_from_db()
    assert (report.state, report.checks) == (State.FAILED, [])


def test_what_nobody_took_up_is_rung_again(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    rung: list[Any] = []
    monkeypatch.setattr(tasks.check_conformance, "apply_async", lambda arguments, **more: rung.append(arguments))
    report = asked_for(feed)
    tasks.ring_for_conformance()
    assert rung == []

    ConformanceReport.objects.filter(pk=report.pk).update(requested_at=timezone.now() - tasks.UNANSWERED)
    tasks.ring_for_conformance()

    assert rung == [(str(report.pk),)]


def test_a_fault_of_ours_ends_it_with_a_sentence(feed: Feed, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: Any, **more: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(reports, "examine", broken)
    report = asked_for(feed)

    reports.run_conformance(report.pk)

    report.refresh_from_db()
    assert (report.state, report.problem) == (State.FAILED, reports.BROKE)


def test_pullers_do_it_and_not_the_workers_of_emails() -> None:
    assert current_app.amqp.router.route({}, "integrations.check_conformance")["queue"].name == "pulls"
