"""Credentials: who may see and change them, and that a secret is shown once and nowhere else."""

from __future__ import annotations

import datetime as dt
import html
import json
import logging
import re
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.models import Session
from django.test import Client as Browser
from django.utils import timezone

from integrations import clients
from integrations.models import Client, ClientSecret
from tests.factories import MembershipFactory, PartnerFactory, UserFactory
from track360.models import AuditEvent, Environment, Membership, Partner

pytestmark = pytest.mark.django_db
SECRET = re.compile(r"Client secret</dt><dd><code>([A-Za-z0-9]{40,})</code>")


@pytest.fixture
def partner() -> Partner:
    return PartnerFactory.create(slug="aurora", name="Aurora Casino")


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


def browser_of(partner: Partner, role: str) -> Browser:
    user = UserFactory.create(is_staff=role == "staff")
    if role in Membership.Role.values:
        MembershipFactory.create(user=user, partner=partner, role=role)
    browser = Browser()
    browser.force_login(user)
    return browser


@pytest.fixture
def browser(partner: Partner) -> Browser:
    return browser_of(partner, "developer")


def made(environment: Environment, **fields: Any) -> clients.NewSecret:
    return clients.create_client(environment, name="Platform", actor=None, **fields)


def form(browser: Browser, url: str, **values: Any) -> dict[str, Any]:
    """The form as a browser would send it: with the hidden field of the page."""
    hidden = re.search(r'name="submission" value="([^"]+)"', browser.get(url).content.decode())
    assert hidden
    return {"submission": hidden[1], **values}


def new_client(browser: Browser, **values: Any) -> tuple[Any, str]:
    url = "/p/aurora/sandbox/credentials/new/"
    answer = browser.post(url, form(browser, url, **{"name": "CRM", "scopes": ["read", "write"], **values}))
    shown = SECRET.search(answer.content.decode())
    assert shown, answer.content.decode()
    return answer, shown[1]


def test_a_new_client_fetches_a_token_with_the_secret_shown(browser: Browser, sandbox: Environment) -> None:
    answer, secret = new_client(browser)
    client = Client.objects.get(environment=sandbox)
    assert answer.status_code == 200
    assert client.client_id in answer.content.decode()
    token = Browser().post(
        "/oauth/token",
        urlencode({"grant_type": "client_credentials", "client_id": client.client_id, "client_secret": secret}),
        content_type="application/x-www-form-urlencoded",
    )
    assert token.status_code == 200, token.content


def test_the_secret_is_on_that_one_answer_and_nowhere_else(
    browser: Browser, partner: Partner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answer, secret = new_client(browser)
    client = Client.objects.get()
    assert answer.content.decode().count(secret) == 2  # as text, and in its copy button
    assert "no-store" in answer["Cache-Control"]
    base = f"/p/aurora/sandbox/credentials/{client.client_id}/"
    for url in ("/p/aurora/sandbox/credentials/", "/p/aurora/sandbox/credentials/new/", base, base + "rotate/"):
        assert secret not in browser.get(url).content.decode()
    assert not any(secret in str(session.get_decoded()) for session in Session.objects.all())
    assert secret not in json.dumps(list(AuditEvent.objects.values("target", "detail", "action")), default=str)
    assert secret not in caplog.text
    assert secret not in str(answer.headers)


def test_no_page_shows_a_digest(browser: Browser, sandbox: Environment) -> None:
    new = made(sandbox)
    for url in ("", f"{new.client.client_id}/", f"{new.client.client_id}/revoke/"):
        page = browser.get(f"/p/aurora/sandbox/credentials/{url}").content.decode()
        assert new.secret.digest not in page
        assert new.clear not in page


def test_sending_the_form_twice_makes_one_client(browser: Browser) -> None:
    url = "/p/aurora/sandbox/credentials/new/"
    values = form(browser, url, name="CRM", scopes=["read"])
    browser.post(url, values)
    again = browser.post(url, values, follow=True)
    assert Client.objects.count() == 1
    assert "shown once" in again.content.decode()
    assert not SECRET.search(again.content.decode())


def test_sending_the_rotation_twice_makes_one_secret(browser: Browser, sandbox: Environment) -> None:
    new = made(sandbox)
    url = f"/p/aurora/sandbox/credentials/{new.client.client_id}/rotate/"
    values = form(browser, url, overlap="1")
    first, again = browser.post(url, values), browser.post(url, values, follow=True)
    assert SECRET.search(first.content.decode())
    assert not SECRET.search(again.content.decode())
    assert new.client.secrets.count() == 2


@pytest.mark.parametrize(("overlap", "hours"), [("0", 0), ("1", 1), ("24", 24), ("168", 168)])
def test_rotation_gives_the_old_secret_the_end_that_was_chosen(
    browser: Browser, sandbox: Environment, overlap: str, hours: int
) -> None:
    new = made(sandbox)
    answer = browser.post(f"/p/aurora/sandbox/credentials/{new.client.client_id}/rotate/", {"overlap": overlap})
    assert "no-store" in answer["Cache-Control"]
    new.secret.refresh_from_db()
    assert new.secret.expires_at is not None
    assert abs(new.secret.expires_at - timezone.now() - dt.timedelta(hours=hours)) < dt.timedelta(minutes=1)


def test_a_third_live_secret_is_refused_with_the_reason(browser: Browser, sandbox: Environment) -> None:
    new = made(sandbox)
    url = f"/p/aurora/sandbox/credentials/{new.client.client_id}/rotate/"
    browser.post(url, {"overlap": "24"})
    page = browser.post(url, {"overlap": "24"}).content.decode()
    assert "already has two live secrets" in page
    assert not SECRET.search(page)


def test_a_bad_range_is_named_by_its_line_under_the_field_and_nothing_typed_is_lost(browser: Browser) -> None:
    answer = browser.post(
        "/p/aurora/sandbox/credentials/new/",
        {"name": "CRM", "scopes": ["write"], "ip_ranges": "192.0.2.0/24\n192.0.2.0/99"},
    )
    page = html.unescape(answer.content.decode())
    assert "Line 2: '192.0.2.0/99'" in page
    assert "192.0.2.0/24\n192.0.2.0/99</textarea>" in page
    assert 'value="CRM"' in page
    assert not Client.objects.exists()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"name": "", "scopes": ["read"]}, "This field is required"),
        ({"name": "a\x00b", "scopes": ["read"]}, "Null characters are not allowed"),
        ({"name": "CRM"}, "Choose at least one scope"),
        ({"name": "CRM", "scopes": ["root"]}, "root is not one of the available choices"),
        ({"name": "x" * 101, "scopes": ["read"]}, "at most 100 characters"),
    ],
)
def test_a_wrong_form_says_what_is_wrong(browser: Browser, values: dict[str, Any], words: str) -> None:
    answer = browser.post("/p/aurora/sandbox/credentials/new/", values)
    assert answer.status_code == 200
    assert words in html.unescape(answer.content.decode())
    assert not Client.objects.exists()


def test_production_is_refused_with_the_reason(browser: Browser) -> None:
    answer = browser.post("/p/aurora/production/credentials/new/", {"name": "CRM", "scopes": ["read"]})
    assert "only once steps 1 to 7 are green" in answer.content.decode()
    assert not Client.objects.exists()


def test_revoking_a_secret_ends_it_and_names_what_is_left(browser: Browser, sandbox: Environment) -> None:
    new = made(sandbox)
    newer = clients.rotate_secret(new.client, actor=None)
    url = f"/p/aurora/sandbox/credentials/{new.client.client_id}/secrets/{new.secret.pk}/revoke/"
    assert f"The secret ending in {newer.secret.last_four}" in browser.get(url).content.decode()
    new.secret.refresh_from_db()
    assert new.secret.revoked_at is None  # looking changes nothing
    for _ in range(2):
        assert browser.post(url).status_code == 302
    assert list(new.client.secrets.live()) == [newer.secret]
    assert AuditEvent.objects.filter(action="client.secret_revoked").count() == 1


def test_revoking_a_client_takes_two_pages_and_is_final(browser: Browser, sandbox: Environment) -> None:
    new = made(sandbox)
    url = f"/p/aurora/sandbox/credentials/{new.client.client_id}/revoke/"
    assert "cannot be undone" in browser.get(url).content.decode()
    assert browser.post(url).status_code == browser.post(url).status_code == 302
    detail = browser.get(f"/p/aurora/sandbox/credentials/{new.client.client_id}/").content.decode()
    assert "/rotate/" not in detail
    assert "Revoked" in detail


def test_an_old_secret_is_safe_to_revoke_once_unused_for_six_hours(browser: Browser, sandbox: Environment) -> None:
    new = made(sandbox)
    clients.rotate_secret(new.client, actor=None)
    now = timezone.now()
    new.client.secrets.update(last_used_at=now, created_at=now - dt.timedelta(days=3))
    ClientSecret.objects.exclude(pk=new.secret.pk).update(created_at=now - dt.timedelta(days=1))
    url = "/p/aurora/sandbox/credentials/"
    assert "safe to revoke" not in browser.get(url).content.decode()
    ClientSecret.objects.filter(pk=new.secret.pk).update(last_used_at=now - dt.timedelta(hours=6, minutes=1))
    assert "safe to revoke" in browser.get(url).content.decode()


PATHS = ("new/", "{id}/rotate/", "{id}/revoke/", "{id}/secrets/{secret}/revoke/")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    ("role", "status"), [("owner", 200), ("developer", 200), ("staff", 200), ("viewer", 403), ("nobody", 404)]
)
def test_who_may_change_credentials(partner: Partner, sandbox: Environment, path: str, role: str, status: int) -> None:
    new = made(sandbox)
    path = path.format(id=new.client.client_id, secret=new.secret.pk)
    browser = browser_of(partner, role)
    url = f"/p/aurora/sandbox/credentials/{path}"
    assert browser.get(url).status_code == status
    if status != 200:
        assert browser.post(url, {"name": "CRM", "scopes": ["read"], "overlap": "0"}).status_code == status
        assert Client.objects.filter(revoked_at=None).count() == 1
        assert new.client.secrets.live().count() == 1


def test_a_viewer_reads_and_sees_no_button(partner: Partner, sandbox: Environment) -> None:
    new = made(sandbox)
    browser = browser_of(partner, "viewer")
    for url in ("", f"{new.client.client_id}/"):
        page = browser.get(f"/p/aurora/sandbox/credentials/{url}").content.decode()
        assert new.client.client_id in page
        assert not re.search(r"credentials/new/|/rotate/|/revoke/", page)


def test_without_a_csrf_token_nothing_is_created(partner: Partner) -> None:
    user = UserFactory.create()
    MembershipFactory.create(user=user, partner=partner, role="owner")
    browser = Browser(enforce_csrf_checks=True)
    browser.force_login(user)
    answer = browser.post("/p/aurora/sandbox/credentials/new/", {"name": "CRM", "scopes": ["read"]})
    assert answer.status_code == 403
    assert not Client.objects.exists()


@pytest.mark.parametrize("path", ["{id}/", *PATHS[1:]])
def test_another_partners_client_is_not_found(browser: Browser, partner: Partner, path: str) -> None:
    other = PartnerFactory.create(slug="borealis").environments.get(kind="sandbox")
    theirs = made(other)
    path = path.format(id=theirs.client.client_id, secret=theirs.secret.pk)
    for url in (f"/p/aurora/sandbox/credentials/{path}", f"/p/borealis/sandbox/credentials/{path}"):
        assert browser.get(url).status_code == 404
        assert browser.post(url, {"overlap": "0"}).status_code == 404
    assert theirs.client.secrets.live().count() == 1


def test_a_secret_of_another_client_is_not_found_under_this_one(browser: Browser, sandbox: Environment) -> None:
    mine, other = made(sandbox), made(sandbox)
    url = f"/p/aurora/sandbox/credentials/{mine.client.client_id}/secrets/{other.secret.pk}/revoke/"
    assert browser.post(url).status_code == 404


@pytest.mark.parametrize("rows", [10, 1000])
def test_the_list_takes_as_many_queries_for_many_clients_as_for_few(
    browser: Browser, sandbox: Environment, rows: int, django_assert_num_queries: Any
) -> None:
    made_clients = Client.objects.bulk_create(
        Client(environment=sandbox, name=f"Client {n}", client_id=f"client-{n}", client_secret="") for n in range(rows)
    )
    ClientSecret.objects.bulk_create(
        ClientSecret(client=client, digest=f"{client.pk:064}", last_four="a1b2") for client in made_clients
    )
    with django_assert_num_queries(LIST_QUERIES):
        browser.get("/p/aurora/sandbox/credentials/")


LIST_QUERIES = 8


def test_no_address_or_field_makes_a_server_error(browser: Browser, partner: Partner) -> None:
    for client_id in ("%00", "%ff", "x" * 3000, "..", "%0a"):
        for page in ("", "rotate/", "revoke/"):
            assert browser.get(f"/p/aurora/sandbox/credentials/{client_id}/{page}").status_code == 404
    for position in ("\x00", "9" * 50, "-1", "x~1"):
        assert browser.get("/p/aurora/sandbox/credentials/", {"before": position}).status_code == 200
    assert browser.post("/p/aurora/sandbox/docs/token/", {"client_id": "\x00"}).status_code == 404
