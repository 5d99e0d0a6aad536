"""The second factor: compulsory for the team, by code or by passkey, and nothing that is sent breaks it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.core import mail
from django.test import Client
from django.urls import reverse

from tests.factories import PASSWORD, PartnerFactory, StaffFactory, UserFactory
from track360.models import User

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
INDEX = "/accounts/2fa/"
ADD = "/accounts/2fa/webauthn/add/"
PASSKEY_LOGIN = "/accounts/2fa/webauthn/login/"


@pytest.fixture
def bare(db: None) -> Client:
    """A member of the team without a second factor, who has just given his password."""
    user = StaffFactory(email="rita@track360.example", password=PASSWORD)
    Authenticator.objects.all().delete()
    client = Client()
    client.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    return client


# -- Compulsory for the team ----------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        "/",
        "/partners/",
        "/admin/",
        "/admin/track360/user/",
        "/docs/",
        "/p/aurora/sandbox/",
        "/accounts/password/change/",
    ],
)
def test_without_a_second_factor_every_page_of_the_team_leads_to_setting_one_up(bare: Client, address: str) -> None:
    PartnerFactory(slug="aurora")
    for answer in (bare.get(address), bare.post(address)):
        assert (answer.status_code, answer["Location"]) == (302, INDEX)


def test_it_can_be_set_up_and_then_everything_opens(bare: Client) -> None:
    assert "Nothing else opens to you" in bare.get(INDEX).content.decode()
    assert bare.get("/accounts/2fa/totp/activate/").status_code == 200
    assert bare.get(ADD).status_code == 200
    TOTP.activate(User.objects.get(), generate_totp_secret())
    assert bare.get("/partners/").status_code == 200
    assert "Nothing else opens to you" not in bare.get(INDEX).content.decode()


def test_recovery_codes_alone_are_no_second_factor(bare: Client) -> None:
    Authenticator.objects.create(user=User.objects.get(), type=Authenticator.Type.RECOVERY_CODES, data={})
    assert bare.get("/partners/")["Location"] == INDEX


def test_signing_out_confirming_and_what_is_not_a_page_stay_open(bare: Client) -> None:
    assert bare.get("/healthz").status_code == 200
    assert bare.get("/api/v1/igaming/customers").status_code == 401
    assert bare.get("/accounts/reauthenticate/").status_code == 200
    assert bare.post("/accounts/logout/")["Location"] == "/accounts/login/"
    assert bare.get("/partners/")["Location"].startswith("/accounts/login/")


def test_a_session_that_came_another_way_is_no_way_around_it(db: None) -> None:
    user = StaffFactory()
    Authenticator.objects.all().delete()
    client = Client()
    client.force_login(user, backend=BACKEND)
    assert client.get("/admin/")["Location"] == INDEX


def test_the_admins_own_sign_in_asks_for_the_second_factor(db: None) -> None:
    user = StaffFactory(password=PASSWORD)
    client = Client()
    assert client.get("/admin/login/?next=/admin/")["Location"].startswith("/accounts/login/?next=")
    assert client.post("/admin/login/", {"username": user.email, "password": PASSWORD}).status_code == 302
    answer = client.post("/accounts/login/", {"login": user.email, "password": PASSWORD, "next": "/admin/"})
    assert answer["Location"].startswith("/accounts/2fa/authenticate/")
    assert client.get("/admin/").status_code == 302


def test_a_member_of_a_partner_may_go_without(db: None) -> None:
    client = Client()
    client.force_login(UserFactory(), backend=BACKEND)
    assert client.get("/docs/").status_code == 200


# -- Pages ----------------------------------------------------------------------


def test_a_changed_second_factor_is_told_by_mail_and_a_mail_server_that_is_away_fails_nothing(
    db: None, settings: Any
) -> None:
    client = Client()
    ann = UserFactory(email="ann@example.com", password=PASSWORD)
    client.post("/accounts/login/", {"login": ann.email, "password": PASSWORD})
    change = {"oldpassword": PASSWORD, "password1": "a wholly new one 1", "password2": "a wholly new one 1"}
    assert client.post("/accounts/password/change/", change).status_code == 302
    (sent,) = mail.outbox
    assert (sent.to, sent.subject) == (["ann@example.com"], "Track360: Password changed")
    assert "127.0.0.1" in sent.body

    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", 1
    change = {"oldpassword": change["password1"], "password1": PASSWORD, "password2": PASSWORD}
    assert client.post("/accounts/password/change/", change).status_code == 302
    assert Client().post("/accounts/password/reset/", {"email": ann.email}).status_code == 302


CREDENTIALS = [
    "",
    "x",
    "null",
    "[]",
    "1",
    "{}",
    '"x"',
    "[" * 5000,
    '{"id": 1}',
    '{"id": "x", "rawId": "x", "response": {}, "type": "public-key"}',
    '{"id": "AAAA", "rawId": "AAAA", "response": [], "type": "public-key"}',
    '{"id": "AAAA", "rawId": "AAAA", "response": {"userHandle": "AAAA"}, "type": "public-key"}',
    '{"id": "\\u0000", "rawId": "AAAA", "response": {"userHandle": null}, "type": "public-key"}',
    json.dumps(
        {
            "id": "AAAA",
            "rawId": "AAAA",
            "type": "public-key",
            "response": {
                "userHandle": "MTIz",
                "clientDataJSON": "e30",
                "authenticatorData": "AAAA",
                "attestationObject": "oA",
                "signature": "AAAA",
            },
        }
    ),
    json.dumps(
        {
            "id": "AAAA",
            "rawId": "AAAA",
            "type": "public-key",
            "response": {"userHandle": 7, "clientDataJSON": 7, "authenticatorData": 7, "attestationObject": 7},
        }
    ),
    '{"id": "' + "A" * 30_000 + '"}',
    '{"a": NaN, "b": 1e999, "\\ud800": 1}',
    "{}\x00",
]


@pytest.mark.parametrize("credential", CREDENTIALS, ids=range(len(CREDENTIALS)))
def test_no_answer_of_a_passkey_breaks_anything(bare: Client, credential: str) -> None:
    """Each door that reads one: adding, signing in, the second step, confirming."""
    assert bare.get(ADD).status_code == 200  # leaves a challenge
    answer = bare.post(ADD, {"name": "Laptop", "credential": credential})
    assert answer.status_code == 200
    assert "field" in answer.content.decode()
    assert not Authenticator.objects.exists()

    stranger = Client()
    stranger.get(PASSKEY_LOGIN, headers={"Accept": "application/json"})
    assert stranger.post(PASSKEY_LOGIN, {"credential": credential})["Location"] == "/accounts/login/"

    user = UserFactory(password=PASSWORD, is_staff=True)
    second = Client()
    second.post("/accounts/login/", {"login": user.email, "password": PASSWORD})
    page = reverse("mfa_authenticate")
    assert second.get(page).status_code == 200
    assert second.post(page, {"credential": credential}).status_code == 200

    again = reverse("mfa_reauthenticate_webauthn")
    bare.get(again)
    assert bare.post(again, {"credential": credential}).status_code in (200, 302)


@pytest.mark.parametrize("name", ["n" * 101, "x\x00y"])
def test_a_passkeys_name_is_bounded(bare: Client, name: str) -> None:
    html = bare.post(ADD, {"name": name}).content.decode()
    assert "at most 100 characters" in html or "Null characters are not allowed" in html


def test_no_page_of_the_second_factor_needs_inline_script(bare: Client) -> None:
    for address in (INDEX, ADD, "/accounts/2fa/webauthn/", "/accounts/2fa/totp/activate/"):
        answer = bare.get(address)
        assert answer.status_code == 200
        assert "unsafe" not in answer["Content-Security-Policy"]
