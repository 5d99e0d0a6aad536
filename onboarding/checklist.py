"""The checklist of a partner: its steps judged anew from rows, what changed, and how it stands against the plan.

The states are a copy of what the rows say, made by `compute` alone and remade when something changed since: an audit
row, a batch, a token, a sample, or the time. A mapping or affiliate that is written or deleted in any way sets
`computed_at` back (a trigger of the database).

Whoever acts has them judged after his commit (`judge_after_commit`), and the worker sees to what comes by itself, so
that a page only reads them; it judges where neither has been yet.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from django.db import connection, transaction
from django.db.models.expressions import RawSQL
from django.utils import timezone

from entities.batch_selectors import Traffic, traffic_in
from onboarding.agreements import OVERRIDABLE, lock_walk
from onboarding.checks import Check, page_of
from onboarding.evidence import Facts, gather
from onboarding.models import Notification, Onboarding, RehearsalWindow, StepChange, StepOverride, StepState
from onboarding.models.checklist import Side
from onboarding.notifications import tell
from onboarding.steps import BY_NUMBER, PHASES, STEPS, Phase, Step, rehearsal_is_earned
from track360.models import Partner

State = StepState.State
DAY = dt.timedelta(days=1)
LATE_COMMIT = dt.timedelta(seconds=60)  # a transaction may bear a time that is this much older than its commit
SWEEP_EVERY = dt.timedelta(minutes=10)
NO_TIME = dt.timedelta(0)
RIGHT_WITHIN = dt.timedelta(minutes=1)  # of what comes by itself: the worker sees to it

# `rested_before`: those computed since then are left alone though calls came, since calls always come. What a person
# did counts at once.
# The newest of each kind, and not whether one is there: for that the planner likes to read a table from its beginning.
CHANGED_SQL = """
SELECT partner.id
  FROM track360_partner partner LEFT JOIN onboarding_onboarding walk ON walk.partner_id = partner.id
 WHERE (%s IS NULL OR partner.id = %s)
   AND (walk.computed_at IS NULL OR partner.status <> 'closed' AND (
       walk.compute_by <= %s OR walk.computed_at < %s
    OR walk.computed_at - %s <= greatest(
       (SELECT max(at) FROM track360_auditevent WHERE partner_id = partner.id),
       (SELECT max(finished_at) FROM track360_environment environment, onboarding_sample sample
         WHERE environment.partner_id = partner.id AND sample.environment_id = environment.id))
    OR walk.computed_at < %s AND walk.computed_at - %s <= (
        SELECT max(newest.at) FROM track360_environment environment, LATERAL (
               SELECT max(started_at) FROM entities_batch WHERE environment_id = environment.id
                UNION ALL
               SELECT max(secret.last_used_at)
                 FROM integrations_client client JOIN integrations_clientsecret secret ON secret.client_id = client.id
                WHERE client.environment_id = environment.id) AS newest (at)
         WHERE environment.partner_id = partner.id)))
"""
IN_ORDER = " ORDER BY walk.computed_at NULLS FIRST, partner.id"


# -- Reading ------------------------------------------------------------------


def steps_for(partner: Partner, *, rests: dt.timedelta = NO_TIME, late_acts: dt.timedelta = NO_TIME) -> list[StepState]:
    """The eight steps in order, judged anew where something changed since they were judged last.

    Those that were judged within the time of `rests` are not judged again for calls that came. An act that is up to
    `late_acts` older than the judging counts as one that was not seen: a page needs not look back, since whoever acts
    has the steps judged. With the partner's walk, as `state.partner.onboarding`.
    """
    now = timezone.now()
    steps = StepState.objects.filter(partner=partner).select_related("partner__onboarding").order_by("number")
    # Asked once, beside the steps: it names the partner and none of their columns.
    parameters = _parameters(now=now, rested_before=now - rests, late_acts=late_acts, partner=partner)
    found: list[Any] = list(steps.annotate(changed=RawSQL(f"EXISTS ({CHANGED_SQL})", parameters)))
    # A closed partner's steps no longer change, but may never have been judged.
    if not found or found[0].changed:
        return compute(partner, now=now)
    return found


def open_steps_before_production(partner: Partner) -> list[int]:
    """The numbers of the steps 1 to 7 that are neither met nor overridden, judged now (`settings.PRODUCTION_GATE`)."""
    steps = compute(partner, now=timezone.now())
    return [step.number for step in steps if step.number in OVERRIDABLE and step.state == State.OPEN]


def next_step(steps: Iterable[StepState]) -> StepState | None:
    """The first that is open; None where all are done."""
    return next((step for step in steps if step.state == State.OPEN), None)


def waiting_for(steps: Iterable[StepState]) -> str:
    """Whose turn it is: that of the first open step."""
    following = next_step(steps)
    return following.waiting_for if following else Side.NOBODY.value


def changed_partners(*, now: dt.datetime, rested_before: dt.datetime) -> list[int]:
    """Ids of the partners whose steps may stand differently by now, the longest unjudged first."""
    with connection.cursor() as cursor:
        cursor.execute(CHANGED_SQL + IN_ORDER, _parameters(now=now, rested_before=rested_before, late_acts=LATE_COMMIT))
        return [row[0] for row in cursor.fetchall()]


def _parameters(
    *, now: dt.datetime, rested_before: dt.datetime, late_acts: dt.timedelta, partner: Partner | None = None
) -> tuple[Any, ...]:
    """Of `CHANGED_SQL`, in its order: for all partners, or for the one."""
    number = partner.pk if partner else None
    return (number, number, now, now - SWEEP_EVERY, late_acts, rested_before, LATE_COMMIT)


# -- Judging ------------------------------------------------------------------


def judge_after_commit(partner: Partner) -> None:
    """Have the steps judged once the transaction under way is committed, which cannot fail for that.

    Whoever judged while it was under way has not seen it, though his judging may bear the later time.
    """
    transaction.on_commit(lambda: steps_for(partner, rests=RIGHT_WITHIN, late_acts=LATE_COMMIT), robust=True)


@transaction.atomic
def compute(partner: Partner, *, now: dt.datetime) -> list[StepState]:
    """Judge the eight steps from the rows, write down what changed, and tell it. Twice at once: one after the other."""
    walk = lock_walk(partner)
    facts = _with_rehearsal(partner, gather(partner, now=now))
    steps = _judged(partner, facts)
    walk.figures = _figures(partner, facts, walk, steps)
    walk.computed_at = now
    rehearsal = facts.rehearsal
    ends = rehearsal is not None and rehearsal.earned_at is None and rehearsal.closes_at > now
    walk.compute_by = rehearsal.closes_at if rehearsal and ends else None
    walk.save(update_fields=["figures", "computed_at", "compute_by"])
    partner.onboarding = walk
    return steps


def _with_rehearsal(partner: Partner, facts: Facts) -> Facts:
    """The facts, with the rehearsal written down as earned where what came in its window is enough."""
    if facts.rehearsal is None or not rehearsal_is_earned(facts):
        return facts
    result = {entity: asdict(facts.rehearsal.windows[entity]) for entity in facts.patterns}
    RehearsalWindow.objects.filter(pk=facts.rehearsal.pk).update(earned_at=facts.now, result=result)
    return replace(facts, rehearsal=replace(facts.rehearsal, earned_at=facts.now))


def _judged(partner: Partner, facts: Facts) -> list[StepState]:
    """The eight states, stored, with the changes written down and told."""
    stored = {state.number: state for state in StepState.objects.filter(partner=partner)}
    for state in stored.values():
        state.partner = partner
    standing = StepOverride.objects.filter(partner=partner, withdrawn_at=None).select_related("by")
    overrides = {override.number: override for override in standing}
    steps, changes, altered = [], [], []
    for step in STEPS:
        state = stored.get(step.number) or StepState(partner=partner, number=step.number, changed_at=facts.now)
        before = state.evidence, state.waiting_for
        change = _judge(state, step.checks(facts), overrides.get(step.number), now=facts.now)
        steps.append(state)
        changes += [change] if change else []
        altered += [state] if state.pk and (change or before != (state.evidence, state.waiting_for)) else []
    StepState.objects.bulk_create(state for state in steps if state.pk is None)
    StepState.objects.bulk_update(altered, ["state", "waiting_for", "evidence", "changed_at", "first_met_at"])
    StepChange.objects.bulk_create(changes)
    for change in changes:
        _tell(change, BY_NUMBER[change.number])
    return steps


def _judge(
    state: StepState, checks: Sequence[Check], override: StepOverride | None, *, now: dt.datetime
) -> StepChange | None:
    """Set the state by its checks; the change, where it is another one than before."""
    before, unmet_before = state.state, {check["text"] for check in state.evidence if not check["met"]}
    unmet = [check for check in checks if not check.met]
    state.evidence = [check.as_object() for check in checks]
    state.state = State.OVERRIDDEN if unmet and override else State.OPEN if unmet else State.MET
    state.waiting_for = unmet[0].waiting_for if state.state == State.OPEN else Side.NOBODY.value
    if state.state == before:
        return None
    state.changed_at = now
    if state.state == State.OPEN:
        reason = " ".join(f"{check.text}: {check.reason}" for check in unmet)
    elif state.state == State.OVERRIDDEN and override:
        reason = f"Overridden by {override.by}: {override.reason}"
    else:
        last = [check.text for check in checks if check.text in unmet_before]
        reason = f"{'; '.join(last or [check.text for check in checks])}."
    if state.state in StepState.GREEN and state.first_met_at is None:
        state.first_met_at = now
    return StepChange(
        partner=state.partner, number=state.number, at=now, before=before, after=state.state, reason=reason
    )


def _tell(change: StepChange, step: Step) -> None:
    """From met to overridden or back is no news: it was green before and is now."""
    if change.before in StepState.GREEN and change.after in StepState.GREEN:
        return
    green = change.after in StepState.GREEN
    tell(
        change.partner,
        kind=Notification.Kind.STEP_GREEN if green else Notification.Kind.STEP_BACK,
        subject=f"step {change.number}",
        title=f"Step {change.number} {'is done' if green else 'has turned back'}: {step.name}",
        text=change.reason,
        path=page_of(change.number, change.partner),
    )


# -- The plan -----------------------------------------------------------------


@dataclass(frozen=True)
class PhaseProgress:
    """One phase, planned against actual. `begun_at` is null while an earlier phase is under way, `ended_at` until each
    of its steps has been green once; `state` is `done`, `current`, `ahead`, or `back` where a step turned back."""

    phase: Phase
    planned_start: dt.datetime
    due_at: dt.datetime
    begun_at: dt.datetime | None
    ended_at: dt.datetime | None
    actual_days: float  # from begun_at to ended_at, or to now
    state: str

    @property
    def days_over(self) -> float:
        """How much longer than planned it took, or takes so far; negative: sooner."""
        return round(self.actual_days - self.phase.days, 1)


def phases_for(partner: Partner) -> list[PhaseProgress]:
    """The five phases as the steps were judged last."""
    walk = Onboarding.objects.filter(partner=partner).first()
    steps = list(StepState.objects.filter(partner=partner))
    return planned(walk.started_at if walk else partner.created_at, steps, now=timezone.now())


def planned(started_at: dt.datetime, steps: Iterable[StepState], *, now: dt.datetime) -> list[PhaseProgress]:
    """The phases one after the other: each is planned from where the one before is planned to end."""
    by_number = {step.number: step for step in steps}
    found: list[PhaseProgress] = []
    planned_start, begun_at = started_at, started_at
    is_current = True  # that of the first phase which has not ended
    for phase in PHASES:
        states = [by_number.get(step.number) for step in STEPS if step.phase == phase]
        first_met = [state.first_met_at for state in states if state and state.first_met_at]
        ended_at = max(first_met) if len(first_met) == len(states) else None
        all_green = all(state is not None and state.state in StepState.GREEN for state in states)
        if ended_at is not None:
            since: dt.datetime | None = min(begun_at, ended_at)
            begun_at, state = max(begun_at, ended_at), "done" if all_green else "back"
        else:
            since, state = (begun_at, "current") if is_current else (None, "ahead")
            is_current = False
        due_at = planned_start + phase.days * DAY
        days = round(((ended_at or now) - since) / DAY, 1) if since else 0.0
        found.append(PhaseProgress(phase, planned_start, due_at, since, ended_at, days, state))
        planned_start = due_at
    return found


def days_over_plan(phases: Iterable[PhaseProgress], *, now: dt.datetime) -> int:
    """Whole days since the first phase that has never ended was due; a step that turned back later does not count."""
    due_at = next((phase.due_at for phase in phases if phase.ended_at is None), now)
    return max(0, (now - due_at).days)


# -- The team's board ---------------------------------------------------------


def _figures(partner: Partner, facts: Facts, walk: Onboarding, steps: list[StepState]) -> dict[str, Any]:
    """What the board shows of a partner, over both environments; times as ISO 8601 in UTC."""
    now, newest = facts.now, facts.last_batch_at
    day = sum((traffic_in(environment, start=now - DAY, end=now) for environment in facts.environments), Traffic())
    following = next_step(steps)
    phase = BY_NUMBER[following.number].phase if following else PHASES[-1]
    return {
        "last_traffic_at": newest.astimezone(dt.UTC).isoformat().replace("+00:00", "Z") if newest else None,
        "received_24h": day.received,
        "refused_24h": day.refused,
        "unmapped": sum(coverage.unmapped for coverage in facts.statuses.values()),
        "unknown_affiliates": len(facts.unknown_affiliates),
        "secrets_expiring": sum(clients.expiring for clients in facts.clients.values()),
        "days_over_plan": days_over_plan(planned(walk.started_at, steps, now=now), now=now),
        "phase": phase.number,
        "done": sum(step.state in StepState.GREEN for step in steps),
        "next_step": following.number if following else None,
        "waiting_for": waiting_for(steps),
    }
