"""The records of a day that came by one door only, or differ between the two."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from entities.listings import LISTINGS
from entities.models import Difference, Entity, Record
from entities.paging import PER_PAGE, Fetch, Position
from entities.pipeline.differences import HOLDS_SQL
from entities.pipeline.upsert import PUSHED_SQL
from entities.scans import ALONG_THE_INDEX
from entities.totals import DIFFERENCES_SQL, MEASURES
from track360 import exact_json
from track360.models import Environment

CHUNK = 1000


class Which(StrEnum):
    ONLY_PUSHED = "only_pushed"
    ONLY_PULLED = "only_pulled"
    DIFFERENT = "different"
    WAIVED = "waived"


# Whether a record was seen at the other door too. A sighting from before its `updated_at` was of an earlier version.
SEEN_SQL = """EXISTS (SELECT FROM entities_sighting seen
                       WHERE seen.environment_id = s.environment_id AND seen.entity = %(entity)s
                         AND seen.record_id = s.id AND seen.door = '{door}' AND seen.seen_at >= s.updated_at)"""
OF_RECORD_SQL = """SELECT FROM entities_difference {name}
                    WHERE {name}.environment_id = s.environment_id AND {name}.entity = %(entity)s
                      AND {name}.record_id = s.id AND"""
DIFFERS_SQL = f"EXISTS ({OF_RECORD_SQL.format(name='differing')} differing.closed_at IS NULL)"
IS_WAIVED_SQL = f"EXISTS ({OF_RECORD_SQL.format(name='waived')} waived.outcome = 'waived' AND {HOLDS_SQL})"
CONDITIONS = {
    Which.ONLY_PUSHED: f"{PUSHED_SQL} AND NOT {SEEN_SQL.format(door='pull')}"
    f" AND NOT {DIFFERS_SQL} AND NOT {IS_WAIVED_SQL}",
    Which.ONLY_PULLED: f"NOT {PUSHED_SQL} AND NOT {SEEN_SQL.format(door='push')}",
    Which.DIFFERENT: "differing.record_id IS NOT NULL",
    Which.WAIVED: "waived.record_id IS NOT NULL",
}
DIFFERENCE_COLUMNS = """coalesce(differing.id, waived.id) AS difference_id,
       coalesce(differing.payload, waived.payload) AS said_text,
       coalesce(differing.fields, waived.fields) AS differing_fields,
       waived.closed_at AS waived_at, waived.reason AS waived_because,
       coalesce((SELECT email FROM track360_user u WHERE u.id = waived.closed_by_id), waived.client_id) AS waived_by"""
NO_DIFFERENCE = """NULL::bigint AS difference_id, NULL AS said_text, NULL AS differing_fields,
       NULL AS waived_at, NULL AS waived_because, NULL AS waived_by"""
# What came by one door only may be nearly all of a day: it is looked at in its order, record by record, until the page
# is full; nothing is sorted, nor the records of a date among themselves. What differs is little: it is joined.
IN_ORDER = f"{ALONG_THE_INDEX} SELECT set_config('enable_incremental_sort', 'off', true);"
SELECTS = {
    False: f"{IN_ORDER} SELECT s.*, {NO_DIFFERENCE} FROM {{table}} s",
    True: f"SELECT s.*, {DIFFERENCE_COLUMNS} FROM {{table}} s {DIFFERENCES_SQL}",
}


@dataclass(frozen=True, slots=True)
class Cell:
    """The records dated from `start` to before `end` (moments, of activity days); an empty filter does not filter."""

    environment: Environment
    entity: Entity
    start: dt.date
    end: dt.date
    currency: str = ""
    type: str = ""

    @property
    def order(self) -> tuple[str, str]:
        return (MEASURES[self.entity].date, "id")


def records_in(cell: Cell, which: Which, *, after: Position | None = None, upwards: bool = True, limit: int) -> Any:
    """In the order of their date and id, or `upwards=False` from the last one back. Each bears `difference_id`, and
    where it differs `said`, the pulled version, and `differing_fields`; where that was waived `waived_at`, `waived_by`
    and `waived_because`."""
    measure = MEASURES[cell.entity]
    names = f"(s.{measure.date}, s.id)"
    direction, operator = ("ASC", ">") if upwards else ("DESC", "<")
    where, values = f"s.{measure.date} >= %(start)s AND s.{measure.date} < %(end)s", {}
    if cell.currency and measure.has_sum:
        where, values = f"{where} AND s.currency = %(currency)s", {"currency": cell.currency}
    if cell.type and measure.has_type:
        where, values = f"{where} AND s.transaction_type = %(type)s", values | {"type": cell.type}
    if after:
        where += f" AND {names} {operator} (%(after_date)s, %(after_id)s)"
        values |= {"after_date": after[0], "after_id": after[1]}
    sql = f"""
{SELECTS[which in (Which.DIFFERENT, Which.WAIVED)].format(table=measure.table)}
 WHERE s.environment_id = %(environment)s AND {where} AND {CONDITIONS[which]}
 ORDER BY s.{measure.date} {direction}, s.id {direction} LIMIT %(limit)s
"""
    place = {"environment": cell.environment.pk, "entity": cell.entity.value, "start": cell.start, "end": cell.end}
    found = list(LISTINGS[cell.entity].model._default_manager.raw(sql, {**place, **values, "limit": limit}))
    for row in found:
        said: Any = row
        said.said = exact_json.loads(said.said_text) if said.said_text else None
        if isinstance(said.differing_fields, str):
            said.differing_fields = exact_json.loads(said.differing_fields)
    return found


def page_of_cell(cell: Cell, which: Which) -> Fetch[Record]:
    """What `paging.keyset_page` reads a page with, the newest first."""

    def fetch(position: Position | None, upwards: bool) -> list[Record]:
        found: list[Record] = records_in(cell, which, after=position, upwards=upwards, limit=PER_PAGE + 1)
        return found

    return fetch


def all_in(cell: Cell, which: Which) -> Iterator[Record]:
    """All of them, a thousand at a time."""
    after: Position | None = None
    while True:
        found = records_in(cell, which, after=after, limit=CHUNK)
        yield from found
        if len(found) < CHUNK:
            return
        after = tuple(getattr(found[-1], column) for column in cell.order)


def differences_in(cell: Cell, *, numbers: list[int] | None = None, limit: int) -> list[Difference]:
    """The open differences of the cell, or those of these ids."""
    rows = Difference.objects.filter(environment=cell.environment, entity=cell.entity, closed_at=None)
    if numbers is None:
        numbers = [row.difference_id for row in records_in(cell, Which.DIFFERENT, limit=limit)]
    return list(rows.filter(pk__in=numbers).order_by("pk")[:limit])
