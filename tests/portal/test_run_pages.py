"""The pages of what is fetched, through HTTP: what runs, what will, what ran, and one run with its log."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import Feed, SyncRun
from tests.factories import ConnectionFactory, FeedFactory, RunFactory, SyncEventFactory
from track360.models import AuditEvent, Environment

HOME = "/p/aurora-casino/sandbox/connections/runs/"


@pytest.fixture
def feed(sandbox: Environment) -> Feed:
    return FeedFactory(connection__environment=sandbox, connection__name="Platform")


@pytest.fixture(autouse=True)
def no_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("integrations.tasks.pull.apply_async", lambda **more: None)


def html(client: Client, address: str, **more: Any) -> str:
    response = client.get(address, **more)
    assert response.status_code == 200, address
    return response.content.decode()


# -- The list -----------------------------------------------------------------


def test_without_a_feed_the_page_says_how_to_come_by_one(developer: Client, sandbox: Environment):
    page = html(developer, HOME)
    assert "Nothing is fetched here yet." in page
    assert 'data-variant="primary" href="/p/aurora-casino/sandbox/connections/"' in page
    assert 'name="entity"' not in page


def test_connections_and_runs_stand_side_by_side(developer: Client, sandbox: Environment):
    for page in (HOME, HOME.removesuffix("runs/")):
        tabs = html(developer, page).partition('aria-label="What is fetched"')[2].partition("</nav>")[0]
        assert f'href="{page}" aria-current="page"' in tabs


def test_the_list_shows_what_came_of_each_run(developer: Client, feed: Feed):
    run = RunFactory(feed=feed, read=1204, created=1100, updated=60, unchanged=30, stale=7, differing=5, rejected=2)
    page = html(developer, HOME)
    for figure in ("1,204", "1,100", ">60<", ">30<", ">7<", ">5<", ">2<", "4 s", "2026-03-15T12:15:00Z"):
        assert figure in page, figure
    assert f'href="{HOME}{run.pk}/"' in page


def test_what_is_coming_says_when_and_what_is_paused_says_so(developer: Client, sandbox: Environment, feed: Feed):
    FeedFactory(
        connection=feed.connection, entity="activity", every_minutes=None, daily_at=dt.time(5), paused_at=timezone.now()
    )
    FeedFactory(connection=feed.connection, entity="customers", is_on=False)
    page = html(developer, HOME)
    assert "Every 15 minutes" in page
    assert "in 14 min" in page
    assert "Daily at 05:00 UTC" in page
    assert "The feed of activity is paused. Next: see why, and resume." in page
    assert ">Off<" in page


def test_a_feed_of_a_removed_connection_is_not_coming(developer: Client, feed: Feed):
    feed.connection.removed_at = timezone.now()
    feed.connection.save()
    assert "Nothing is fetched here yet." in html(developer, HOME)


def test_a_running_run_shows_how_far_it_is_and_asks_again(developer: Client, feed: Feed):
    RunFactory(feed=feed, state="running", read=12_000, expected=60_000, busy_seconds=4.0)
    page = html(developer, HOME)
    assert "12,000 of 60,000 rows, 3,000 rows a second, 16 s to go" in page
    assert '<progress aria-label="Rows read" value="12000" max="60000">' in page
    assert 'hx-trigger="every 2s"' in page


def test_a_feed_whose_time_has_come_is_waited_for(developer: Client, feed: Feed):
    """Whoever has just switched it on sees its first run come."""
    Feed.objects.filter(pk=feed.pk).update(next_run_at=timezone.now())
    page = html(developer, HOME)
    assert 'hx-trigger="every 2s"' in page
    assert "in a few seconds" in page


def test_a_feed_that_is_off_is_not_said_to_be_on(developer: Client, feed: Feed):
    assert "All feeds are on." in html(developer, HOME)
    FeedFactory(connection=feed.connection, entity="activity", is_on=False)
    assert "1 of 2 feeds is on." in html(developer, HOME)


def test_where_nothing_runs_the_page_does_not_ask_again(developer: Client, feed: Feed):
    RunFactory(feed=feed)
    RunFactory(feed=feed, state="paused")
    assert 'hx-trigger="every 2s"' not in html(developer, HOME)


def test_the_list_asks_for_itself_once_the_open_runs_are_others(developer: Client, feed: Feed):
    run = RunFactory(feed=feed, state="running")
    asks: dict[str, Any] = {"headers": {"HX-Request": "true", "HX-Target": "under-way"}}
    same = developer.get(f"{HOME}?mark={run.pk}running", **asks)
    ended = developer.get(f"{HOME}?mark=another", **asks)
    assert b"<table" not in same.content
    assert ("HX-Trigger" in same, ended["HX-Trigger"]) == (False, "runs-changed")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("state=done", {"customers"}),
        ("state=paused", {"transactions"}),
        ("entity=transactions", {"transactions"}),
        ("kind=backfill", {"transactions"}),
        ("from=2026-03-16", {"customers"}),
        ("to=2026-03-16", {"transactions"}),
        ("feed={feed}", {"transactions"}),
        ("", {"customers", "transactions"}),
    ],
)
def test_the_filters_stand_in_the_query_string(developer: Client, feed: Feed, query: str, shown: set[str]):
    day = dt.datetime(2026, 3, 15, 12, tzinfo=dt.UTC)
    runs = {
        "transactions": RunFactory(feed=feed, due_at=day, state="paused", kind="backfill"),
        "customers": RunFactory(
            feed=FeedFactory(connection=feed.connection, entity="customers"), due_at=day + dt.timedelta(days=2)
        ),
    }
    asks: dict[str, Any] = {"headers": {"HX-Request": "true", "HX-Target": "run-table"}}
    page = html(developer, f"{HOME}?{query.format(feed=feed.pk)}", **asks)
    assert {name for name, run in runs.items() if f"{HOME}{run.pk}/" in page} == shown


def test_a_filter_that_is_none_is_refused_at_its_field(developer: Client, feed: Feed):
    RunFactory(feed=feed)
    page = html(developer, f"{HOME}?state=flying&from=yesterday")
    assert "Write a day like 2026-03-15" in page
    assert "4 s" not in page


def test_a_long_list_is_read_page_by_page_without_a_gap(developer: Client, feed: Feed):
    now = timezone.now()
    runs = [RunFactory(feed=feed, due_at=now - dt.timedelta(minutes=turn // 2)) for turn in range(120)]
    address, seen = HOME, []
    for _ in range(3):
        page = html(developer, address)
        seen += [str(run.pk) for run in runs if f"{HOME}{run.pk}/" in page]
        before, _, _ = page.rpartition('" rel="next"')
        address = before.rpartition('href="')[2].replace("&amp;", "&")
    assert sorted(seen) == sorted(str(run.pk) for run in runs)


# -- One run ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({}, "Done. 120 rows read, 112 new or changed. Nothing was refused."),
        ({"read": 0}, "Done. There was nothing new."),
        ({"rejected": 3}, "Next: look at the 3 refused."),
        ({"state": "due", "read": 0}, "Waits for a worker."),
        ({"state": "due", "feed__is_on": False}, "Waits: its connection or feed is switched off."),
        ({"state": "stopped"}, "Stopped. 120 rows read, 112 new or changed."),
        ({"state": "running", "read": 0}, "Running. No rows have come yet."),
        (
            {"state": "running", "lease_until": timezone.now() - dt.timedelta(minutes=1)},
            "The worker that was at it went silent. Another goes on from the last page.",
        ),
        (
            {
                "state": "paused",
                "feed__paused_at": timezone.now(),
                "feed__pause_reason": "The view is gone.",
                "problem": "The view is gone.",
            },
            "Paused with its feed. The view is gone. Next: resume the feed.",
        ),
        ({"state": "paused"}, "Paused. It goes on from where it was once it is resumed."),
    ],
)
def test_the_page_of_a_run_says_how_it_stands(
    developer: Client, sandbox: Environment, values: dict[str, Any], sentence: str
):
    run = RunFactory(feed__connection__environment=sandbox, **values)
    assert sentence in html(developer, f"{HOME}{run.pk}/")


def test_a_failed_try_says_when_the_next_one_comes(developer: Client, feed: Feed):
    due = timezone.now() + dt.timedelta(minutes=4, seconds=30)
    run = RunFactory(
        feed=feed, state="due", due_at=due, attempts=3, problem="It answered 503.", problem_party="partner"
    )
    page = html(developer, f"{HOME}{run.pk}/")
    assert "It failed 3 times in a row. The next try comes in 4 min." in page
    assert "It answered 503." in page
    assert "Who has to act: <strong>the partner</strong>" in page
    assert "It is tried again by itself." in page


def test_the_log_shows_each_request_with_its_status_time_and_size(developer: Client, feed: Feed):
    run = RunFactory(feed=feed)
    SyncEventFactory(run=run, url="https://api.casino.example/v2/transactions?page=7", records=1000)
    SyncEventFactory(run=run, status=503, text="upstream connect error", records=None)
    SyncEventFactory(run=run, kind="note", url="", text="Paused by Ada.", status=None, duration_ms=None, size=None)
    SyncEventFactory(run=run, kind="problem", url="", text="It broke off.", status=None, duration_ms=None, size=None)
    page = html(developer, f"{HOME}{run.pk}/")
    for text in ("page=7", "182 ms", "47.1\xa0KB", "1,000", "503 Unavailable", "upstream connect", "Paused by Ada."):
        assert text in page, text
    assert page.index("It broke off.") < page.index("page=7"), "the newest first"


def test_a_long_log_is_read_page_by_page(developer: Client, feed: Feed):
    run = RunFactory(feed=feed)
    for turn in range(70):
        SyncEventFactory(run=run, url=f"https://api.casino.example/{turn}/x")
    first = html(developer, f"{HOME}{run.pk}/")
    address = first.partition('" rel="next"')[0].rpartition('href="')[2]
    second = html(developer, address)
    assert ("/69/x" in first, "/0/x" in first) == (True, False)
    assert ("/69/x" in second, "/0/x" in second) == (False, True)


def test_the_refused_of_a_run_are_one_press_away(developer: Client, feed: Feed):
    run = RunFactory(feed=feed, rejected=1204)
    assert f"quarantine/?run={run.pk}" in html(developer, f"{HOME}{run.pk}/")


def test_a_viewer_reads_and_has_no_buttons(viewer: Client, feed: Feed):
    run = RunFactory(feed=feed, state="running")
    assert "<form" not in html(viewer, f"{HOME}{run.pk}/").partition("<main")[2]
    assert "Run now" not in html(viewer, HOME)


# -- What people do -----------------------------------------------------------


def press(client: Client, run: SyncRun, button: str) -> str:
    response = client.post(f"{HOME}{run.pk}/{button}/", follow=True)
    run.refresh_from_db()
    return response.content.decode()


def test_a_run_is_paused_resumed_and_stopped(developer: Client, feed: Feed):
    run = RunFactory(feed=feed, state="running")
    assert "The run is paused." in press(developer, run, "pause")
    assert run.state == "paused"
    assert "It goes on from where it was." in press(developer, run, "resume")
    assert run.state == "due"
    assert "The run is stopped." in press(developer, run, "stop")
    assert run.state == "stopped"
    assert "It has ended: stopped." in press(developer, run, "resume")
    actions = AuditEvent.objects.filter(target=str(run.pk)).order_by("at").values_list("action", flat=True)
    assert list(actions) == ["run.paused", "run.resumed", "run.stopped"]


def test_a_run_whose_feed_is_paused_goes_on_with_the_feed(developer: Client, feed: Feed):
    feed.paused_at, feed.pause_reason = timezone.now(), "It was refused."
    feed.save()
    run = RunFactory(feed=feed, state="paused")
    assert "Resume the feed" in html(developer, f"{HOME}{run.pk}/")
    press(developer, run, "resume")
    feed.refresh_from_db()
    assert feed.paused_at is None
    assert run.state == "due"


def test_run_now_makes_the_next_run_and_says_who_asked(developer: Client, feed: Feed):
    response = developer.post(f"{HOME}feeds/{feed.pk}/now/")
    run = SyncRun.objects.get(state="due")
    assert response["Location"] == f"{HOME}{run.pk}/"
    assert (run.kind, run.requested_by and run.requested_by.email) == ("manual", "dev@aurora.example")
    assert run.requested_by is not None
    assert run.requested_by.get_full_name() in html(developer, f"{HOME}{run.pk}/")


def test_run_now_is_offered_where_it_may_be_asked_for(developer: Client, feed: Feed):
    done = RunFactory(feed=feed)
    button = f'action="{HOME}feeds/{feed.pk}/now/"'
    assert all(button in html(developer, page) for page in (HOME, f"{HOME}{done.pk}/"))
    Feed.objects.update(paused_at=timezone.now())
    assert not any(button in html(developer, page) for page in (HOME, f"{HOME}{done.pk}/"))


def test_what_cannot_be_fetched_now_is_refused_with_the_reason(developer: Client, feed: Feed):
    Feed.objects.update(paused_at=timezone.now(), pause_reason="The view is gone.")
    response = developer.post(f"{HOME}feeds/{feed.pk}/now/", follow=True)
    assert "It is paused: The view is gone. Resume it first." in response.content.decode()
    assert not SyncRun.objects.exists()


def test_nobody_fetches_from_anothers_feed(developer: Client, feed: Feed, production: Environment):
    other = FeedFactory(connection=ConnectionFactory(environment=production))
    assert developer.post(f"{HOME}feeds/{other.pk}/now/").status_code == 404
    assert not SyncRun.objects.exists()


def test_a_paused_feed_leads_to_the_run_that_says_why(developer: Client, feed: Feed):
    Feed.objects.update(paused_at=timezone.now())
    run = RunFactory(feed=feed, state="paused")
    assert f'href="{HOME}{run.pk}/">See why' in html(developer, HOME)
