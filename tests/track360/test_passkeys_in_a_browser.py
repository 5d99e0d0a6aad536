"""Passkeys in a real browser with an authenticator that Chromium plays: added, used as second factor, used alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from allauth.mfa.models import Authenticator
from playwright.sync_api import Page, sync_playwright
from pytest_django.live_server_helper import LiveServer

from tests.conftest import CHROMIUM
from tests.factories import PASSWORD, MembershipFactory, PartnerFactory, StaffFactory
from tests.portal.test_integration_pages_in_a_browser import faults

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
DEVICE = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}


@contextmanager
def browser_with_a_device(server: LiveServer) -> Iterator[tuple[Page, list[str]]]:
    """A page of a browser that has an authenticator built in, and what its console complains of."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        # A passkey belongs to a name; an address has none.
        page = browser.new_context(base_url=server.url.replace("127.0.0.1", "localhost")).new_page()
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable")
        session.send("WebAuthn.addVirtualAuthenticator", {"options": DEVICE})
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page, complaints
        browser.close()


def give_password(page: Page, email: str) -> None:
    page.goto("/accounts/login/")
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_out(page: Page) -> None:
    page.goto("/accounts/logout/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url("**/accounts/login/")


def test_a_member_of_the_team_sets_up_a_passkey_and_signs_in_with_it(live_server: LiveServer) -> None:
    staff = StaffFactory(email="rita@track360.example", password=PASSWORD)
    Authenticator.objects.all().delete()
    with browser_with_a_device(live_server) as (page, found):
        give_password(page, staff.email)
        page.wait_for_url("**/accounts/2fa/")  # nothing else opens
        found += faults(page)
        page.get_by_role("link", name="Add a passkey").click()
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        found += faults(page)
        page.get_by_label("Name").fill("Laptop")
        page.get_by_label("Sign in with it alone").check()
        page.get_by_role("button", name="Add the passkey").click()
        page.wait_for_url("**/recovery-codes/")
        found += faults(page)
        page.goto("/accounts/2fa/webauthn/")
        assert page.get_by_role("link", name="Rename Laptop").is_visible()
        assert page.get_by_text("Signs in alone").is_visible()
        found += faults(page)

        sign_out(page)
        give_password(page, staff.email)
        page.wait_for_url("**/accounts/2fa/authenticate/")
        found += faults(page)
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url("**/partners/")

        sign_out(page)
        found += faults(page)
        page.goto("/accounts/login/?next=/docs/")
        page.get_by_role("button", name="Sign in with a passkey").click()
        page.wait_for_url(f"{live_server.url.replace('127.0.0.1', 'localhost')}/docs/")

        page.goto("/accounts/2fa/webauthn/reauthenticate/?next=/accounts/2fa/webauthn/")
        found += faults(page)
        page.get_by_role("button", name="Use a passkey").click()
        page.get_by_role("link", name="Remove Laptop").click()
        found += faults(page)
        page.get_by_role("button", name="Remove it").click()
        page.get_by_text("None yet. Next: add one for this device.").wait_for()
        page.goto("/partners/")
        assert page.url.endswith("/accounts/2fa/")  # without one, back to setting one up
    assert found == []
    assert not Authenticator.objects.exists()


def test_a_device_that_does_not_answer_is_said_on_the_page(live_server: LiveServer) -> None:
    user = MembershipFactory(partner=PartnerFactory(), user__password=PASSWORD).user
    with browser_with_a_device(live_server) as (page, found):
        give_password(page, user.email)
        page.goto("/accounts/2fa/webauthn/add/")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Go on").click()
        page.evaluate(
            "() => { navigator.credentials.create = () => { throw new DOMException('', 'NotAllowedError') } }"
        )
        page.get_by_role("button", name="Add the passkey").click()
        assert page.get_by_role("alert").get_by_text("The device did not answer").is_visible()
        found += faults(page)
    assert found == []
    assert not Authenticator.objects.exists()
