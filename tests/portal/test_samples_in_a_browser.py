"""The samples pages in a real browser: the first lesson from fault to mended, progress that moves, sizes told early."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from playwright.sync_api import Browser, FilePayload, expect
from pytest_django.live_server_helper import LiveServer

from onboarding import samples
from onboarding.models import Sample
from onboarding.sample_checks import check_sample
from onboarding.sample_lessons import lesson_payload
from tests.portal.browsing import context_of, faults_of
from tests.portal.test_sample_pages import BAD_ROW, HEADER, ROW
from track360.audit import Actor
from track360.models import Environment

pytestmark = pytest.mark.browser
SAMPLES = "/p/aurora-casino/sandbox/samples/"


def made(sandbox: Environment, payload: bytes, *, entity: str = "customers", origin: str = "upload") -> Sample:
    sample = samples.create_sample(
        sandbox, entity=entity, payload=payload, origin=origin, actor=Actor(), name="customers.csv"
    )
    check_sample(sample.pk)
    return sample


@pytest.fixture
def pages(sandbox: Environment) -> list[str]:
    """Every page in the states that look different."""
    csv = made(sandbox, f"{HEADER}\n{ROW}\n{BAD_ROW}\ncst_3;x\n".replace(",", ";").encode())
    lesson = made(sandbox, lesson_payload("transactions"), entity="transactions", origin="lesson")
    switched = made(sandbox, lesson_payload("transactions"), entity="customers")
    checking = samples.create_sample(
        sandbox, entity="activity", payload=b'[{"a": 1}]', origin="api", actor=Actor(client_id="x" * 40)
    )
    Sample.objects.filter(pk=checking.pk).update(total=100_000, checked=37_000)
    return [
        "",
        "?entity=activity",
        "new/",
        f"{csv.pk}/columns/",
        f"{lesson.pk}/",
        f"{lesson.pk}/?show=all",
        f"{lesson.pk}/mend/",
        f"{switched.pk}/",
        f"{checking.pk}/",
        f"{csv.pk}/",
    ]


def test_every_page_is_sound_on_narrow_dark_and_wide_light_screens(
    live_server: LiveServer, developer: Client, pages: list[str], browser: Browser
):
    addresses = [SAMPLES + page for page in pages]
    assert faults_of(addresses, client=developer, live_server=live_server, browser=browser) == []


@pytest.mark.parametrize("scripts", [True, False])
def test_a_lesson_is_broken_found_and_mended(
    live_server: LiveServer, developer: Client, scripts: bool, browser: Browser
):
    page = context_of(browser, developer, live_server, scripts=scripts).new_page()
    page.goto(SAMPLES)
    page.get_by_text("Break it", exact=True).click()
    page.get_by_role("button", name="Transactions, five faults").click()
    expect(page.locator(".state")).to_have_text("5 of 6 records have errors. Next: mend them here.")
    page.get_by_role("link", name="decimal_places").click()
    expect(page.locator(".checked:target")).to_contain_text("must have at most 2 decimal places")
    page.get_by_role("link", name="Mend it").click()
    text = page.get_by_label("Records")
    broken = json.loads(text.input_value())
    text.fill(json.dumps([broken[0]]))
    page.get_by_role("button", name="Check again").click()
    expect(page.locator(".state")).to_contain_text("The one record is valid")


def test_progress_moves_without_a_reload_and_can_be_left(live_server: LiveServer, developer: Client, browser: Browser):
    page = context_of(browser, developer, live_server).new_page()
    page.goto(f"{SAMPLES}new/")
    page.get_by_label("Customers").check()
    record = '{"customer_id": "cst_%d", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "aff_1"}'
    lines = "\n".join(record % n for n in range(2001)).encode()
    file: FilePayload = {"name": "customers.jsonl", "mimeType": "text/plain", "buffer": lines}
    page.get_by_label("Or upload a file").set_input_files(file)
    page.get_by_role("button", name="Check it").click()
    expect(page.locator(".state")).to_have_text("Being checked: 0 of 2,001 records.")
    page.evaluate("window.sameDocument = true")
    with ThreadPoolExecutor(1) as worker:  # the ORM refuses this thread
        worker.submit(check_the_newest).result()
    expect(page.locator(".state")).to_have_text("All 2,001 records are valid.")
    assert page.evaluate("window.sameDocument")


def check_the_newest() -> None:
    check_sample(Sample.objects.latest("created_at").pk)
    connection.close()


def test_what_is_too_large_is_told_before_it_is_sent(
    live_server: LiveServer, developer: Client, tmp_path: Path, browser: Browser
):
    large = tmp_path / "large.csv"
    with large.open("wb") as file:
        file.truncate(2 * 2**30)
    page = context_of(browser, developer, live_server).new_page()
    page.goto(f"{SAMPLES}new/")
    page.get_by_label("Customers").check()
    page.get_by_label("Or upload a file").set_input_files(large)
    page.get_by_role("button", name="Check it").click()
    expect(page.get_by_role("alert")).to_have_text(
        "This is more than 10 MB, which a sample may have. Send a part of it."
    )
    expect(page).to_have_url(live_server.url + SAMPLES + "new/")
    expect(page.get_by_label("Customers")).to_be_checked()
