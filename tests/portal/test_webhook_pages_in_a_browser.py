"""Notifications and webhooks in a real browser: sound to look at, and a test that answers by itself."""

from __future__ import annotations

import ipaddress
import itertools
from collections.abc import Callable
from threading import Thread

import pytest
from django.db import connection
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from integrations.models import WebhookEndpoint
from onboarding import tasks
from onboarding.models import Delivery
from onboarding.notifications import end, tell
from tests.factories import WebhookEndpointFactory
from tests.partner_server import answers, partner_server
from tests.portal.browsing import context_of, faults_of
from track360.models import Partner

pytestmark = pytest.mark.browser
HOME = "/p/aurora-casino/production/"


@pytest.fixture
def endpoint(partner: Partner) -> WebhookEndpoint:
    """One that has seen everything, beside notifications of every kind."""
    failing = WebhookEndpointFactory(
        partner=partner,
        url="https://hooks.aurora-casino.example/track360/notifications/production?source=portal",
        last_error="It answered 503 Service Unavailable: upstream connect error or disconnect before headers",
        last_error_at=timezone.now(),
    )
    WebhookEndpointFactory(partner=partner, is_active=False)
    production = partner.environments.get(kind="production")
    for kind, title, text, lasting in (
        ("step.green", "Step 3 is done: Enums and affiliates mapped", "Every value has a meaning.", False),
        ("step.back", "Step 3 has turned back: Enums and affiliates mapped", "The value vip has none.", False),
        ("secret.expires", "The secret …a1b2 of CRM exporter ends on 21 March 2026, 12:10 UTC", "None newer.", True),
        ("records.refused", "12 % of the transactions of the last hour were refused in production", "120.", True),
        ("records.silent", "No customers since 15 March 2026, 08:10 UTC", "Look.\n\nThen mend.", True),
        ("note.mention", "Mia mentions you on step 5 of Aurora Casino: First data", "x" * 200, False),
        ("webhook.off", "The webhook at hooks.aurora.example was switched off", "It answered 410 Gone.", True),
    ):
        tell(
            partner, kind=kind, subject=kind, title=title, text=text, lasting=lasting, environment=production, path=HOME
        )
    end(partner, kind="webhook.off", subject="webhook.off")
    states = itertools.cycle(({"delivered_at": timezone.now(), "status": 204}, {"tried_at": timezone.now()}, {}))
    for row, state in zip(Delivery.objects.filter(endpoint=failing), states, strict=False):
        Delivery.objects.filter(pk=row.pk).update(attempts=2, last_error=failing.last_error, **state)
    return failing


def test_every_page_is_sound_narrow_and_dark_and_wide_and_light(
    live_server: LiveServer, developer: Client, endpoint: WebhookEndpoint, browser: Browser
):
    webhooks = f"{HOME}settings/webhooks/"
    pages = [f"{HOME}notifications/", webhooks, f"{webhooks}new/", f"{webhooks}{endpoint.pk}/", "/docs/notifications/"]
    pages += [f"{webhooks}{endpoint.pk}/{what}/" for what in ("rotate", "remove")]
    assert faults_of(pages, client=developer, live_server=live_server, browser=browser) == []


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


def test_the_answer_to_a_test_shows_by_itself(
    live_server: LiveServer,
    developer: Client,
    partner: Partner,
    settings: Settings,
    elsewhere: Callable[[Callable[[], object]], None],
    monkeypatch: pytest.MonkeyPatch,
    browser: Browser,
):
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
    monkeypatch.setattr(tasks.call_webhooks, "delay", lambda: None)  # no worker listens here
    page = context_of(browser, developer, live_server).new_page()
    with partner_server() as server:
        server.replies = [answers(500, b"no such route"), answers(200)]
        page.goto(f"{HOME}notifications/")
        page.get_by_role("link", name="Webhooks").click()
        page.get_by_role("link", name="New webhook").click()
        page.get_by_label("Address").fill(f"{server.url}/hook")
        page.get_by_role("button", name="Create webhook").click()
        expect(page.get_by_text("whsec_")).to_be_visible()
        page.get_by_role("link", name="I have copied it").click()
        page.get_by_role("button", name="Send a test").click()
        expect(page.get_by_text("On its way", exact=True)).to_be_visible()
        elsewhere(tasks.call_webhooks)
        expect(page.get_by_text("It answered 500 Internal Server Error: no such route")).to_be_visible()
        page.get_by_role("button", name="Send a test").click()
        elsewhere(tasks.call_webhooks)
        expect(page.get_by_text("200 OK")).to_be_visible()
