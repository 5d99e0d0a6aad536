"""When feeds are fetched, and what people may ask for."""

from __future__ import annotations

import datetime as dt
import threading
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection as database
from django.db import transaction
from django.utils import timezone

from integrations import connections, endings
from integrations.models import Connection, Feed, SyncRun
from integrations.pull import lease, schedule
from integrations.pull.cursors import start_of
from integrations.pull.lease import LeaseLost
from tests.entities.test_concurrency import together
from tests.integrations.pull.feeds import make_connection, make_feed
from track360.audit import Actor
from track360.models import AuditEvent, Environment, Partner

NOW = dt.datetime(2026, 3, 15, 12, 0, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
SYSTEM = Actor()


@pytest.fixture
def connection(sandbox: Environment) -> Connection:
    return make_connection(sandbox)


@pytest.fixture
def feed(connection: Connection) -> Feed:
    return make_feed(connection)


def refused(call: Any, *args: Any, **kwargs: Any) -> str | None:
    with pytest.raises(ValidationError) as refusal:
        call(*args, **kwargs)
    return refusal.value.code


@pytest.mark.parametrize(
    ("values", "due"),
    [
        ({"every_minutes": 15, "next_run_at": NOW}, NOW + dt.timedelta(minutes=15)),
        ({"every_minutes": 15, "next_run_at": NOW - HOUR}, NOW + dt.timedelta(minutes=15)),
        ({"every_minutes": 15, "next_run_at": NOW - dt.timedelta(minutes=20)}, NOW + dt.timedelta(minutes=10)),
        ({"every_minutes": 15, "next_run_at": None}, NOW + dt.timedelta(minutes=15)),
        ({"every_minutes": None, "daily_at": dt.time(5)}, dt.datetime(2026, 3, 16, 5, tzinfo=dt.UTC)),
        ({"every_minutes": None, "daily_at": dt.time(12)}, dt.datetime(2026, 3, 16, 12, tzinfo=dt.UTC)),
        ({"every_minutes": None, "daily_at": dt.time(12, 1)}, dt.datetime(2026, 3, 15, 12, 1, tzinfo=dt.UTC)),
        ({"every_minutes": None}, None),
    ],
)
def test_the_next_run_keeps_the_beat_and_makes_up_for_nothing(values: dict[str, Any], due: dt.datetime | None) -> None:
    assert schedule.next_run_after(Feed(**values), NOW) == due


def test_a_due_feed_is_planned_once(feed: Feed) -> None:
    now = timezone.now()

    assert schedule.plan_due_runs(now=now) == 1
    assert schedule.plan_due_runs(now=now) == 0
    feed.refresh_from_db()
    assert feed.next_run_at > now

    assert schedule.plan_due_runs(now=feed.next_run_at) == 0  # the first one is open still
    run = SyncRun.objects.get()
    assert (run.kind, run.state, run.entity) == ("scheduled", "due", "transactions")


@pytest.mark.parametrize("off", ["feed", "connection", "removed", "paused", "suspended"])
def test_what_is_off_is_neither_planned_nor_taken(feed: Feed, off: str) -> None:
    schedule.request_run(feed, actor=SYSTEM)
    if off == "feed":
        Feed.objects.update(is_on=False)
    elif off == "connection":
        Connection.objects.update(is_on=False)
    elif off == "removed":
        Connection.objects.update(removed_at=timezone.now())
    elif off == "paused":
        Feed.objects.update(paused_at=timezone.now())
    else:
        Partner.objects.update(status=Partner.Status.SUSPENDED)

    assert lease.claim() is None
    SyncRun.objects.all().delete()
    assert schedule.plan_due_runs(now=timezone.now()) == 0


def test_a_run_is_taken_by_one_worker_until_his_lease_ends(feed: Feed) -> None:
    schedule.request_run(feed, actor=SYSTEM)

    first = lease.claim()
    assert (first.state, first.attempts) == ("running", 1)
    assert lease.claim() is None

    SyncRun.objects.update(lease_until=timezone.now() - dt.timedelta(seconds=1))
    second = lease.claim()
    assert (second.pk, second.attempts) == (first.pk, 2)
    with pytest.raises(LeaseLost):
        lease.write(first, pages=9)
    lease.write(second, pages=1)
    assert SyncRun.objects.get().pages == 1


def test_customers_come_before_transactions_before_activity(connection: Connection) -> None:
    for entity in ("activity", "transactions", "customers"):
        make_feed(connection, entity)
    schedule.plan_due_runs(now=timezone.now())

    for entity in ("customers", "transactions", "activity"):
        run = lease.claim()
        assert run.entity == entity
        assert lease.claim() is None
        lease.give_up(run, state=SyncRun.State.DONE)


def test_nobody_waits_for_customers_that_wait_for_another_try(connection: Connection) -> None:
    make_feed(connection, "customers")
    make_feed(connection, "transactions")
    schedule.plan_due_runs(now=timezone.now())
    lease.give_up(lease.claim(), state=SyncRun.State.DUE, due_at=timezone.now() + HOUR)

    assert lease.claim().entity == "transactions"


@pytest.mark.parametrize("off", ["feed", "connection"])
def test_nobody_waits_for_customers_that_were_switched_off(connection: Connection, off: str) -> None:
    customers = make_feed(make_connection(connection.environment), "customers")
    make_feed(connection, "transactions")
    schedule.plan_due_runs(now=timezone.now())
    if off == "feed":
        Feed.objects.filter(pk=customers.pk).update(is_on=False)
    else:
        Connection.objects.filter(pk=customers.connection_id).update(is_on=False)

    assert lease.claim().entity == "transactions"


def test_transactions_do_not_wait_for_customers_that_were_planned_after_them(connection: Connection) -> None:
    make_feed(connection, "transactions")
    schedule.plan_due_runs(now=timezone.now())
    schedule.request_run(make_feed(connection, "customers"), actor=SYSTEM)

    assert {lease.claim().entity, lease.claim().entity} == {"transactions", "customers"}


def test_a_run_is_asked_for_once(feed: Feed) -> None:
    first = schedule.request_run(feed, actor=SYSTEM)
    SyncRun.objects.update(due_at=timezone.now() + HOUR)

    again = schedule.request_run(feed, actor=SYSTEM)

    assert again.pk == first.pk
    assert again.due_at <= timezone.now()
    assert AuditEvent.objects.filter(action="run.requested").count() == 2


def test_a_paused_run_is_not_asked_for_again(feed: Feed) -> None:
    run = schedule.request_run(feed, actor=SYSTEM)
    schedule.pause_run(run, actor=SYSTEM)

    assert refused(schedule.request_run, feed, actor=SYSTEM) == "paused"


def test_at_most_twenty_backfills_of_a_feed_are_open(feed: Feed) -> None:
    Feed.objects.update(query={"from": "{since}"})
    day = dt.date(2026, 1, 1)
    runs = [
        schedule.request_backfill(feed, first_day=day, last_day=day, actor=SYSTEM)
        for _ in range(schedule.MOST_BACKFILLS)
    ]
    assert refused(schedule.request_backfill, feed, first_day=day, last_day=day, actor=SYSTEM) == "too_many"

    schedule.stop_run(runs[0], actor=SYSTEM)
    schedule.request_backfill(feed, first_day=day, last_day=day, actor=SYSTEM)


def test_a_run_is_refused_where_nothing_may_be_fetched(feed: Feed) -> None:
    Feed.objects.update(is_on=False)
    assert refused(schedule.request_run, feed, actor=SYSTEM) == "off"
    Feed.objects.update(is_on=True, paused_at=timezone.now())
    assert refused(schedule.request_run, feed, actor=SYSTEM) == "paused"


def test_a_backfill_goes_beside_the_schedule(connection: Connection) -> None:
    feed = make_feed(connection, query={"from": "{since}", "to": "{until}"})
    schedule.plan_due_runs(now=timezone.now())

    run = schedule.request_backfill(feed, first_day=dt.date(2026, 1, 1), last_day=dt.date(2026, 1, 31), actor=SYSTEM)

    assert (run.kind, run.since, run.until) == ("backfill", "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z")
    assert SyncRun.objects.count() == 2


def test_a_backfill_wants_days_that_can_be_asked_for(feed: Feed) -> None:
    day, tomorrow = dt.date(2026, 1, 1), timezone.now().date() + dt.timedelta(days=1)

    def ask(first: dt.date, last: dt.date) -> str | None:
        return refused(schedule.request_backfill, feed, first_day=first, last_day=last, actor=SYSTEM)

    assert ask(dt.date(1899, 12, 31), day) == "first_day"
    assert ask(tomorrow, tomorrow) == "first_day"
    assert ask(day, day - dt.timedelta(days=1)) == "last_day"
    assert ask(day, tomorrow) == "last_day"
    assert ask(day, day) == "window"


def test_who_stops_or_pauses_a_run_takes_it_from_the_worker(feed: Feed) -> None:
    run = schedule.request_run(feed, actor=SYSTEM)
    held = lease.claim()

    schedule.pause_run(run, actor=SYSTEM)
    with pytest.raises(LeaseLost):
        lease.write(held, pages=1)
    assert lease.claim() is None
    assert refused(schedule.pause_run, run, actor=SYSTEM) == "paused"

    schedule.resume_run(run, actor=SYSTEM)
    held = lease.claim()
    schedule.stop_run(run, actor=SYSTEM)
    with pytest.raises(LeaseLost):
        lease.give_up(held, state=SyncRun.State.DONE)
    assert refused(schedule.stop_run, run, actor=SYSTEM) == "closed"
    assert [event.text for event in run.events.order_by("id")] == [
        "Paused by the system.",
        "Resumed by the system.",
        "Stopped by the system.",
    ]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "end",
    [
        lambda feed: connections.remove_connection(feed.connection, actor=SYSTEM),
        lambda feed: endings.forget_runs(feed.environment),
        lambda feed: endings.end_fetching(feed.environment.partner),
    ],
    ids=["removed", "emptied", "closed"],
)
def test_who_ends_fetching_meets_a_run_that_ends_without_a_deadlock(feed: Feed, end: Any) -> None:
    schedule.request_run(feed, actor=SYSTEM)
    held = lease.claim()
    moved = threading.Event()

    def finish() -> None:
        with transaction.atomic(), database.cursor() as cursor:
            Feed.objects.filter(pk=feed.pk).update(cursor="2026-03-15T12:00:00Z")
            moved.set()
            waiting = 0
            while not waiting:
                cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
                waiting = cursor.fetchone()[0]
            lease.give_up(held, state=SyncRun.State.DONE)

    def end_it() -> None:
        moved.wait()
        with transaction.atomic():
            end(feed)

    assert together(finish, end_it) == []


def test_a_paused_feed_takes_its_run_along_and_brings_it_back(feed: Feed) -> None:
    run = schedule.request_run(feed, actor=SYSTEM)

    schedule.pause_feed(feed, actor=SYSTEM)
    run.refresh_from_db()
    assert run.state == "paused"
    assert refused(schedule.resume_run, run, actor=SYSTEM) == "feed_paused"

    resumed = schedule.resume_feed(feed, actor=SYSTEM)
    run.refresh_from_db()
    assert (run.state, resumed.paused_at) == ("due", None)
    assert resumed.next_run_at <= timezone.now()


def test_a_cursor_is_set_in_one_spelling(feed: Feed) -> None:
    schedule.set_cursor(feed, cursor=" 2026-03-15T12:00:00+02:00 ", actor=SYSTEM)
    feed.refresh_from_db()
    assert feed.cursor == "2026-03-15T10:00:00Z"
    for wrong in ("yesterday", "2026-03-15T12:00:00", "2026-02-30T12:00:00Z", "9999-12-31T23:59:59-10:00"):
        assert refused(schedule.set_cursor, feed, cursor=wrong, actor=SYSTEM) == "cursor"


@pytest.mark.parametrize(("kind", "far"), [("moment", dt.timedelta(minutes=1)), ("day", dt.timedelta(days=2))])
def test_a_cursor_that_lies_ahead_is_refused(feed: Feed, kind: str, far: dt.timedelta) -> None:
    """Until then no run would find anything, and nobody would see why."""
    Feed.objects.filter(pk=feed.pk).update(cursor_kind=kind)
    ahead = timezone.now() + far
    cursor = ahead.isoformat() if kind == "moment" else ahead.date().isoformat()
    assert refused(schedule.set_cursor, feed, cursor=cursor, actor=SYSTEM) == "cursor"
    schedule.set_cursor(feed, cursor="", actor=SYSTEM)


@pytest.mark.parametrize(
    ("kind", "cursor", "overlap", "start"),
    [
        ("moment", "", HOUR, ""),
        ("moment", "2026-03-15T12:00:00.500000Z", HOUR, "2026-03-15T11:00:00.500000Z"),
        ("day", "2026-03-15", dt.timedelta(days=3), "2026-03-12"),
        ("day", "2026-03-15", HOUR, "2026-03-14"),
        ("day", "2026-03-15", dt.timedelta(), "2026-03-15"),
        ("moment", "0001-01-01T00:00:00Z", HOUR, ""),
    ],
)
def test_a_run_begins_the_overlap_before_the_cursor(
    feed: Feed, kind: str, cursor: str, overlap: dt.timedelta, start: str
) -> None:
    feed.cursor_kind, feed.cursor, feed.overlap = kind, cursor, overlap
    assert start_of(feed, now=timezone.now()) == start


def test_a_number_goes_back_to_where_it_stood_an_overlap_ago(feed: Feed) -> None:
    now = timezone.now()
    feed.cursor_kind, feed.cursor, feed.overlap = "number", "300", HOUR
    assert start_of(feed, now=now) == "300"  # a person began there

    def ended(before: str, after: str, ago: dt.timedelta) -> None:
        SyncRun.objects.create(
            feed=feed,
            environment=feed.environment,
            entity=feed.entity,
            state="done",
            cursor_before=before,
            cursor_after=after,
            finished_at=now - ago,
        )

    ended("200", "300", HOUR / 2)
    assert start_of(feed, now=now) == "200"
    ended("", "150", 3 * HOUR)
    ended("150", "200", 2 * HOUR)
    assert start_of(feed, now=now) == "200"
    feed.cursor = "120"
    assert start_of(feed, now=now) == "120"


def test_a_number_goes_by_no_run_of_the_source_before(feed: Feed) -> None:
    now = timezone.now()
    feed.cursor_kind, feed.cursor, feed.overlap = "number", "300", HOUR

    def ended(before: str, after: str, ago: dt.timedelta) -> None:
        SyncRun.objects.create(
            feed=feed,
            environment=feed.environment,
            entity=feed.entity,
            state="done",
            cursor_before=before,
            cursor_after=after,
            finished_at=now - ago,
        )

    ended("", "2026-03-15T12:00:00Z", 4 * HOUR)
    assert start_of(feed, now=now) == "300"
    ended("", "250", 3 * HOUR)
    ended("", "300", HOUR / 2)
    assert start_of(feed, now=now) == ""
