"""The pulled version put in the place of the pushed one, where a person says so."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from django.utils import timezone

from entities.models import Batch, Difference
from entities.pipeline import Door, Policy, Report, ingest
from entities.pipeline.report import CREATED, UNCHANGED, UPDATED
from integrations.reconciliation.words import target_of
from track360 import audit
from track360.audit import Actor
from track360.models import Environment

MOST_TAKEN = 1000  # at once


@dataclass(frozen=True, slots=True)
class Taken:
    """How many pulled versions stand now; `kept`: a version that was pushed after the pulled one was fetched stands;
    `refused`: it does not pass the checks any more."""

    taken: int = 0
    kept: int = 0
    refused: int = 0

    def __add__(self, other: Taken) -> Taken:
        return Taken(self.taken + other.taken, self.kept + other.kept, self.refused + other.refused)


def take_pulled(environment: Environment, entity: str, differences: Sequence[Difference], *, actor: Actor) -> Taken:
    """Store the pulled versions through the pipeline, as a pull of the time they were fetched at."""
    fetched = sorted(differences, key=lambda row: (row.fetched_at, str(row.batch_id), row.pk))
    runs = dict(Batch.objects.filter(pk__in={row.batch_id for row in fetched}).values_list("pk", "run_id"))
    taken = Taken()
    for (batch_id, fetched_at), group in itertools.groupby(fetched, key=lambda row: (row.batch_id, row.fetched_at)):
        rows = list(group)
        report = ingest(
            environment,
            entity,
            [row.payload for row in rows],
            shape="array",
            door=Batch.Door.PULL,
            lenient=True,
            policy=Policy(door=Door.PULL, run_id=runs.get(batch_id), fetched_since=fetched_at),
            also=partial(_close, environment, entity, rows, actor),
        )
        stand = sum(outcome in STANDS for outcome in report.outcomes)
        refused = len(report.bad_indexes())
        taken += Taken(stand, len(rows) - stand - refused, refused)
    return taken


STANDS = frozenset({CREATED, UPDATED, UNCHANGED})


def _close(environment: Environment, entity: str, rows: list[Difference], actor: Actor, report: Report) -> None:
    taken = [row for row, outcome in zip(rows, report.outcomes, strict=True) if outcome in STANDS]
    Difference.objects.filter(pk__in=[row.pk for row in taken], closed_at=None).update(
        outcome=Difference.Outcome.TAKEN, closed_at=timezone.now(), closed_by=actor.user, client_id=actor.client_id
    )
    if taken:
        audit.record(
            "difference.taken",
            actor=actor,
            environment=environment,
            **target_of(entity, taken),
        )
