"""Refused records: lists of them, and each of them whole."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from entities.models import QuarantinedRecord, QuarantineEvent
from entities.paging import PER_PAGE, Fetch, Position
from entities.replays import COLUMNS
from entities.retries import outdated_among
from track360.models import Environment


def quarantined_for(environment: Environment, **filters: Any) -> QuerySet[QuarantinedRecord]:
    """The refused records of an environment by entity, code, field, run, state; an empty filter does not filter."""
    wanted = {COLUMNS.get(name, name): value for name, value in filters.items() if value}
    return QuarantinedRecord.objects.filter(environment=environment, **wanted)


def quarantined_after(environment: Environment, **filters: Any) -> Fetch[QuarantinedRecord]:
    """What `paging.keyset_page` reads a page with."""

    def fetch(position: Position | None, upwards: bool) -> list[QuarantinedRecord]:
        records = quarantined_for(environment, **filters)
        if position:
            records = records.filter(id__gt=position[0]) if upwards else records.filter(id__lt=position[0])
        return list(records.order_by("id" if upwards else "-id")[: PER_PAGE + 1])

    return fetch


def quarantined_by_number(environment: Environment, number: int) -> QuarantinedRecord | None:
    return quarantined_for(environment).select_related("environment__partner").filter(pk=number).first()


def events_of(record: QuarantinedRecord) -> list[QuarantineEvent]:
    """What happened to it after it was refused, the oldest first."""
    return list(record.events.select_related("by").order_by("at", "pk"))


def is_outdated(record: QuarantinedRecord) -> bool:
    """Whether a newer version of it is held, so that this one will not be stored."""
    return record.state == QuarantinedRecord.State.HELD and bool(outdated_among([record]))
