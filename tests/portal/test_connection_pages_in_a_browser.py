"""The connections pages in a real browser: sound to look at, choices that show what they need, a test that ends."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.models import Connection, ConnectionTest
from tests.conftest import CHROMIUM
from tests.factories import ConnectionFactory, FeedFactory, RunFactory
from tests.portal.test_connection_pages import ended_test
from tests.track360.test_look import SCREENS, faults
from track360.models import Environment

pytestmark = pytest.mark.browser
HOME = "/p/aurora-casino/sandbox/connections/"


@pytest.fixture
def browser(live_server: LiveServer, settings: Settings) -> Iterator[Browser]:
    """Stands last in a test's list: while it runs, Django's ORM refuses to be called from this thread."""
    settings.DEBUG = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def cookie(client: Client, live_server: LiveServer) -> dict[str, str]:
    name = django_settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": live_server.url}


@pytest.fixture
def connections(sandbox: Environment) -> list[Connection]:
    """One that fetches, one that is paused and whose test failed, and one without anything."""
    platform = ConnectionFactory(environment=sandbox, name="Platform API")
    for entity in ("customers", "transactions"):
        feed = FeedFactory(connection=platform, entity=entity, path=f"/{entity}")
        RunFactory(feed=feed)
    ConnectionTest.objects.create(connection=platform, environment=sandbox, **ended_test("customers", "transactions"))
    replica = ConnectionFactory(environment=sandbox, name="Reporting replica", is_sql=True, passed_at=None, is_on=False)
    FeedFactory(
        connection=replica, entity="activity", path="", query={}, records_at="", paging="none", paging_options={},
        relation="reporting.daily_activity", cursor_column="updated_at", passed_at=None, is_on=False,
        paused_at=timezone.now(), pause_reason="The password was refused.", cursor="",
    )  # fmt: skip
    ConnectionTest.objects.create(connection=replica, environment=sandbox, **ended_test("activity", ok=False))
    return [platform, replica, ConnectionFactory(environment=sandbox, name="CRM", is_on=False, passed_at=None)]


@pytest.fixture
def addresses(connections: list[Connection]) -> list[str]:
    platform, replica, crm = (f"{HOME}{one.pk}/" for one in connections)
    feed, other = connections[0].feeds.get(entity="customers"), connections[1].feeds.get()
    pages = [HOME, f"{HOME}new/", f"{HOME}new/rest/", f"{HOME}new/postgresql/", platform, replica, crm]
    pages += [f"{platform}{what}/" for what in ("edit", "secret", "remove")]
    pages += [f"{platform}feeds/{feed.pk}/{what}/" for what in ("edit", "cursor", "backfill", "remove")]
    return [*pages, f"{replica}feeds/{other.pk}/edit/", f"{crm}feeds/new/transactions/", "/docs/pulling/"]


def test_every_page_is_sound_narrow_and_dark_and_wide_and_light(
    live_server: LiveServer, developer: Client, connections: list[Connection], addresses: list[str], browser: Browser
) -> None:
    found: list[str] = []
    for number, (address, (width, scheme)) in enumerate(itertools.product(addresses, SCREENS)):
        cookies: Any = [cookie(developer, live_server)]
        found += faults(browser, live_server.url + address, width=width, scheme=scheme, cookies=cookies)
        if folder := os.environ.get("SHOTS"):
            context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
            context.add_cookies(cookies)
            page = context.new_page()
            page.goto(live_server.url + address)
            page.screenshot(path=f"{folder}/{number:02}.png", full_page=True)
            context.close()
    assert found == []
