"""The checklist: judged from rows, written down as it changes, told, and found to be out of date."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction
from django.utils import timezone

from entities.models import StatusMapping
from integrations.models import DayTotals
from integrations.reconciliation.control import put_control_totals
from integrations.reconciliation.waivers import waive
from onboarding import agreements, checklist
from onboarding.checklist import LATE_COMMIT
from onboarding.checks import url_of
from onboarding.models import Notification, Onboarding, RehearsalWindow, Sample, Scope, StepChange, StepState
from onboarding.sample_checks import check_sample
from onboarding.samples import create_sample
from onboarding.tasks import compute_checklists, reconcile
from tests.factories import (
    AffiliateFactory,
    BatchFactory,
    ClientFactory,
    ClientSecretFactory,
    ConnectionFactory,
    CustomerFactory,
    DayTotalsFactory,
    MembershipFactory,
    PartnerFactory,
    SeenStatusFactory,
    StatusMappingFactory,
    TransactionFactory,
    UserFactory,
)
from track360.audit import Actor
from track360.models import Environment, Partner

NOW = timezone.now()
HOUR = dt.timedelta(hours=1)
CONTACTS = [{"name": "Ada", "email": "ada@casino.example"}]


@pytest.fixture
def partner(db: None) -> Partner:
    return PartnerFactory()


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


@pytest.fixture
def team(db: None) -> Actor:
    return Actor(user=UserFactory(is_staff=True))


@pytest.fixture
def owner(partner: Partner) -> Actor:
    return Actor(user=MembershipFactory(partner=partner, role="owner").user)


def agree(partner: Partner, team: Actor, **patterns: str) -> None:
    agreements.propose_scope(
        partner, patterns=patterns, contacts=CONTACTS, time_zone="UTC", history_from=None, actor=Actor(client_id="c")
    )
    agreements.accept_scope(agreements.newest_scope(partner), side="team", actor=team)


def step(partner: Partner, number: int) -> StepState:
    checklist.compute(partner, now=timezone.now())
    return StepState.objects.get(partner=partner, number=number)


def unmet(partner: Partner, number: int) -> list[str]:
    """The reasons of the checks that are not met."""
    return [check["reason"] for check in step(partner, number).evidence if not check["met"]]


def mapped(partner: Partner) -> None:
    StatusMappingFactory(partner=partner, raw_value="ok", canonical_value="approved")
    StatusMappingFactory(partner=partner, field="sales_status_id", raw_value="won", canonical_value="converted")
    AffiliateFactory(partner=partner)


# -- Each step from rows ------------------------------------------------------


def test_a_fresh_partner_has_eight_open_steps_and_begins_with_the_scope(partner: Partner) -> None:
    steps = checklist.steps_for(partner)

    assert [(state.number, state.state) for state in steps] == [(number, "open") for number in range(1, 9)]
    assert checklist.next_step(steps).number == 1
    assert checklist.waiting_for(steps) == "partner"
    assert not StepChange.objects.exists()
    assert not Notification.objects.exists()


def test_the_scope_waits_for_whoever_has_not_accepted_it(partner: Partner, team: Actor) -> None:
    mine = {"patterns": {"customers": "push"}, "contacts": CONTACTS, "time_zone": "UTC", "history_from": None}
    agreements.propose_scope(partner, **mine, actor=Actor(client_id="c"))
    assert step(partner, 1).waiting_for == "team"

    agreements.accept_scope(agreements.newest_scope(partner), side="team", actor=team)
    assert step(partner, 1).state == "met"

    agreements.propose_scope(partner, **mine | {"time_zone": "Europe/Malta"}, actor=team)
    assert (step(partner, 1).state, step(partner, 1).waiting_for) == ("open", "partner")


def test_credentials_count_once_a_token_was_fetched_and_until_they_are_revoked(
    partner: Partner, sandbox: Environment
) -> None:
    client = ClientFactory(environment=sandbox)
    secret = ClientSecretFactory(client=client)
    assert unmet(partner, 2) == ["No token has been fetched with it yet."]

    secret.last_used_at = NOW
    secret.save()
    assert step(partner, 2).state == "met"

    client.revoked_at = NOW
    client.save()
    assert step(partner, 2).state == "open"


def test_what_is_pulled_takes_a_connection_that_passed_and_no_client(
    partner: Partner, sandbox: Environment, team: Actor
) -> None:
    agree(partner, team, customers="pull")
    ConnectionFactory(environment=partner.environments.get(kind="production"), passed_at=NOW)
    assert unmet(partner, 2) == ["There is no connection yet."]
    connection = ConnectionFactory(environment=sandbox, passed_at=None)
    assert unmet(partner, 2) == ["None has passed a test as it stands now."]

    connection.passed_at = NOW
    connection.save()
    assert step(partner, 2).state == "met"

    connection.removed_at = NOW
    connection.save()
    assert (step(partner, 2).state, unmet(partner, 2)) == ("open", ["There is no connection yet."])


def test_what_is_pulled_is_live_by_a_connection_that_is_on(partner: Partner, sandbox: Environment, team: Actor) -> None:
    agree(partner, team, customers="pull")
    ConnectionFactory(environment=sandbox, is_on=True)
    production = partner.environments.get(kind="production")
    BatchFactory(environment=production, entity="customers", door="pull")
    connection = ConnectionFactory(environment=production, is_on=False)
    assert unmet(partner, 8)[2:] == ["None is switched on."]

    connection.is_on = True
    connection.save()
    assert len(unmet(partner, 8)) == 2  # the sign-offs


def test_a_production_client_is_no_sandbox_client(partner: Partner) -> None:
    production = partner.environments.get(kind="production")
    ClientSecretFactory(client=ClientFactory(environment=production), last_used_at=NOW)

    assert step(partner, 2).state == "open"


def test_mapping_is_done_once_every_value_has_a_meaning_and_every_affiliate_a_name(
    partner: Partner, sandbox: Environment, team: Actor
) -> None:
    agree(partner, team, customers="push")
    mapped(partner)
    assert step(partner, 3).state == "met"

    SeenStatusFactory(environment=sandbox, raw_value="vip?")
    SeenStatusFactory(environment=partner.environments.get(kind="production"), raw_value="hm")
    assert unmet(partner, 3) == ["2 values have no meaning yet: “hm”, “vip?”."]
    StatusMappingFactory(partner=partner, raw_value="vip?")
    StatusMappingFactory(partner=partner, raw_value="hm", canonical_value=None)
    assert unmet(partner, 3) == ["1 value has no meaning yet: “hm”."]
    StatusMapping.objects.filter(raw_value="hm").update(canonical_value="pending")

    CustomerFactory(environment=sandbox, affiliate_id="aff_977")
    assert unmet(partner, 3) == ["1 id was seen that is not registered: “aff_977”."]
    AffiliateFactory(partner=partner, affiliate_id="aff_977")
    assert step(partner, 3).state == "met"
    SeenStatusFactory(environment=sandbox, field="status", raw_value="?")  # transactions are not in scope
    assert step(partner, 3).state == "met"


def test_the_newest_sample_counts_and_a_lesson_does_not(partner: Partner, sandbox: Environment, team: Actor) -> None:
    agree(partner, team, customers="push", activity="push")
    sample(sandbox, "customers")
    sample(sandbox, "activity", minutes=1)
    assert step(partner, 4).state == "met"

    sample(sandbox, "activity", minutes=2, invalid=1)
    assert unmet(partner, 4) == ["1 of its 2 records have errors."]
    sample(sandbox, "activity", minutes=3, state="unreadable", problem="It is a zip file.")
    assert unmet(partner, 4) == ["It could not be read. It is a zip file."]
    sample(sandbox, "activity", minutes=4)
    sample(sandbox, "activity", minutes=5, invalid=2, origin="lesson")
    sample(sandbox, "activity", minutes=6, invalid=2, state="checking")
    sample(partner.environments.get(kind="production"), "activity", minutes=7, invalid=2)
    assert step(partner, 4).state == "met"


def sample(environment: Environment, entity: str, *, minutes: int = 0, **fields: object) -> Sample:
    at = NOW + dt.timedelta(minutes=minutes)
    values = {"origin": "paste", "format": "json", "size": 2, "body": b"", "state": "done", "total": 2}
    return Sample.objects.create(
        environment=environment, entity=entity, created_at=at, finished_at=at, **values | fields
    )


@pytest.mark.parametrize(
    ("pattern", "doors", "state"),
    [
        ("push", ["push"], "met"),
        ("push", ["pull"], "open"),
        ("pull", ["pull"], "met"),
        ("pull", ["push"], "open"),
        ("hybrid", ["push"], "open"),
        ("hybrid", ["push", "pull"], "met"),
        ("hybrid", ["pull", "backfill"], "open"),
        ("pull", ["backfill"], "met"),
        ("push", ["sample", "replay", "backfill"], "open"),
    ],
)
def test_first_data_comes_through_the_agreed_door(
    partner: Partner, sandbox: Environment, team: Actor, pattern: str, doors: list[str], state: str
) -> None:
    agree(partner, team, transactions=pattern)
    for door in doors:
        BatchFactory(environment=sandbox, door=door)

    assert step(partner, 5).state == state


def test_refused_records_and_those_of_production_are_no_first_data(
    partner: Partner, sandbox: Environment, team: Actor
) -> None:
    agree(partner, team, transactions="push")
    BatchFactory(environment=sandbox, refused=True, received=9, created=0, rejected=1)
    BatchFactory(environment=sandbox, received=2, created=0, rejected=2)
    BatchFactory(environment=partner.environments.get(kind="production"))

    assert unmet(partner, 5) == ["No transactions have been taken in by push yet."]


def rehearse(sandbox: Environment, **counts: int) -> None:
    BatchFactory(environment=sandbox, **{"received": sum(counts.values()), "created": 0} | counts)


def test_a_rehearsal_is_earned_with_its_figures_and_stays_so_until_another_one(
    partner: Partner, sandbox: Environment, team: Actor, owner: Actor
) -> None:
    agree(partner, team, transactions="push")
    rehearse(sandbox, created=500, updated=1)  # before the window
    agreements.open_rehearsal(partner, actor=owner)
    rehearse(sandbox, created=41)
    assert "41 of 100 transactions so far." in unmet(partner, 6)
    rehearse(sandbox, created=59, updated=1)

    assert step(partner, 6).state == "met"
    window = RehearsalWindow.objects.get(partner=partner)
    assert window.result["transactions"] == {"created": 100, "updated": 1, "unchanged": 0, "refused": 0, "late": 0}
    rehearse(sandbox, rejected=500)
    assert step(partner, 6).state == "met"

    agreements.open_rehearsal(partner, actor=owner)
    assert step(partner, 6).state == "open"
    assert StepChange.objects.filter(partner=partner, number=6, after="open").count() == 1


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        ({"created": 60, "updated": 39}, "99 of 100 transactions so far."),
        ({"created": 120}, "None of the transactions has been updated so far."),
        ({"created": 100, "updated": 1, "late": 6}, "94 of 100 came in time (94.0 %)."),
        ({"created": 99, "updated": 1, "rejected": 2}, "2 of 102 were refused (1.9 %)."),
        ({"updated": 100}, "No new transactions have come so far."),
    ],
)
def test_a_rehearsal_says_what_it_lacks(
    partner: Partner, sandbox: Environment, team: Actor, owner: Actor, counts: dict[str, int], reason: str
) -> None:
    agree(partner, team, transactions="push")
    agreements.open_rehearsal(partner, actor=owner)
    rehearse(sandbox, **counts)

    assert unmet(partner, 6) == [reason]


def test_at_the_very_limits_a_rehearsal_is_earned(
    partner: Partner, sandbox: Environment, team: Actor, owner: Actor
) -> None:
    agree(partner, team, transactions="push")
    agreements.open_rehearsal(partner, actor=owner)
    rehearse(sandbox, created=100, updated=1, rejected=1)
    BatchFactory(environment=sandbox, received=0, created=0, late=5)

    assert step(partner, 6).state == "met"


def test_a_window_that_closed_says_so_and_still_counts_what_came_in_time(
    partner: Partner, sandbox: Environment, team: Actor
) -> None:
    agree(partner, team, transactions="push")
    window = RehearsalWindow.objects.create(
        partner=partner, opened_at=NOW - 30 * HOUR, closes_at=dt.datetime(2026, 1, 2, 3, 4, tzinfo=dt.UTC)
    )
    assert "It closed at 2026-01-02 03:04 UTC. Open another one." in unmet(partner, 6)

    window.closes_at = NOW - 6 * HOUR
    window.save()
    BatchFactory(environment=sandbox, started_at=NOW - 5 * HOUR, received=101, created=100, updated=1)
    assert step(partner, 6).state == "open"
    BatchFactory(environment=sandbox, started_at=NOW - 7 * HOUR, received=101, created=100, updated=1)
    assert step(partner, 6).state == "met"


LAST = NOW.astimezone(ZoneInfo("Europe/Malta")).date() - dt.timedelta(days=1)
EURO = [{"currency": "EUR", "type": "deposit", "count": 1, "sum": "5.00"}]


def said(environment: Environment, back: int, lines: list[Any], *, entity: str = "transactions", side: str = "partner"):
    day = LAST - dt.timedelta(days=back)
    return DayTotalsFactory(
        environment=environment, day=day, entity=entity, side=side, lines=lines, time_zone="Europe/Malta"
    )


@pytest.fixture
def in_malta(partner: Partner, sandbox: Environment, team: Actor) -> Environment:
    """Transactions are agreed, and three days of them agree, the oldest with a record."""
    agree(partner, team, transactions="push")
    Scope.objects.update(time_zone="Europe/Malta")
    for back in (1, 2, 3):
        said(sandbox, back, EURO if back == 3 else [])
    said(sandbox, 3, EURO, side="stored")
    return sandbox


def test_step_7_is_met_by_three_days_in_a_row_one_of_them_not_empty(partner: Partner, in_malta: Environment) -> None:
    assert step(partner, 7).state == "met"

    said(in_malta, 3, [])
    said(in_malta, 3, [], side="stored")
    assert unmet(partner, 7) == ["Nothing is stored of these days."]


def test_a_day_that_differs_is_named_with_what_differs_and_a_waiver_counts(
    partner: Partner, in_malta: Environment
) -> None:
    said(in_malta, 2, EURO)
    day = LAST - dt.timedelta(days=2)
    (reason,) = unmet(partner, 7)
    assert reason == "Transactions: EUR 1 record fewer and 5.00 less here."
    (check,) = [check for check in step(partner, 7).evidence if not check["met"]]
    assert url_of(check, partner) == f"/p/{partner.slug}/sandbox/reconciliation/{day}/"
    assert step(partner, 7).waiting_for == "partner"

    waive(
        in_malta,
        "transactions",
        day,
        currency="EUR",
        type="",
        reason="A test.",
        time_zone="Europe/Malta",
        actor=Actor(client_id="c"),
    )
    assert step(partner, 7).state == "met"


def test_days_that_do_not_count_towards_step_7(partner: Partner, in_malta: Environment) -> None:
    row = said(in_malta, 2, [])
    for alteration in ({"at": NOW - dt.timedelta(days=9)}, {"at": NOW, "time_zone": "UTC"}):
        DayTotals.objects.filter(pk=row.pk).update(**alteration)
        assert unmet(partner, 7) == [
            "Transactions: the control total was given before the day was over, or for another time zone."
        ]


def test_every_entity_in_scope_has_to_agree(partner: Partner, in_malta: Environment, team: Actor) -> None:
    agree(partner, team, transactions="push", customers="push")
    Scope.objects.update(time_zone="Europe/Malta")

    assert unmet(partner, 7)[:1] == ["Customers: no control total yet."]


def agreed(sandbox: Environment, *days_back: int) -> None:
    for back in days_back:
        said(sandbox, back, EURO)
        said(sandbox, back, EURO, side="stored")


def test_what_was_earned_stands_when_the_partner_says_nothing_for_months(
    partner: Partner, sandbox: Environment, team: Actor
) -> None:
    agree(partner, team, transactions="push")
    agreed(sandbox, 200, 201, 202)
    Scope.objects.update(time_zone="Europe/Malta")

    assert step(partner, 7).state == "met"


def test_three_days_that_agreed_weeks_ago_count_while_the_newest_differ(
    partner: Partner, sandbox: Environment, team: Actor
) -> None:
    agree(partner, team, transactions="push")
    agreed(sandbox, 30, 31, 32)
    said(sandbox, 0, EURO)
    Scope.objects.update(time_zone="Europe/Malta")

    assert step(partner, 7).state == "met"


def test_a_control_total_over_the_api_lets_the_checklist_be_judged_anew(
    partner: Partner, in_malta: Environment
) -> None:
    checklist.compute(partner, now=timezone.now())
    late = timezone.now() + dt.timedelta(minutes=2)
    Onboarding.objects.filter(partner=partner).update(computed_at=late)
    assert checklist.changed_partners(now=late, rested_before=late) == []

    put_control_totals(
        in_malta,
        "transactions",
        LAST,
        [],
        origin=DayTotals.Origin.API,
        time_zone="Europe/Malta",
        actor=Actor(client_id="c"),
    )
    Onboarding.objects.filter(partner=partner).update(computed_at=timezone.now())

    assert checklist.changed_partners(now=late, rested_before=late) == [partner.pk]


@pytest.mark.django_db(transaction=True)
def test_totals_that_are_counted_anew_let_the_checklist_be_judged_anew(partner: Partner, in_malta: Environment) -> None:
    checklist.compute(partner, now=timezone.now())
    moment = dt.datetime.combine(LAST - dt.timedelta(days=1), dt.time(12), dt.UTC)
    TransactionFactory(environment=in_malta, transaction_date=moment, updated_at=timezone.now())

    reconcile()

    assert Onboarding.objects.get(partner=partner).computed_at is None
    assert "more here" in unmet(partner, 7)[0]


def test_live_takes_both_sign_offs_a_production_client_and_a_record(
    partner: Partner, owner: Actor, team: Actor
) -> None:
    production = partner.environments.get(kind="production")
    agreements.sign_off(partner, side="partner", actor=owner)
    assert step(partner, 8).waiting_for == "team"
    agreements.sign_off(partner, side="team", actor=team)
    assert step(partner, 8).waiting_for == "partner"
    ClientFactory(environment=production)
    assert unmet(partner, 8) == ["No record has arrived in production yet."]
    BatchFactory(environment=production)
    assert step(partner, 8).state == "met"

    agreements.withdraw_sign_off(partner, side="partner", actor=owner)
    assert unmet(partner, 8) == ["An owner of the partner has not signed off yet."]


# -- Changes ------------------------------------------------------------------


def test_a_step_turns_green_and_back_in_the_history_with_its_reasons_and_is_told(
    partner: Partner, sandbox: Environment
) -> None:
    MembershipFactory(partner=partner, role="owner")
    secret = ClientSecretFactory(client=ClientFactory(environment=sandbox), last_used_at=NOW)
    first = step(partner, 2).first_met_at
    step(partner, 2)  # nothing changed
    secret.last_used_at = None
    secret.save()
    step(partner, 2)

    changes = StepChange.objects.filter(partner=partner).order_by("at", "id")
    assert [(change.number, change.before, change.after) for change in changes] == [
        (2, "open", "met"),
        (2, "met", "open"),
    ]
    assert changes[0].reason == "A sandbox client exists; A client has fetched a token."
    assert changes[1].reason == "A client has fetched a token: No token has been fetched with it yet."
    told = Notification.objects.filter(partner=partner).order_by("at")
    assert [(notice.kind, notice.subject, notice.text) for notice in told] == [
        ("step.green", "step 2", changes[0].reason),
        ("step.back", "step 2", changes[1].reason),
    ]
    assert step(partner, 2).first_met_at == first


def test_an_override_makes_a_step_green_until_it_is_withdrawn_and_evidence_goes_before_it(
    partner: Partner, sandbox: Environment, team: Actor
) -> None:
    agreements.override_step(partner, 2, reason="they test on site", actor=team)
    state = step(partner, 2)
    assert (state.state, state.waiting_for) == ("overridden", "nobody")
    assert unmet(partner, 2)  # what is not met is still said
    ClientSecretFactory(client=ClientFactory(environment=sandbox), last_used_at=NOW)
    assert step(partner, 2).state == "met"
    assert Notification.objects.filter(partner=partner).count() == 1  # green it was, and is

    agreements.override_step(partner, 7, reason="they test on site", actor=team)
    assert step(partner, 7).state == "overridden"
    agreements.withdraw_override(partner, 7, actor=team)
    assert step(partner, 7).state == "open"


def test_an_unchanged_checklist_writes_no_states(partner: Partner) -> None:
    noon = NOW.replace(hour=12)  # so that both are of one day
    checklist.compute(partner, now=noon)
    before = list(StepState.objects.filter(partner=partner).order_by("pk").values())
    with connection.execute_wrapper(_no_write_of_states):
        checklist.compute(partner, now=noon + HOUR)
    assert list(StepState.objects.filter(partner=partner).order_by("pk").values()) == before


def _no_write_of_states(execute, sql, params, many, context):
    assert not (sql.startswith(("UPDATE", "INSERT")) and "onboarding_stepstate" in sql), sql
    return execute(sql, params, many, context)


@pytest.mark.django_db(transaction=True)
def test_computed_by_many_at_once_a_change_is_written_and_told_once() -> None:
    partner = PartnerFactory()
    sandbox = partner.environments.get(kind="sandbox")
    MembershipFactory(partner=partner, role="owner")
    ClientSecretFactory(client=ClientFactory(environment=sandbox), last_used_at=NOW)

    def compute(_: int) -> None:
        try:
            checklist.compute(partner, now=timezone.now())
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(compute, range(8)))

    assert StepState.objects.filter(partner=partner).count() == 8
    assert StepChange.objects.filter(partner=partner).count() == 1
    assert Notification.objects.filter(partner=partner).count() == 1


# -- Out of date --------------------------------------------------------------


def changed(partner: Partner, now: dt.datetime) -> bool:
    return partner.pk in checklist.changed_partners(now=now, rested_before=now)


def computed(partner: Partner, at: dt.datetime) -> None:
    checklist.compute(partner, now=at)


@pytest.mark.parametrize("what", ["audit", "batch", "token", "sample", "commits late"])
def test_what_came_since_makes_a_checklist_out_of_date(
    partner: Partner, sandbox: Environment, team: Actor, what: str
) -> None:
    secret = ClientSecretFactory(client=ClientFactory(environment=sandbox))
    last = NOW - HOUR / 10
    computed(partner, last)
    assert not changed(partner, NOW)
    if what == "audit":
        agreements.add_note(partner, 1, text="hello", actor=team)
    elif what == "batch":
        BatchFactory(environment=sandbox, started_at=NOW)
    elif what == "token":
        secret.last_used_at = NOW
        secret.save()
    elif what == "sample":
        sample(sandbox, "customers")
    else:
        BatchFactory(environment=sandbox, started_at=last - dt.timedelta(seconds=50))

    assert changed(partner, NOW)


def test_another_partners_doings_do_not(partner: Partner, team: Actor) -> None:
    computed(partner, NOW - HOUR / 10)
    other = PartnerFactory()
    BatchFactory(environment=other.environments.get(kind="sandbox"))
    agreements.add_note(other, 1, text="hello", actor=team)

    assert not changed(partner, NOW)


def test_time_alone_makes_a_checklist_out_of_date(partner: Partner, owner: Actor) -> None:
    computed(partner, NOW)
    assert changed(partner, NOW + dt.timedelta(minutes=11))
    window = agreements.open_rehearsal(partner, actor=owner)
    computed(partner, window.closes_at - dt.timedelta(minutes=2))

    assert not changed(partner, window.closes_at - dt.timedelta(seconds=1))
    assert changed(partner, window.closes_at)


def test_a_closed_partner_is_judged_once_for_the_team_to_read(partner: Partner) -> None:
    partner.status = Partner.Status.CLOSED
    partner.save()

    assert len(checklist.steps_for(partner)) == 8
    assert not changed(partner, timezone.now() + HOUR)


def test_a_page_shows_what_was_judged_within_the_minute_but_at_once_what_a_person_did(
    partner: Partner, sandbox: Environment, team: Actor
) -> None:
    judged = timezone.now() - checklist.LATE_COMMIT / 2
    computed(partner, judged)

    def judged_at() -> dt.datetime | None:
        checklist.steps_for(partner, rests=checklist.RIGHT_WITHIN)
        return Onboarding.objects.get(partner=partner).computed_at

    BatchFactory(environment=sandbox, started_at=timezone.now())
    assert judged_at() == judged
    Onboarding.objects.filter(partner=partner).update(computed_at=judged - checklist.RIGHT_WITHIN)
    assert (judged_at() or judged) > judged

    Onboarding.objects.filter(partner=partner).update(computed_at=judged)
    agreements.add_note(partner, 1, text="hello", actor=team)
    assert (judged_at() or judged) > judged


@pytest.mark.django_db(transaction=True)
def test_who_acts_has_the_steps_judged_and_a_page_only_reads_them(django_assert_num_queries: Any) -> None:
    partner = PartnerFactory()
    sandbox = partner.environments.get(kind="sandbox")

    agree(partner, Actor(user=UserFactory(is_staff=True)), customers="push")
    sample = create_sample(
        sandbox, entity="customers", payload=b'[{"customer_id": "c"}]', origin="paste", actor=Actor(client_id="c")
    )
    check_sample(sample.pk)

    judged = list(StepState.objects.filter(partner=partner).order_by("number").values_list("state", flat=True))
    evidence = StepState.objects.get(partner=partner, number=4).evidence
    assert judged == ["met"] + ["open"] * 7
    assert evidence[0]["reason"] == "1 of its 1 records have errors."
    with django_assert_num_queries(1):
        found = checklist.steps_for(partner, rests=checklist.RIGHT_WITHIN)
    assert [step.state for step in found] == judged


@pytest.mark.django_db(transaction=True)
def test_an_act_counts_that_is_committed_after_the_judging_though_it_began_before() -> None:
    partner = PartnerFactory()
    team = Actor(user=UserFactory(is_staff=True))
    agreements.propose_scope(
        partner,
        patterns={"customers": "push"},
        contacts=CONTACTS,
        time_zone="UTC",
        history_from=None,
        actor=Actor(client_id="c"),
    )
    with transaction.atomic():
        agreements.accept_scope(agreements.newest_scope(partner), side="team", actor=team)
        Onboarding.objects.filter(partner=partner).update(computed_at=timezone.now() + LATE_COMMIT / 2)

    assert StepState.objects.get(partner=partner, number=1).state == "met"


@pytest.mark.django_db(transaction=True)
def test_an_act_stands_where_its_steps_cannot_be_judged(caplog: pytest.LogCaptureFixture) -> None:
    partner = PartnerFactory()
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE onboarding_stepstate RENAME TO hidden")
        try:
            agree(partner, Actor(user=UserFactory(is_staff=True)), customers="push")
        finally:
            cursor.execute("ALTER TABLE hidden RENAME TO onboarding_stepstate")

    assert agreements.newest_scope(partner) is not None
    assert "on_commit" in caplog.text


def test_the_worker_lets_a_busy_partner_rest_and_leaves_a_closed_one(partner: Partner, sandbox: Environment) -> None:
    computed(partner, NOW)
    BatchFactory(environment=sandbox, started_at=NOW)

    def due(seconds: int) -> bool:
        now = NOW + dt.timedelta(seconds=seconds)
        return partner.pk in checklist.changed_partners(now=now, rested_before=now - dt.timedelta(seconds=30))

    assert (due(20), due(40)) == (False, True)
    partner.status = Partner.Status.CLOSED
    partner.save()
    assert not due(40)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("table", ["entities_statusmapping", "entities_affiliate"])
def test_a_row_deleted_by_hand_turns_step_3_back_at_the_workers_next_round(table: str) -> None:
    partner = PartnerFactory()
    agree(partner, Actor(user=UserFactory(is_staff=True)), customers="push")
    mapped(partner)
    compute_checklists()
    Onboarding.objects.update(computed_at=timezone.now() + HOUR / 2)  # as if nothing had come for long
    assert StepState.objects.get(partner=partner, number=3).state == "met"

    with connection.cursor() as cursor:
        cursor.execute(f"DELETE FROM {table} WHERE partner_id = %s", [partner.pk])
    compute_checklists()

    assert StepState.objects.get(partner=partner, number=3).state == "open"


# -- Plan and figures ---------------------------------------------------------


def test_the_plan_runs_from_the_partners_first_day_and_the_longest_lengths_count(partner: Partner) -> None:
    partner.created_at = NOW - dt.timedelta(days=6)
    partner.save()
    checklist.compute(partner, now=NOW)
    met = NOW - dt.timedelta(days=4)
    StepState.objects.filter(partner=partner, number__in=(1, 2)).update(first_met_at=met, state="met")

    phases = checklist.phases_for(partner)

    assert [(phase.due_at - partner.created_at).days for phase in phases] == [1, 4, 6, 11, 18]
    assert [phase.state for phase in phases] == ["done", "current", "ahead", "ahead", "ahead"]
    assert [phase.actual_days for phase in phases] == [2.0, 4.0, 0.0, 0.0, 0.0]
    assert [phase.days_over for phase in phases[:2]] == [1.0, 1.0]
    assert checklist.days_over_plan(phases, now=NOW) == 2


def test_a_step_that_turned_back_is_not_late_again(partner: Partner) -> None:
    partner.created_at = NOW - dt.timedelta(days=100)
    partner.save()
    checklist.compute(partner, now=NOW)
    StepState.objects.filter(partner=partner).update(first_met_at=NOW - dt.timedelta(days=90), state="met")
    StepState.objects.filter(partner=partner, number=3).update(state="open")

    phases = checklist.phases_for(partner)

    assert [phase.state for phase in phases] == ["done", "back", "done", "done", "done"]
    assert checklist.days_over_plan(phases, now=NOW) == 0


def test_the_boards_figures_are_counted_in_the_same_pass(partner: Partner, sandbox: Environment) -> None:
    partner.created_at = NOW - dt.timedelta(days=6)
    partner.save()
    production = partner.environments.get(kind="production")
    BatchFactory(environment=sandbox, started_at=NOW - HOUR, received=10, created=7, rejected=3)
    BatchFactory(environment=production, started_at=NOW - 2 * HOUR, received=5, created=5)
    BatchFactory(environment=production, started_at=NOW - 25 * HOUR, received=5, created=5)
    SeenStatusFactory(environment=sandbox, raw_value="vip?")
    AffiliateFactory(partner=partner, affiliate_id="other")
    CustomerFactory(environment=sandbox)
    CustomerFactory(environment=production)
    client = ClientFactory(environment=production)
    ClientSecretFactory(client=client, expires_at=NOW + dt.timedelta(days=6))
    ClientSecretFactory(client=client, expires_at=NOW + dt.timedelta(days=8))

    checklist.compute(partner, now=NOW)

    assert Onboarding.objects.get(partner=partner).figures == {
        "last_traffic_at": (NOW - HOUR).isoformat().replace("+00:00", "Z"),
        "received_24h": 15,
        "refused_24h": 3,
        "unmapped": 1,
        "unknown_affiliates": 1,
        "secrets_expiring": 1,
        "days_over_plan": 5,
        "phase": 1,
        "done": 0,
        "next_step": 1,
        "waiting_for": "partner",
    }


def test_every_link_leads_to_a_page_of_the_partner_or_nowhere(partner: Partner) -> None:
    for state in checklist.steps_for(partner):
        for check in state.evidence:
            url = url_of(check, partner)
            assert not url or url.startswith(f"/p/{partner.slug}/{check['kind']}/")
