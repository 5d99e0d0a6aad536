"""The look in a real browser: accessible, no wider than the screen, nothing the Content-Security-Policy refuses."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from axe_playwright_python.sync_playwright import Axe
from django.test import Client
from playwright.sync_api import Browser, Page, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.conftest import CHROMIUM
from tests.factories import PASSWORD, UserFactory

PATHS = ("/styleguide/", "/styleguide/?environment=production", "/accounts/login/", "/accounts/password/reset/")
ACCOUNT = ("/accounts/2fa/", "/accounts/password/change/", "/accounts/2fa/totp/activate/", "/accounts/reauthenticate/")
SECOND_FACTOR = (
    "/accounts/2fa/",
    "/accounts/2fa/recovery-codes/",
    "/accounts/2fa/recovery-codes/generate/",
    "/accounts/2fa/totp/deactivate/",
    "/accounts/2fa/reauthenticate/",
    "/accounts/logout/",
)
# Each width and each theme once: layout does not depend on colour, nor colour on layout.
SCREENS: tuple[tuple[int, Any], ...] = ((1440, "light"), (375, "dark"))
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}

pytestmark = pytest.mark.browser


def faults(browser: Browser, address: str, *, width: int, scheme: Any, cookies: Sequence[Any] = ()) -> list[str]:
    """What is wrong with one page in one size and theme, in words."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    context.add_cookies(cookies)
    page = context.new_page()
    found: list[str] = []
    page.on("console", lambda message: found.append(message.text) if message.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: found.append(str(error)))
    page.goto(address, wait_until="load")
    found += [
        f"{violation['id']}: {violation['nodes'][0]['html']}"
        for violation in Axe().run(page, options=RULES).response["violations"]
    ]
    if is_wider_than_the_screen(page):
        found.append("scrolls sideways")
    context.close()
    return [f"{address} at {width} px, {scheme}: {fault}" for fault in found]


def is_wider_than_the_screen(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth > innerWidth"))


def test_every_component_and_the_way_in_are_sound_in_both_themes_and_sizes(
    live_server: LiveServer, settings: Settings
) -> None:
    settings.DEBUG = True
    found: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for path, (width, scheme) in itertools.product(PATHS, SCREENS):
            found += faults(browser, live_server.url + path, width=width, scheme=scheme)
        browser.close()
    assert found == []


def test_the_pages_of_ones_own_account_are_sound(live_server: LiveServer) -> None:
    before, after = Client(), Client()
    for client in (before, after):
        user = UserFactory(password=PASSWORD)
        client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    TOTP.activate(user, generate_totp_secret())
    RecoveryCodes.activate(user)
    found: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for client, paths in ((before, ACCOUNT), (after, SECOND_FACTOR)):
            session = {"name": "sessionid", "value": client.cookies["sessionid"].value, "url": live_server.url}
            for path, (width, scheme) in zip(paths, itertools.cycle(SCREENS), strict=False):
                found += faults(browser, live_server.url + path, width=width, scheme=scheme, cookies=[session])
        browser.close()
    assert found == []


def test_copying_and_the_theme_work_with_a_script_and_the_theme_without(
    live_server: LiveServer, settings: Settings
) -> None:
    settings.DEBUG = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        scripted = browser.new_context(permissions=["clipboard-read", "clipboard-write"])
        page = scripted.new_page()
        page.goto(f"{live_server.url}/styleguide/")
        page.get_by_role("button", name="Copy tx_8f31c0").click()
        assert page.evaluate("navigator.clipboard.readText()") == "tx_8f31c0"
        with page.expect_response("**/theme/"):
            page.get_by_role("button", name="Dark theme").click()
        assert page.locator("html").get_attribute("data-theme") == "dark"

        plain = browser.new_context(java_script_enabled=False).new_page()
        plain.goto(f"{live_server.url}/styleguide/")
        assert not plain.locator(".copy").first.is_visible()
        plain.get_by_role("button", name="Dark theme").click()
        assert plain.locator("html").get_attribute("data-theme") == "dark"
        browser.close()
