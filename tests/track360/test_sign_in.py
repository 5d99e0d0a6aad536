"""The way in: limited, shared by all processes, and telling nobody who has an account."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import (
    TOTP,
    format_hotp_value,
    generate_totp_secret,
    hotp_value,
    yield_hotp_counters_from_time,
)
from django.core import mail
from django.core.cache import cache
from django.db import connection
from django.test import Client, override_settings
from django.urls import reverse

from tests.factories import PASSWORD, UserFactory
from track360.models import User

LOGIN = "/accounts/login/"
EMAIL = "ann@example.com"


@pytest.fixture
def ann(db: None) -> User:
    return UserFactory(email=EMAIL, password=PASSWORD)


def sign_in(email: str = EMAIL, password: str = PASSWORD, *, client: Client | None = None, **extra: Any) -> Any:
    return (client or Client()).post(LOGIN, {"login": email, "password": password}, **extra)


def test_a_password_cannot_be_guessed_for_long_not_even_from_elsewhere(ann: User) -> None:
    for number in range(5):
        assert sign_in(password="wrong", REMOTE_ADDR=f"192.0.2.{number}").status_code == 200
    refused = sign_in(REMOTE_ADDR="192.0.2.99")
    assert b"Too many failed login attempts" in refused.content
    UserFactory(email="bob@example.com", password=PASSWORD)
    assert sign_in("bob@example.com").status_code == 302


def test_one_address_cannot_try_many_accounts_and_gets_no_further_by_claiming_to_be_another(ann: User) -> None:
    for number in range(10):
        sign_in(f"nobody{number}@example.com", "wrong", headers={"X-Forwarded-For": f"192.0.2.{number}"})
    assert b"Too many failed login attempts" in sign_in(headers={"X-Forwarded-For": "192.0.2.99"}).content
    assert sign_in(REMOTE_ADDR="198.51.100.7").status_code == 302


def test_behind_a_proxy_the_address_is_the_callers(ann: User, settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("127.0.0.1")]
    for number in range(10):
        sign_in(f"nobody{number}@example.com", "wrong", headers={"X-Forwarded-For": "192.0.2.1"})
    assert b"Too many failed" in sign_in(headers={"X-Forwarded-For": "192.0.2.1"}).content
    assert sign_in(headers={"X-Forwarded-For": "192.0.2.2"}).status_code == 302


def test_beyond_thirty_tries_a_minute_the_page_says_to_wait(db: None) -> None:
    answers = [sign_in(f"nobody{number}@example.com", "wrong") for number in range(31)]
    assert [answer.status_code for answer in answers] == [200] * 30 + [429]
    assert b"Too many tries" in answers[-1].content
    assert "unsafe" not in answers[-1]["Content-Security-Policy"]


def test_the_counts_are_shared_by_all_processes_and_do_without_valkey(ann: User) -> None:
    with override_settings(REDIS_URL="redis://127.0.0.1:1/0"):
        sign_in(password="wrong")
        with connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM track360_cache WHERE cache_key LIKE '%%login_failed%%'")
            assert cursor.fetchone() == (2,)  # of the address, of the account


def test_a_one_time_code_works_once(ann: User) -> None:
    secret = generate_totp_secret()
    TOTP.activate(ann, secret)
    code = format_hotp_value(hotp_value(secret, next(yield_hotp_counters_from_time())))

    def with_code() -> Any:
        client = Client()
        assert sign_in(client=client)["Location"] == reverse("mfa_authenticate")
        return client.post(reverse("mfa_authenticate"), {"code": code})

    assert with_code().status_code == 302
    assert with_code().status_code == 200
    assert cache.get(f"allauth.mfa.totp.used?user={ann.pk}&code={code}") == "y"


def test_resetting_a_password_does_not_tell_who_has_an_account(ann: User) -> None:
    def asked(email: str) -> tuple[int, str, str]:
        answer = Client().post("/accounts/password/reset/", {"email": email}, follow=True)
        return answer.status_code, answer.request["PATH_INFO"], re.sub(r'value="[^"]+"', "", answer.content.decode())

    assert asked(EMAIL) == asked("nobody@example.com")
    assert {message.from_email for message in mail.outbox} == {"Track360 <no-reply@localhost>"}


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
)
def test_signing_in_leads_nowhere_else(ann: User, target: str) -> None:
    answer = Client().post(LOGIN, {"login": EMAIL, "password": PASSWORD, "next": target})
    assert answer["Location"] == "/"


def test_nobody_moves_an_account_to_another_address(ann: User) -> None:
    client = Client()
    sign_in(client=client)
    assert client.get("/accounts/email/").status_code == 404
    assert client.post("/accounts/email/", {"email": "eve@example.com", "action_add": ""}).status_code == 404


def test_a_form_without_its_csrf_token_is_explained(db: None) -> None:
    answer = sign_in(client=Client(enforce_csrf_checks=True))
    assert answer.status_code == 403
    assert b"This page was open too long" in answer.content


def test_a_person_without_a_second_factor_can_set_one_up_long_after_signing_in(ann: User) -> None:
    client = Client()
    sign_in(client=client)
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": 0, "email": EMAIL}]
    session.save()
    asked = client.get("/accounts/2fa/totp/activate/")
    assert asked["Location"].startswith("/accounts/reauthenticate/")
    assert client.post(asked["Location"], {"password": PASSWORD})["Location"] == "/accounts/2fa/totp/activate/"
