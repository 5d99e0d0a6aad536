"""The eight steps in order, each with its evidence: this list is the specification (contract, section 7)."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from entities.batch_selectors import Window
from entities.mapping_selectors import Coverage
from entities.models import Batch, Entity, StatusField
from integrations.reconciliation.compare import State as DayState
from onboarding.checks import Check
from onboarding.days import AGREED, sentence_of_day
from onboarding.evidence import UNKNOWN_COUNTED, Clients, Connections, Facts, Rehearsal
from onboarding.models import Pattern, Sample
from onboarding.models.checklist import Side

Checks = Iterator[Check]
TEAM = Side.TEAM.value

STATUS_FIELDS = {
    Entity.CUSTOMERS.value: (StatusField.KYC_STATUS, StatusField.SALES_STATUS),
    Entity.TRANSACTIONS.value: (StatusField.TRANSACTION_STATUS,),
}
# What a rehearsal asks for (contract, section 7, step 6).
LEAST_RECORDS = 100
IN_TIME_SHARE = 0.95
REFUSED_SHARE = 0.01
PROPOSE = "propose the scope"


# -- Phase 1: kick-off --------------------------------------------------------


def scope_agreed(facts: Facts) -> Checks:
    scope = facts.proposed
    yield Check(
        "Written down: entities, how each is sent, contacts, time zone",
        scope is not None,
        "Nothing is proposed yet.",
        "checklist-scope",
        todo=PROPOSE,
    )
    partner_accepted = scope is not None and scope.partner_accepted_at is not None
    team_accepted = scope is not None and scope.team_accepted_at is not None
    version = "this version" if facts.agreed is None else "the new version"
    yield Check(
        "Accepted by the partner",
        partner_accepted,
        f"Nobody of the partner has accepted {version} yet." if scope else "There is nothing to accept yet.",
        "checklist-scope",
        todo="accept the scope",
    )
    yield Check(
        "Accepted by the integrations team",
        team_accepted,
        f"Nobody of the integrations team has accepted {version} yet." if scope else "There is nothing to accept yet.",
        "checklist-scope",
        waiting_for=TEAM if scope else Side.PARTNER.value,
        todo="accept the scope",
    )


def credentials_in_use(facts: Facts) -> Checks:
    if facts.is_pulled:
        connections = facts.connections.get("sandbox", Connections())
        yield Check(
            "A sandbox connection has passed its test",
            connections.passed > 0,
            "None has passed a test as it stands now." if connections.number else "There is no connection yet.",
            "connection-list",
            todo="test the sandbox connection" if connections.number else "set up a sandbox connection",
        )
        return
    clients = facts.clients.get("sandbox", Clients())
    yield Check(
        "A sandbox client exists",
        clients.number > 0,
        "There are no credentials yet.",
        "client-new",
        todo="create sandbox credentials",
    )
    yield Check(
        "A client has fetched a token",
        clients.token_fetched_at is not None,
        "No token has been fetched with it yet." if clients.number else "That takes a client first.",
        "client-list",
        todo="fetch a token",
    )


# -- Phase 2: mapping ---------------------------------------------------------


def enums_and_affiliates_mapped(facts: Facts) -> Checks:
    yield from _in_scope(facts)
    fields = [name for entity in facts.patterns for name in STATUS_FIELDS.get(entity, ())]
    for name in fields:
        coverage = facts.statuses.get(name.value, Coverage())
        query = f"?field={name.value}"
        yield Check(
            f"At least one {name.label} is declared",
            coverage.declared > 0,
            "None is declared yet.",
            "mapping-list",
            query,
            todo=f"declare the {name.label} values",
        )
        yield Check(
            f"Every {name.label} has a meaning",
            not coverage.unmapped,
            _unmapped(coverage),
            "mapping-list",
            query,
            todo=f"map {coverage.unmapped:,} {name.label} {'value' if coverage.unmapped == 1 else 'values'}",
        )
    if Entity.CUSTOMERS.value in facts.patterns:
        yield Check(
            "At least one affiliate is registered",
            facts.affiliates > 0,
            "None is yet.",
            "affiliate-list",
            todo="register your affiliates",
        )
        yield Check(
            "Every affiliate seen is registered",
            facts.affiliates > 0 and not facts.unknown_affiliates,
            _unknown(facts),
            "affiliate-list",
            todo="register the affiliates that were seen",
        )
    elif not fields:
        yield Check("Nothing in scope has a status or an affiliate", True)


def _unmapped(coverage: Coverage) -> str:
    values = "1 value has" if coverage.unmapped == 1 else f"{coverage.unmapped:,} values have"
    return f"{values} no meaning yet: {_quoted(coverage.examples, coverage.unmapped)}."


def _unknown(facts: Facts) -> str:
    unknown = facts.unknown_affiliates
    if not facts.affiliates:
        return "That is known once one is registered."
    if len(unknown) == 1:
        return f"1 id was seen that is not registered: {_quoted(unknown, 1)}."
    number = f"At least {len(unknown):,}" if len(unknown) >= UNKNOWN_COUNTED else f"{len(unknown):,}"
    return f"{number} ids were seen that are not registered: {_quoted(unknown[:3], len(unknown))}."


def _quoted(examples: tuple[str, ...], number: int) -> str:
    shown = ", ".join(f"“{text[:40]}”" for text in examples)
    return f"{shown}, …" if number > len(examples) else shown


# -- Phase 3: samples ---------------------------------------------------------


def samples_valid(facts: Facts) -> Checks:
    yield from _in_scope(facts)
    for entity in facts.patterns:
        sample = facts.samples.get(entity)
        valid = sample is not None and sample.is_valid
        text = f"The newest sample of {entity} has no errors"
        if sample is None:
            reason, todo = "No sample has been checked yet.", f"try a sample of {entity}"
            yield Check(text, False, reason, "sample-new", f"?entity={entity}", todo=todo)
        else:
            which, todo = {"sample_id": str(sample.pk)}, f"mend the sample of {entity}"
            yield Check(text, valid, _faults(sample), "sample-detail", url_kwargs=which, todo=todo)


def _faults(sample: Sample) -> str:
    if sample.state == Sample.State.UNREADABLE:
        return f"It could not be read. {sample.problem}".strip()
    if not sample.total:
        return "It holds no record."
    return f"{sample.invalid:,} of its {sample.total:,} records have errors."


# -- Phase 4: build -----------------------------------------------------------


def first_data(facts: Facts) -> Checks:
    yield from _in_scope(facts)
    for entity, pattern in facts.patterns.items():
        if pattern != Pattern.PULL:
            pushed = ("sandbox", entity, Batch.Door.PUSH.value) in facts.arrived
            reason = f"No {entity} have been taken in by push yet."
            text, todo = f"Pushed to the sandbox: {entity}", f"push {entity} to the sandbox"
            yield Check(text, pushed, reason, f"{_singular(entity)}-list", todo=todo)
        if pattern != Pattern.PUSH:
            reason = f"No {entity} have been taken in from a connection yet."
            text, todo = f"Fetched into the sandbox: {entity}", f"have {entity} fetched into the sandbox"
            yield Check(text, facts.was_fetched(entity), reason, "connection-list", todo=todo)


def rehearsed(facts: Facts) -> Checks:
    yield from _in_scope(facts)
    rehearsal = facts.rehearsal
    earned = rehearsal is not None and rehearsal.earned_at is not None
    yield Check(
        "A rehearsal window is open",
        rehearsal is not None and (earned or facts.now < rehearsal.closes_at),
        f"It closed at {rehearsal.closes_at.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC. Open another one."
        if rehearsal
        else "None has been opened yet.",
        "checklist-rehearsal",
        todo="open a rehearsal window",
    )
    for entity, pattern in facts.patterns.items():
        yield from _rehearsed(entity, rehearsal, pattern=pattern)


def rehearsal_is_earned(facts: Facts) -> bool:
    """Whether what came in the newest window is enough, be it open still or not."""
    rehearsal = facts.rehearsal
    if facts.proposed is None or rehearsal is None or rehearsal.earned_at is not None:
        return False
    return all(
        check.met
        for entity, pattern in facts.patterns.items()
        for check in _rehearsed(entity, rehearsal, pattern=pattern)
    )


def _rehearsed(entity: str, rehearsal: Rehearsal | None, *, pattern: str) -> Checks:
    send, sent = ("let us fetch", "fetched") if pattern == Pattern.PULL else ("send", "sent")
    earned = rehearsal is not None and rehearsal.earned_at is not None
    came = rehearsal.windows.get(entity, Window()) if rehearsal else Window()
    judged = came.accepted + came.refused
    in_time = came.created - came.late
    records = "activity rows" if entity == Entity.ACTIVITY else entity
    check = partial(Check, url_name=f"{_singular(entity)}-list", group=Entity(entity).label)
    yield check(
        f"At least {LEAST_RECORDS} {records}",
        earned or came.accepted >= LEAST_RECORDS,
        f"{came.accepted:,} of {LEAST_RECORDS} {records} so far.",
        todo=f"{send} {LEAST_RECORDS - came.accepted} {'more ' if came.accepted else ''}{records}",
        figure="" if earned else f"{came.accepted:,} of {LEAST_RECORDS}",
        share=None if earned else min(1.0, came.accepted / LEAST_RECORDS),
    )
    yield check(
        f"At least one of the {records} is {sent} again, with a change",
        earned or came.updated > 0,
        f"None of the {records} has been updated so far.",
        todo=f"{send} one of the {records} again, with a change",
        figure="" if earned else f"{came.updated:,} updated",
    )
    yield check(
        f"At least 95 % of new {records} within the freshness target",
        earned or (came.created > 0 and in_time >= IN_TIME_SHARE * came.created),
        f"{in_time:,} of {came.created:,} came in time ({_percent(in_time, came.created)})."
        if came.created
        else f"No new {records} have come so far.",
        todo=f"{send} new {records} within the freshness target",
        figure=_percent(in_time, came.created) if came.created and not earned else "",
    )
    yield check(
        f"Under 1 % of {records} refused",
        earned or (judged > 0 and came.refused < REFUSED_SHARE * judged),
        f"{came.refused:,} of {judged:,} were refused ({_percent(came.refused, judged)})."
        if judged
        else f"No {records} have come so far.",
        url_name="quarantine-list" if came.refused else f"{_singular(entity)}-list",
        todo=f"{send} {records} that are not refused",
        figure=_percent(came.refused, judged) if judged and not earned else "",
    )


def _percent(part: int, whole: int) -> str:
    """To one decimal, cut rather than rounded: 94.99 % must not read as 95.0 %."""
    return f"{1000 * part // whole / 10:.1f} %"


# -- Phase 5: go-live ---------------------------------------------------------


def reconciled(facts: Facts) -> Checks:
    yield from _in_scope(facts)
    for number, day in enumerate(facts.reconciled):
        date = day[0].day
        yield Check(
            f"{('First', 'Second', 'Third')[number]} day agrees: {date:%-d %B %Y}",
            all(one.state in AGREED for one in day),
            sentence_of_day(day),
            "reconciliation-day",
            url_kwargs={"day": date.isoformat()},
            todo=f"reconcile {date:%-d %B}",
            figure="waived" if any(one.state == DayState.WAIVED for one in day) else "",
        )
    yield Check(
        "At least one of the three days is not empty",
        any(not one.is_empty for day in facts.reconciled for one in day),
        "Nothing is stored of these days.",
        "reconciliation",
        todo="send the records of one of these days",
    )


def live(facts: Facts) -> Checks:
    for side, name in ((Side.PARTNER.value, "the partner"), (TEAM, "the integrations team")):
        yield Check(
            f"Signed off by {name}",
            side in facts.signed_off,
            f"{'An owner of the partner' if side != TEAM else 'The integrations team'} has not signed off yet.",
            "checklist-step",
            url_kwargs={"number": "8"},
            waiting_for=side,
            todo="sign off",
        )
    if not facts.is_pulled:
        yield Check(
            "A production client exists",
            facts.clients.get("production", Clients()).number > 0,
            "There is none yet.",
            "client-list",
            kind="production",
            todo="create production credentials",
        )
    if facts.is_fetched:
        connections = facts.connections.get("production", Connections())
        yield Check(
            "A production connection is on",
            connections.on > 0,
            "None is switched on." if connections.number else "There is none yet.",
            "connection-list",
            kind="production",
            todo=f"{'switch on' if connections.number else 'set up'} the production connection",
        )
    yield Check(
        "The first production record has arrived",
        any(kind == "production" for kind, _, _ in facts.arrived),
        "No record has arrived in production yet.",
        "overview",
        kind="production",
        todo=f"{'let us fetch' if facts.is_pulled else 'send'} the first production record",
    )


def _in_scope(facts: Facts) -> Checks:
    """Before anything is proposed all entities count as in scope, and that is said."""
    if facts.proposed is None:
        text = "What is in scope is known"
        yield Check(text, False, "Nothing is proposed yet.", "checklist-scope", todo=PROPOSE)


def _singular(entity: str) -> str:
    """As the names of pages have it: customer, transaction, activity."""
    return entity.removesuffix("s")


# -- The list -----------------------------------------------------------------


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
