"""Mappings and affiliates in a real browser: sound in both themes and sizes, from the first look to a refused save."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from pytest_django.live_server_helper import LiveServer

from entities.models import StatusMapping
from entities.pipeline import ingest
from onboarding.mappings import Wish, save_mappings
from tests.factories import AffiliateFactory, UserFactory
from tests.payloads import sample
from tests.portal.test_integration_pages_in_a_browser import faults, signed_in
from tests.track360.test_look import SCREENS
from track360.audit import Actor
from track360.models import Environment

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOME = "/p/aurora-casino/sandbox"
ODD = "two\nlines, 100%41 & more"


def fill(sandbox: Environment) -> None:
    """Values with and without a meaning, one of odd characters; affiliates registered and not."""
    for number, kyc in enumerate(["VERIFIED", "VERIFIED", "7", ODD, "a value of some platform, " * 8]):
        record = sample("customers", customer_id=f"cst_{number}", kyc_status_id=kyc, affiliate_id=f"aff_{number}")
        assert ingest(sandbox, "customers", record).stored
    grace = Actor(user=UserFactory(name="Grace Hopper"))
    save_mappings(sandbox.partner, [Wish("status", "SETTLED", "approved"), Wish("status", "9")], actor=grace)
    for number in range(3):
        AffiliateFactory(partner=sandbox.partner, affiliate_id=f"aff_{number}", name="Best Odds Ltd")


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_every_page_of_mappings_and_affiliates_is_sound(
    live_server: LiveServer, developer: Client, staff: Client, sandbox: Environment, screen: tuple[int, Any]
) -> None:
    look: dict[str, Any] = {"viewport": {"width": screen[0], "height": 900}, "color_scheme": screen[1]}
    empty = [f"{HOME}/{page}/" for page in ("mappings", "mappings/history", "affiliates")]
    with signed_in(developer, live_server, **look) as (page, found):
        for address in empty:
            page.goto(address)
            found += faults(page)
    fill(sandbox)
    for person in (developer, staff):
        with signed_in(person, live_server, **look) as (page, more):
            for address in [*empty, f"{HOME}/affiliates/?q=nobody"]:
                page.goto(address)
                more += faults(page)
            page.goto(f"{HOME}/affiliates/")
            page.get_by_label("One a line").fill("aff_8\n,nobody")
            page.get_by_role("button", name="Register", exact=True).click()
            page.get_by_text("Line 2: the affiliate's id is missing").wait_for()
            found += [*more, *faults(page)]
    assert found == []


@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_a_mapping_is_chosen_reviewed_refused_and_saved(
    live_server: LiveServer, developer: Client, sandbox: Environment, screen: tuple[int, Any]
) -> None:
    fill(sandbox)
    look: dict[str, Any] = {"viewport": {"width": screen[0], "height": 900}, "color_scheme": screen[1]}
    with signed_in(developer, live_server, **look) as (page, found):
        page.goto(f"{HOME}/mappings/")
        page.get_by_label(f"{ODD} stands for").select_option("pending")
        page.get_by_label("7 stands for", exact=True).select_option("expired")
        page.get_by_label("Value, as you will send it").fill("GONE")
        page.get_by_label("Stands for", exact=True).select_option("lost")
        page.get_by_role("button", name="Review the changes").click()
        page.get_by_text("lost is no canonical value of kyc_status_id").first.wait_for()
        found += faults(page)
        page.get_by_label("GONE stands for").select_option("rejected")
        page.get_by_role("button", name="Review the changes").click()
        page.get_by_text("Nothing is saved yet.").first.wait_for()
        found += faults(page)
        page.get_by_role("button", name="Back to the form").click()
        assert page.get_by_label("7 stands for", exact=True).input_value() == "expired"
        page.get_by_role("button", name="Review the changes").click()
        page.get_by_role("button", name="Save").click()
        page.get_by_role("link", name="History").click()
        page.get_by_role("button", name="Take it back").first.wait_for()
        found += faults(page)
    assert found == []
    rows = StatusMapping.objects.filter(partner=sandbox.partner, field="kyc_status_id")
    assert dict(rows.values_list("raw_value", "canonical_value")) == {
        ODD: "pending",
        "7": "expired",
        "VERIFIED": "approved",
        "GONE": "rejected",
    }
