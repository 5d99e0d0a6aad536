"""The eight steps as pure functions: facts in, checks out, with the words that a reader gets."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from entities.batch_selectors import Window
from entities.mapping_selectors import Coverage
from integrations.models import DayTotals
from integrations.reconciliation.compare import Cell, Currency, EntityDay
from integrations.reconciliation.compare import State as DayState
from onboarding.evidence import Clients, Connections, Facts, Rehearsal
from onboarding.models import Sample, Scope
from onboarding.steps import BY_NUMBER, PHASES, STEPS, rehearsal_is_earned

NOW = dt.datetime(2026, 3, 15, 12, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)


def scope(*, agreed: bool = True, **patterns: str) -> Scope:
    accepted = NOW if agreed else None
    return Scope(pk=1, patterns=patterns, partner_accepted_at=NOW, team_accepted_at=accepted)


def facts(*, agreed: bool = True, patterns: dict[str, str] | None = None, **known: Any) -> Facts:
    version = scope(agreed=agreed, **(patterns or {"transactions": "push"}))
    return Facts(now=NOW, proposed=version, agreed=version if agreed else None, **known)


def unmet(number: int, known: Facts) -> list[tuple[str, str]]:
    """(reason, who acts) of what is not met."""
    return [(check.reason, check.waiting_for) for check in BY_NUMBER[number].checks(known) if not check.met]


def three(*states: str, stored: int = 0) -> tuple[tuple[EntityDay, ...], ...]:
    """Three days of transactions; where one differs, by 2 records and 150.00 euros. `stored` records on each."""
    lines = [{"currency": "EUR", "type": "deposit", "count": stored, "sum": "5.00"}] if stored else []
    return tuple(
        (
            EntityDay(
                "transactions",
                dt.date(2026, 3, number),
                DayState(state),
                [Currency(Cell("EUR", "", {}, DayState(state), 2, Decimal(150)))] if state == "differs" else [],
                {"stored": DayTotals(lines=lines)},
            ),
        )
        for number, state in enumerate(states, 12)
    )


LIVE: dict[str, Any] = {
    "signed_off": frozenset({"partner", "team"}),
    "arrived": frozenset({("production", "activity", "pull")}),
}
PUSHED = frozenset({("sandbox", "transactions", "push")})
TABLE: list[tuple[int, Facts, list[tuple[str, str]]]] = [
    (1, facts(), []),
    (1, facts(agreed=False), [("Nobody of the integrations team has accepted this version yet.", "team")]),
    (
        1,
        Facts(now=NOW, proposed=scope(agreed=False, customers="push"), agreed=scope(customers="push")),
        [("Nobody of the integrations team has accepted the new version yet.", "team")],
    ),
    (2, facts(clients={"sandbox": Clients(1, NOW)}), []),
    (2, facts(clients={"sandbox": Clients(1)}), [("No token has been fetched with it yet.", "partner")]),
    (
        2,
        facts(clients={"production": Clients(1, NOW)}),
        [("There are no credentials yet.", "partner"), ("That takes a client first.", "partner")],
    ),
    (
        2,
        facts(patterns={"customers": "pull", "activity": "pull"}, clients={"sandbox": Clients(1, NOW)}),
        [("There is no connection yet.", "partner")],
    ),
    (
        2,
        facts(
            patterns={"activity": "pull"},
            connections={"sandbox": Connections(1, on=1), "production": Connections(1, passed=1)},
        ),
        [("None has passed a test as it stands now.", "partner")],
    ),
    (2, facts(patterns={"activity": "pull"}, connections={"sandbox": Connections(2, passed=1)}), []),
    (2, facts(patterns={"activity": "hybrid"}, clients={"sandbox": Clients(1, NOW)}), []),
    (2, facts(patterns={"customers": "pull", "activity": "push"}, clients={"sandbox": Clients(1, NOW)}), []),
    (3, facts(statuses={"status": Coverage(2)}), []),
    (3, facts(), [("None is declared yet.", "partner")]),
    (
        3,
        facts(statuses={"status": Coverage(5, 4, ("a", "b", "c"))}),
        [("4 values have no meaning yet: “a”, “b”, “c”, ….", "partner")],
    ),
    (3, facts(patterns={"activity": "push"}), []),
    (
        3,
        facts(
            patterns={"customers": "push"}, statuses=dict.fromkeys(("kyc_status_id", "sales_status_id"), Coverage(1))
        ),
        [("None is yet.", "partner"), ("That is known once one is registered.", "partner")],
    ),
    (4, facts(), [("No sample has been checked yet.", "partner")]),
    (4, facts(samples={"transactions": Sample(state="done", total=3)}), []),
    (4, facts(samples={"transactions": Sample(state="done")}), [("It holds no record.", "partner")]),
    (
        4,
        facts(samples={"transactions": Sample(state="done", total=1200, invalid=1100)}),
        [("1,100 of its 1,200 records have errors.", "partner")],
    ),
    (5, facts(arrived=PUSHED), []),
    (
        5,
        facts(patterns={"transactions": "hybrid"}, arrived=PUSHED),
        [("No transactions have been taken in from a connection yet.", "partner")],
    ),
    (7, facts(reconciled=three("agrees", "waived", "agrees", stored=1)), []),
    (7, facts(reconciled=three("agrees", "agrees", "agrees")), [("Nothing is stored of these days.", "partner")]),
    (
        7,
        facts(reconciled=three("agrees", "differs", "unsaid", stored=1)),
        [
            ("Transactions: EUR 2 records more and 150.00 more here.", "partner"),
            ("Transactions: no control total yet.", "partner"),
        ],
    ),
    (5, facts(patterns={"transactions": "pull"}, arrived=frozenset({("sandbox", "transactions", "backfill")})), []),
    (
        8,
        facts(signed_off=frozenset({"partner"}), clients={"production": Clients(1)}),
        [
            ("The integrations team has not signed off yet.", "team"),
            ("No record has arrived in production yet.", "partner"),
        ],
    ),
    (8, facts(patterns={"activity": "pull"}, **LIVE, connections={"production": Connections(1, on=1)}), []),
    (
        8,
        facts(patterns={"activity": "pull"}, **LIVE, clients={"production": Clients(1)}),
        [("There is none yet.", "partner")],
    ),
    (
        8,
        facts(
            patterns={"activity": "pull", "customers": "push"},
            **LIVE,
            clients={"production": Clients(1)},
            connections={"production": Connections(1, passed=1)},
        ),
        [("None is switched on.", "partner")],
    ),
    (
        8,
        facts(patterns={"activity": "hybrid"}, **LIVE, connections={"production": Connections(1, on=1)}),
        [("There is none yet.", "partner")],
    ),
]


@pytest.mark.parametrize(("number", "known", "wanted"), TABLE)
def test_each_step_says_what_is_missing_and_who_acts(number: int, known: Facts, wanted: list[tuple[str, str]]) -> None:
    assert unmet(number, known) == wanted


@pytest.mark.parametrize("number", [3, 4, 5, 6])
def test_before_a_scope_is_proposed_everything_counts_as_in_scope_and_nothing_is_met(number: int) -> None:
    known = Facts(
        now=NOW,
        statuses=dict.fromkeys(("kyc_status_id", "sales_status_id", "status"), Coverage(1)),
        affiliates=1,
        samples={entity: Sample(state="done", total=1) for entity in ("customers", "transactions", "activity")},
        arrived=frozenset(("sandbox", entity, "push") for entity in ("customers", "transactions", "activity")),
        rehearsal=Rehearsal(1, NOW - HOUR, NOW + HOUR, NOW, {}),
    )

    assert unmet(number, known) == [("Nothing is proposed yet.", "partner")]


def test_what_was_agreed_counts_while_a_new_version_waits() -> None:
    known = Facts(now=NOW, proposed=scope(agreed=False, customers="push"), agreed=scope(activity="pull"))

    assert known.patterns == {"activity": "pull"}


@pytest.mark.parametrize(
    ("window", "earned"),
    [
        (Window(created=99, updated=1), True),
        (Window(created=99), False),
        (Window(created=98, updated=1), False),
        (Window(created=1, updated=1, unchanged=98), True),
        (Window(created=100, updated=1, late=5), True),
        (Window(created=100, updated=1, late=6), False),
        (Window(created=198, updated=1, refused=2), True),
        (Window(created=197, updated=1, refused=2), False),  # exactly 1 %
        (Window(updated=100), False),
        (Window(), False),
    ],
)
def test_the_limits_of_a_rehearsal(window: Window, earned: bool) -> None:
    rehearsal = Rehearsal(1, NOW - HOUR, NOW + HOUR, None, {"transactions": window})

    assert rehearsal_is_earned(facts(rehearsal=rehearsal)) is earned
    assert (unmet(6, facts(rehearsal=rehearsal)) == []) is earned


def test_a_share_is_cut_and_not_rounded_up_to_what_is_asked() -> None:
    rehearsal = Rehearsal(
        1, NOW - HOUR, NOW + HOUR, None, {"transactions": Window(created=10_000, updated=1, late=501)}
    )

    assert unmet(6, facts(rehearsal=rehearsal)) == [("9,499 of 10,000 came in time (94.9 %).", "partner")]


def test_every_check_that_waits_for_the_partner_leads_somewhere() -> None:
    nothing = Facts(now=NOW)
    for step in STEPS:
        for check in step.checks(nothing):
            assert check.met or check.url_name or check.waiting_for == "team", check


def test_a_met_check_gives_no_reason() -> None:
    assert all(not check.reason for check in BY_NUMBER[1].checks(facts()))


def test_the_list_is_the_contracts() -> None:
    assert [step.number for step in STEPS] == list(range(1, 9))
    assert [phase.days for phase in PHASES] == [1, 3, 2, 5, 7]
    assert [step.phase.number for step in STEPS] == [1, 1, 2, 3, 4, 4, 5, 5]
