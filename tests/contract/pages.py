"""What the browser tests of this folder share: a browser, people who sign in, and what a page says of itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.conftest import CHROMIUM
from tests.contract import live
from tests.factories import PASSWORD
from track360.models import User

PATIENCE = 20_000  # milliseconds: the machine may be busy


@dataclass(frozen=True)
class Colleague:
    """Somebody of the integrations team, who signs in with a second factor."""

    email: str
    totp_secret: str

    @property
    def code(self) -> str:
        """What the authenticator app shows now."""
        return format_hotp_value(hotp_value(self.totp_secret, next(yield_hotp_counters_from_time())))


def colleague(email: str = "mina@track360.example", name: str = "Mina Holt") -> Colleague:
    user = User.objects.create_user(email, PASSWORD, name=name, is_staff=True)
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return Colleague(email, secret)


@contextmanager
def chromium() -> Iterator[Browser]:
    """While it is open Django's ORM refuses to be called from this thread: what is needed of it is made before."""
    expect.set_options(timeout=PATIENCE)
    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"]) as browser,
    ):
        yield browser
    expect.set_options(timeout=5_000)


def sign_in(page: Page, server: live.Server, email: str) -> None:
    page.goto(server.url)
    page.get_by_label("Email").fill(email)
    page.get_by_label("Password", exact=True).fill(PASSWORD)
    page.get_by_role("button", name="Sign in", exact=True).click()


def sign_in_with_code(page: Page, server: live.Server, who: Colleague) -> None:
    sign_in(page, server, who.email)
    expect(page.get_by_role("heading", name="Second factor")).to_be_visible()
    page.get_by_label("Code").fill(who.code)
    page.get_by_role("button", name="Sign in with the code").click()


def state(page: Page) -> Locator:
    """The sentence under the title: what is wrong, and what to do next."""
    return page.locator(".state")
