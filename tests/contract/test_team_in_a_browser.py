"""The integrations team's side: from a sign-in with a second factor to a partner signed off, all of it audited."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.contract import live
from tests.contract.pages import chromium, colleague, sign_in_with_code, state
from tests.factories import OnboardingFactory, PartnerFactory

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
PARTNER, OWNER = "Golden Reef", "io@reef.example"
SANDBOX, PRODUCTION = "/p/golden-reef/sandbox", "/p/golden-reef/production"
REASON = "Their auditor has seen it; the file is with legal."


def test_the_team_takes_a_partner_from_invitation_to_sign_off(server: live.Server) -> None:
    mina = colleague()
    fill_the_desk()
    with chromium() as browser:
        page = browser.new_context(base_url=server.url).new_page()
        sign_in_with_code(page, server, mina)
        look_at_the_desk(page)
        create_and_invite(page)
        search_and_filter(page)
        view_as_the_partner(page)
        override_one(page)
        refuse_then_allow_production(page)
        sign_off(page)
        find_it_in_the_audit_trail(page)
        export_it(page, email=mina.email)


def fill_the_desk() -> None:
    """Three partners as the checklist left them, the one that needs nobody first in the alphabet."""
    looks = {
        "Aldebaran": {"phase": 2, "done": 2, "next_step": 3},
        "Casa Fortuna": {"phase": 4, "done": 5, "next_step": 6, "received_24h": 1000, "refused_24h": 140},
        "Veld": {"phase": 1, "done": 0, "next_step": 1, "waiting_for": "team", "days_over_plan": 2},
    }
    for name, figures in looks.items():
        OnboardingFactory(partner=PartnerFactory(name=name), **figures)


# -- The stations -------------------------------------------------------------


def look_at_the_desk(page: Page) -> None:
    expect(page).to_have_url(re.compile("/partners/$"))
    expect(state(page)).to_have_text("1 of 3 partners waits for you. Next: Veld, step 1 Scope agreed.")
    page.get_by_role("link", name="List", exact=True).click()
    expect(partners(page)).to_have_text(["Veld", "Casa Fortuna", "Aldebaran"])
    expect(row(page, "Casa Fortuna")).to_contain_text("14")


def create_and_invite(page: Page) -> None:
    page.get_by_role("link", name="New partner").first.click()
    page.get_by_label("Name").fill(PARTNER)
    page.get_by_label("First owner’s email").fill(OWNER)
    page.get_by_role("button", name="Create and invite").click()
    expect(page.get_by_text(f"{PARTNER} is created, and {OWNER} is invited as its owner.")).to_be_visible()
    expect(state(page)).to_have_text(f"Nobody has joined yet. Next: {OWNER} follows the invitation.")


def search_and_filter(page: Page) -> None:
    page.goto("/partners/?view=list")
    page.get_by_label("Name or slug").fill("reef")
    page.get_by_role("button", name="Filter").click()
    expect(partners(page)).to_have_text([PARTNER])
    page.reload()  # the address holds the filter
    expect(partners(page)).to_have_text([PARTNER])
    page.get_by_role("link", name="Clear").click()
    expect(partners(page)).to_have_count(4)
    page.get_by_label("Waiting for").select_option(label="The team")
    expect(partners(page)).to_have_text(["Veld"])
    page.get_by_label("Name or slug").fill("nobody at all")
    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_text("No partner matches")).to_be_visible()
    page.get_by_role("link", name="Show all partners").click()
    expect(page.get_by_role("link", name=f"About {PARTNER}")).to_be_visible()


def view_as_the_partner(page: Page) -> None:
    page.get_by_role("link", name=f"About {PARTNER}").click()
    page.get_by_role("button", name="View as a developer").click()
    banner = page.get_by_label("Viewing as somebody else")
    expect(banner).to_contain_text(f"You are viewing as a developer of {PARTNER}.")
    page.get_by_role("link", name="Mappings", exact=True).click()
    page.get_by_label("Value, as you will send it").fill("verified")
    page.get_by_role("button", name="Review the changes").click()
    expect(page.get_by_text("everything can be read, nothing changed")).to_be_visible()
    page.goto(f"{SANDBOX}/onboarding/")
    banner.get_by_role("button", name="Stop").click()
    expect(page.get_by_text(f"You see {PARTNER} as yourself again.")).to_be_visible()
    expect(banner).to_have_count(0)


def override_one(page: Page) -> None:
    page.goto(f"{SANDBOX}/onboarding/7/")
    page.get_by_role("button", name="Override step 7").click()
    expect(page.get_by_text("An override needs a reason.", exact=True)).to_be_visible()
    override(page, 7)


def override(page: Page, number: int) -> None:
    page.goto(f"{SANDBOX}/onboarding/{number}/")
    page.get_by_label("Reason").fill(REASON)
    page.get_by_role("button", name=f"Override step {number}").click()
    expect(page.get_by_text(f"Step {number} is overridden, with your name and reason.")).to_be_visible()
    expect(page.locator("#override")).to_contain_text(REASON)
    expect(page.locator("#override")).to_contain_text("Mina Holt")


def refuse_then_allow_production(page: Page) -> None:
    make_production_client(page)
    expect(page.get_by_text("Still open: steps 1, 2, 3, 4, 5, 6.")).to_be_visible()
    for number in range(1, 7):
        override(page, number)
    page.goto(f"{SANDBOX}/onboarding/")
    expect(state(page)).to_contain_text("7 of 8 steps done.")
    make_production_client(page)
    expect(page.get_by_role("heading", name="Casino platform is ready")).to_be_visible()
    expect(page.get_by_label("New secret").locator("code").first).to_be_visible()


def make_production_client(page: Page) -> None:
    page.goto(f"{PRODUCTION}/credentials/new/")
    page.get_by_label("Name").fill("Casino platform")
    page.get_by_role("button", name="Create client").click()


def sign_off(page: Page) -> None:
    page.goto(f"{SANDBOX}/onboarding/8/")
    page.get_by_role("button", name="Sign off").click()
    expect(page.get_by_text("Signed off for your side.")).to_be_visible()
    expect(page.locator("#sign-off")).to_contain_text("by Mina Holt")


def find_it_in_the_audit_trail(page: Page) -> None:
    """Who, what, from where; when, to the second, stands on the event's own page."""
    page.goto("/staff/audit/?partner=golden-reef")
    for did in (
        "Created the partner golden-reef",
        f"Invited {OWNER}",
        "Began to view golden-reef as somebody else",
        "Stopped viewing golden-reef as somebody else",
        "Overrode step 7",
        "Signed off for going live",
    ):
        expect(row(page, did).first).to_contain_text("Mina Holt")
        expect(row(page, did).first).to_contain_text("127.0.0.1")
    expect(row(page, "Created the client")).to_contain_text("Production")
    page.get_by_role("link", name="Overrode step 3").click()
    facts = page.locator("dl.facts").first
    expect(facts).to_contain_text(re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d"))
    expect(page.get_by_role("main")).to_contain_text(REASON)


def export_it(page: Page, *, email: str) -> None:
    page.goto("/staff/audit/?partner=golden-reef&action=step.overridden")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download what matches as CSV").click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert sorted(row["target"] for row in rows) == [f"step {number}" for number in range(1, 8)]
    assert {(row["email"], row["address"], row["partner"]) for row in rows} == {(email, "127.0.0.1", "golden-reef")}
    assert all(row["time"] and REASON in row["detail"] for row in rows)


# -- Places -------------------------------------------------------------------


def partners(page: Page) -> Locator:
    """The names in the list, in its order."""
    return page.get_by_role("table").locator("tbody th .row-link")


def row(page: Page, text: str) -> Locator:
    return page.get_by_role("row").filter(has_text=text)
