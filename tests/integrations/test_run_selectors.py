"""Reads of the runs: what is under way, what comes, what ran, how fast; none of them grows with what has been."""

from __future__ import annotations

import datetime as dt
from typing import Any, cast

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from integrations import run_selectors
from integrations.models import Feed, SyncEvent, SyncRun
from tests.factories import FeedFactory, RunFactory, SyncEventFactory
from track360.models import Environment

NOW = dt.datetime(2026, 3, 15, 12, tzinfo=dt.UTC)


@pytest.fixture
def feed(sandbox: Environment) -> Feed:
    return FeedFactory(connection__environment=sandbox)


# -- How fast, and until when -------------------------------------------------


@pytest.mark.parametrize(
    ("values", "rate", "left"),
    [
        ({"read": 12_000, "expected": 60_000, "busy_seconds": 4.0}, 3000.0, 16.0),
        ({"read": 0, "expected": 60_000, "busy_seconds": 4.0}, None, None),
        ({"read": 12_000, "expected": 60_000, "busy_seconds": 0.0}, None, None),
        ({"read": 12_000, "expected": None, "busy_seconds": 4.0}, 3000.0, None),
        ({"read": 12_000, "expected": 12_000, "busy_seconds": 4.0}, 3000.0, None),
        ({"read": 12_000, "expected": 11_000, "busy_seconds": 4.0}, 3000.0, None),
        ({"read": 12_000, "expected": 60_000, "busy_seconds": 4.0, "state": "paused"}, 3000.0, None),
        ({"read": 12_000, "expected": 60_000, "busy_seconds": 4.0, "state": "done"}, 3000.0, None),
    ],
)
def test_the_end_is_estimated_only_while_that_makes_sense(
    values: dict[str, Any], rate: float | None, left: float | None
) -> None:
    run = SyncRun(**{"state": "running", **values})

    assert run_selectors.rows_a_second(run) == rate
    assert run_selectors.seconds_left(run) == left
    end = None if left is None else NOW + dt.timedelta(seconds=left)
    assert run_selectors.estimated_end(run, now=NOW) == end


def test_a_source_that_counts_more_than_a_clock_can_has_no_end() -> None:
    run = SyncRun(state="running", read=1, expected=2**63 - 1, busy_seconds=9.0)

    assert run_selectors.estimated_end(run, now=NOW) is None


# -- What runs, what comes ----------------------------------------------------


def test_what_is_open_comes_running_first(sandbox: Environment, feed: Feed) -> None:
    paused = RunFactory(feed=feed, state="paused", kind="backfill")
    waiting = RunFactory(feed=feed, state="due", kind="backfill")
    running = RunFactory(feed=feed, state="running")
    for state in ("done", "stopped"):
        RunFactory(feed=feed, state=state)
    RunFactory(state="running")

    assert run_selectors.open_runs(sandbox) == [running, waiting, paused]


def test_feeds_come_in_the_order_of_fetching_with_their_last_run(sandbox: Environment, feed: Feed) -> None:
    activity = FeedFactory(connection=feed.connection, entity="activity")
    customers = FeedFactory(connection=feed.connection, entity="customers")
    RunFactory(feed=feed, due_at=NOW - dt.timedelta(hours=1))
    last = RunFactory(feed=feed, due_at=NOW)
    FeedFactory()

    assert run_selectors.feeds_with_last_runs(sandbox) == [(customers, None), (feed, last), (activity, None)]


def test_a_removed_feed_does_not_come_and_its_runs_stay(sandbox: Environment, feed: Feed) -> None:
    run = RunFactory(feed=feed)
    Feed.objects.update(removed_at=NOW)

    assert run_selectors.feeds_with_last_runs(sandbox) == []
    assert run_selectors.newest_runs(sandbox, filters={}).rows == [run]


def test_a_run_of_another_environment_is_not_there(sandbox: Environment, production: Environment) -> None:
    run = RunFactory(feed__connection__environment=production)

    assert run_selectors.run_for(sandbox, run.pk) is None
    assert run_selectors.newest_runs(sandbox, filters={}).rows == []
    assert list(run_selectors.runs_for(sandbox)) == []


# -- What ran -----------------------------------------------------------------


def many_runs(feed: Feed, number: int) -> None:
    SyncRun.objects.bulk_create(
        SyncRun(
            feed=feed,
            environment_id=feed.environment_id,
            entity=feed.entity,
            state="done",
            due_at=NOW - dt.timedelta(minutes=turn),
        )
        for turn in range(number)
    )


def test_pages_go_on_both_ways_without_a_gap_among_runs_of_the_same_moment(sandbox: Environment, feed: Feed) -> None:
    for turn in range(105):
        RunFactory(feed=feed, due_at=NOW - dt.timedelta(minutes=turn // 30))

    first = run_selectors.newest_runs(sandbox, filters={})
    second = run_selectors.newest_runs(sandbox, filters={}, **(first.older or {}))
    third = run_selectors.newest_runs(sandbox, filters={}, **(second.older or {}))
    back = run_selectors.newest_runs(sandbox, filters={}, **(third.newer or {}))

    rows = [*first.rows, *second.rows, *third.rows]
    assert rows == list(run_selectors.runs_for(sandbox))
    assert (len(rows), third.older, back.rows) == (105, None, second.rows)


def test_a_filter_without_an_index_looks_through_a_part_at_a_time(
    sandbox: Environment, feed: Feed, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_selectors, "SEARCHED", 40)
    many_runs(feed, 100)
    wanted = RunFactory(feed=feed, state="stopped", due_at=NOW - dt.timedelta(days=1))

    found: list[SyncRun] = []
    turns, place = 0, cast(dict[str, str] | None, {})
    while place is not None:
        page = run_selectors.newest_runs(sandbox, filters={"state": "stopped"}, **place)
        found, turns, place = [*found, *page.rows], turns + 1, page.older

    assert (found, turns) == ([wanted], 3)


def plan_of(read: Any) -> str:
    """The plans of the queries that `read` makes."""
    with CaptureQueriesContext(connection) as captured:
        read()
    plans = []
    with connection.cursor() as cursor:
        for query in captured:
            cursor.execute(f"EXPLAIN {query['sql']}")
            plans += [line for (line,) in cursor.fetchall()]
    return "\n".join(plans)


def test_no_read_looks_through_all_runs_or_all_lines_of_a_log(sandbox: Environment, feed: Feed) -> None:
    many_runs(feed, 10_000)
    other = FeedFactory()
    many_runs(other, 10_000)
    run = SyncRun.objects.filter(feed=feed).latest("due_at")
    SyncEvent.objects.bulk_create(SyncEvent(run=run, kind="call") for _ in range(10_000))
    RunFactory(feed=feed, state="running")
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE integrations_syncrun, integrations_syncevent, integrations_feed")

    assert "sync_run_open" in plan_of(lambda: run_selectors.open_runs(sandbox))
    assert "sync_run_by_feed" in plan_of(lambda: run_selectors.feeds_with_last_runs(sandbox))
    reads: list[Any] = [
        lambda: run_selectors.open_runs(sandbox),
        lambda: run_selectors.feeds_with_last_runs(sandbox),
        lambda: run_selectors.newest_runs(sandbox, filters={}),
        lambda: run_selectors.newest_runs(sandbox, filters={"feed": feed.pk}),
        lambda: run_selectors.newest_runs(sandbox, filters={"from": NOW - dt.timedelta(days=1)}),
        lambda: run_selectors.run_for(sandbox, run.pk),
        lambda: run_selectors.newest_events(run),
        lambda: run_selectors.newest_events(run, before=str(run.events.earliest("pk").pk + 5000)),
    ]
    for read in reads:
        plan = plan_of(read)
        for table in ("syncrun", "syncevent"):
            assert f"Seq Scan on integrations_{table}" not in plan, plan


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({"state": "stopped"}, "sync_run_by_state"),
        ({"kind": "backfill"}, "sync_run_by_kind"),
        ({"entity": "activity"}, "sync_run_by_entity"),
        ({"state": "done", "entity": "activity"}, "sync_run_by_entity"),
        ({"state": "stopped", "from": NOW - dt.timedelta(days=30)}, "sync_run_by_state"),
    ],
)
def test_few_of_many_runs_are_found_and_counted_by_an_index(
    sandbox: Environment, feed: Feed, filters: dict[str, Any], index: str
) -> None:
    many_runs(feed, 10_050)
    rare = FeedFactory(connection=feed.connection, entity="activity")
    wanted = RunFactory(feed=rare, state="stopped", kind="backfill", due_at=NOW - dt.timedelta(days=20))
    SyncRun.objects.filter(pk=wanted.pk).update(state=filters.get("state", "stopped"))
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE integrations_syncrun")

    page = run_selectors.run_page(sandbox, filters=filters)
    plans = plan_of(lambda: run_selectors.run_page(sandbox, filters=filters))

    assert (page.rows, page.total, page.total_capped) == ([wanted], 1, False)
    assert plans.count(index) == 2, plans
    assert "Seq Scan on integrations_syncrun" not in plans, plans
    many = run_selectors.run_page(sandbox, filters={"kind": "scheduled"})
    assert (len(many.rows), many.total, many.total_capped) == (50, 10_000, True)


# -- A log --------------------------------------------------------------------


def test_a_log_is_read_newest_first_by_people(feed: Feed) -> None:
    run = RunFactory(feed=feed)
    events = [SyncEventFactory(run=run) for _ in range(60)]
    SyncEventFactory(run=RunFactory(feed=feed))

    first = run_selectors.newest_events(run)
    second = run_selectors.newest_events(run, **(first.older or {}))

    assert [*first.rows, *second.rows] == events[::-1]
    assert timezone.now() >= first.rows[0].at
