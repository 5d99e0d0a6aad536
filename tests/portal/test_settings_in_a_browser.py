"""The settings pages in a real browser: sound on every screen."""

from __future__ import annotations

import os

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from entities.pipeline import ingest
from onboarding.closing import request_reset, run_reset
from onboarding.erasure import erase_customer
from onboarding.exports import request_export, run_export
from onboarding.models import SandboxReset, Scope
from tests.payloads import customers
from tests.portal.browsing import context_of, faults_of
from track360.audit import Actor
from track360.models import Environment, User

pytestmark = pytest.mark.browser
SETTINGS = "/p/aurora-casino/sandbox/settings/"


@pytest.fixture
def addresses(sandbox: Environment, staff: Client) -> list[str]:
    """The pages, with something on each of them."""
    actor = Actor(user=User.objects.get(email="team@track360.example"))
    contacts = [{"name": "Io Borg", "email": "io@aurora.example", "role": "engineer"}]
    Scope.objects.create(partner=sandbox.partner, time_zone="Europe/Malta", contacts=contacts)
    ingest(sandbox, "customers", customers(5))
    erasure = erase_customer(sandbox, "cst_1", actor=actor, reason="Request 4711 of 3 March")
    run_export(request_export(sandbox.partner, actor=actor).pk)
    run_reset(request_reset(sandbox, actor=actor).pk)
    pages = ("", "retention/", "reset/", "export/", "close/", "erasures/", f"erasures/{erasure.pk}/", "erasures/new/")
    return [SETTINGS + page for page in pages]


def test_every_settings_page_is_sound(
    live_server: LiveServer, staff: Client, addresses: list[str], browser: Browser
) -> None:
    pages = [*addresses, "/docs/retention/"]
    assert faults_of(pages, client=staff, live_server=live_server, browser=browser) == []


def test_a_reset_shows_that_it_is_done_without_a_reload(
    live_server: LiveServer, staff: Client, sandbox: Environment, browser: Browser
) -> None:
    page = context_of(browser, staff, live_server).new_page()
    page.goto(f"{SETTINGS}reset/")
    page.get_by_label("Type aurora-casino to confirm").fill("aurora-casino")
    page.get_by_role("button", name="Empty the sandbox").click()
    expect(page.get_by_text("Emptying the sandbox")).to_be_visible()
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    SandboxReset.objects.update(state="done", finished_at=timezone.now())
    del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    expect(page.get_by_text("The sandbox was emptied")).to_be_visible()
    expect(page.get_by_role("button", name="Empty the sandbox")).to_be_visible()
    page.wait_for_load_state("networkidle")
    page.context.close()
