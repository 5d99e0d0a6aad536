"""A fresh partner from its invitation to step 6 in the sandbox: by the portal's pages and a real OAuth client alone."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import pytest
from oauthlib.oauth2 import BackendApplicationClient
from playwright.sync_api import Page, expect
from requests_oauthlib import OAuth2Session

from tests.contract import live
from tests.contract.conftest import API
from tests.contract.pages import chromium, colleague, sign_in_with_code, state
from tests.contract.test_walk_in_a_browser import make_client
from tests.factories import PASSWORD
from tests.payloads import sample
from track360 import exact_json

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
ZONE = "Europe/Oslo"
PORTAL = "/p/northern-lights/sandbox"
ENTITIES = ("customers", "transactions", "activity")
VALUES = (
    ("KYC status", "verified", "approved"),
    ("sales status", "won", "converted"),
    ("transaction status", "settled", "approved"),
)
LATER = "docs_pending"  # a KYC status that nobody had thought of
AFFILIATE, AFFILIATE_LATER = "aff_204", "aff_777"
REHEARSED = 120  # records of each entity


def test_a_fresh_partner_walks_from_its_invitation_to_step_six(
    server: live.Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # it refuses plain http otherwise
    mina = colleague()
    with chromium() as browser:
        team = browser.new_context(base_url=server.url).new_page()
        sign_in_with_code(team, server, mina)
        link = invite(team)
        page = browser.new_context(base_url=server.url).new_page()
        accept(page, link)
        agree_on_the_scope(page, team)
        program = connect(page, server)
        map_what_is_known(page)
        take_a_mapping_back_and_restore_it(page)
        try_samples(page)
        send_first_data(page, program)
        map_what_came(page)
        rehearse(page, program)
        expect(state(at(page, "onboarding/"))).to_contain_text("6 of 8 steps done.")
        expect(state(team_at(team))).to_contain_text("6 of 8 steps done. Next: step 7 Reconciled.")


def at(page: Page, path: str) -> Page:
    page.goto(f"{PORTAL}/{path}")
    return page


def team_at(page: Page) -> Page:
    page.goto("/staff/partners/northern-lights/")
    return page


def stands(page: Page, sentence: str, *, green: str) -> None:
    """The checklist says so, and these steps are green: "12" for the first two."""
    at(page, "onboarding/")
    expect(state(page)).to_have_text(sentence)
    done = page.locator("article.step", has=page.locator(".step-head .badge", has_text="Done"))
    assert "".join((article.get_attribute("id") or "")[-1] for article in done.all()) == green


# -- The stations -------------------------------------------------------------


def invite(team: Page) -> str:
    """The team makes the partner; the path of the link that the owner gets."""
    team.goto("/partners/new/")
    team.get_by_label("Name").fill("Northern Lights")
    team.get_by_label("First owner’s email").fill("ada@northern.example")
    team.get_by_role("button", name="Create and invite").click()
    expect(state(team)).to_have_text("Nobody has joined yet. Next: ada@northern.example follows the invitation.")
    team.get_by_role("link", name="Send it again").click()
    team.get_by_role("button", name="Send again").click()
    expect(state(team)).to_have_text("The link is on its way to ada@northern.example.")
    return urlsplit(team.get_by_label("New secret").locator("code").inner_text()).path


def accept(page: Page, link: str) -> None:
    page.goto(link)
    expect(page.get_by_text("Mina Holt invites ada@northern.example")).to_be_visible()
    page.get_by_label("Your name").fill("Ada Berg")
    page.get_by_label("Choose a password").fill(PASSWORD)
    page.get_by_role("button", name="Make my account and join").click()
    expect(page).to_have_url(re.compile(f"{PORTAL}/onboarding/$"))
    expect(state(page)).to_have_text("0 of 8 steps done. Next: propose the scope.")


def agree_on_the_scope(page: Page, team: Page) -> None:
    page.get_by_role("link", name="Open the scope").first.click()
    person = page.get_by_role("group", name="Person 1")
    person.get_by_label("Name").fill("Ada Berg")
    person.get_by_label("Email").fill("ada@northern.example")
    page.get_by_label("Time zone").fill(ZONE)
    page.get_by_role("button", name="Propose and accept").click()
    expect(state(page)).to_have_text("Proposed. Next: the integrations team accepts it.")
    at(team, "onboarding/scope/")
    expect(state(team)).to_have_text("Proposed by the other side. Next: read and accept it.")
    team.get_by_role("button", name="Accept this version").click()
    expect(state(team)).to_contain_text("Agreed by both sides.")
    stands(page, "1 of 8 steps done. Next: create sandbox credentials.", green="1")


def connect(page: Page, server: live.Server) -> OAuth2Session:
    client_id, secret = make_client(page)
    stands(page, "1 of 8 steps done. Next: fetch a token.", green="1")
    program = OAuth2Session(client=BackendApplicationClient(client_id=client_id))
    program.trust_env = False
    program.fetch_token(f"{server.url}/oauth/token", client_id=client_id, client_secret=secret)
    stands(page, "2 of 8 steps done. Next: declare the KYC status values.", green="12")
    program.server = server.url
    return program


def map_what_is_known(page: Page) -> None:
    at(page, "mappings/")
    expect(state(page)).to_contain_text("Next: declare those that your platform uses.")
    for field, value, meaning in VALUES:
        page.get_by_label("Field").select_option(label=field)
        page.get_by_label("Value, as you will send it").fill(value)
        page.get_by_label("Stands for", exact=True).select_option(meaning)
        save_mapping(page)
    expect(state(page)).to_have_text("All 3 values have a meaning.")
    stands(page, "2 of 8 steps done. Next: register your affiliates.", green="12")
    at(page, "affiliates/")
    page.get_by_label("One a line: an id, or an id and a name").fill(f"{AFFILIATE}, Best Odds Ltd")
    page.get_by_role("button", name="Register").click()
    expect(state(page)).to_have_text("1 registered; every one that came is known.")
    stands(page, "3 of 8 steps done. Next: try a sample of customers.", green="123")


def save_mapping(page: Page) -> None:
    page.get_by_role("button", name="Review the changes").click()
    expect(state(page)).to_have_text("1 value would change. Nothing is saved yet.")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved: 1 value changed.")).to_be_visible()


def take_a_mapping_back_and_restore_it(page: Page) -> None:
    at(page, "mappings/")
    page.get_by_label("settled stands for").select_option(label="remove this value")
    save_mapping(page)
    stands(page, "2 of 8 steps done. Step 3 has turned back. Next: declare the transaction status values.", green="12")
    at(page, "mappings/history/")
    page.get_by_role("button", name="Take it back").first.click()
    stands(page, "3 of 8 steps done. Next: try a sample of customers.", green="123")


def try_samples(page: Page) -> None:
    good = [record("customers", number) for number in range(2)]
    try_sample(page, "customers", [good[0], good[1] | {"country_code": "UK"}])
    expect(state(page)).to_have_text("1 of 2 records has errors. Next: mend them here.")
    faulty = page.locator(".checked")
    expect(faulty).to_have_count(1)
    expect(faulty).to_contain_text("Record 2")
    expect(faulty.locator(".findings")).to_contain_text("country_code")
    stands(page, "3 of 8 steps done. Next: mend the sample of customers.", green="123")
    page.get_by_role("link", name="See the faults").first.click()
    page.get_by_role("link", name="Mend it").click()
    text = page.get_by_label("Records")
    text.fill(text.input_value().replace('"UK"', '"GB"'))
    page.get_by_role("button", name="Check again").click()
    expect(state(page)).to_have_text("All 2 records are valid.")
    for entity in ENTITIES[1:]:
        try_sample(page, entity, [record(entity, number) for number in range(2)])
        expect(state(page)).to_have_text("All 2 records are valid.")
    stands(page, "4 of 8 steps done. Next: push customers to the sandbox.", green="1234")


def try_sample(page: Page, entity: str, records: list[dict[str, Any]]) -> None:
    at(page, "samples/new/")
    page.get_by_label(entity.capitalize()).check()
    page.get_by_label("Paste records").fill(exact_json.dumps(records))
    page.get_by_role("button", name="Check it").click()


def send_first_data(page: Page, program: OAuth2Session) -> None:
    """What the samples showed, and one customer with a status and an affiliate that nobody knew of."""
    newcomer = record("customers", 2) | {"kyc_status_id": LATER, "affiliate_id": AFFILIATE_LATER}
    push(program, "customers", [record("customers", 0), record("customers", 1), newcomer])
    push(program, "transactions", [record("transactions", 0)])
    push(program, "activity", [record("activity", 0)])
    sentence = "4 of 8 steps done. Step 3 has turned back. Next: map 1 KYC status value."
    stands(page, sentence, green="1245")


def map_what_came(page: Page) -> None:
    at(page, "mappings/")
    expect(state(page)).to_contain_text("1 KYC status value without a meaning.")
    page.get_by_label(f"{LATER} stands for").select_option("pending")
    save_mapping(page)
    at(page, "affiliates/")
    expect(state(page)).to_contain_text("1 id that came is not registered.")
    page.get_by_role("button", name="Register those marked").click()
    stands(page, "5 of 8 steps done. Next: open a rehearsal window.", green="12345")


def rehearse(page: Page, program: OAuth2Session) -> None:
    at(page, "onboarding/6/")
    page.get_by_role("button", name="Open a window").click()
    expect(page.get_by_text("The rehearsal window is open")).to_be_visible()
    stands(page, "5 of 8 steps done. Next: send 100 customers.", green="12345")
    for entity in ENTITIES:
        push(program, entity, [record(entity, number) for number in range(100, 100 + REHEARSED)])
    expect(state(at(page, "onboarding/6/"))).to_contain_text("Next: send one of the customers again, with a change.")
    for entity in ENTITIES:
        changed = {"activity": {"bets_count": 49}, "transactions": {"note": "again"}}.get(entity, {"lang_id": "nb"})
        assert push(program, entity, [record(entity, 100) | changed])["updated"] == 1
    expect(page.get_by_text("Earned", exact=True).first).to_be_visible()  # without a reload: the page asks again
    first_day = dt.datetime.now(ZoneInfo(ZONE)).date() - dt.timedelta(days=3)
    stands(page, f"6 of 8 steps done. Next: reconcile {first_day:%-d %B}.", green="123456")


# -- What the casino's program sends ------------------------------------------


def record(entity: str, number: int) -> dict[str, Any]:
    """Of now: what a platform sends as it happens."""
    now = dt.datetime.now(dt.UTC)
    moment = now.isoformat(timespec="seconds").replace("+00:00", "Z")
    customer = {"customer_id": f"cst_{number}"}
    changes = {
        "customers": {"signup_date": moment, "last_modified_date": moment, "affiliate_id": AFFILIATE}
        | {"kyc_status_id": "verified", "sales_status_id": "won"},
        "transactions": {"transaction_id": f"txn_{number}", "transaction_date": moment, "status": "settled"},
        "activity": {"date": now.date().isoformat()},
    }
    return sample(entity, **customer, **changes[entity])


def push(program: OAuth2Session, entity: str, records: list[dict[str, Any]]) -> dict[str, Any]:
    answer = program.post(
        f"{program.server}{API}/{entity}/bulk",
        data=exact_json.dumps(records).encode(),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code == 200, answer.text
    outcome: dict[str, Any] = answer.json()["data"]
    assert outcome["rejected"] == 0, answer.text
    return outcome
