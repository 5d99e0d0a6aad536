"""The conformance page in a real browser: sound to look at, on paper too, and moving while a worker is at it."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Iterator
from threading import Thread

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.conformance import reports
from integrations.models import ConformanceReport, Feed
from tests.factories import ConnectionFactory, FeedFactory, ReportFactory
from tests.partner_api import KEY, PartnerApi, customers, partner_api
from tests.portal.browsing import context_of, faults_of
from tests.portal.conftest import SignIn
from tests.track360.test_look import is_wider_than_the_screen
from track360.audit import Actor
from track360.models import Environment

pytestmark = pytest.mark.browser


@pytest.fixture
def api(settings: Settings) -> Iterator[PartnerApi]:
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
    with partner_api(customers(230), wrong="until inclusive") as api:
        yield api


@pytest.fixture
def feed(sandbox: Environment, api: PartnerApi) -> Feed:
    made = ConnectionFactory(environment=sandbox, name="Platform API", base_url=api.url, secret=KEY)
    return FeedFactory(connection=made, entity="customers", path="/records", page_size=20)


@pytest.fixture
def address(feed: Feed) -> str:
    return f"/p/aurora-casino/sandbox/connections/{feed.connection_id}/feeds/{feed.pk}/conformance/"


@pytest.fixture
def made(feed: Feed) -> ConformanceReport:
    """As a worker made it."""
    report, _ = reports.request_conformance(feed, actor=Actor())
    reports.run_conformance(report.pk)
    return report


@pytest.fixture
def addresses(feed: Feed, address: str, made: ConformanceReport) -> list[str]:
    others: list[ConformanceReport] = [
        ReportFactory(feed=feed),
        ReportFactory(feed=feed, state="running", finished_at=None),
        ReportFactory(feed=feed, state="failed", checks=[], problem=reports.KILLED),
    ]
    new = FeedFactory(connection=feed.connection, entity="activity")
    connection_page = f"/p/aurora-casino/sandbox/connections/{feed.connection_id}/"
    never = f"{connection_page}feeds/{new.pk}/conformance/"
    return [*(f"{address}{one.pk}/" for one in [made, *others]), never, connection_page, "/docs/conformance/"]


def test_every_state_is_sound_narrow_and_dark_and_wide_and_light(
    live_server: LiveServer, developer: Client, addresses: list[str], browser: Browser
) -> None:
    assert faults_of(addresses, client=developer, live_server=live_server, browser=browser) == []


def test_on_paper_it_is_the_report_alone(
    live_server: LiveServer, viewer: Client, address: str, made: ConformanceReport, browser: Browser
) -> None:
    context = context_of(browser, viewer, live_server, viewport={"width": 794, "height": 1123}, color_scheme="dark")
    page = context.new_page()
    page.goto(f"{live_server.url}{address}{made.pk}/")
    page.emulate_media(media="print")

    for frame in ("nav.rail", ".topbar", ".breadcrumbs"):
        expect(page.locator(frame).first).not_to_be_visible()
    expect(page.get_by_text("Next: make the window half-open.")).to_be_visible()
    expect(page.locator("html")).to_have_css("color-scheme", "light")
    expect(page.get_by_role("cell", name="200 OK").last).to_be_visible()
    assert not is_wider_than_the_screen(page)
    if folder := os.environ.get("SHOTS"):
        page.pdf(path=f"{folder}/report.pdf")
        page.screenshot(path=f"{folder}/print.png", full_page=True)


@pytest.mark.django_db(transaction=True)
def test_asked_for_on_the_page_it_moves_to_its_end_by_itself(
    live_server: LiveServer, sign_in: SignIn, developer: Client, address: str, browser: Browser
) -> None:
    context = context_of(browser, developer, live_server)
    page = context.new_page()
    page.goto(live_server.url + address)
    page.get_by_role("button", name="Check now").click()
    expect(page.get_by_text("Waiting for a worker to begin.")).to_be_visible()

    def work() -> None:
        report = ConformanceReport.objects.get()
        reports.run_conformance(report.pk)
        connection.close()

    worker = Thread(target=work)
    worker.start()

    expect(page.get_by_text("9 of 10 passed, 1 could not be judged. Next: make the window half-open.")).to_be_visible(
        timeout=60_000
    )
    expect(page.get_by_role("button", name="Check again")).to_be_visible()
    worker.join()
