"""Feeds: what is refused, what a change takes away, and when one may be on."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from integrations import feeds
from integrations.models import Feed, SyncRun
from integrations.pull import schedule
from tests.factories import ConnectionFactory, FeedFactory, PartnerFactory, RunFactory
from track360.audit import Actor
from track360.models import Environment

SYSTEM = Actor()
MAPPED = {"customer_id": "id", "signup_date": "created", "affiliate_id": "/meta/aff"}


@pytest.fixture
def sandbox(db: None) -> Environment:
    return PartnerFactory().environments.get(kind="sandbox")


def made(sandbox: Environment, *, is_sql: bool = False, entity: str = "customers", **values: Any) -> Feed:
    connection = ConnectionFactory(environment=sandbox, is_sql=is_sql)
    given = {"relation": "players"} if is_sql and not {"relation", "select"} & set(values) else {}
    return feeds.create_feed(connection, entity=entity, values=given | values, actor=SYSTEM)


def refused(sandbox: Environment, **values: Any) -> set[str]:
    with pytest.raises(ValidationError) as refusal:
        made(sandbox, **values)
    return {str(error.code) for error in refusal.value.error_list}


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"entity": "bets"}, "entity"),
        ({"pattern": "push"}, "pattern"),
        ({"pull_wins": True}, "pull_wins"),
        ({"path": "//evil.example/x"}, "path"),
        ({"path": "https://evil.example"}, "path"),
        ({"path": "/../admin"}, "path"),
        ({"path": "/a/%2e%2E/b"}, "path"),
        ({"path": "/a?b=1"}, "path"),
        ({"path": "/a\x00b"}, "path"),
        ({"query": {"from": "{sinse}"}}, "query.from"),
        ({"query": {"from": "{since:week}"}}, "query.from"),
        ({"query": {"from": "a\nb"}}, "query.from"),
        ({"query": {"": "a"}}, "query"),
        ({"query": {str(n): "" for n in range(31)}}, "query"),
        ({"records_at": "data"}, "records_at"),
        ({"records_at": "/a~2"}, "records_at"),
        ({"paging": "scroll"}, "paging"),
        ({"paging": "page"}, "paging_options.page_parameter"),
        ({"paging": "offset", "paging_options": {}}, "paging_options.offset_parameter"),
        ({"paging": "cursor", "paging_options": {"cursor_parameter": "c"}}, "paging_options.cursor_at"),
        ({"paging": "next", "paging_options": {"next_at": "links.next"}}, "paging_options.next_at"),
        ({"paging": "none", "paging_options": {"size_parameter": "n"}}, "paging_options"),
        ({"paging": "page", "paging_options": {"page_parameter": "p", "first_page": 2}}, "paging_options.first_page"),
        ({"paging": "link", "query": {"n": "1"}, "paging_options": {"size_parameter": "n"}},
         "paging_options.size_parameter"),
        ({"relation": "players"}, "relation"),
        ({"is_sql": True, "path": "/x"}, "path"),
        ({"is_sql": True, "relation": "players", "select": "SELECT 1"}, "relation"),
        ({"is_sql": True, "relation": "", "select": ""}, "relation"),
        ({"is_sql": True, "relation": "a; DROP TABLE b"}, "relation"),
        ({"is_sql": True, "relation": "a.b.c"}, "relation"),
        ({"is_sql": True, "select": "DELETE FROM players"}, "select"),
        ({"is_sql": True, "select": "SELECT 1; SELECT 2"}, "select"),
        ({"is_sql": True, "cursor_column": 'a"b'}, "cursor_column"),
        ({"fields": {**MAPPED, "nickname": "n"}}, "fields"),
        ({"fields": {**MAPPED, "email": "/a~"}}, "fields.email"),
        ({"fields": {**MAPPED, "email": "x" * 201}}, "fields.email"),
        ({"fields": {"customer_id": "id", "signup_date": "created"}}, "fields.affiliate_id"),
        ({"time_zone": "Malta/Valletta"}, "time_zone"),
        ({"time_zone": "../etc/passwd"}, "time_zone"),
        ({"page_size": 0}, "page_size"),
        ({"page_size": 10_001}, "page_size"),
        ({"overlap": dt.timedelta(days=32)}, "overlap"),
        ({"overlap": dt.timedelta(seconds=-1)}, "overlap"),
        ({"every_minutes": 0}, "every_minutes"),
        ({"every_minutes": 1441}, "every_minutes"),
        ({"every_minutes": 5, "daily_at": dt.time(5)}, "every_minutes"),
    ],
)  # fmt: skip
def test_what_could_not_be_read_is_refused_at_its_field(
    sandbox: Environment, values: dict[str, Any], code: str
) -> None:
    assert refused(sandbox, **values) == {code}
    assert not Feed.objects.exists()


def test_what_is_left_out_is_as_usual_for_the_entity(sandbox: Environment) -> None:
    customers, activity = made(sandbox), made(sandbox, entity="activity", is_sql=True)
    assert (customers.every_minutes, customers.daily_at, customers.overlap) == (2, None, dt.timedelta(minutes=15))
    assert (activity.every_minutes, activity.daily_at, activity.overlap) == (None, dt.time(5), dt.timedelta(days=3))
    assert (customers.is_on, customers.pattern, customers.page_size) == (False, "pull", 1000)


@pytest.mark.parametrize(
    "values",
    [
        {"path": "/v1/players", "query": {"since": "{since:unix}", "to": "{until}", "filter": '{"a": 1}'}},
        {"paging": "page", "paging_options": {"page_parameter": "page", "first_page": 0, "size_parameter": ""}},
        {"paging": "cursor", "paging_options": {"cursor_parameter": "c", "cursor_at": "/meta/next~1cursor"}},
        {"fields": MAPPED, "time_zone": "Europe/Malta"},
        {"is_sql": True, "select": " with a AS (SELECT 1) SELECT * FROM a;", "cursor_column": "updated_at"},
        {"is_sql": True, "relation": "reporting.players"},
        {"pattern": "hybrid", "pull_wins": True, "every_minutes": 1440, "overlap": dt.timedelta(days=31)},
        {"every_minutes": None},
    ],
)
def test_what_can_be_read_is_taken(sandbox: Environment, values: dict[str, Any]) -> None:
    assert made(sandbox, **values).pk


def test_an_entity_has_one_live_feed_in_an_environment(sandbox: Environment) -> None:
    first = made(sandbox)
    assert refused(sandbox) == {"entity"}
    feeds.remove_feed(first, actor=SYSTEM)
    assert made(sandbox).pk


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        ({"every_minutes": 5}, True),
        ({"daily_at": dt.time(4)}, True),
        ({"overlap": dt.timedelta(hours=1)}, True),
        ({"page_size": 10}, True),
        ({"pattern": "hybrid", "pull_wins": True}, True),
        ({"path": "/v2/transactions"}, False),
        ({"query": {"a": "{since}"}}, False),
        ({"records_at": ""}, False),
        ({"paging": "none", "paging_options": {}}, False),
        ({"time_zone": "Europe/Malta"}, False),
    ],
)
def test_another_way_of_reading_takes_the_pass_and_another_schedule_does_not(
    sandbox: Environment, change: dict[str, Any], stands: bool
) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    changed = feeds.change_feed(feed, values=change, actor=SYSTEM)
    assert [changed.passed_at is not None, changed.is_on, changed.next_run_at is not None] == [stands] * 3


def test_the_one_schedule_replaces_the_other_and_is_planned(sandbox: Environment) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    changed = feeds.change_feed(feed, values={"daily_at": dt.time(4, 30)}, actor=SYSTEM)
    assert (changed.every_minutes, changed.daily_at) == (None, dt.time(4, 30))
    assert changed.next_run_at == schedule.next_run_after(changed, timezone.now())


def test_read_from_somewhere_else_it_begins_at_the_beginning(sandbox: Environment) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    run = RunFactory(feed=feed, state="due")
    assert feeds.change_feed(feed, values={"records_at": "/items"}, actor=SYSTEM).cursor == feed.cursor
    assert feeds.change_feed(feed, values={"path": "/other"}, actor=SYSTEM).cursor == ""
    run.refresh_from_db()
    assert run.state == SyncRun.State.STOPPED


def test_it_is_switched_on_with_its_pass_and_a_connection_that_is_on(sandbox: Environment) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox), is_on=False, passed_at=None)
    for change, code in (({}, "not_passed"), ({"passed_at": timezone.now()}, "connection_off")):
        Feed.objects.update(**change)
        feed.connection.is_on = code != "connection_off"
        feed.connection.save()
        with pytest.raises(ValidationError) as refusal:
            feeds.switch_feed(feed, on=True, actor=SYSTEM)
        assert refusal.value.code == code
    feed.connection.is_on = True
    feed.connection.save()
    on = feeds.switch_feed(feed, on=True, actor=SYSTEM)
    assert on.is_on
    assert on.next_run_at
    assert feeds.switch_feed(on, on=False, actor=SYSTEM).next_run_at is None


def test_switched_on_again_a_paused_feed_goes_on(sandbox: Environment) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    schedule.hold_feed(feed, reason="Its key was refused.")
    run = RunFactory(feed=feed, state="paused")
    feeds.switch_feed(feed, on=False, actor=SYSTEM)
    feeds.switch_feed(feed, on=True, actor=SYSTEM)
    feed.refresh_from_db()
    run.refresh_from_db()
    assert (feed.paused_at, run.state) == (None, SyncRun.State.DUE)
    assert feed.next_run_at


def test_a_connections_tested_feeds_are_switched_on_together(sandbox: Environment) -> None:
    connection = ConnectionFactory(environment=sandbox)
    for entity, passed in (("customers", timezone.now()), ("transactions", None)):
        FeedFactory(connection=connection, entity=entity, is_on=False, passed_at=passed)
    assert [feed.entity for feed in feeds.switch_on_tested(connection, actor=SYSTEM)] == ["customers"]


def test_removed_it_is_off_and_cannot_be_changed(sandbox: Environment) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    feeds.remove_feed(feed, actor=SYSTEM)
    feeds.remove_feed(feed, actor=SYSTEM)
    feed.refresh_from_db()
    assert (feed.is_on, feed.next_run_at) == (False, None)
    with pytest.raises(ValidationError) as refusal:
        feeds.change_feed(feed, values={"page_size": 1}, actor=SYSTEM)
    assert refusal.value.code == "removed"
