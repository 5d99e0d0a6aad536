"""One partner with people in every role, and each of them signed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from django.test import Client
from playwright.sync_api import Browser, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from tests.conftest import CHROMIUM
from tests.factories import MembershipFactory, PartnerFactory, StaffFactory
from track360.models import Environment, Partner, User

SignIn = Callable[[User], Client]


@pytest.fixture
def sign_in() -> SignIn:
    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
        return client

    return signed_in


@pytest.fixture
def partner(db: None) -> Partner:
    return PartnerFactory(slug="aurora-casino", name="Aurora Casino")


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


@pytest.fixture
def production(partner: Partner) -> Environment:
    return partner.environments.get(kind="production")


@pytest.fixture
def developer(partner: Partner, sign_in: SignIn) -> Client:
    return sign_in(MembershipFactory(partner=partner, role="developer", user__email="dev@aurora.example").user)


@pytest.fixture
def viewer(partner: Partner, sign_in: SignIn) -> Client:
    return sign_in(MembershipFactory(partner=partner, role="viewer", user__email="viewer@aurora.example").user)


@pytest.fixture
def staff(db: None, sign_in: SignIn) -> Client:
    return sign_in(StaffFactory(email="team@track360.example"))


@pytest.fixture
def outsider(db: None, sign_in: SignIn) -> Client:
    """Somebody of another partner."""
    return sign_in(MembershipFactory(role="owner", user__email="owner@other.example").user)


@pytest.fixture
def browser(live_server: LiveServer, settings: Settings) -> Iterator[Browser]:
    """Stands last in a test's list: while it runs, Django's ORM refuses to be called from this thread."""
    settings.DEBUG = True
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()
