"""Which raw values have arrived in the status fields, and when last."""

from __future__ import annotations

import datetime as dt

from django.db import connection

from entities.models import SeenStatus
from entities.pipeline.facts import BEHIND, STATUS_FIELDS
from entities.pipeline.warnings import MAX_VALUES
from entities.pipeline.work import Work
from track360.models import Environment


def statuses_to_note(work: Work) -> tuple[list[SeenStatus], list[tuple[str, str]]]:
    """Values that are new, up to 200 a field (beyond that it is no status field, and a warning says so), and those
    whose `last_seen_at` is behind."""
    fresh: list[SeenStatus] = []
    again: list[tuple[str, str]] = []
    now = work.clock.now
    facts = work.facts
    for field in STATUS_FIELDS[work.entity]:
        values = set(work.column(field)) - {None}
        unseen = sorted(value for value in values if (field, value) not in facts.seen)
        if unseen:
            room = max(0, MAX_VALUES - facts.seen_in(field))
            fresh += [SeenStatus(environment=work.environment, field=field, raw_value=value) for value in unseen[:room]]
        again += [(field, value) for value in values if facts.seen.get((field, value), now) < now - BEHIND]
    return fresh, again


def note_statuses(work: Work) -> None:
    fresh, again = statuses_to_note(work)
    if fresh:
        SeenStatus.objects.bulk_create(fresh, ignore_conflicts=True)
    if again:
        _note_again(work.environment, again, now=work.clock.now)


def _note_again(environment: Environment, values: list[tuple[str, str]], *, now: dt.datetime) -> None:
    """Move `last_seen_at`; a row that another batch is moving just now is left to it."""
    fields, raws = zip(*values, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(
            """
            UPDATE entities_seenstatus SET last_seen_at = %s WHERE id IN (
                SELECT seen.id FROM entities_seenstatus seen
                  JOIN unnest(%s::text[], %s::text[]) AS wanted (field, raw_value)
                    ON seen.field = wanted.field AND seen.raw_value = wanted.raw_value
                 WHERE seen.environment_id = %s
                   FOR UPDATE OF seen SKIP LOCKED)
            """,
            [now, list(fields), list(raws), environment.pk],
        )
