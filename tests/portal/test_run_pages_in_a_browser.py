"""The runs' pages in a real browser: sound to look at, and progress that moves by itself."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from threading import Thread

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from integrations.models import Feed, SyncRun
from tests.factories import ConnectionFactory, FeedFactory, RunFactory, SyncEventFactory
from tests.portal.browsing import context_of, faults_of
from track360.models import Environment

pytestmark = pytest.mark.browser
HOME = "/p/aurora-casino/sandbox/connections/runs/"
REFUSED = "api.casino.example answered 401 Unauthorized: the key is not, or no longer, valid."


@pytest.fixture
def elsewhere() -> Callable[[Callable[[], object]], None]:
    """Does something in a thread of its own, as the worker would."""

    def run(what: Callable[[], object]) -> None:
        def body() -> None:
            what()
            connection.close()

        thread = Thread(target=body)
        thread.start()
        thread.join()

    return run


@pytest.fixture
def feeds(sandbox: Environment) -> dict[str, Feed]:
    api = ConnectionFactory(environment=sandbox, name="Casino platform API")
    dwh = ConnectionFactory(environment=sandbox, name="Data warehouse", is_sql=True)
    activity = {"every_minutes": None, "daily_at": dt.time(5), "cursor_kind": "day", "cursor": "2026-03-14"}
    return {
        "customers": FeedFactory(connection=api, entity="customers", path="/customers"),
        "transactions": FeedFactory(connection=api),
        "activity": FeedFactory(
            connection=dwh, entity="activity", **activity, paused_at=timezone.now(), pause_reason=REFUSED
        ),
    }


@pytest.fixture
def runs(feeds: dict[str, Feed]) -> list[SyncRun]:
    """Runs of each kind and state; the first ones have pages of their own to look at."""
    now = timezone.now()
    running = RunFactory(
        feed=feeds["transactions"], state="running", read=23_000, expected=60_000, created=22_400, updated=590,
        unchanged=0, rejected=10, pages=23, busy_seconds=6.1, due_at=now - dt.timedelta(seconds=7),
    )  # fmt: skip
    for page in range(1, 24):
        url = f"https://api.casino.example/v2/transactions?updated_from=2026-03-15T11:45:00Z&page={page}&per_page=1000"
        SyncEventFactory(run=running, url=url, records=1000, size=412_887, duration_ms=150 + page)
    paused = RunFactory(
        feed=feeds["activity"], state="paused", read=0, created=0, updated=0, unchanged=0, attempts=1,
        since="2026-03-11", cursor_before="2026-03-14", problem=REFUSED, problem_party="mapping",
        due_at=now - dt.timedelta(hours=3),
    )  # fmt: skip
    SyncEventFactory(run=paused, status=401, text="Unauthorized", records=None, size=61)
    SyncEventFactory(
        run=paused, kind="problem", url="", text=REFUSED, status=None, duration_ms=None, size=None, records=None
    )
    refused = RunFactory(
        feed=feeds["customers"], read=1204, created=1100, updated=81, unchanged=14, stale=2, differing=1, rejected=7,
        due_at=now - dt.timedelta(minutes=16),
    )  # fmt: skip
    SyncEventFactory(run=refused)
    waiting = RunFactory(
        feed=feeds["customers"], state="due", attempts=2, due_at=now + dt.timedelta(minutes=2), read=0, created=0,
        updated=0, unchanged=0, problem="api.casino.example answered 503 Service Unavailable.", problem_party="partner",
    )  # fmt: skip
    backfill = {"kind": "backfill", "since": "2025-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
    RunFactory(
        feed=feeds["transactions"], state="paused", read=412_000, expected=2_400_000, busy_seconds=90.0, **backfill
    )
    RunFactory(feed=feeds["transactions"], state="stopped", **backfill, due_at=now - dt.timedelta(days=2))
    RunFactory(feed=feeds["customers"], kind="manual", read=0, created=0, due_at=now - dt.timedelta(hours=1))
    for turn in range(2, 30):
        RunFactory(feed=feeds["transactions"], due_at=now - dt.timedelta(minutes=15 * turn))
    return [running, paused, refused, waiting]


def test_every_page_is_sound_narrow_and_dark_and_wide_and_light(
    live_server: LiveServer, developer: Client, runs: list[SyncRun], browser: Browser
):
    pages = [HOME, f"{HOME}?state=done&kind=backfill", HOME.replace("sandbox", "production")]
    pages += [f"{HOME}{run.pk}/" for run in runs]
    assert faults_of(pages, client=developer, live_server=live_server, browser=browser) == []


def test_the_list_moves_while_something_runs_and_then_rests(
    live_server: LiveServer,
    developer: Client,
    feeds: dict[str, Feed],
    elsewhere: Callable[[Callable[[], object]], None],
    browser: Browser,
):
    run: list[SyncRun] = []
    values = {"state": "running", "read": 12_000, "expected": 60_000, "busy_seconds": 4.0}
    elsewhere(lambda: run.append(RunFactory(feed=feeds["transactions"], **values)))
    page = context_of(browser, developer, live_server).new_page()
    page.goto(HOME)
    expect(page.get_by_text("12,000 of 60,000 rows, 3,000 rows a second, 16 s to go")).to_be_visible()

    elsewhere(lambda: SyncRun.objects.update(read=48_000, busy_seconds=12.0))
    expect(page.get_by_text("48,000 of 60,000 rows, 4,000 rows a second, 3 s to go")).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_attribute("value", "48000")

    elsewhere(lambda: SyncRun.objects.update(read=60_000, state="done", finished_at=timezone.now()))
    expect(page.get_by_role("progressbar")).to_have_count(0)
    expect(page.locator("#run-table").get_by_role("row", name="60,000").get_by_text("Done")).to_be_visible()
    assert page.locator("[hx-trigger='every 2s']").count() == 0


def test_a_run_is_followed_on_its_page_and_stopped(
    live_server: LiveServer,
    developer: Client,
    feeds: dict[str, Feed],
    elsewhere: Callable[[Callable[[], object]], None],
    browser: Browser,
):
    run: list[SyncRun] = []
    elsewhere(lambda: run.append(RunFactory(feed=feeds["transactions"], state="running", read=1000, expected=None)))
    page = context_of(browser, developer, live_server).new_page()
    page.goto(HOME)
    page.get_by_role("link", name="Transactions").filter(has=page.locator("strong")).click()
    expect(page.get_by_text("Running: 1,000 rows")).to_be_visible()

    elsewhere(lambda: SyncEventFactory(run=run[0], url="https://api.casino.example/v2/transactions?page=2"))
    expect(page.get_by_text("transactions?page=2")).to_be_visible()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_text("The run is stopped. What it had stored stays.")).to_be_visible()
    assert page.locator("[hx-trigger='every 2s']").count() == 0
