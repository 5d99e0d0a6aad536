"""What partner and team agree: each action, its refusals, its audit row, and two people at once."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import Error, connection, transaction
from django.utils import timezone

from onboarding import agreements
from onboarding.models import Notification, Scope, SignOff, StepOverride
from tests.factories import MembershipFactory, PartnerFactory, UserFactory
from track360.audit import Actor
from track360.models import AuditEvent, Partner

GOOD: dict[str, Any] = {
    "patterns": {"transactions": "push", "customers": "hybrid"},
    "contacts": [{"name": "Ada", "email": "ada@casino.example"}],
    "time_zone": "Europe/Malta",
    "history_from": dt.date(2025, 1, 1),
}
PROGRAM = Actor(client_id="client-7", ip="192.0.2.7")


@pytest.fixture
def partner(db: None) -> Partner:
    return PartnerFactory()


@pytest.fixture
def team(db: None) -> Actor:
    return Actor(user=UserFactory(is_staff=True), ip="192.0.2.1")


@pytest.fixture
def owner(partner: Partner) -> Actor:
    return Actor(user=MembershipFactory(partner=partner, role="owner").user)


@pytest.fixture
def developer(partner: Partner) -> Actor:
    return Actor(user=MembershipFactory(partner=partner, role="developer").user)


def refused(call: Any, *args: Any, **kwargs: Any) -> list[str]:
    with pytest.raises(ValidationError) as caught:
        call(*args, **kwargs)
    return [str(error.code) for error in getattr(caught.value, "error_list", [caught.value])]


def audited(partner: Partner) -> list[str]:
    return list(AuditEvent.objects.filter(partner=partner).order_by("at").values_list("action", flat=True))


# -- Scope --------------------------------------------------------------------


def test_who_proposes_accepts_and_the_other_side_has_to(partner: Partner, developer: Actor, team: Actor) -> None:
    scope = agreements.propose_scope(partner, **GOOD, actor=developer)
    assert (scope.partner_accepted_by, scope.team_accepted_at, scope.is_agreed) == (developer.user.email, None, False)
    assert list(scope.patterns) == ["customers", "transactions"]
    assert scope.contacts == [{"name": "Ada", "email": "ada@casino.example", "role": ""}]

    agreements.accept_scope(scope, side="team", actor=team)

    scope.refresh_from_db()
    assert (scope.is_agreed, scope.team_accepted_by) == (True, team.user.email)
    assert audited(partner) == ["scope.proposed", "scope.accepted", "scope.accepted"]


def test_a_program_proposes_for_the_partner(partner: Partner) -> None:
    scope = agreements.propose_scope(partner, **GOOD, actor=PROGRAM)

    assert (scope.partner_accepted_by, scope.created_by) == ("client-7", None)
    assert {event.client_id for event in AuditEvent.objects.filter(partner=partner)} == {"client-7"}


def test_proposing_what_stands_accepts_it(partner: Partner, developer: Actor, team: Actor) -> None:
    first = agreements.propose_scope(partner, **GOOD, actor=team)
    agreements.propose_scope(partner, **GOOD, actor=team)
    again = agreements.propose_scope(partner, **GOOD, actor=developer)

    assert again.pk == first.pk
    assert again.is_agreed


def test_only_the_newest_version_can_be_accepted(partner: Partner, developer: Actor, team: Actor) -> None:
    old = agreements.propose_scope(partner, **GOOD, actor=developer)
    agreements.propose_scope(partner, **GOOD | {"time_zone": "UTC"}, actor=developer)

    assert refused(agreements.accept_scope, old, side="team", actor=team) == ["scope"]
    old.refresh_from_db()
    assert old.team_accepted_at is None


def test_accepting_twice_changes_nothing(partner: Partner, developer: Actor, team: Actor) -> None:
    scope = agreements.propose_scope(partner, **GOOD, actor=developer)
    first = agreements.accept_scope(scope, side="team", actor=team).team_accepted_at
    second = agreements.accept_scope(scope, side="team", actor=Actor(user=UserFactory(is_staff=True)))

    assert second.team_accepted_at == first
    assert audited(partner).count("scope.accepted") == 2


def test_nobody_accepts_for_the_other_side(partner: Partner, developer: Actor, team: Actor) -> None:
    scope = agreements.propose_scope(partner, **GOOD, actor=developer)

    for side, actor in (("team", developer), ("team", PROGRAM), ("partner", team), ("nobody", team), ("x", team)):
        assert refused(agreements.accept_scope, scope, side=side, actor=actor) == ["side"]


TOMORROW = timezone.now().date() + dt.timedelta(days=2)


@pytest.mark.parametrize(
    ("wrong", "codes"),
    [
        ({"patterns": {}}, ["patterns"]),
        ({"patterns": {"players": "push"}}, ["patterns"]),
        ({"patterns": {"customers": "mail"}}, ["patterns"]),
        ({"contacts": []}, ["contacts"]),
        ({"contacts": [{"name": "Ada"}]}, ["contacts"]),
        ({"contacts": [{"email": "ada@casino.example"}]}, ["contacts"]),
        ({"contacts": [{"name": "Ada\x00", "email": "ada@casino.example"}]}, ["contacts"]),
        ({"contacts": [{"name": "Ada", "email": "ada@casino.example", "role": "x\x00"}]}, ["contacts"]),
        ({"contacts": [{"name": "Ada", "email": "ada at casino"}]}, ["contacts"]),
        ({"contacts": [{"name": "Ada", "email": "ada@casino.example"}] * 21}, ["contacts"]),
        ({"time_zone": "Malta time"}, ["time_zone"]),
        ({"time_zone": "../../etc/passwd"}, ["time_zone"]),
        ({"time_zone": "UTC\x00"}, ["time_zone"]),
        ({"time_zone": ""}, ["time_zone"]),
        ({"history_from": TOMORROW}, ["history_from"]),
        ({"history_from": dt.date(1899, 12, 31)}, ["history_from"]),
        ({"patterns": {}, "contacts": [], "time_zone": "", "history_from": TOMORROW},
         ["patterns", "contacts", "time_zone", "history_from"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_field_by_field(
    partner: Partner, team: Actor, wrong: dict[str, Any], codes: list[str]
) -> None:
    assert refused(agreements.propose_scope, partner, **GOOD | wrong, actor=team) == codes
    assert not Scope.objects.filter(partner=partner).exists()


def test_history_may_be_left_out(partner: Partner, team: Actor) -> None:
    assert agreements.propose_scope(partner, **GOOD | {"history_from": None}, actor=team).history_from is None


@pytest.mark.django_db(transaction=True)
def test_of_a_proposal_and_an_acceptance_at_once_the_newest_version_is_not_accepted_unseen() -> None:
    partner = PartnerFactory()
    team = Actor(user=UserFactory(is_staff=True))
    seen = agreements.propose_scope(partner, **GOOD, actor=PROGRAM)

    def accept() -> None:
        with suppress(ValidationError):
            agreements.accept_scope(Scope.objects.get(pk=seen.pk), side="team", actor=team)

    def propose() -> None:
        agreements.propose_scope(partner, **GOOD | {"time_zone": "UTC"}, actor=PROGRAM)

    at_once(accept, propose)

    newest = agreements.newest_scope(partner)
    assert newest.time_zone == "UTC"
    assert newest.team_accepted_at is None


def at_once(*calls: Any) -> None:
    def closing(call: Any) -> None:
        try:
            call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        for done in [pool.submit(closing, call) for call in calls]:
            done.result()


# -- Overrides and sign-off ---------------------------------------------------


def test_the_team_overrides_with_a_reason_and_withdraws(partner: Partner, team: Actor) -> None:
    override = agreements.override_step(partner, 7, reason=" launch is tonight ", actor=team)
    assert (override.by, override.reason) == (team.user, "launch is tonight")
    event = AuditEvent.objects.get(action="step.overridden")
    assert (event.target, event.detail["reason"], event.ip) == ("step 7", "launch is tonight", "192.0.2.1")

    agreements.withdraw_override(partner, 7, actor=team)

    override.refresh_from_db()
    assert override.withdrawn_by == team.user
    assert audited(partner) == ["step.overridden", "step.override_withdrawn"]
    agreements.override_step(partner, 7, reason="again", actor=team)


def test_nobody_else_overrides(partner: Partner, owner: Actor, team: Actor) -> None:
    gone = Actor(user=UserFactory(is_staff=True, is_active=False))
    for actor in (owner, PROGRAM, Actor(), gone):
        assert refused(agreements.override_step, partner, 3, reason="why", actor=actor) == ["side"]
    agreements.override_step(partner, 3, reason="why", actor=team)
    assert refused(agreements.withdraw_override, partner, 3, actor=owner) == ["side"]


@pytest.mark.parametrize(
    ("number", "reason", "code"),
    [(3, "", "reason"), (3, "  ", "reason"), (3, "a\x00b", "reason"), (3, "x" * 4001, "reason"), (8, "why", "number"),
     (0, "why", "number")],
)  # fmt: skip
def test_an_override_needs_a_step_and_a_reason(
    partner: Partner, team: Actor, number: int, reason: str, code: str
) -> None:
    assert refused(agreements.override_step, partner, number, reason=reason, actor=team) == [code]


def test_an_override_stands_once(partner: Partner, team: Actor) -> None:
    assert refused(agreements.withdraw_override, partner, 2, actor=team) == ["override"]
    agreements.override_step(partner, 2, reason="why", actor=team)
    assert refused(agreements.override_step, partner, 2, reason="why", actor=team) == ["override"]
    agreements.withdraw_override(partner, 2, actor=team)
    assert refused(agreements.withdraw_override, partner, 2, actor=team) == ["override"]


@pytest.mark.django_db(transaction=True)
def test_of_two_overrides_at_once_one_stands() -> None:
    partner = PartnerFactory()
    refusals = []

    def override() -> None:
        try:
            agreements.override_step(partner, 5, reason="why", actor=Actor(user=UserFactory(is_staff=True)))
        except ValidationError as error:
            refusals.append(error.code)

    at_once(override, override, override)

    assert refusals == ["override", "override"]
    assert StepOverride.objects.filter(partner=partner).count() == 1


def test_an_owner_and_the_team_sign_off_once_each(partner: Partner, owner: Actor, team: Actor) -> None:
    for _ in range(2):
        agreements.sign_off(partner, side="partner", actor=owner)
        agreements.sign_off(partner, side="team", actor=team)
    assert SignOff.objects.filter(partner=partner).count() == 2
    assert audited(partner) == ["sign_off.given"] * 2

    agreements.withdraw_sign_off(partner, side="partner", actor=owner)

    assert refused(agreements.withdraw_sign_off, partner, side="partner", actor=owner) == ["sign_off"]
    agreements.sign_off(partner, side="partner", actor=owner)
    assert SignOff.objects.filter(partner=partner, withdrawn_at=None).count() == 2


def test_nobody_else_signs_off(partner: Partner, developer: Actor, owner: Actor, team: Actor) -> None:
    elsewhere = Actor(user=MembershipFactory(role="owner").user)
    wrong = [("partner", developer), ("partner", PROGRAM), ("partner", team), ("partner", elsewhere), ("team", owner)]
    for side, actor in wrong:
        assert refused(agreements.sign_off, partner, side=side, actor=actor) == ["side"]
        assert refused(agreements.withdraw_sign_off, partner, side=side, actor=actor) == ["side"]


# -- Rehearsal and notes ------------------------------------------------------


def test_a_rehearsal_is_open_for_a_day(partner: Partner, developer: Actor) -> None:
    window = agreements.open_rehearsal(partner, actor=developer)

    assert window.closes_at - window.opened_at == dt.timedelta(hours=24)
    assert (window.opened_by, window.earned_at) == (developer.user, None)
    assert audited(partner) == ["rehearsal.opened"]


def test_a_note_mentions_people_of_the_partner_and_of_the_team_alone(
    partner: Partner, developer: Actor, team: Actor
) -> None:
    stranger = MembershipFactory().user
    text = f"@{developer.user.email.upper()}, @{team.user.email}. And @{stranger.email}, @nobody@example.com"

    note = agreements.add_note(partner, 3, text=text, actor=PROGRAM)

    assert set(note.mentioned.all()) == {developer.user, team.user}
    assert (note.author, note.client_id, note.text) == (None, "client-7", text)
    told = Notification.objects.get(partner=partner, kind="note.mention")
    assert set(told.deliveries.values_list("email", flat=True)) == {developer.user.email, team.user.email}
    assert AuditEvent.objects.get(action="note.added").detail == {
        "mentioned": sorted([developer.user.email, team.user.email])
    }


@pytest.mark.parametrize(
    ("number", "text", "code"),
    [(3, " ", "text"), (3, "a\x00", "text"), (3, "x" * 4001, "text"), (9, "hello", "number")],
)
def test_a_note_needs_a_step_and_a_text(partner: Partner, team: Actor, number: int, text: str, code: str) -> None:
    assert refused(agreements.add_note, partner, number, text=text, actor=team) == [code]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE track360_auditevent SET detail = '{}'",
        "DELETE FROM track360_auditevent",
        "TRUNCATE track360_auditevent CASCADE",
    ],
)
def test_nobody_edits_the_trail(partner: Partner, team: Actor, statement: str) -> None:
    agreements.override_step(partner, 7, reason="launch is tonight", actor=team)

    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else a truncation is refused for what waits to be checked
    with pytest.raises(Error, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(statement)

    assert AuditEvent.objects.get(action="step.overridden").detail["reason"] == "launch is tonight"
