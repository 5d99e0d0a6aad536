"""The connections pages in a real browser: sound to look at, choices that show what they need, a test that ends."""

from __future__ import annotations

import ipaddress
from threading import Thread

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations import tasks
from integrations.models import Connection, ConnectionTest
from tests.factories import ConnectionFactory, FeedFactory, RunFactory
from tests.partner_server import answers, partner_server
from tests.payloads import customers
from tests.portal.browsing import context_of, faults_of
from tests.portal.test_connection_pages import ended_test
from track360 import exact_json
from track360.models import Environment, Partner

pytestmark = pytest.mark.browser
HOME = "/p/aurora-casino/sandbox/connections/"


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
    assert faults_of(addresses, client=developer, live_server=live_server, browser=browser) == []


def made_by_a_worker(test_id: str) -> None:
    tasks.test_connection(test_id)
    connection.close()


def test_choices_show_what_they_need_and_a_test_ends_by_itself(
    live_server: LiveServer,
    developer: Client,
    partner: Partner,
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    browser: Browser,
) -> None:
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
    asked: list[str] = []
    monkeypatch.setattr(tasks.test_connection, "delay", asked.append)  # no worker listens here
    page = context_of(browser, developer, live_server).new_page()
    with partner_server() as server:
        server.replies = [answers(200, exact_json.dumps(customers(3)).encode())]
        page.goto(HOME)
        page.get_by_role("link", name="New connection").click()
        page.get_by_role("link", name="REST API").click()
        page.get_by_label("Name").first.fill("Platform API")
        page.get_by_label("Base URL").fill(server.url)
        expect(page.get_by_label("Header", exact=True)).to_be_hidden()
        page.get_by_label("Key in a header").check()
        page.get_by_label("Header", exact=True).fill("X-Api-Key")
        page.get_by_label("Secret").fill("s3cret")
        page.get_by_role("button", name="Create connection").click()
        page.get_by_role("link", name="New feed: Customers").click()
        expect(page.get_by_label("Where the next cursor is")).to_be_hidden()
        page.get_by_label("Cursor in the body").check()
        expect(page.get_by_label("Where the next cursor is")).to_be_visible()
        page.get_by_label("None: one answer holds all").check()
        page.get_by_role("button", name="Create feed").click()
        page.get_by_role("button", name="Test").click()
        expect(page.get_by_text("Being tested").first).to_be_visible()
        worker = Thread(target=made_by_a_worker, args=(asked[0],))
        worker.start()
        worker.join()
        expect(page.get_by_text("All 3 would be stored.")).to_be_visible()
        page.get_by_role("button", name="Switch on").click()
        expect(page.get_by_text("Fetching customers.").first).to_be_visible()
