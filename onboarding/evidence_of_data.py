"""The evidence of the steps in which data comes: first data, rehearsal, reconciliation, live."""

from __future__ import annotations

import datetime as dt
from functools import partial

from entities.batch_selectors import Window
from entities.models import Batch, Entity
from integrations.reconciliation.compare import State as DayState
from onboarding.checks import Check
from onboarding.days import AGREED, sentence_of_day
from onboarding.evidence import Clients, Connections, Facts, Rehearsal
from onboarding.evidence_before_data import TEAM, Checks, in_scope
from onboarding.models import Pattern
from onboarding.models.checklist import Side

# What a rehearsal asks for (contract, section 7, step 6).
LEAST_RECORDS = 100
IN_TIME_SHARE = 0.95
REFUSED_SHARE = 0.01


# -- Phase 4: build -----------------------------------------------------------


def first_data(facts: Facts) -> Checks:
    yield from in_scope(facts)
    for entity, pattern in facts.patterns.items():
        if pattern != Pattern.PULL:
            pushed = ("sandbox", entity, Batch.Door.PUSH.value) in facts.arrived
            reason = f"No {entity} have been taken in by push yet."
            text, todo = f"Pushed to the sandbox: {entity}", f"push {entity} to the sandbox"
            yield Check(text, pushed, reason, f"{singular(entity)}-list", todo=todo)
        if pattern != Pattern.PUSH:
            reason = f"No {entity} have been taken in from a connection yet."
            text, todo = f"Fetched into the sandbox: {entity}", f"have {entity} fetched into the sandbox"
            yield Check(text, facts.was_fetched(entity), reason, "connection-list", todo=todo)


def rehearsed(facts: Facts) -> Checks:
    yield from in_scope(facts)
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
        yield from rehearsed_for(entity, rehearsal, pattern=pattern)


def rehearsed_for(entity: str, rehearsal: Rehearsal | None, *, pattern: str) -> Checks:
    """What a rehearsal asks for of one entity."""
    send, sent = ("let us fetch", "fetched") if pattern == Pattern.PULL else ("send", "sent")
    earned = rehearsal is not None and rehearsal.earned_at is not None
    came = rehearsal.windows.get(entity, Window()) if rehearsal else Window()
    judged = came.accepted + came.refused
    in_time = came.created - came.late
    records = "activity rows" if entity == Entity.ACTIVITY else entity
    check = partial(Check, url_name=f"{singular(entity)}-list", group=Entity(entity).label)
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
        url_name="quarantine-list" if came.refused else f"{singular(entity)}-list",
        todo=f"{send} {records} that are not refused",
        figure=_percent(came.refused, judged) if judged and not earned else "",
    )


def _percent(part: int, whole: int) -> str:
    """To one decimal, cut rather than rounded: 94.99 % must not read as 95.0 %."""
    return f"{1000 * part // whole / 10:.1f} %"


# -- Phase 5: go-live ---------------------------------------------------------


def reconciled(facts: Facts) -> Checks:
    yield from in_scope(facts)
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


def singular(entity: str) -> str:
    """As the names of pages have it: customer, transaction, activity."""
    return entity.removesuffix("s")
