"""How the checklist's pages say what the rows say: sentences, looks, links, and whose turn it is."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from entities.addresses import portal_url
from onboarding.agreements import OVERRIDABLE
from onboarding.checklist import PhaseProgress, next_step, planned
from onboarding.checks import Check, url_of
from onboarding.models import StepOverride, StepState
from onboarding.models.checklist import Side
from onboarding.steps import BY_NUMBER, STEPS, Step
from track360.access import MANAGERS, STAFF_ROLE
from track360.charts import PhaseChart, PhaseDays, days_by_phase
from track360.htmx import PortalRequest

State = StepState.State
TEAM_NAME = "the integrations team"

# Why a step is asked for, for somebody who meets it the first time.
WHY = {
    1: "Everything after this is judged by what is agreed here: which entities you send, how each of them travels, "
    "whom to call, and at which midnight your day begins.",
    2: "Credentials are how your programs sign in. Each program gets its own, so that one can be shut out without "
    "stopping the others; a fetched token proves that they work. Where everything is pulled it is we who sign in, and "
    "a connection that passed its test proves that we can.",
    3: "Your platform has its own words for a customer's state. They are stored as you send them; the mapping says "
    "what each of them means, so that reports count the right thing.",
    4: "A sample goes through the very checks that live data goes through, and nothing is stored. What would be "
    "refused shows here, line by line, before any program is written.",
    5: "The first real records of each entity, in sandbox, by the way that was agreed: your programs reach us or ours "
    "reach you, and what comes is taken in.",
    6: "A day of traffic as it will be: enough of it, corrected where it changes, on time, and hardly anything "
    "refused. What holds here holds in production.",
    7: "Your figures and ours, day by day and currency by currency. Three complete days that agree in a row show that "
    "nothing is lost and nothing is counted twice.",
    8: "Both sides say yes, production credentials are made or a production connection is on, and the first production "
    "record arrives.",
}
# What the page of a check is called on a button.
ACTIONS = {
    "checklist-scope": "Open the scope",
    "checklist-rehearsal": "Go to the rehearsal",
    "checklist-step": "Go to the sign-off",
    "client-new": "Create credentials",
    "client-list": "Open credentials",
    "connection-list": "Open connections",
    "mapping-list": "Map values",
    "affiliate-list": "Open affiliates",
    "sample-new": "Try a sample",
    "sample-detail": "See the faults",
    "customer-list": "See customers",
    "transaction-list": "See transactions",
    "activity-list": "See activity",
    "quarantine-list": "See why",
    "reconciliation": "Open reconciliation",
    "reconciliation-day": "Open the day",
    "overview": "Open production",
}
NOT_FOR_VIEWERS = frozenset({"client-new", "sample-new"})


@dataclass(frozen=True)
class CheckRow:
    """One check as it is shown: `url` is where it is mended, for whoever may open that page."""

    text: str
    met: bool
    reason: str
    figure: str
    percent: int | None
    group: str
    url: str
    action: str
    todo: str
    waiting_for: str
    whose_turn: str


@dataclass(frozen=True)
class StepRow:
    """One step as it is shown. `late` is how long its phase is over plan, where it is."""

    step: Step
    state: StepState
    url: str
    checks: list[CheckRow]
    is_next: bool
    whose_turn: str
    due_at: dt.datetime
    late: dt.timedelta | None
    override: StepOverride | None
    notes: int

    @property
    def done(self) -> bool:
        return self.state.state in StepState.GREEN

    @property
    def turned_back(self) -> bool:
        return self.state.state == State.OPEN and self.state.first_met_at is not None

    @property
    def met(self) -> int:
        return sum(check.met for check in self.checks)

    @property
    def counted(self) -> str:
        return f"{self.met} of {len(self.checks)} {'check' if len(self.checks) == 1 else 'checks'} met"

    @property
    def todo(self) -> str:
        return self.first_unmet.todo if self.first_unmet else ""

    @property
    def first_unmet(self) -> CheckRow | None:
        return next((check for check in self.checks if not check.met), None)

    @property
    def look(self) -> tuple[str, str, str]:
        """Of its badge: icon, word, tone."""
        if self.state.state == State.MET:
            return "check-circle", "Done", "success"
        if self.state.state == State.OVERRIDDEN:
            return "lock", "Overridden", "info"
        if self.turned_back:
            return "warning", "Turned back", "warning"
        return ("running", "In progress", "info") if self.is_next else ("circle", "Open", "neutral")


@dataclass(frozen=True)
class PhaseRow:
    progress: PhaseProgress
    steps: list[StepRow]

    @property
    def days(self) -> str:
        """`planned 3 days, took 2.1`."""
        plan = f"planned {_days(self.progress.phase.days)}"
        if self.progress.begun_at is None:
            return plan
        return f"{plan}, {'took' if self.progress.ended_at else 'so far'} {self.progress.actual_days:g}"

    @property
    def over(self) -> str:
        """`1.1 days over plan`, once it is."""
        over = self.progress.days_over
        return f"{over:g} {'day' if over == 1 else 'days'} over plan" if self.progress.begun_at and over > 0 else ""


@dataclass(frozen=True)
class Walk:
    """The whole checklist as one person sees it."""

    phases: list[PhaseRow]
    sentence: str
    next_row: StepRow | None
    action: tuple[str, str]  # address and words of the one button; empty where nothing is left

    @property
    def rows(self) -> list[StepRow]:
        return [row for phase in self.phases for row in phase.steps]

    @property
    def missing(self) -> list[int]:
        """The numbers of the steps that stand before production and are open."""
        return [row.step.number for row in self.rows if row.step.number in OVERRIDABLE and not row.done]

    @property
    def chart(self) -> PhaseChart:
        return plan_chart([phase.progress for phase in self.phases])


def walk_for(
    request: PortalRequest,
    steps: Sequence[StepState],
    *,
    now: dt.datetime,
    overrides: Mapping[int, StepOverride] | None = None,
    notes: Mapping[int, int] | None = None,
) -> Walk:
    """`overrides` and `notes` (how many) are by step number."""
    phases = planned(steps[0].partner.onboarding.started_at, steps, now=now)
    following = next_step(steps)
    states = {state.number: state for state in steps}
    shown = []
    for progress in phases:
        mine = [states[step.number] for step in STEPS if step.phase == progress.phase]
        rows = [
            replace(
                _row(request, state, progress, is_next=state == following, now=now),
                override=(overrides or {}).get(state.number),
                notes=(notes or {}).get(state.number, 0),
            )
            for state in mine
        ]
        shown.append(PhaseRow(progress, rows))
    every = [row for phase in shown for row in phase.steps]
    next_row = next((row for row in every if row.is_next), None)
    meanwhile = _meanwhile(request, every, next_row)
    acting = meanwhile or next_row
    return Walk(
        phases=shown,
        sentence=_sentence(request, sum(row.done for row in every), next_row, meanwhile),
        next_row=next_row,
        action=action_of(acting) if acting else ("", ""),
    )


def _row(
    request: PortalRequest, state: StepState, progress: PhaseProgress, *, is_next: bool, now: dt.datetime
) -> StepRow:
    over = now - progress.due_at
    return StepRow(
        step=BY_NUMBER[state.number],
        state=state,
        url=portal_url(request, "checklist-step", state.number),
        checks=[_check(request, check) for check in state.evidence],
        is_next=is_next,
        whose_turn=who(request, state.waiting_for),
        due_at=progress.due_at,
        late=over if _is_late(state) and over > dt.timedelta() else None,
        override=None,
        notes=0,
    )


def _is_late(state: StepState) -> bool:
    """A step that was green once was in time, or was told then."""
    return state.state == State.OPEN and state.first_met_at is None


def _check(request: PortalRequest, stored: Mapping[str, Any]) -> CheckRow:
    check = Check(**stored)
    hidden = check.met or (check.url_name in NOT_FOR_VIEWERS and request.role not in MANAGERS)
    return CheckRow(
        text=check.text,
        met=check.met,
        reason=check.reason,
        figure=check.figure,
        percent=None if check.share is None else int(100 * check.share),
        group=check.group,
        url="" if hidden else url_of(stored, request.partner),
        action=ACTIONS.get(check.url_name, "Open"),
        todo=check.todo,
        waiting_for=check.waiting_for,
        whose_turn=who(request, check.waiting_for),
    )


def is_own_side(request: PortalRequest, side: str) -> bool:
    return side == (Side.TEAM if request.role == STAFF_ROLE else Side.PARTNER)


def who(request: PortalRequest, side: str) -> str:
    """Whose turn it is, in the eyes of the reader; empty for nobody's."""
    if side == Side.NOBODY:
        return ""
    if is_own_side(request, side):
        return "you" if request.role in MANAGERS else "your team"
    return TEAM_NAME if side == Side.TEAM else request.partner.name


def _sentence(request: PortalRequest, done: int, row: StepRow | None, meanwhile: StepRow | None) -> str:
    """“2 of 8 steps done. Next: map 3 KYC status values.”"""
    if row is None:
        return f"All {len(STEPS)} steps are done: {request.partner.name} is live."
    back = f" Step {row.step.number} has turned back." if row.turned_back else ""
    also = f" Meanwhile: {meanwhile.todo}." if meanwhile else ""
    return f"{done} of {len(STEPS)} steps done.{back} {next_words(request, row)}{also}"


def next_words(request: PortalRequest, row: StepRow) -> str:
    """“Next: accept the scope.”, or who has to; empty where the step is done."""
    check = row.first_unmet
    if row.done or check is None:
        return ""
    if is_own_side(request, check.waiting_for):
        return f"Next: {check.todo}."
    return f"{check.whose_turn[0].upper()}{check.whose_turn[1:]} acts next: {check.todo}."


def _meanwhile(request: PortalRequest, rows: Iterable[StepRow], row: StepRow | None) -> StepRow | None:
    """What the partner can do while the next step is the team's."""
    if row is None or row.state.waiting_for != Side.TEAM or request.role == STAFF_ROLE:
        return None
    return next((other for other in rows if not other.done and other.state.waiting_for == Side.PARTNER), None)


def action_of(row: StepRow) -> tuple[str, str]:
    """Where the first check that is not met is mended, or the step's own page: address and words."""
    check = row.first_unmet
    return (check.url, check.action) if check and check.url else (row.url, f"Open step {row.step.number}")


def fingerprint(steps: Iterable[StepState], *more: Any) -> str:
    """Changes when the page would: what polls is sent nothing until then."""
    facts = [(state.number, state.state, state.evidence, state.waiting_for) for state in steps]
    return hashlib.sha256(json.dumps([facts, *more], default=str, sort_keys=True).encode()).hexdigest()[:16]


def plan_chart(phases: Sequence[PhaseProgress]) -> PhaseChart:
    start = phases[0].planned_start
    return days_by_phase(
        [
            PhaseDays(
                name=progress.phase.name,
                planned_from=_days_between(start, progress.planned_start),
                planned_days=progress.phase.days,
                actual_from=_days_between(start, progress.begun_at) if progress.begun_at else None,
                actual_days=progress.actual_days,
                is_over=progress.ended_at is not None,
            )
            for progress in phases
        ],
        title="Planned against actual days, by phase",
    )


def _days_between(start: dt.datetime, end: dt.datetime) -> float:
    return (end - start) / dt.timedelta(days=1)


def _days(number: float) -> str:
    return f"{number:g} {'day' if number == 1 else 'days'}"
