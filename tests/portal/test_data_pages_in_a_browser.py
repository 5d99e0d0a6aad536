"""The portal's pages in a real browser: sound to look at, quick with a script and whole without one."""

from __future__ import annotations

import itertools
import re

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser, expect
from pytest_django.live_server_helper import LiveServer

from entities.models import Customer
from tests.factories import (
    ActivityFactory,
    ApiRequestFactory,
    BatchFactory,
    ClientFactory,
    ClientSecretFactory,
    CustomerFactory,
    QuarantinedRecordFactory,
    RecordChangeFactory,
    RecordCounterFactory,
    SeenStatusFactory,
    TransactionFactory,
)
from tests.portal.browsing import context_of, cookie
from tests.track360.test_look import SCREENS, faults
from track360.models import Environment

pytestmark = pytest.mark.browser
LIST = "/p/aurora-casino/sandbox/customers/"


@pytest.fixture
def rows(sandbox: Environment) -> dict[str, int]:
    """A little of everything; by what stands for it in an address, the number of one record."""
    customer = CustomerFactory(environment=sandbox, customer_id="cst_100245", kyc_status_id="odd")
    RecordChangeFactory(environment=sandbox, record_id=customer.pk, old={"kyc_status_id": "pending"})
    RecordCounterFactory(environment=sandbox, count=1)
    SeenStatusFactory(environment=sandbox, raw_value="odd")
    BatchFactory(environment=sandbox, received=10, created=8, late=3, rejected=2)
    ApiRequestFactory(environment=sandbox, status=422, error_summary="2 errors")
    ClientSecretFactory(client=ClientFactory(environment=sandbox), last_used_at=timezone.now())
    long = "x" * 128
    return {
        "customer": customer.pk,
        "transaction": TransactionFactory(environment=sandbox, transaction_id=long).pk,
        "activity": ActivityFactory(environment=sandbox, game_type=long).pk,
        "quarantined": QuarantinedRecordFactory(environment=sandbox).pk,
    }


PAGES = (
    "sandbox/",
    "production/",
    "sandbox/customers/",
    "sandbox/customers/?signup_from=never",
    "sandbox/customers/{customer}/",
    "sandbox/transactions/",
    "sandbox/transactions/{transaction}/",
    "sandbox/activity/",
    "sandbox/activity/{activity}/",
    "sandbox/quarantine/",
    "sandbox/quarantine/{quarantined}/",
    "production/quarantine/",
    "sandbox/team/",
)


def test_every_page_is_sound_on_a_narrow_dark_screen_and_some_on_a_wide_light_one(
    live_server: LiveServer, staff: Client, rows: dict[str, int], browser: Browser
):
    addresses = [f"/p/aurora-casino/{page.format(**rows)}" for page in PAGES]
    found: list[str] = []
    wide, narrow = SCREENS  # the components themselves are tried on both in test_look
    on_wide = itertools.product(addresses[::5], [wide])
    for address, (width, scheme) in itertools.chain(on_wide, itertools.product([*addresses, "/partners/"], [narrow])):
        found += faults(
            browser, live_server.url + address, width=width, scheme=scheme, cookies=[cookie(staff, live_server)]
        )
    assert found == []


@pytest.fixture
def many(sandbox: Environment) -> list[Customer]:
    RecordCounterFactory(environment=sandbox, count=120)
    return [CustomerFactory(environment=sandbox, country_code="GB" if n % 2 else "DE") for n in range(120)]


def test_filters_and_pages_swap_the_table_and_keep_the_address(
    live_server: LiveServer, developer: Client, many: list[Customer], browser: Browser
):
    page = context_of(browser, developer, live_server).new_page()
    page.goto(LIST)
    page.evaluate("window.sameDocument = true")

    page.get_by_label("Country").fill("gb")
    page.get_by_label("Country").press("Enter")
    expect(page.locator(".pager")).to_contain_text("40 of 60 customers")
    expect(page).to_have_url(re.compile("country_code=gb"))
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pager")).to_contain_text("20 of 60 customers")
    expect(page).to_have_url(re.compile("country_code=gb.*before="))
    assert page.evaluate("window.sameDocument")
    expect(page.get_by_label("Country")).to_have_value("gb")

    page.go_back()
    expect(page.locator(".pager")).to_contain_text("40 of 60 customers")
    page.get_by_label("Signed up from").evaluate("field => field.type = 'text'")
    page.get_by_label("Signed up from").fill("never")
    page.get_by_label("Signed up from").press("Enter")
    expect(page.get_by_role("alert")).to_contain_text("Write a day like 2026-03-15")


def test_without_a_script_filters_pages_and_rows_work_all_the_same(
    live_server: LiveServer, developer: Client, many: list[Customer], browser: Browser
):
    page = context_of(browser, developer, live_server, scripts=False).new_page()
    page.goto(LIST)
    page.get_by_label("Country").fill("GB")
    page.get_by_role("button", name="Filter").click()
    expect(page.locator(".pager")).to_contain_text("40 of 60 customers")
    page.get_by_role("link", name="Next").click()
    expect(page.locator(".pager")).to_contain_text("20 of 60 customers")
    page.get_by_role("link", name="Previous").click()
    page.get_by_role("link", name=many[-1].customer_id).click()
    expect(page.get_by_role("heading", level=1)).to_have_text(many[-1].customer_id)
