"""The eight steps in order, each with its evidence: this list is the specification (contract, section 7)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from onboarding.checks import Check
from onboarding.evidence import Facts
from onboarding.evidence_before_data import (
    Checks,
    credentials_in_use,
    enums_and_affiliates_mapped,
    samples_valid,
    scope_agreed,
)
from onboarding.evidence_of_data import first_data, live, reconciled, rehearsed, rehearsed_for


@dataclass(frozen=True)
class Phase:
    """A phase of the guide; `days` is its length: planned, the longest that the guide gives."""

    number: int
    name: str
    days: int


PHASES = (
    Phase(1, "Kick-off", 1),
    Phase(2, "Mapping", 3),
    Phase(3, "Samples", 2),
    Phase(4, "Build", 5),
    Phase(5, "Go-live", 7),
)


@dataclass(frozen=True)
class Step:
    number: int
    slug: str
    name: str
    phase: Phase
    summary: str
    evidence: Callable[[Facts], Checks]

    def checks(self, facts: Facts) -> list[Check]:
        """What the step asks for, in order; a reason stands only where it is not met."""
        return [replace(check, reason="") if check.met else check for check in self.evidence(facts)]


STEPS = (
    Step(1, "scope", "Scope agreed", PHASES[0], "What is sent, how, by whom: accepted by both sides.", scope_agreed),
    Step(
        2,
        "credentials",
        "Credentials in use",
        PHASES[0],
        "A sandbox client that has fetched a token, or a connection that passed its test.",
        credentials_in_use,
    ),
    Step(
        3,
        "mapping",
        "Enums and affiliates mapped",
        PHASES[1],
        "Every status value and affiliate has a meaning.",
        enums_and_affiliates_mapped,
    ),
    Step(4, "samples", "Samples valid", PHASES[2], "The newest sample of each entity has no errors.", samples_valid),
    Step(5, "first-data", "First data", PHASES[3], "Each entity has arrived in sandbox in the agreed way.", first_data),
    Step(
        6,
        "rehearsal",
        "Rehearsed",
        PHASES[3],
        "A window of real traffic: enough, in time, hardly any refused.",
        rehearsed,
    ),
    Step(7, "reconciliation", "Reconciled", PHASES[4], "Counts and sums agree for three days in a row.", reconciled),
    Step(8, "live", "Live", PHASES[4], "Signed off by both sides, and the first production record is here.", live),
)
BY_NUMBER = {step.number: step for step in STEPS}


def rehearsal_is_earned(facts: Facts) -> bool:
    """Whether what came in the newest window is enough, be it open still or not."""
    rehearsal = facts.rehearsal
    if facts.proposed is None or rehearsal is None or rehearsal.earned_at is not None:
        return False
    return all(
        check.met
        for entity, pattern in facts.patterns.items()
        for check in rehearsed_for(entity, rehearsal, pattern=pattern)
    )
