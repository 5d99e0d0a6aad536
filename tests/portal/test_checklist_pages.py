"""The checklist's pages: what is wrong, what to do next, and who may do it."""

from __future__ import annotations

import re

import pytest
from django.test import Client

from onboarding import agreements, checklist
from onboarding.models import RehearsalWindow, Scope, SignOff, StepNote, StepOverride, StepState
from tests.factories import BatchFactory, MembershipFactory, SeenStatusFactory
from tests.portal.conftest import SignIn
from tests.portal.walks import CONTACTS, PATTERNS, team_member, walk
from track360.audit import Actor
from track360.models import Environment, Partner, User

HOME = "/p/aurora-casino/sandbox/onboarding/"
POSTS = ("3/note/", "3/override/", "scope/", "scope/accept/", "rehearsal/", "sign-off/")
SCOPE = {
    "version": "0",
    "pattern_customers": "push",
    "pattern_transactions": "hybrid",
    "pattern_activity": "",
    "name_1": "Ada Byron",
    "email_1": "ada@aurora.example",
    "role_1": "Head of data",
    "time_zone": "Europe/Malta",
    "history_from": "2026-01-01",
}


@pytest.fixture
def owner(partner: Partner) -> User:
    return MembershipFactory(partner=partner, role="owner", user__email="owner@aurora.example", user__name="Ola").user


@pytest.fixture
def owners(owner: User, sign_in: SignIn) -> Client:
    return sign_in(owner)


@pytest.fixture
def team(db: None) -> User:
    return team_member()


@pytest.fixture
def teams(team: User, sign_in: SignIn) -> Client:
    return sign_in(team)


@pytest.fixture
def walked(sandbox: Environment, owner: User, team: User) -> Partner:
    walk(sandbox, owner, team)
    return sandbox.partner


def page(client: Client, path: str = "", **headers: str) -> str:
    response = client.get(HOME + path, headers=headers)
    assert response.status_code == 200, path
    return response.content.decode()


def sentence(html: str) -> str:
    return re.search(r'<p class="state">(.*?)</p>', html, re.DOTALL).group(1)


# -- All steps ----------------------------------------------------------------


def test_a_fresh_partner_is_told_to_propose_the_scope_and_led_there(owners: Client):
    html = page(owners)

    assert sentence(html) == "0 of 8 steps done. Next: propose the scope."
    assert re.search(rf'data-variant="primary" href="{HOME}scope/"', html)
    assert html.count('class="step"') == 8


def test_the_sentence_says_what_turned_back_and_what_to_mend(walked: Partner, owners: Client):
    html = page(owners)

    assert sentence(html) == "2 of 8 steps done. Step 3 has turned back. Next: map 3 KYC status values."
    assert "3 values have no meaning yet: “half”, “on hold”, “vip?”." in html
    assert "2 notes" in html


def test_the_team_is_told_that_the_partner_acts_next(walked: Partner, teams: Client):
    assert sentence(page(teams)).endswith("Aurora Casino acts next: map 3 KYC status values.")


def test_while_the_team_has_to_act_the_partner_is_told_what_he_can_do_meanwhile(
    partner: Partner, owner: User, owners: Client
):
    agreed = {"patterns": PATTERNS, "contacts": CONTACTS, "time_zone": "UTC", "history_from": None}
    agreements.propose_scope(partner, **agreed, actor=Actor(user=owner))
    html = page(owners)

    assert sentence(html) == (
        "0 of 8 steps done. The integrations team acts next: accept the scope. Meanwhile: create sandbox credentials."
    )
    assert re.search(r'data-variant="primary" href="/p/aurora-casino/sandbox/credentials/new/"', html)


def test_a_viewer_is_not_led_to_what_he_may_not_open(partner: Partner, viewer: Client):
    assert "/credentials/new/" not in page(viewer)
    assert "/samples/new/" not in page(viewer)


def test_the_plan_is_a_picture_with_a_title_and_a_table_behind(walked: Partner, owners: Client):
    html = page(owners)
    assert "Planned against actual days, by phase</title>" in html
    assert html.count('scope="row"') == 5
    assert "Over plan: Kick-off by 0.5 d." in html


def test_what_polls_is_sent_nothing_until_something_changed(walked: Partner, sandbox: Environment, owners: Client):
    for path in ("", "3/", "6/", "8/"):
        seen = re.search(rf'hx-get="{HOME}{path}\?seen=(\w+)"', page(owners, path)).group(1)
        again = owners.get(f"{HOME}{path}?seen={seen}", headers={"HX-Request": "true"})
        assert (again.status_code, again.content) == (204, b"")
        assert owners.get(f"{HOME}{path}?seen={seen}").status_code == 200  # a person who opens that address

    SeenStatusFactory(environment=sandbox, raw_value="new one")
    BatchFactory(environment=sandbox)
    fragment = owners.get(f"{HOME}3/?seen={seen}", headers={"HX-Request": "true"}).content.decode()
    assert fragment.lstrip().startswith('<div class="stack" data-gap="wide" id="step"')
    assert "map 4 KYC status values" in fragment
    assert "<textarea" not in fragment  # what is typed into a note stays


def test_production_shows_the_same_steps(walked: Partner, owners: Client):
    html = owners.get("/p/aurora-casino/production/onboarding/").content.decode()
    assert "2 of 8 steps done." in html
    assert 'href="/p/aurora-casino/production/onboarding/3/"' in html


# -- One step -----------------------------------------------------------------


@pytest.mark.parametrize("number", range(1, 9))
def test_every_step_has_its_page(walked: Partner, owners: Client, number: int):
    html = page(owners, f"{number}/")
    assert re.search(r"\d+ of \d+ checks? met\.", sentence(html))
    strip = re.search(r'<nav class="step-strip".*?</nav>', html, re.DOTALL).group()
    assert re.findall(r'href="[^"]*/(\d)/" aria-current="page"', strip) == [str(number)]


@pytest.mark.parametrize("path", ["0/", "9/", "99999999999999999999/", "x/", "9/note/", "9/override/"])
def test_a_step_that_is_not_there_is_not_found(owners: Client, teams: Client, path: str):
    assert owners.get(HOME + path).status_code in {404, 403, 405}
    assert teams.post(HOME + path, {"text": "x", "reason": "x"}).status_code == 404


def test_a_note_is_written_and_says_who_was_told(walked: Partner, developer: Client, team: User):
    answer = developer.post(f"{HOME}5/note/", {"text": f"<b>Stuck</b>\n@{team.email} help"}, follow=True)

    html = answer.content.decode()
    assert "Noted. mia@track360.example will hear of it by email." in html
    assert "&lt;b&gt;Stuck&lt;/b&gt;" in html
    assert "Told by email: mia@track360.example" in html


def test_a_note_that_is_refused_keeps_what_was_typed(partner: Partner, developer: Client):
    for text, message in (("", "Write something first."), ("y" * 4001, "at most 4000 characters"), ("a\x00b", "Null")):
        answer = developer.post(f"{HOME}5/note/", {"text": text})
        html = answer.content.decode()
        assert answer.status_code == 200
        assert message in html
        assert text.replace("\x00", "")[:10] in html
    assert not StepNote.objects.exists()


def test_a_note_that_is_sent_twice_is_written_once(partner: Partner, developer: Client):
    submission = re.search(r'name="submission" value="([\w-]+)"', page(developer, "5/")).group(1)
    for _ in range(2):
        assert developer.post(f"{HOME}5/note/", {"text": "Once", "submission": submission}).status_code == 302
    assert StepNote.objects.count() == 1


def test_notes_go_on_over_pages(partner: Partner, developer: Client, owner: User):
    for number in range(55):
        agreements.add_note(partner, 5, text=f"note {number}.", actor=Actor(user=owner))
    html = page(developer, "5/")
    earlier = re.search(r'href="\?before=(\d+)#notes"', html).group(1)
    assert "note 5." in html
    assert "note 4." not in html
    assert "note 4." in page(developer, f"5/?before={earlier}")
    for garbage in ("x", "-1", "9" * 40, "%00"):
        assert "note 54." in page(developer, f"5/?before={garbage}")


def test_the_team_overrides_with_a_reason_and_withdraws(partner: Partner, teams: Client, owners: Client):
    refused = teams.post(f"{HOME}4/override/", {"reason": " "}).content.decode()
    assert "An override needs a reason." in refused
    assert teams.post(f"{HOME}4/override/", {"reason": "Checked by hand."}).status_code == 302

    for client in (teams, owners):
        html = page(client, "4/")
        assert "Checked by hand." in html
        assert "Mia Keller" in html
    assert "Withdraw the override" not in page(owners, "4/")
    again = teams.post(f"{HOME}4/override/", {"reason": "Me too, for longer."}).content.decode()
    assert "is overridden already" in again
    assert "Me too, for longer." in again  # nothing typed is lost

    teams.post(f"{HOME}4/override/", {"withdraw": "1"})
    assert StepOverride.objects.get().withdrawn_at
    assert "is not overridden" in teams.post(f"{HOME}4/override/", {"withdraw": "1"}).content.decode()
    assert teams.post(f"{HOME}8/override/", {"reason": "x"}).status_code == 404


def test_both_sides_sign_off_and_each_withdraws_its_own(partner: Partner, teams: Client, owners: Client):
    assert page(owners, "8/").count("Sign off</button>") == 1
    owners.post(f"{HOME}sign-off/")
    owners.post(f"{HOME}sign-off/")
    teams.post(f"{HOME}sign-off/")
    assert sorted(SignOff.objects.values_list("side", flat=True)) == ["partner", "team"]
    assert "Signed off by the partner" in page(owners, "8/")

    owners.post(f"{HOME}sign-off/", {"withdraw": "1"})
    assert SignOff.objects.get(withdrawn_at=None).side == "team"
    answer = owners.post(f"{HOME}sign-off/", {"withdraw": "1"}, follow=True)
    assert "There is no sign-off to withdraw." in answer.content.decode()


def test_a_rehearsal_is_opened_once_a_form_and_shows_its_figures(
    partner: Partner, sandbox: Environment, developer: Client, viewer: Client
):
    assert developer.get(f"{HOME}rehearsal/")["Location"] == f"{HOME}6/#rehearsal"
    submission = re.search(r'name="submission" value="([\w-]+)"', page(developer, "6/")).group(1)
    for _ in range(2):
        developer.post(f"{HOME}rehearsal/", {"submission": submission})
    assert RehearsalWindow.objects.count() == 1

    BatchFactory(environment=sandbox, entity="customers", received=60, created=59, updated=1)
    html = page(viewer, "6/")
    assert 'value="60" max="100"' in html
    assert "None of the customers" not in html
    assert "Open another window" not in html
    assert 'every 5s"' in html
    assert "counting begins anew" in page(developer, "6/")


def test_an_earned_rehearsal_shows_what_earned_it_and_warns_before_it_is_given_up(
    partner: Partner, sandbox: Environment, developer: Client, owner: User
):
    agreed = {"patterns": PATTERNS, "contacts": CONTACTS, "time_zone": "UTC", "history_from": None}
    agreements.propose_scope(partner, **agreed, actor=Actor(user=owner))
    agreements.open_rehearsal(partner, actor=Actor(user=owner))
    for entity in PATTERNS:
        BatchFactory(environment=sandbox, entity=entity, received=321, created=320, updated=1)
    html = page(developer, "6/")
    assert "Earned" in html
    assert html.count(">321<") == 3
    assert "What this window earned is given up" in html


# -- Scope --------------------------------------------------------------------


def test_an_owner_proposes_the_team_accepts_and_a_change_is_accepted_anew(
    partner: Partner, owners: Client, teams: Client
):
    assert "data-variant" in page(owners, "scope/")
    assert owners.post(f"{HOME}scope/", SCOPE).status_code == 302
    first = Scope.objects.get()
    assert first.patterns == {"customers": "push", "transactions": "hybrid"}
    assert first.contacts == [{"name": "Ada Byron", "email": "ada@aurora.example", "role": "Head of data"}]
    assert "the integrations team accepts it" in sentence(page(owners, "scope/"))

    assert "read and accept it" in sentence(page(teams, "scope/"))
    teams.post(f"{HOME}scope/accept/", {"version": first.pk})
    assert "Agreed by both sides" in sentence(page(owners, "scope/"))

    form = page(owners, "scope/?change=1")
    assert 'value="Ada Byron"' in form
    assert 'value="2026-01-01"' in form
    owners.post(f"{HOME}scope/", SCOPE | {"version": first.pk, "time_zone": "Asia/Tokyo"})
    html = page(teams, "scope/")
    assert "<del>Europe/Malta</del>" in html
    assert "<ins>Asia/Tokyo</ins>" in html
    assert checklist.steps_for(partner)[0].state == StepState.State.OPEN


@pytest.mark.parametrize(
    ("change", "message", "kept"),
    [
        ({"pattern_customers": "", "pattern_transactions": ""}, "Choose at least one entity to send.", "Ada Byron"),
        ({"pattern_customers": "pigeon"}, "Choose one of the four.", "Ada Byron"),
        ({"name_1": "", "email_1": "", "role_1": ""}, "Name 1 to 20 people to turn to.", "Europe/Malta"),
        ({"name_2": "Bo"}, "Write an email address.", 'value="Bo"'),
        ({"email_7": "who@example.com", "name_7": ""}, "Who is this?", "who@example.com"),
        ({"email_1": "nobody"}, "Enter a valid email address.", 'value="nobody"'),
        ({"name_1": "N" * 201}, "at most 200 characters", "N" * 201),
        ({"name_1": "a\x00b"}, "Null characters are not allowed.", "Europe/Malta"),
        ({"name_1": "a\x07b"}, "1 to 200 printable characters", "Europe/Malta"),
        ({"time_zone": "Mars/Olympus"}, "Choose a time zone by its IANA name", "Mars/Olympus"),
        ({"time_zone": ""}, "Choose a time zone by its IANA name", "Ada Byron"),
        ({"history_from": "soon"}, "Write the day as 2026-03-15.", 'value="soon"'),
        ({"history_from": "2999-01-01"}, "not in the future", "2999-01-01"),
    ],
)
def test_a_scope_that_is_refused_keeps_what_was_typed(owners: Client, change: dict[str, str], message: str, kept: str):
    answer = owners.post(f"{HOME}scope/", SCOPE | change)
    html = answer.content.decode()
    assert answer.status_code == 200
    assert message in html
    assert kept in html
    assert not Scope.objects.exists()


def test_a_version_that_came_meanwhile_is_not_passed_over(partner: Partner, owners: Client, team: User):
    agreed = {"patterns": {"activity": "push"}, "contacts": CONTACTS, "time_zone": "UTC", "history_from": None}
    theirs = agreements.propose_scope(partner, **agreed, actor=Actor(user=team))

    html = owners.post(f"{HOME}scope/", SCOPE).content.decode()
    assert "Somebody has proposed another version meanwhile." in html
    assert 'value="Ada Byron"' in html
    assert Scope.objects.count() == 1
    seen = re.search(r'name="version" value="(\d+)"', html).group(1)
    assert seen == str(theirs.pk)
    assert owners.post(f"{HOME}scope/", SCOPE | {"version": seen}).status_code == 302


@pytest.mark.parametrize("version", ["", "0", "x", "9" * 40, "\x00"])
def test_another_version_than_the_one_that_was_read_is_not_accepted(
    partner: Partner, owners: Client, team: User, version: str
):
    agreed = {"patterns": PATTERNS, "contacts": CONTACTS, "time_zone": "UTC", "history_from": None}
    agreements.propose_scope(partner, **agreed, actor=Actor(user=team))
    answer = owners.post(f"{HOME}scope/accept/", {"version": version}, follow=True)
    assert "Another version has been proposed meanwhile." in answer.content.decode()
    assert not Scope.objects.get().partner_accepted_at


def test_many_contacts_made_by_a_program_are_all_in_the_form(partner: Partner, owners: Client, owner: User):
    people = [{"name": f"P{number}", "email": f"p{number}@x.example"} for number in range(12)]
    agreed = {"patterns": PATTERNS, "contacts": people, "time_zone": "UTC", "history_from": None}
    agreements.propose_scope(partner, **agreed, actor=Actor(user=owner))
    assert 'value="P11"' in page(owners, "scope/?change=1")


# -- Who may ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "may"),
    [
        ("viewer", set()),
        ("developer", {"3/note/", "rehearsal/"}),
        ("owner", {"3/note/", "rehearsal/", "scope/", "scope/accept/", "sign-off/"}),
        ("staff", set(POSTS)),
    ],
)
def test_each_role_does_what_it_may_and_is_offered_no_more(
    partner: Partner, sign_in: SignIn, teams: Client, role: str, may: set[str]
):
    client = teams if role == "staff" else sign_in(MembershipFactory(partner=partner, role=role).user)
    for path in POSTS:
        assert (client.post(HOME + path).status_code != 403) == (path in may), path
    for path in ("", "3/", "6/", "8/", "scope/"):
        offered = set(re.findall(rf'action="{HOME}(?:\d/)?([^"#]*)', page(client, path)))
        assert offered <= {path.removeprefix("3/") for path in may}, path


def test_nobody_else_learns_that_there_is_a_checklist(walked: Partner, outsider: Client):
    for path in ("", "3/", *POSTS):
        assert outsider.get(HOME + path).status_code == 404
        assert outsider.post(HOME + path).status_code == 404
