"""The README's walk: a partner's engineer signs in, makes a client, pushes over HTTP, and looks at it in the portal."""

from __future__ import annotations

import io
import re

import httpx
import pytest
from django.core.management import call_command
from playwright.sync_api import Page, expect, sync_playwright

from tests.conftest import CHROMIUM
from tests.contract import live
from tests.contract.conftest import API, problem_codes
from tests.contract.pages import sign_in
from tests.factories import PASSWORD
from tests.payloads import sample
from track360 import exact_json
from track360.models import Environment, Membership, User

pytestmark = pytest.mark.browser


def sample_data(entity: str, count: int) -> bytes:
    out = io.StringIO()
    call_command("sample_data", entity=entity, count=count, stdout=out)
    return out.getvalue().encode()


def make_client(page: Page) -> tuple[str, str]:
    """Through the form; the id and the secret as the page shows them."""
    page.get_by_role("link", name="Credentials", exact=True).click()
    page.get_by_role("link", name="New client").first.click()
    page.get_by_label("Name").fill("Casino platform")
    page.get_by_role("button", name="Create").click()
    shown = page.get_by_label("New secret").locator("code")
    return shown.nth(0).inner_text(), shown.nth(1).inner_text()


def test_a_newcomer_gets_credentials_pushes_and_sees_what_arrived(server: live.Server, sandbox: Environment) -> None:
    user = User.objects.create_user("engineer@casino.example", PASSWORD)
    Membership.objects.create(user=user, partner=sandbox.partner, role=Membership.Role.DEVELOPER)

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
        httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http,
    ):
        page = browser.new_page()
        sign_in(page, server, user.email)
        expect(page.get_by_role("heading", name="Overview")).to_be_visible()
        client_id, secret = make_client(page)

        form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
        http.headers["Authorization"] = f"Bearer {http.post('/oauth/token', data=form).json()['access_token']}"
        http.headers["Content-Type"] = "application/json"
        for entity in ("customers", "transactions", "activity"):
            assert http.post(f"{API}/{entity}", content=exact_json.dumps(sample(entity))).status_code == 201
        for entity in ("customers", "transactions"):
            pushed = http.post(f"{API}/{entity}/bulk", content=sample_data(entity, 1000))
            assert pushed.json()["data"]["created"] == 1000, pushed.text[:500]
        refused = http.post(f"{API}/transactions", content=exact_json.dumps(sample("transactions", currency="EUX")))
        assert problem_codes(refused) == ["currency"]

        page.get_by_role("link", name="Transactions", exact=True).click()
        expect(page.get_by_text("1,001 transactions").first).to_be_visible()
        page.get_by_role("textbox", name="Transaction id").fill("txn_889001")
        page.get_by_role("button", name="Filter").click()
        page.get_by_role("link", name="txn_889001").first.click()
        expect(page.get_by_text("first approved deposit")).to_be_visible()

        page.get_by_role("link", name="Requests", exact=True).click()
        page.get_by_role("row").filter(has_text=re.compile("422")).get_by_role("link").first.click()
        expect(page.get_by_text("must be an ISO 4217 currency code").first).to_be_visible()
        expect(page.locator("pre, code").filter(has_text='"EUX"').first).to_be_visible()
        page.reload()
        page.goto(f"{server.url}/p/{sandbox.partner.slug}/sandbox/credentials/")
        expect(page.get_by_text("Casino platform")).to_be_visible()
        assert secret not in page.content()
