"""Which raw values have arrived in the status fields."""

from __future__ import annotations

from entities.models import SeenStatus
from entities.pipeline.facts import STATUS_FIELDS, Facts, Row
from entities.pipeline.warnings import MAX_VALUES
from track360.models import Environment


def note_statuses(environment: Environment, *, entity: str, rows: list[Row], facts: Facts) -> None:
    """Remember values that are new, up to 200 a field: beyond that it is no status field, and a warning says so."""
    fresh: list[SeenStatus] = []
    for field in STATUS_FIELDS[entity]:
        values = {row[field] for row in rows if row.get(field) is not None}
        unseen = sorted(value for value in values if (field, value) not in facts.seen)
        fresh += [
            SeenStatus(environment=environment, field=field, raw_value=value)
            for value in unseen[: max(0, MAX_VALUES - facts.seen_in(field))]
        ]
    if fresh:
        SeenStatus.objects.bulk_create(fresh, ignore_conflicts=True)
