"""Refused records for tests, made as they come to be: by a lenient batch."""

from __future__ import annotations

import uuid
from typing import Any

from entities.models import Batch, QuarantinedRecord, Replay
from entities.pipeline import Door, Policy, ingest
from entities.replays import confirm_replay, request_replay, work
from track360.audit import Actor
from track360.models import Environment

ACTOR = Actor(client_id="cl_tests")


def refuse(
    environment: Environment, entity: str, *records: Any, run_id: uuid.UUID | None = None
) -> list[QuarantinedRecord]:
    """Push them, or with a run pull them; gives those that were held, in order."""
    if run_id is None:
        report = ingest(environment, entity, list(records), lenient=True)
    else:
        policy = Policy(door=Door.PULL, run_id=run_id)
        report = ingest(environment, entity, list(records), door=Batch.Door.PULL, lenient=True, policy=policy)
    return list(QuarantinedRecord.objects.filter(batch_id=report.batch_id).order_by("pk"))


def estimated(environment: Environment, **filters: Any) -> Replay:
    replay = request_replay(environment, filters=filters, actor=ACTOR)
    work(replay.pk)
    replay.refresh_from_db()
    return replay


def replayed(environment: Environment, **filters: Any) -> Replay:
    replay = confirm_replay(estimated(environment, **filters), actor=ACTOR)
    work(replay.pk)
    replay.refresh_from_db()
    return replay
