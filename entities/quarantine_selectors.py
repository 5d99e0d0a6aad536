"""Refused records: what stands in the way, grouped by cause, and each of them whole."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

from django.db import connection
from django.db.models import QuerySet

from entities.models import QuarantinedRecord
from entities.paging import PER_PAGE, Fetch, Position
from track360.models import Environment

# Groups are counted over the newest records only: a count over all of them would grow without end.
GROUPED = 10_000
CAUSES_SQL = """
SELECT entity, code, field, count(*), max(received_at)
  FROM (SELECT entity, code, field, received_at FROM entities_quarantinedrecord
         WHERE environment_id = %s ORDER BY id DESC LIMIT %s) newest
 GROUP BY entity, code, field
 ORDER BY count(*) DESC, entity, code, field
 LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class Cause:
    """Records refused for the same reason: entity, code and field of the first error."""

    entity: str
    code: str
    field: str
    count: int
    last_at: dt.datetime


def quarantined_for(environment: Environment, *, entity: str = "", code: str = "") -> QuerySet[QuarantinedRecord]:
    """The refused records of an environment; an empty filter does not filter."""
    filters = {name: value for name, value in (("entity", entity), ("code", code)) if value}
    return QuarantinedRecord.objects.filter(environment=environment, **filters)


def quarantined_after(environment: Environment, *, entity: str = "", code: str = "") -> Fetch[QuarantinedRecord]:
    """What `paging.keyset_page` reads a page with."""

    def fetch(position: Position | None, upwards: bool) -> list[QuarantinedRecord]:
        records = quarantined_for(environment, entity=entity, code=code)
        if position:
            records = records.filter(id__gt=position[0]) if upwards else records.filter(id__lt=position[0])
        return list(records.order_by("id" if upwards else "-id")[: PER_PAGE + 1])

    return fetch


def quarantined_by_number(environment: Environment, number: int) -> QuarantinedRecord | None:
    return quarantined_for(environment).filter(pk=number).first()


def quarantine_causes(environment: Environment, *, limit: int | None = None) -> list[Cause]:
    """Why records were refused, the commonest cause first, counted over the newest 10,000."""
    with connection.cursor() as cursor:
        cursor.execute(CAUSES_SQL, [environment.pk, GROUPED, limit])
        return [Cause(*row) for row in cursor.fetchall()]
