"""`/api/v1/sync-runs`: what people do on the runs' pages, by a program."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import pytest

from integrations.models import Feed, SyncRun
from tests.contract.conftest import Caller, new_partner, problem_codes
from tests.factories import FeedFactory, RunFactory, SyncEventFactory
from track360.models import AuditEvent

RUNS = "/api/v1/sync-runs"
DAY = dt.datetime(2026, 3, 15, 12, tzinfo=dt.UTC)


@pytest.fixture
def feed(caller: Caller) -> Feed:
    return FeedFactory(connection__environment=caller.environment)


def test_a_run_is_given_with_its_window_and_what_came_of_it(caller: Caller, feed: Feed) -> None:
    run = RunFactory(feed=feed, read=1204, rejected=4, differing=2, busy_seconds=2.0)

    given = caller.get(f"{RUNS}/{run.pk}").json()["data"]

    assert (given["feed"], given["state"], given["kind"]) == (str(feed.pk), "done", "scheduled")
    assert (given["counts"]["read"], given["counts"]["rejected"], given["counts"]["differing"]) == (1204, 4, 2)
    assert (given["since"], given["until"], given["cursor_after"]) == (run.since, None, run.cursor_after)
    assert (given["rows_per_second"], given["estimated_end"], given["problem"]) == (602.0, None, None)
    assert caller.get(RUNS).json()["data"] == [given]


def test_a_running_run_says_how_fast_it_is_and_when_it_should_end(caller: Caller, feed: Feed) -> None:
    run = RunFactory(feed=feed, state="running", read=1000, expected=61_000, busy_seconds=1.0)

    given = caller.get(f"{RUNS}/{run.pk}").json()["data"]

    left = dt.datetime.fromisoformat(given["estimated_end"]) - dt.datetime.now(dt.UTC)
    assert (given["expected"], given["rows_per_second"]) == (61_000, 1000.0)
    assert dt.timedelta(seconds=30) < left <= dt.timedelta(seconds=60)


@pytest.mark.parametrize(
    ("query", "number"),
    [
        ("state=paused", 1),
        ("kind=backfill", 1),
        ("entity=customers", 1),
        ("feed={feed}", 2),
        ("from=2026-03-16", 1),
        ("to=2026-03-16T00:00:00Z", 2),
        ("state=paused&entity=customers", 0),
        ("feed=33333333-3333-4333-8333-333333333333", 0),
    ],
)
def test_the_filters_choose_among_the_runs(caller: Caller, feed: Feed, query: str, number: int) -> None:
    RunFactory(feed=feed, due_at=DAY)
    RunFactory(feed=feed, due_at=DAY, state="paused", kind="backfill")
    customers = FeedFactory(connection=feed.connection, entity="customers")
    RunFactory(feed=customers, due_at=DAY + dt.timedelta(days=1))

    answer = caller.get(f"{RUNS}?{query.format(feed=feed.pk)}").json()

    assert (len(answer["data"]), answer["meta"]["total"]) == (number, number)


def test_a_walk_along_the_cursor_gives_each_run_and_each_line_of_its_log_once(caller: Caller, feed: Feed) -> None:
    runs = [RunFactory(feed=feed, due_at=DAY + dt.timedelta(minutes=turn // 2)) for turn in range(5)]
    events = [SyncEventFactory(run=runs[0], records=turn) for turn in range(5)]

    newest_first = sorted(runs, key=lambda run: (run.due_at, run.pk), reverse=True)
    assert walked(caller, RUNS) == [str(run.pk) for run in newest_first]
    assert walked(caller, f"{RUNS}/{runs[0].pk}/events") == [event.pk for event in events]


def walked(caller: Caller, path: str) -> list[object]:
    found, cursor = [], None
    while True:
        answer = caller.get(path, params={"per_page": 2} | ({"cursor": cursor} if cursor else {})).json()
        found += [row["id"] for row in answer["data"]]
        cursor = answer["meta"]["next_cursor"]
        if cursor is None:
            return found


def test_the_log_has_the_requests_made_with_status_time_and_size(caller: Caller, feed: Feed) -> None:
    run = RunFactory(feed=feed)
    SyncEventFactory(run=run)
    SyncEventFactory(run=run, kind="note", text="Paused by Ada.", url="", status=None, duration_ms=None)

    call, note = caller.get(f"{RUNS}/{run.pk}/events").json()["data"]

    assert (call["kind"], call["status"], call["duration_ms"], call["size"]) == ("call", 200, 182, 48_211)
    assert (note["kind"], note["text"], note["url"], note["status"]) == ("note", "Paused by Ada.", None, None)


# -- What a program does ------------------------------------------------------


def test_a_program_fetches_now_and_stands_in_the_trail(caller: Caller, feed: Feed) -> None:
    answer = caller.post(RUNS, {"feed": str(feed.pk)})

    made = answer.json()["data"]
    assert (answer.status_code, made["kind"], made["state"]) == (201, "manual", "due")
    assert made["client_id"] == caller.credentials.client.client_id
    assert AuditEvent.objects.get(action="run.requested").client_id == made["client_id"]


def test_who_asks_again_gets_the_run_that_waits_already(caller: Caller, feed: Feed) -> None:
    first, second = (caller.post(RUNS, {"feed": str(feed.pk)}).json()["data"] for _ in range(2))

    assert first["id"] == second["id"]
    assert SyncRun.objects.count() == 1


def test_days_are_fetched_beside_the_schedule(caller: Caller, feed: Feed) -> None:
    RunFactory(feed=feed, state="running")

    answer = caller.post(RUNS, {"feed": str(feed.pk), "first_day": "2026-03-01", "last_day": "2026-03-31"})

    made = answer.json()["data"]
    assert (answer.status_code, made["kind"]) == (201, "backfill")
    assert (made["since"], made["until"]) == ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z")


@pytest.mark.parametrize(
    ("more", "pointer", "code"),
    [
        ({"first_day": "2026-03-01"}, "/last_day", "last_day"),
        ({"last_day": "2026-03-01"}, "/first_day", "first_day"),
        ({"first_day": "2026-03-02", "last_day": "2026-03-01"}, "/last_day", "last_day"),
        ({"first_day": "1700-01-01", "last_day": "2026-03-01"}, "/first_day", "first_day"),
        ({"first_day": "2026-02-30", "last_day": "2026-03-01"}, "/first_day", "format"),
        ({"feed": "mine"}, "/feed", "format"),
        ({"feed": "33333333-3333-4333-8333-333333333333"}, "/feed", "unknown"),
        ({"since": "2026-03-01"}, "", "additional_property"),
    ],
)
def test_what_cannot_be_fetched_is_refused_at_its_place(
    caller: Caller, feed: Feed, more: dict[str, str], pointer: str, code: str
) -> None:
    answer = caller.post(RUNS, {"feed": str(feed.pk)} | more)

    assert answer.status_code == 422
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]
    assert not SyncRun.objects.exists()


def test_a_feed_that_is_off_is_not_fetched(caller: Caller, feed: Feed) -> None:
    Feed.objects.update(is_on=False)

    answer = caller.post(RUNS, {"feed": str(feed.pk)})

    assert (answer.status_code, problem_codes(answer)) == (422, ["off"])


def test_a_run_is_paused_resumed_and_stopped_and_then_no_more(caller: Caller, feed: Feed) -> None:
    run = RunFactory(feed=feed, state="running")

    states = [
        caller.post(f"{RUNS}/{run.pk}/{what}", {}).json()["data"]["state"] for what in ("pause", "resume", "stop")
    ]
    refused = [caller.post(f"{RUNS}/{run.pk}/{what}", {}) for what in ("pause", "resume", "stop")]

    assert states == ["paused", "due", "stopped"]
    assert [(answer.status_code, problem_codes(answer)) for answer in refused] == [(422, ["closed"])] * 3


def test_resuming_a_run_resumes_its_paused_feed(caller: Caller, feed: Feed) -> None:
    run = RunFactory(feed=feed, state="paused")
    Feed.objects.update(paused_at=DAY, pause_reason="It answered 401.")

    answer = caller.post(f"{RUNS}/{run.pk}/resume", {})

    assert (answer.status_code, answer.json()["data"]["state"]) == (200, "due")
    assert Feed.objects.get().paused_at is None


def test_anothers_run_does_not_exist(caller: Caller, connect: Callable[..., Caller]) -> None:
    other = new_partner().environments.get(kind="sandbox")
    run = RunFactory(feed__connection__environment=other, state="running")

    for answer in (
        caller.get(f"{RUNS}/{run.pk}"),
        caller.get(f"{RUNS}/{run.pk}/events"),
        *(caller.post(f"{RUNS}/{run.pk}/{what}", {}) for what in ("pause", "resume", "stop")),
    ):
        assert answer.status_code == 404
    assert SyncRun.objects.get().state == "running"


def test_without_the_scope_manage_nothing_is_to_be_had(connect: Callable[..., Caller], caller: Caller) -> None:
    reader = connect(caller.environment, scopes=("read", "write"))

    assert reader.get(RUNS).status_code == 403
    assert reader.post(RUNS, {"feed": "33333333-3333-4333-8333-333333333333"}).status_code == 403
