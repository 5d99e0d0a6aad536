"""One partner with people in every role, and each of them signed in."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.test import Client

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
