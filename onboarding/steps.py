"""The eight steps in order, each with its evidence: this list is the specification (contract, section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Check:
    """One thing that a step asks for. `reason` says why it is not met, and `url_name` with `query` where to mend it.

    `kind` is the environment of that page. It is stored as an object of the same members.
    """

    text: str
    met: bool
    reason: str = ""
    url_name: str = ""
    query: str = ""
    kind: str = "sandbox"
    url_kwargs: Mapping[str, str] = field(default_factory=dict)


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


STEPS = (
    Step(1, "scope", "Scope agreed", PHASES[0], "What is sent, how, by whom: accepted by both sides."),
    Step(2, "credentials", "Credentials in use", PHASES[0], "A sandbox client that has fetched a token."),
    Step(3, "mapping", "Enums and affiliates mapped", PHASES[1], "Every status value and affiliate has a meaning."),
    Step(4, "samples", "Samples valid", PHASES[2], "The newest sample of each entity has no errors."),
    Step(5, "first-data", "First data", PHASES[3], "Each entity has arrived in sandbox in the agreed way."),
    Step(6, "rehearsal", "Rehearsed", PHASES[3], "A window of real traffic: enough, in time, hardly any refused."),
    Step(7, "reconciliation", "Reconciled", PHASES[4], "Counts and sums agree for three days in a row."),
    Step(8, "live", "Live", PHASES[4], "Signed off by both sides, and the first production record is here."),
)
BY_NUMBER = {step.number: step for step in STEPS}
