"""The quarantine in a real browser: sound to look at, an edit that loses nothing, a replay whose progress moves."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from entities.mending import drop_records, edit_record
from entities.models import Replay
from entities.pipeline import ingest
from entities.replays import SMALL, request_replay, work
from tests.entities.refused import ACTOR, estimated, refuse, replayed
from tests.factories import RunFactory
from tests.payloads import customers, sample, transactions
from tests.portal.browsing import context_of, faults_of
from track360.models import Environment

pytestmark = pytest.mark.browser
QUARANTINE = "/p/aurora-casino/sandbox/quarantine/"


@pytest.fixture
def pages(sandbox: Environment) -> list[str]:
    """Every page in the states that look different."""
    ingest(sandbox, "customers", customers(3))
    deposits = [
        sample("transactions", transaction_id=f"t{n}", customer_id=f"cst_{n}", note="\x00", currency=currency)
        for n, currency in enumerate(("USD", "EUR", "GBP"))
    ]
    refuse(sandbox, "transactions", *deposits)
    waiting, *_ = refuse(sandbox, "transactions", *transactions(4))
    faulty, mended, dropped = refuse(sandbox, "customers", *customers(3, start=10, country_code="ZZ", lang_id="xx"))
    for record, changes in ((mended, {"country_code": "DE", "lang_id": "de"}), (dropped, {"country_code": "DE"})):
        edit_record(record, payload=record.payload | changes, actor=ACTOR)
    done = replayed(sandbox, entity="customers", code="mended")
    drop_records(sandbox, filters={"ids": [dropped.pk]}, reason="A test player of the platform's own.", actor=ACTOR)
    running = request_replay(sandbox, filters={}, actor=ACTOR)
    Replay.objects.filter(pk=running.pk).update(state="running", total=1204, done=371, would_pass=1190, would_fail=14)
    estimate = estimated(sandbox, entity="transactions")
    run = RunFactory(feed__connection__environment=sandbox)
    refuse(sandbox, "customers", *customers(2, start=20, country_code="ZZ"), run_id=run.pk)
    return [
        "",
        "?state=any",
        "?entity=activity",
        f"?run={run.pk}",
        f"{waiting.pk}/",
        f"{faulty.pk}/",
        f"{mended.pk}/",
        f"{dropped.pk}/",
        f"{faulty.pk}/edit/",
        f"{faulty.pk}/drop/",
        "drop/?entity=transactions",
        f"replays/{done.pk}/",
        f"replays/{running.pk}/",
        f"replays/{estimate.pk}/",
    ]


def test_every_page_is_sound_on_narrow_dark_and_wide_light_screens(
    live_server: LiveServer, developer: Client, pages: list[str], browser: Browser
):
    addresses = [QUARANTINE + page for page in pages]
    assert faults_of(addresses, client=developer, live_server=live_server, browser=browser) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_a_record_is_mended_step_by_step_and_stored(
    live_server: LiveServer, developer: Client, sandbox: Environment, scripts: bool, browser: Browser
):
    with ThreadPoolExecutor(1) as worker:  # the ORM refuses this thread
        worker.submit(_refuse, sandbox, 1).result()
    page = context_of(browser, developer, live_server, scripts=scripts).new_page()
    page.goto(QUARANTINE)
    page.get_by_role("link", name="cst_0", exact=True).click()
    page.get_by_role("link", name="Edit").click()
    text = page.get_by_label("Record", exact=True)
    whole = json.loads(text.input_value())
    text.fill('{"country_code": "DE"')
    page.get_by_role("button", name="Save and replay").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid JSON in line 1")
    assert text.input_value() == '{"country_code": "DE"'
    text.fill(json.dumps(whole | {"lang_id": "xx", "country_code": "DE"}))
    page.get_by_role("button", name="Save and replay").click()
    expect(page.locator("[data-faulty]")).to_contain_text("lang_id")
    text.fill(json.dumps(whole | {"country_code": "DE"}))
    page.get_by_role("button", name="Save and replay").click()
    expect(page.locator(".state")).to_have_text("Stored: nothing is left to do.")


def test_progress_moves_without_a_reload(
    live_server: LiveServer, developer: Client, sandbox: Environment, browser: Browser
):
    with ThreadPoolExecutor(1) as worker:
        worker.submit(_refuse, sandbox, SMALL + 1).result()
    page = context_of(browser, developer, live_server).new_page()
    page.goto(QUARANTINE)
    page.get_by_role("button", name="Replay these").click()
    expect(page.locator(".state")).to_have_text("Trying 201 records without storing anything.")
    page.evaluate("window.sameDocument = true")
    with ThreadPoolExecutor(1) as worker:
        worker.submit(_work).result()
    expect(page.locator(".state")).to_contain_text("Replay 201: 0 would pass.")
    assert page.evaluate("window.sameDocument")
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator(".state")).to_contain_text("Cancelled after 0 of 201 records")


def _refuse(sandbox: Environment, number: int) -> None:
    refuse(sandbox, "customers", *customers(number, country_code="ZZ"))
    connection.close()


def _work() -> None:
    work(Replay.objects.get().pk)
    connection.close()
