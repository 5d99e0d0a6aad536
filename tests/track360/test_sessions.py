"""Where a person is signed in, and the trail that signing in leaves."""

from __future__ import annotations

import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client
from django.utils import timezone

from tests.factories import PASSWORD, UserFactory
from track360.models import AuditEvent, User
from track360.user_agents import device

EMAIL = "ann@example.com"
SESSIONS = "/accounts/sessions/"
NEW_PASSWORD = "a wholly new one 1"
FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 Version/18.0 Safari/604.1"


@pytest.fixture
def ann(db: None) -> User:
    return UserFactory(email=EMAIL, password=PASSWORD)


def signed_in(agent: str = CHROME, **extra: Any) -> Client:
    client = Client(headers={"User-Agent": agent})
    assert client.post("/accounts/login/", {"login": EMAIL, "password": PASSWORD}, **extra).status_code == 302
    return client


def is_in(client: Client) -> bool:
    return client.get("/accounts/password/change/").status_code == 200


def trail() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("at").values_list("action", "target"))


def test_sessions_are_listed_with_device_and_address_and_one_is_ended(ann: User) -> None:
    here, there = signed_in(FIREFOX), signed_in(IPHONE, REMOTE_ADDR="192.0.2.9")
    html = here.get(SESSIONS).content.decode()
    assert "here and in 1 other place" in html
    for shown in ("Firefox on Windows", "Safari on iPhone", "192.0.2.9", "This browser"):
        assert shown in html
    other = UserSession.objects.get(ip="192.0.2.9")

    assert here.post(f"{SESSIONS}{other.pk}/end/")["Location"] == SESSIONS

    assert not is_in(there)
    assert is_in(here)
    assert "nowhere else" in here.get(SESSIONS).content.decode()
    assert ("session.ended", EMAIL) in trail()
    assert here.post(f"{SESSIONS}{other.pk}/end/").status_code == 302  # twice does no harm


def test_all_others_are_ended_at_once(ann: User) -> None:
    here, *others = [signed_in() for _ in range(4)]
    assert here.post(f"{SESSIONS}end/")["Location"] == SESSIONS
    assert [is_in(client) for client in (here, *others)] == [True, False, False, False]


def test_nobody_ends_the_session_of_somebody_else(ann: User) -> None:
    signed_in()
    eve = Client()
    UserFactory(email="eve@example.com", password=PASSWORD)
    eve.post("/accounts/login/", {"login": "eve@example.com", "password": PASSWORD})
    anns = UserSession.objects.get(user=ann)
    for number in (anns.pk, 10**30):
        assert eve.post(f"{SESSIONS}{number}/end/").status_code == 302
    assert UserSession.objects.filter(pk=anns.pk).exists()
    assert EMAIL not in eve.get(SESSIONS).content.decode()
    assert Client().get(SESSIONS).status_code == 302


def test_the_last_page_is_noted_every_five_minutes(ann: User, monkeypatch: pytest.MonkeyPatch) -> None:
    client = signed_in()
    begun = UserSession.objects.get().last_seen_at
    client.get("/docs/")
    assert UserSession.objects.get().last_seen_at == begun
    later = timezone.now() + timedelta(minutes=6)
    monkeypatch.setattr(timezone, "now", lambda: later)
    client.get("/docs/")
    assert UserSession.objects.get().last_seen_at == later


def test_a_changed_password_ends_the_other_sessions(ann: User) -> None:
    here, there = signed_in(), signed_in()
    change = {"oldpassword": PASSWORD, "password1": NEW_PASSWORD, "password2": NEW_PASSWORD}
    assert here.post("/accounts/password/change/", change).status_code == 302
    assert is_in(here)
    assert not is_in(there)
    assert UserSession.objects.count() == 1
    assert ("password.changed", EMAIL) in trail()


def test_a_forgotten_password_is_reset_by_the_mailed_link_which_works_once(ann: User) -> None:
    before = signed_in()
    visitor = Client()
    visitor.post("/accounts/password/reset/", {"email": EMAIL})
    (sent,) = mail.outbox
    assert sent.subject == "Track360: Reset your password"
    path = re.search(r"http://[^/]+(/\S+)", sent.body).group(1)
    form = visitor.get(path)["Location"]
    assert "at least 12" in visitor.post(form, {"password1": "short", "password2": "short"}).content.decode()
    assert visitor.post(form, {"password1": NEW_PASSWORD, "password2": NEW_PASSWORD}).status_code == 302
    assert not is_in(before)
    assert Client().post("/accounts/login/", {"login": EMAIL, "password": NEW_PASSWORD}).status_code == 302
    assert ("password.reset", EMAIL) in trail()
    again = Client().get(path, follow=True)
    assert again.status_code == 200
    assert 'name="password1"' not in again.content.decode()


def test_signing_in_and_being_refused_stand_in_the_trail(ann: User) -> None:
    client = Client(REMOTE_ADDR="192.0.2.7")
    client.post("/accounts/login/", {"login": EMAIL.upper(), "password": "wrong"})
    client.post("/accounts/login/", {"login": "my secret@typed.here", "password": "wrong"})
    client.post("/accounts/login/", {"login": "nobody@example.com", "password": "wrong"})
    client.post("/accounts/login/", {"login": EMAIL, "password": PASSWORD})
    client.post("/accounts/logout/")
    assert trail() == [
        ("sign_in.refused", EMAIL),
        ("sign_in.refused", ""),
        ("sign_in.done", EMAIL),
        ("sign_in.ended", EMAIL),
    ]
    unknown = AuditEvent.objects.filter(action="sign_in.refused", target="").get()
    assert unknown.detail["address_sha256"] == sha256(b"nobody@example.com").hexdigest()
    assert set(AuditEvent.objects.values_list("ip", flat=True)) == {"192.0.2.7"}
    assert "wrong" not in str(list(AuditEvent.objects.values()))


def test_the_second_factor_stands_in_the_trail(ann: User) -> None:
    TOTP.activate(ann, generate_totp_secret())
    client = signed_in()
    client.post("/accounts/2fa/authenticate/", {"code": "000000"})
    assert trail() == [("sign_in.refused", EMAIL)]
    assert AuditEvent.objects.get().detail == {"by": "totp"}


@pytest.mark.parametrize("email", ["\x00", "a" * 5000, "é@ü.example", "' OR 1=1"])
def test_nothing_typed_for_an_address_breaks_the_sign_in(ann: User, email: str) -> None:
    assert Client().post("/accounts/login/", {"login": email, "password": "x"}).status_code == 200


def test_browsers_have_names() -> None:
    assert device(CHROME) == "Chrome on Linux"
    assert device(CHROME + " Edg/140.0") == "Edge on Linux"
    assert device("curl/8.5.0") == "curl/8.5.0"
    assert device("") == "Unknown browser"
