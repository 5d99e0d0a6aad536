"""Credentials, requests and docs in a real browser: sound in both themes and sizes, and the explorer's token button."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from integrations import clients
from integrations.models import Client as ApiClient
from integrations.models import ClientSecret
from onboarding import docs
from tests.conftest import CHROMIUM
from tests.factories import ApiRequestFactory
from tests.track360.test_look import RULES, SCREENS, is_wider_than_the_screen
from track360.models import Environment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOME = "/p/aurora-casino/sandbox"


@contextmanager
def signed_in(client: Client, server: LiveServer, **options: Any) -> Iterator[tuple[Page, list[str]]]:
    """A page in a browser where this person is signed in, and what its console and scripts complain of.

    The database is for before and after: inside, playwright's event loop runs in this thread.
    """
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(base_url=server.url, **options)
        context.add_cookies([{"name": "sessionid", "value": client.cookies["sessionid"].value, "url": server.url}])
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, complaints
        browser.close()


def faults(page: Page) -> list[str]:
    found = [
        f"{page.url}: {violation['id']}: {violation['nodes'][0]['html']}"
        for violation in Axe().run(page, options=RULES).response["violations"]
    ]
    return [*found, f"{page.url} scrolls sideways"] if is_wider_than_the_screen(page) else found


def filled(sandbox: Environment) -> list[str]:
    """Rows of every look, and the addresses that show them."""
    client = clients.create_client(sandbox, name="Player platform", actor=None, ip_ranges=["192.0.2.0/24"]).client
    newer = clients.rotate_secret(client, actor=None).secret
    now = timezone.now()
    client.secrets.update(created_at=now - dt.timedelta(days=40))
    ClientSecret.objects.filter(pk=newer.pk).update(created_at=now - dt.timedelta(days=1), last_used_at=now)
    clients.revoke_client(clients.create_client(sandbox, name="First try", actor=None).client, actor=None)
    finding = {"index": 3, "pointer": "/3/currency", "code": "currency", "message": "must be a real currency"}
    records = [{"index": number, "record": {"currency": "XXY"}, "errors": [finding]} for number in (3, 4, 5, 6)]
    rows = [
        ApiRequestFactory.create(environment=sandbox, client_id=client.client_id),
        ApiRequestFactory.create(
            environment=sandbox, status=422, error_code="validation_failed", rejected=4, detail={"records": records}
        ),
        ApiRequestFactory.create(
            environment=sandbox,
            status=400,
            error_code="invalid_json",
            detail={"excerpt": '{"a": 1,,}', "offset": 8, "fault": 8},
        ),
    ]
    here = f"{HOME}/credentials/{client.client_id}/"
    return [
        f"{HOME}/credentials/",
        f"{HOME}/credentials/new/",
        here,
        f"{here}rotate/",
        f"{here}revoke/",
        f"{here}secrets/{newer.pk}/revoke/",
        f"{HOME}/requests/",
        f"{HOME}/requests/?status=500",
        f"{HOME}/requests/?from=soon",
        *(f"{HOME}/requests/{row.pk}/" for row in rows),
        "/p/aurora-casino/production/credentials/",
        "/p/aurora-casino/production/requests/",
    ]


def docs_for(screen: tuple[int, Any]) -> list[str]:
    """The docs have one layout: each page is looked at once, half of them on either screen."""
    half = docs.PAGES[SCREENS.index(screen) :: len(SCREENS)]
    return ["/docs/", *(f"{HOME}/docs/{page.slug}/" if page.slug else f"{HOME}/docs/" for page in half)]


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_every_page_is_sound(
    live_server: LiveServer, developer: Client, sandbox: Environment, screen: tuple[int, Any]
) -> None:
    addresses = [*filled(sandbox), *docs_for(screen)]
    look: dict[str, Any] = {"viewport": {"width": screen[0], "height": 900}, "color_scheme": screen[1]}
    with signed_in(developer, live_server, **look) as (page, found):
        for address in addresses:
            answer = page.goto(address)
            assert answer is not None
            assert answer.status == 200, address
            found += faults(page)
    assert found == []


def test_a_client_is_made_and_its_secret_is_gone_after_the_page(live_server: LiveServer, developer: Client) -> None:
    with signed_in(developer, live_server) as (page, found):
        page.goto(f"{HOME}/credentials/new/")
        page.get_by_label("Name").fill("CRM exporter")
        page.get_by_label("Allowed addresses").fill("nonsense")
        page.get_by_role("button", name="Create client").click()
        page.get_by_role("link", name="Allowed addresses").wait_for()  # the summary leads to the field
        found += faults(page)
        page.get_by_label("Allowed addresses").fill("192.0.2.0/24")
        page.get_by_role("button", name="Create client").click()
        secret = page.get_by_label("New secret").locator("code").last.inner_text()
        found += faults(page)
        assert len(secret) > 40
        page.reload()  # sends the form again
        assert secret not in page.content()
    assert found == []
    assert ApiClient.objects.count() == 1


def test_the_explorer_calls_the_sandbox_at_a_press_and_keeps_the_token_over_a_reload(
    live_server: LiveServer, developer: Client, sandbox: Environment
) -> None:
    clients.create_client(sandbox, name="CRM", actor=None)
    with signed_in(developer, live_server) as (page, found):
        page.goto("/docs/api/")
        page.get_by_role("button", name="Use a sandbox token").click()
        page.locator("#token-state", has_text="Calls are sent as CRM").wait_for()
        page.reload()
        page.locator("#token-state", has_text="Calls are sent as CRM").wait_for()
        operation = page.locator(".opblock-get", has_text="/api/v1/igaming/customers").first
        operation.locator(".opblock-summary-control").click()
        with page.expect_response(lambda response: "/api/v1/igaming/customers?" in response.url) as call:
            operation.locator("button.execute").click()
        assert call.value.status == 200
    assert found == []
