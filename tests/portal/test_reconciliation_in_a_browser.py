"""Reconciliation in a real browser: sound in both themes and sizes, from the month to a record and back."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from entities.models import Batch
from entities.pipeline import Door, Policy, ingest
from integrations.models import DayTotals, Waiver
from integrations.reconciliation.compute import refresh
from tests.factories import DayTotalsFactory, DoubledDayFactory
from tests.payloads import sample
from tests.portal.test_integration_pages_in_a_browser import faults, signed_in
from tests.track360.test_look import SCREENS
from track360.models import Environment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ROOT = "/p/aurora-casino/sandbox/reconciliation/"
TODAY = timezone.now().date()
DAY = TODAY - dt.timedelta(days=1)
LINES = [("EUR", "bonus", 12, "240.00"), ("EUR", "deposit", 1204, "98211.45"), ("USD", "withdrawal", 88, "10400.10")]


def written(lines: Any) -> list[dict[str, Any]]:
    return [dict(zip(("currency", "type", "count", "sum"), line, strict=True)) for line in lines]


def fill(sandbox: Environment) -> None:
    """A month that mostly agrees, a day that came twice, and yesterday with records of each kind."""
    for back in range(2, 26):
        day = TODAY - dt.timedelta(days=back)
        for side in ("stored", "pushed", "partner") if back > 3 else ("stored", "pushed"):
            DayTotalsFactory(environment=sandbox, day=day, side=side, lines=written(LINES))
            activity = written([("EUR", "", 300 + back, "41.07" if side != "partner" or back != 9 else "40.00")])
            DayTotalsFactory(environment=sandbox, entity="activity", day=day, side=side, lines=activity)
    Waiver.objects.create(
        environment=sandbox,
        entity="activity",
        day=TODAY - dt.timedelta(days=9),
        currency="EUR",
        count_difference=0,
        sum_difference=Decimal("1.07"),
        reason="A row of a test player.",
    )
    two = [
        DayTotalsFactory(
            environment=sandbox, day=DAY, side="stored", lines=written([("USD", "deposit", count, amount)])
        )
        for count, amount in ((2, "20.00"), (4, "40.00"))
    ]
    DoubledDayFactory(environment=sandbox, day=DAY, earlier=two[0], later=two[1], currency="USD", type="deposit")
    ingest(sandbox, "customers", sample("customers", signup_date=f"{DAY}T08:00:00Z"))
    at = {"transaction_date": f"{DAY}T12:00:00Z"}
    ingest(sandbox, "transactions", [sample("transactions", transaction_id=f"txn_{n}", **at) for n in range(60)])
    policy = Policy(door=Door.COMPARE, run_id=uuid.uuid4(), fetched_since=timezone.now() + dt.timedelta(hours=1))
    pulled = [
        sample(
            "transactions", transaction_id=f"txn_{n}", amount_currency=Decimal("1500.01"), note="as pulled, " * 20, **at
        )
        for n in range(55, 62)
    ]
    ingest(sandbox, "transactions", pulled, door=Batch.Door.PULL, lenient=True, policy=policy)
    refresh(sandbox, "UTC")
    said = written([("USD", "deposit", 61, "91500.00"), ("EUR", "bonus", 3, "-12.50")])
    DayTotalsFactory(environment=sandbox, day=DAY, lines=said, origin=DayTotals.Origin.TYPED)
    DayTotalsFactory(environment=sandbox, day=DAY, entity="customers", lines=written([("", "", 1, None)]))


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_every_page_of_reconciliation_is_sound(
    live_server: LiveServer, developer: Client, viewer: Client, sandbox: Environment, screen: tuple[int, Any]
) -> None:
    look: dict[str, Any] = {"viewport": {"width": screen[0], "height": 900}, "color_scheme": screen[1]}
    cell = f"{ROOT}{DAY}/transactions/?currency=USD&type=deposit"
    pages = [
        ROOT,
        f"{ROOT}{DAY}/",
        f"{ROOT}{DAY - dt.timedelta(days=1)}/",
        cell,
        f"{cell}&list=only_pushed",
        f"{cell}&list=only_pulled",
        f"{ROOT}{DAY}/customers/",
        f"{ROOT}{TODAY - dt.timedelta(days=9)}/activity/?currency=EUR",
    ]
    with signed_in(developer, live_server, **look) as (page, found):
        for address in (ROOT, f"{ROOT}{DAY}/", f"{ROOT}totals/"):
            page.goto(address)
            found += faults(page)
    fill(sandbox)
    for person in (developer, viewer):
        with signed_in(person, live_server, **look) as (page, more):
            for address in [*pages, *([f"{ROOT}totals/?day={DAY}"] if person is developer else [])]:
                page.goto(address)
                more += faults(page)
            found += more
    assert found == []


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_a_difference_is_found_taken_and_the_control_total_mended(
    live_server: LiveServer, developer: Client, sandbox: Environment, screen: tuple[int, Any]
) -> None:
    fill(sandbox)
    look: dict[str, Any] = {"viewport": {"width": screen[0], "height": 900}, "color_scheme": screen[1]}
    with signed_in(developer, live_server, **look) as (page, found):
        page.goto(ROOT)
        page.get_by_role("link", name=f"Open {DAY:%-d %B}").click()
        page.get_by_label("The later total is right").check()
        page.get_by_label("How you know").fill("A second shop.")
        page.get_by_role("button", name="Say so").click()
        page.get_by_text("The later total is right").wait_for()
        found += faults(page)
        page.get_by_role("link", name="USD deposit").click()
        page.get_by_label("Mark txn_57").check()
        page.get_by_role("button", name="of those marked").click()
        page.get_by_text("1 taken: the pulled version stands now.").wait_for()
        found += faults(page)
        page.get_by_label("Mark txn_58").check()
        page.get_by_text("Or leave them as pushed").click()
        page.get_by_label("Why they stay").fill("Ours is right.")
        found += faults(page)
        page.get_by_role("button", name="Waive those marked").click()
        page.get_by_text("1 waived: what was pushed stays").wait_for()
        page.get_by_role("link", name="Waived", exact=True).click()
        page.get_by_text("Ours is right.").wait_for()
        found += faults(page)
        page.get_by_text("Accept the difference").first.click()
        page.get_by_label("Why").fill("A test deposit.")
        page.get_by_role("button", name="Accept the difference").click()
        page.get_by_role("button", name="Withdraw the waiver").wait_for()
        found += faults(page)
        page.goto(f"{ROOT}totals/?day={DAY}")
        page.get_by_label("Sum of line 2").fill("much")
        page.get_by_role("button", name="Give the control total", exact=True).click()
        page.get_by_text("The sum “much” is no number").first.wait_for()
        found += faults(page)
        page.get_by_label("Sum of line 2").fill("91500.01")
        page.get_by_role("button", name="Give the control total", exact=True).click()
        page.get_by_text("was taken in").wait_for()
        found += faults(page)
    assert found == []
