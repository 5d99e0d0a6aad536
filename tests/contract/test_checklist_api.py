"""`/api/v1/checklist` and `/api/v1/partner`: the walk, by a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from onboarding import agreements
from onboarding.models import RehearsalWindow, Scope, StepNote
from tests.contract.conftest import API, Caller, new_partner, problem_codes
from tests.factories import MembershipFactory, UserFactory
from tests.payloads import sample
from track360.audit import Actor
from track360.models import AuditEvent

CHECKLIST = "/api/v1/checklist"
SCOPE = f"{CHECKLIST}/scope"
PROPOSAL: dict[str, Any] = {
    "patterns": {"customers": "push"},
    "contacts": [{"name": "Ada", "email": "ada@casino.example"}],
    "time_zone": "Europe/Malta",
    "history_from": "2025-01-01",
}


def steps(caller: Caller) -> dict[int, dict[str, Any]]:
    return {step["number"]: step for step in caller.get(CHECKLIST).json()["data"]["steps"]}


def test_the_partner_tells_who_he_is_and_who_asks(caller: Caller) -> None:
    caller.put(SCOPE, PROPOSAL)

    partner = caller.get("/api/v1/partner").json()["data"]

    assert (partner["slug"], partner["status"]) == (caller.environment.partner.slug, "active")
    assert partner["environments"] == ["sandbox", "production"]
    assert (partner["time_zone"], partner["contacts"][0]["name"]) == ("Europe/Malta", "Ada")
    assert partner["you"] == {
        "role": "program",
        "client_id": caller.credentials.client.client_id,
        "environment": "sandbox",
        "scope": "manage read write",
    }


def test_the_steps_stand_with_their_evidence_as_things_happen(caller: Caller) -> None:
    found = steps(caller)
    assert [found[number]["state"] for number in range(1, 9)] == ["open", "met"] + ["open"] * 6
    missing = next(check for check in found[1]["checks"] if not check["met"])
    assert (missing["reason"], missing["waiting_for"]) == ("Nothing is proposed yet.", "partner")

    caller.put(SCOPE, PROPOSAL)
    assert caller.post(f"{API}/customers", sample("customers")).status_code == 201

    answer = caller.get(CHECKLIST).json()["data"]
    assert (answer["next_step"], answer["waiting_for"]) == (1, "team")
    assert [phase["planned_days"] for phase in answer["phases"]] == [1, 3, 2, 5, 7]
    assert answer["phases"][1]["due_at"] == answer["steps"][2]["due_at"]
    assert answer["steps"][4]["state"] == "met"
    mapping = answer["steps"][2]["checks"]
    assert "1 value has no meaning yet: “approved”." in [check["reason"] for check in mapping]


def test_a_scope_is_proposed_by_a_program_and_accepted_by_the_team(caller: Caller) -> None:
    assert caller.get(SCOPE).json() == {"data": None}

    proposed = caller.put(SCOPE, PROPOSAL)

    assert proposed.status_code == 200
    scope = proposed.json()["data"]
    client_id = caller.credentials.client.client_id
    assert (scope["is_agreed"], scope["partner_accepted_by"], scope["team_accepted_at"]) == (False, client_id, None)
    assert {event.client_id for event in AuditEvent.objects.filter(action__startswith="scope.")} == {client_id}
    staff = Actor(user=UserFactory(is_staff=True))
    agreements.accept_scope(Scope.objects.get(), side="team", actor=staff)
    assert caller.get(SCOPE).json()["data"]["is_agreed"] is True
    assert steps(caller)[1]["state"] == "met"


def test_a_program_accepts_what_the_team_proposed_and_only_the_version_it_read(caller: Caller) -> None:
    assert problem_codes(caller.post(f"{SCOPE}/accept", {"version": 3})) == ["scope"]
    first = propose(caller, time_zone="UTC")
    second = propose(caller, time_zone="Europe/Malta")

    stale = caller.post(f"{SCOPE}/accept", {"version": first.version})
    taken = caller.post(f"{SCOPE}/accept", {"version": second.version})

    assert (stale.status_code, problem_codes(stale)) == (422, ["scope"])
    assert (taken.status_code, taken.json()["data"]["is_agreed"]) == (200, True)


def propose(caller: Caller, *, time_zone: str) -> Scope:
    return agreements.propose_scope(
        caller.environment.partner,
        patterns=PROPOSAL["patterns"],
        contacts=PROPOSAL["contacts"],
        time_zone=time_zone,
        history_from=None,
        actor=Actor(user=UserFactory(is_staff=True)),
    )


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"patterns": {}}, "/patterns"),
        ({"patterns": {"players": "push"}}, "/patterns"),
        ({"patterns": {"customers": "mail"}}, "/patterns/customers"),
        ({"contacts": []}, "/contacts"),
        ({"contacts": [{"name": "Ada", "email": "ada"}]}, "/contacts/0/email"),
        ({"contacts": [{"name": "  ", "email": "ada@casino.example"}]}, "/contacts"),
        ({"contacts": [{"name": "A\x00", "email": "ada@casino.example"}]}, "/contacts/0/name"),
        ({"time_zone": "Malta"}, "/time_zone"),
        ({"time_zone": "UTC\x00"}, "/time_zone"),
        ({"history_from": "2999-01-01"}, "/history_from"),
        ({"history_from": "0000-01-01"}, "/history_from"),
        ({"history_from": "yesterday"}, "/history_from"),
        ({"more": 1}, ""),
    ],
)
def test_what_is_wrong_with_a_proposal_is_named_at_its_place(
    caller: Caller, wrong: dict[str, Any], pointer: str
) -> None:
    answer = caller.put(SCOPE, PROPOSAL | wrong)

    assert answer.status_code == 422
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]
    assert not Scope.objects.exists()


def test_a_program_opens_a_rehearsal(caller: Caller) -> None:
    answer = caller.http.post(f"{CHECKLIST}/rehearsal")

    assert answer.status_code == 201
    window = RehearsalWindow.objects.get(partner=caller.environment.partner)
    assert window.client_id == caller.credentials.client.client_id
    assert caller.get(CHECKLIST).json()["data"]["rehearsal"] == answer.json()["data"]


def test_notes_are_written_and_read_step_by_step(caller: Caller) -> None:
    person = MembershipFactory(partner=caller.environment.partner).user
    notes = f"{CHECKLIST}/steps/3/notes"

    written = caller.post(notes, {"text": f"What is “vip?”, @{person.email}"})
    caller.post(notes, {"text": "A second one."})

    assert written.status_code == 201
    assert written.json()["data"]["mentioned"] == [person.email]
    page = caller.get(notes, params={"per_page": 1}).json()
    assert (page["meta"]["total"], page["data"]) == (2, [written.json()["data"]])
    rest = caller.get(notes, params={"per_page": 1, "cursor": page["meta"]["next_cursor"]}).json()
    assert [note["text"] for note in rest["data"]] == ["A second one."]
    assert caller.get(f"{CHECKLIST}/steps/4/notes").json()["data"] == []


@pytest.mark.parametrize(
    "body", [{}, {"text": ""}, {"text": "  "}, {"text": "a\x00"}, {"text": "x" * 4001}, {"text": 7}]
)
def test_a_note_without_a_text_is_refused(caller: Caller, body: dict[str, Any]) -> None:
    assert caller.post(f"{CHECKLIST}/steps/3/notes", body).status_code == 422
    assert not StepNote.objects.exists()


@pytest.mark.parametrize("number", ["0", "9", "99999999999999999999", "x"])
def test_there_are_eight_steps(caller: Caller, number: str) -> None:
    assert caller.get(f"{CHECKLIST}/steps/{number}/notes").status_code == 404
    assert caller.post(f"{CHECKLIST}/steps/{number}/notes", {"text": "hello"}).status_code == 404


def test_another_partner_sees_nothing_of_it(caller: Caller, connect: Callable[..., Caller]) -> None:
    caller.put(SCOPE, PROPOSAL)
    caller.post(f"{CHECKLIST}/steps/3/notes", {"text": "between us"})
    caller.http.post(f"{CHECKLIST}/rehearsal")
    other = connect(new_partner().environments.get(kind="sandbox"))

    assert other.get(SCOPE).json() == {"data": None}
    assert other.get(f"{CHECKLIST}/steps/3/notes").json()["data"] == []
    assert other.get(CHECKLIST).json()["data"]["rehearsal"] is None
    version = caller.get(SCOPE).json()["data"]["version"]
    assert other.post(f"{SCOPE}/accept", {"version": version}).status_code == 422


def test_the_production_token_sees_the_same_walk(caller: Caller, connect: Callable[..., Caller]) -> None:
    production = connect(caller.environment.partner.environments.get(kind="production"))
    caller.put(SCOPE, PROPOSAL)

    assert production.get(SCOPE).json() == caller.get(SCOPE).json()


def test_without_the_scope_manage_nothing_is_to_be_had(
    connect: Callable[..., Caller], caller: Caller, anybody: httpx.Client
) -> None:
    reader = connect(caller.environment, scopes=("read", "write"))

    for path in ("/api/v1/partner", CHECKLIST, SCOPE, f"{CHECKLIST}/steps/3/notes"):
        assert (reader.get(path).status_code, anybody.get(path).status_code) == (403, 401)
    assert reader.put(SCOPE, PROPOSAL).status_code == 403
