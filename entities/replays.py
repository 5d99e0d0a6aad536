"""Replays: many refused records tried again, first as a dry run, then for good, by a worker.

What is left to do stands in the row: `position` is the id that it has come to, and moves in the transaction that
stores the batch. A worker that is killed, or two at once, therefore replay no record twice.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from entities.models import Entity, QuarantinedRecord, Replay
from entities.retries import HELD, Moved, Tried, batches, read_for_retry, retry, would_pass
from track360 import audit
from track360.alone import alone
from track360.audit import Actor
from track360.models import Environment
from track360.problems import Problem

logger = logging.getLogger(__name__)

SMALL = 200  # so many are estimated, and run, while the person waits
MOST_IDS = 1000
OPEN_AT_ONCE = 5
State = Replay.State
AT_WORK = (State.ESTIMATING, State.RUNNING)
OPEN = (*AT_WORK, State.ESTIMATED)
FAILED = (
    "It broke off on our side. What was replayed until then is stored, the rest is still held. "
    "Ask for it again, and tell the integrations team if it repeats."
)

Filters = dict[str, Any]
# What a person or a program chooses by, and how it is stored.
COLUMNS = {"entity": "entity", "code": "code", "field": "field", "run": "run_id"}


def chosen(environment: Environment, filters: Filters) -> QuerySet[QuarantinedRecord]:
    """The held records that `filters` choose: {"ids": […]}, or any of entity, code, field and run (the id of the run
    that fetched them); empty: all of them.

    Raises ValidationError `filters`.
    """
    if filters.keys() - {"ids", *COLUMNS} or ("ids" in filters and len(filters) > 1):
        raise ValidationError("Choose by ids, or by any of entity, code, field and run.", code="filters")
    if filters.get("entity", Entity.CUSTOMERS) not in Entity.values:
        raise ValidationError("There is no such entity.", code="filters")
    if len(filters.get("ids", ())) > MOST_IDS:
        raise ValidationError(f"Name at most {MOST_IDS:,} records, or choose them by their cause.", code="filters")
    if "\x00" in filters.get("code", "") + filters.get("field", ""):
        raise ValidationError("No code and no field holds a NUL.", code="filters")
    held = QuarantinedRecord.objects.filter(environment=environment, state=HELD)
    if "ids" in filters:
        return held.filter(pk__in=filters["ids"])
    return held.filter(**{COLUMNS[name]: value for name, value in filters.items()})


def replay_for(environment: Environment, replay_id: uuid.UUID) -> Replay | None:
    return Replay.objects.select_related("requested_by").filter(environment=environment, pk=replay_id).first()


def newest_replays(environment: Environment, limit: int) -> list[Replay]:
    return list(
        Replay.objects.select_related("requested_by").filter(environment=environment).order_by("-requested_at")[:limit]
    )


# -- What people ask for -------------------------------------------------------


@transaction.atomic
def request_replay(environment: Environment, *, filters: Filters, actor: Actor) -> Replay:
    """Ask for an estimate of what would pass. Raises ValidationError `filters`, `nothing_held`, `too_many_replays`."""
    found = chosen(environment, filters).aggregate(total=Count("pk"), last=Max("pk"))
    if not found["total"]:
        raise ValidationError("No record that is held matches: there is nothing to replay.", code="nothing_held")
    if Replay.objects.filter(environment=environment, state__in=AT_WORK).count() >= OPEN_AT_ONCE:
        raise ValidationError(
            f"{OPEN_AT_ONCE} replays are under way. Wait for one of them, or cancel it.", code="too_many_replays"
        )
    return Replay.objects.create(
        environment=environment,
        filters=filters,
        last_id=found["last"],
        total=found["total"],
        requested_by=actor.user,
        client_id=actor.client_id,
    )


@transaction.atomic
def confirm_replay(replay: Replay, *, actor: Actor) -> Replay:
    """Run it. Raises ValidationError `state` unless its estimate stands."""
    now = timezone.now()
    confirmed = Replay.objects.filter(pk=replay.pk, state=State.ESTIMATED).update(
        state=State.RUNNING, position=0, touched_at=now, requested_by=actor.user, client_id=actor.client_id
    )
    replay.refresh_from_db()
    if not confirmed:
        raise ValidationError(f"It cannot be run: it is {replay.state}.", code="state")
    audit.record(
        "quarantine.replayed",
        actor=actor,
        environment=replay.environment,
        target=str(replay.filters.get("entity", "any entity")),
        replay=str(replay.pk),
        filters=replay.filters,
        records=replay.total,
    )
    return replay


def cancel_replay(replay: Replay, *, actor: Actor) -> Replay:
    """Between two batches; what was replayed stays. Raises ValidationError `state` where it has ended."""
    _ask_to_cancel(replay, actor=actor)
    work(replay.pk)  # where no worker is at it, it ends here
    replay.refresh_from_db()
    return replay


@transaction.atomic
def _ask_to_cancel(replay: Replay, *, actor: Actor) -> None:
    now = timezone.now()
    Replay.objects.filter(pk=replay.pk, state=State.ESTIMATED).update(state=State.CANCELLED, finished_at=now)
    asked = Replay.objects.filter(pk=replay.pk, state__in=[*AT_WORK, State.CANCELLED], cancel_requested=False).update(
        cancel_requested=True
    )
    replay.refresh_from_db()
    if not asked:
        raise ValidationError(f"It cannot be cancelled: it is {replay.state}.", code="state")
    audit.record(
        "quarantine.replay_cancelled",
        actor=actor,
        environment=replay.environment,
        target=str(replay.pk),
        replayed=replay.done,
        of=replay.total,
    )


# -- What a worker does --------------------------------------------------------


def waiting_replays(*, since: dt.datetime) -> list[uuid.UUID]:
    """Those that something is left to do for and that nobody has touched since."""
    waiting = Replay.objects.filter(state__in=AT_WORK, touched_at__lt=since).order_by("touched_at")
    return list(waiting.values_list("pk", flat=True))


def work(replay_id: uuid.UUID) -> None:
    """Estimate it or run it from where an earlier attempt stopped, unless somebody is at it.

    Raises SoftTimeLimitExceeded, DatabaseError and Problem: it goes on from there at the next call.
    """
    with alone(replay_id) as mine:
        if not mine:
            return
        try:
            while _step(replay_id):
                pass
        except (SoftTimeLimitExceeded, DatabaseError, Problem):
            raise
        except Exception:
            logger.exception("Replay %s failed", replay_id)
            _end(replay_id, State.FAILED, problem=FAILED)


def _step(replay_id: uuid.UUID) -> bool:
    """One read of records; whether there is more to do."""
    replay = Replay.objects.select_related("environment__partner").filter(pk=replay_id, state__in=AT_WORK).first()
    if replay is None:
        return False
    if replay.cancel_requested:
        _end(replay_id, State.CANCELLED)
        return False
    held = chosen(replay.environment, replay.filters).filter(pk__lte=replay.last_id)
    records = read_for_retry(held, after=replay.position)
    if replay.state == State.ESTIMATING:
        return _estimate(replay, records)
    if not records:
        _end(replay_id, State.DONE)
        return False
    try:
        for batch in batches(records):
            _replay(replay, batch)
    except Moved:
        pass  # looked at again from where it stands
    return True


def _estimate(replay: Replay, records: list[QuarantinedRecord]) -> bool:
    if not records:
        Replay.objects.filter(pk=replay.pk, state=State.ESTIMATING).update(
            state=State.ESTIMATED, position=0, touched_at=timezone.now()
        )
        return False
    result = would_pass(replay.environment, records)
    Replay.objects.filter(pk=replay.pk, state=State.ESTIMATING, position=replay.position).update(
        position=records[-1].pk,
        would_pass=replay.would_pass + result.passed,
        would_fail=replay.would_fail + result.refused,
        touched_at=timezone.now(),
    )
    return True


def _replay(replay: Replay, batch: list[QuarantinedRecord]) -> None:
    """Raises Moved where the records or the replay are not what they were, or it is to be cancelled."""
    actor = Actor(user=replay.requested_by, client_id=replay.client_id)

    def note(result: Tried) -> None:
        moved_on = Replay.objects.filter(
            pk=replay.pk, state=State.RUNNING, position=replay.position, cancel_requested=False
        ).update(
            position=batch[-1].pk,
            done=replay.done + len(batch),
            passed=replay.passed + result.passed,
            failed=replay.failed + result.refused,
            touched_at=timezone.now(),
        )
        if not moved_on:
            raise Moved

    retry(replay.environment, batch, actor=actor, note=note)
    replay.refresh_from_db(fields=["state", "position", "done", "passed", "failed"])


def _end(replay_id: uuid.UUID, state: Replay.State, *, problem: str = "") -> None:
    now = timezone.now()
    Replay.objects.filter(pk=replay_id, state__in=AT_WORK).update(
        state=state, problem=problem, finished_at=now, touched_at=now
    )
