"""The docs: open to everybody, complete by the code's own lists, and with the reader's own ids in a partner's pages."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import pytest
from django.test import Client as Browser

from entities.findings import ERROR_CODES, WARNING_CODES
from entities.models import Entity
from entities.pipeline import ingest
from entities.pipeline.validate import schema_for
from integrations import clients
from onboarding import docs, docs_fields
from tests.factories import MembershipFactory, PartnerFactory, UserFactory
from tests.payloads import sample
from track360 import exact_json
from track360.models import AuditEvent, Environment, Partner
from track360.problems import PROBLEM_TYPES

pytestmark = pytest.mark.django_db


@pytest.fixture
def partner() -> Partner:
    return PartnerFactory.create(slug="aurora", name="Aurora Casino")


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


def browser_of(partner: Partner, role: str) -> Browser:
    user = UserFactory.create(is_staff=role == "staff")
    if role != "staff":
        MembershipFactory.create(user=user, partner=partner, role=role)
    browser = Browser()
    browser.force_login(user)
    return browser


def text_of(browser: Browser, url: str) -> str:
    answer = browser.get(url)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.slug or "index")
def test_every_page_opens_for_everybody_and_its_links_lead_somewhere(page: docs.Page) -> None:
    browser = Browser()
    text = text_of(browser, f"/docs/{page.slug}/" if page.slug else "/docs/")
    assert page.title in text
    ids = set(re.findall(r'\bid="([^"]+)"', text))
    for path, anchor in set(re.findall(r'href="(/docs/[^"#]*)?(?:#([^"]*))?"', text)):
        there = set(re.findall(r'\bid="([^"]+)"', text_of(browser, path))) if path and anchor else ids
        assert not anchor or anchor in there, (path, anchor)


def test_ids_on_a_page_are_unique() -> None:
    for page in docs.PAGES:
        ids = re.findall(r'\bid="([^"]+)"', text_of(Browser(), f"/docs/{page.slug}/" if page.slug else "/docs/"))
        assert len(ids) == len(set(ids)), page.slug


def test_every_code_has_an_entry_of_its_own() -> None:
    errors, warnings = text_of(Browser(), "/docs/errors/"), text_of(Browser(), "/docs/warnings/")
    for code in [*PROBLEM_TYPES, *ERROR_CODES]:
        assert f'id="{code}"' in errors
    for code in WARNING_CODES:
        assert f'id="{code}"' in warnings


@pytest.mark.parametrize("entity", list(Entity))
def test_every_field_of_the_schema_is_described_and_no_other(entity: Entity) -> None:
    schema = schema_for(entity.value)
    assert docs_fields.NOTES[entity.value].keys() == schema["properties"].keys()
    text = text_of(Browser(), f"/docs/{entity}/")
    assert [name for name in schema["properties"] if f'id="{name}"' not in text] == []
    assert text.count('class="field-required"') == len(schema["required"])


@pytest.mark.parametrize("entity", list(Entity))
def test_the_samples_shown_are_the_guides_and_are_accepted(entity: Entity, sandbox: Environment) -> None:
    shown = exact_json.loads(docs_fields.sample_text(entity.value))
    assert shown == sample(entity.value)
    if entity != Entity.CUSTOMERS:
        ingest(sandbox, "customers", sample("customers"))
    assert not ingest(sandbox, entity.value, shown).errors
    assert docs_fields.sample_text(entity.value) in text_of(Browser(), f"/docs/{entity}/")


def test_an_unknown_page_is_not_found(partner: Partner) -> None:
    assert Browser().get("/docs/nothing/").status_code == 404
    assert browser_of(partner, "viewer").get("/p/aurora/sandbox/docs/nothing/").status_code == 404


def test_in_a_partners_pages_the_examples_bear_the_readers_own_client(partner: Partner, sandbox: Environment) -> None:
    client = clients.create_client(sandbox, name="CRM", actor=None).client
    browser = browser_of(partner, "viewer")
    for page in ("", "authentication/", "pushing/"):
        text = text_of(browser, f"/p/aurora/sandbox/docs/{page}")
        assert client.client_id in text
        assert 'href="/p/aurora/sandbox/docs/' in text
    assert f"client_id={client.client_id}" in text_of(browser, "/p/aurora/sandbox/docs/")
    assert client.client_id not in text_of(browser, "/docs/")
    assert client.client_id not in text_of(browser, "/p/aurora/production/docs/")


def test_the_public_docs_lead_a_reader_who_is_signed_in_to_his_own(partner: Partner) -> None:
    assert 'href="/p/aurora/sandbox/docs/pushing/"' in text_of(browser_of(partner, "viewer"), "/docs/pushing/")
    assert "/p/aurora" not in text_of(Browser(), "/docs/pushing/")


def test_a_revoked_client_is_no_example(partner: Partner, sandbox: Environment) -> None:
    client = clients.create_client(sandbox, name="CRM", actor=None).client
    clients.revoke_client(client, actor=None)
    text = text_of(browser_of(partner, "viewer"), "/p/aurora/sandbox/docs/")
    assert client.client_id not in text
    assert docs.PLACEHOLDER_CLIENT in text


def test_another_partners_docs_are_not_found(partner: Partner) -> None:
    PartnerFactory.create(slug="borealis")
    assert browser_of(partner, "owner").get("/p/borealis/sandbox/docs/").status_code == 404


# -- The API explorer ---------------------------------------------------------


def token_for(browser: Browser, client_id: str, *, partner: str = "aurora", kind: str = "sandbox") -> Any:
    return browser.post(f"/p/{partner}/{kind}/docs/token/", {"client_id": client_id})


def test_the_explorer_loads_nothing_from_elsewhere_and_runs_no_inline_script() -> None:
    answer = Browser().get("/docs/api/")
    text = answer.content.decode()
    assert not re.search(r'(?:src|href)="(?:https?:)?//', text)
    assert not re.search(r"<script(?![^>]*\bsrc=)", text)
    policy = answer["Content-Security-Policy"]
    assert "unsafe-eval" not in policy
    assert "script-src" not in policy or "unsafe-inline" not in policy.split("script-src")[1].split(";")[0]


def test_other_pages_keep_the_strict_policy() -> None:
    assert "unsafe-inline" not in Browser().get("/docs/")["Content-Security-Policy"]


@pytest.mark.parametrize("role", ["owner", "developer", "staff"])
def test_a_sandbox_token_opens_the_api(partner: Partner, sandbox: Environment, role: str) -> None:
    client = clients.create_client(sandbox, name="CRM", actor=None).client
    browser = browser_of(partner, role)
    assert client.client_id in browser.get("/docs/api/").content.decode()
    answer = token_for(browser, client.client_id)
    assert "no-store" in answer["Cache-Control"]
    token = answer.json()["access_token"]
    call = Browser().get("/api/v1/igaming/customers", headers={"Authorization": f"Bearer {token}"})
    assert call.status_code == 200
    event = AuditEvent.objects.get(action="client.token_issued")
    assert event.target == client.client_id
    assert token not in json.dumps(event.detail)


def test_the_token_ends_with_its_client(partner: Partner, sandbox: Environment) -> None:
    client = clients.create_client(sandbox, name="CRM", actor=None).client
    token = token_for(browser_of(partner, "owner"), client.client_id).json()["access_token"]
    clients.revoke_client(client, actor=None)
    call = Browser().get("/api/v1/igaming/customers", headers={"Authorization": f"Bearer {token}"})
    assert call.status_code == 401


def test_a_viewer_gets_no_token(partner: Partner, sandbox: Environment) -> None:
    client = clients.create_client(sandbox, name="CRM", actor=None).client
    browser = browser_of(partner, "viewer")
    assert client.client_id not in browser.get("/docs/api/").content.decode()
    assert token_for(browser, client.client_id).status_code == 403
    assert token_for(Browser(), client.client_id).status_code == 302  # to sign in


def test_another_partners_client_gives_no_token(partner: Partner) -> None:
    other = PartnerFactory.create(slug="borealis").environments.get(kind="sandbox")
    theirs = clients.create_client(other, name="CRM", actor=None).client
    browser = browser_of(partner, "owner")
    assert theirs.client_id not in browser.get("/docs/api/").content.decode()
    assert token_for(browser, theirs.client_id).status_code == 404
    assert token_for(browser, theirs.client_id, partner="borealis").status_code == 404


def test_production_gives_no_token_on_a_page(partner: Partner) -> None:
    staff = UserFactory.create(is_staff=True)
    production = partner.environments.get(kind="production")
    override = clients.Override(by=staff, reason="to see it refused")
    client = clients.create_client(production, name="CRM", actor=staff, override=override).client
    browser = browser_of(partner, "owner")
    assert client.client_id not in browser.get("/p/aurora/production/docs/api/").content.decode()
    answer = token_for(browser, client.client_id, kind="production")
    assert answer.status_code == 409
    assert "sandbox only" in answer.json()["detail"]


def test_a_token_is_given_by_post_only_and_with_a_csrf_token(partner: Partner, sandbox: Environment) -> None:
    client = clients.create_client(sandbox, name="CRM", actor=None).client
    browser = browser_of(partner, "owner")
    assert browser.get("/p/aurora/sandbox/docs/token/").status_code == 405
    strict = Browser(enforce_csrf_checks=True)
    strict.cookies = browser.cookies
    assert token_for(strict, client.client_id).status_code == 403


@pytest.mark.parametrize(
    "url", ["/docs/", "/docs/errors/", "/docs/transactions/", "/p/aurora/sandbox/docs/", "/docs/api/"]
)
def test_a_page_takes_few_queries(
    partner: Partner, sandbox: Environment, url: str, django_assert_max_num_queries: Any
) -> None:
    for number in range(20):
        clients.create_client(sandbox, name=f"CRM {number}", actor=None)
    browser = browser_of(partner, "developer")
    with django_assert_max_num_queries(8):
        browser.get(url)
