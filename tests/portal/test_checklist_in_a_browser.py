"""The checklist's pages and the overview in a real browser: sound in both themes and sizes, and live while open."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from playwright.sync_api import expect
from pytest_django.live_server_helper import LiveServer

from onboarding.models import Scope, StepNote
from tests.factories import MembershipFactory, RehearsalWindowFactory, StepNoteFactory, StepOverrideFactory
from tests.portal.conftest import SignIn
from tests.portal.test_integration_pages_in_a_browser import faults, signed_in
from tests.portal.walks import team_member, walk
from tests.track360.test_look import SCREENS
from track360.models import Environment, User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
HOME = "/p/aurora-casino/sandbox"
PAGES = (
    f"{HOME}/",
    f"{HOME}/onboarding/",
    *(f"{HOME}/onboarding/{number}/" for number in range(1, 9)),
    f"{HOME}/onboarding/scope/",
    f"{HOME}/onboarding/scope/?change=1",
    "/p/aurora-casino/production/",
    "/p/aurora-casino/production/onboarding/",
)


@pytest.fixture
def owner(sandbox: Environment) -> User:
    return MembershipFactory(partner=sandbox.partner, role="owner", user__email="owner@aurora.example").user


@pytest.mark.parametrize("who", ["owner", "team"])
@pytest.mark.parametrize("screen", SCREENS, ids=str)
def test_every_page_is_sound(
    live_server: LiveServer, sandbox: Environment, owner: User, sign_in: SignIn, screen: tuple[int, Any], who: str
) -> None:
    team = team_member()
    walk(sandbox, owner, team)
    StepOverrideFactory(partner=sandbox.partner, number=4, by=team)
    look: dict[str, Any] = {"viewport": {"width": screen[0], "height": 900}, "color_scheme": screen[1]}
    client: Client = sign_in(owner if who == "owner" else team)
    with signed_in(client, live_server, **look) as (page, found):
        for address in PAGES:
            answer = page.goto(address)
            assert answer is not None
            assert answer.status == 200, address
            page.locator("main details").evaluate_all("all => all.forEach((one) => { one.open = true; })")
            found += faults(page)
    assert found == []


def test_an_owner_proposes_the_scope_and_says_something(
    live_server: LiveServer, sandbox: Environment, owner: User, sign_in: SignIn
) -> None:
    with signed_in(sign_in(owner), live_server) as (page, found):
        page.goto(f"{HOME}/onboarding/")
        page.get_by_role("link", name="Open the scope").first.click()
        page.get_by_role("button", name="Propose and accept").click()
        page.get_by_role("alert").get_by_role("link", name="Time zone").wait_for()
        found += faults(page)
        page.get_by_label("Time zone").fill("Europe/Malta")
        person = page.get_by_role("group", name="Person 1")
        person.get_by_label("Name").fill("Ada Byron")
        person.get_by_label("Email").fill("ada@aurora.example")
        page.get_by_role("button", name="Propose and accept").click()
        expect(page.locator(".state")).to_have_text("Proposed. Next: the integrations team accepts it.")
        page.goto(f"{HOME}/onboarding/1/")
        page.get_by_label("Note").fill("Please accept it.")
        page.get_by_role("button", name="Add note").click()
        expect(page.locator(".notes")).to_contain_text("Please accept it.")
    assert found == []
    assert Scope.objects.get().time_zone == "Europe/Malta"
    assert StepNote.objects.count() == 1


def test_a_page_that_is_open_follows_what_others_do_and_keeps_what_is_typed(
    live_server: LiveServer, sandbox: Environment, owner: User, sign_in: SignIn
) -> None:
    RehearsalWindowFactory(partner=sandbox.partner)  # such a page asks every 5 seconds
    StepNoteFactory(partner=sandbox.partner, number=6)
    with signed_in(sign_in(owner), live_server) as (page, found):
        page.goto(f"{HOME}/onboarding/6/")
        page.get_by_label("Note").fill("Half a thou")
        page.get_by_text("Open another window").click()
        with page.expect_response(lambda answer: "seen=" in answer.url) as polled:
            pass
        assert polled.value.status == 204
        expect(page.get_by_role("button", name="Give it up")).to_be_visible()  # still open
        proposed = page.request.post(
            f"{HOME}/onboarding/scope/",
            form={
                "csrfmiddlewaretoken": page.locator("[name=csrfmiddlewaretoken]").first.input_value(),
                "version": "0",
                "pattern_customers": "push",
                "name_1": "Ada",
                "email_1": "ada@aurora.example",
                "time_zone": "UTC",
            },
            headers={"Referer": live_server.url},
        )
        assert proposed.ok
        expect(page.locator("#step")).not_to_contain_text("At least 100 transactions", timeout=15_000)
        expect(page.get_by_label("Note")).to_have_value("Half a thou")
    assert found == []
