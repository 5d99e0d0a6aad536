"""What came in and when, read from the batches: the pictures and figures never touch the records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import OuterRef, Subquery, Sum

from entities.batch_hours import HOUR, TRAFFIC
from entities.models import Batch, Entity, RecordCounter
from track360.models import Environment, Partner

_TRAFFIC_SUMS = ", ".join(f"coalesce(sum({name}), 0)" for name in ("records", "refused", "created", "late"))
HOURS_SQL = f"""{TRAFFIC}
SELECT hour, {_TRAFFIC_SUMS}
  FROM unnest(%(hours)s::timestamptz[]) AS hour
  LEFT JOIN traffic ON date_trunc('hour', at, 'UTC') = hour AND door <> 'sample'
 GROUP BY hour ORDER BY hour
"""
DAY_SQL = f"{TRAFFIC} SELECT {_TRAFFIC_SUMS} FROM traffic WHERE door <> 'sample'"
WINDOW_SQL = f"""{TRAFFIC}
SELECT entity, sum(created), sum(updated), sum(unchanged), sum(refused), sum(late)
  FROM traffic WHERE door IN ('push', 'pull')
 GROUP BY entity
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """What batches brought in a time: records taken in (new, changed or the same), created, late ones, refused ones."""

    records: int = 0
    refused: int = 0
    created: int = 0
    late: int = 0

    def __add__(self, other: Traffic) -> Traffic:
        return Traffic(
            self.records + other.records,
            self.refused + other.refused,
            self.created + other.created,
            self.late + other.late,
        )

    @property
    def received(self) -> int:
        return self.records + self.refused


# One look into `batch_by_entity` for each combination: the first batch of it that brought a record in is enough.
ARRIVED_SQL = """
SELECT environment_id, entity, door
  FROM unnest(%s::bigint[]) AS environment_id, unnest(%s::text[]) AS entity, unnest(%s::text[]) AS door,
       LATERAL (SELECT FROM entities_batch batch
                 WHERE batch.environment_id = environment_id.environment_id AND batch.entity = entity.entity
                   AND batch.door = door.door AND NOT refused AND received > rejected
                 ORDER BY batch.started_at LIMIT 1) AS first
"""
LIVE_DOORS = (Batch.Door.PUSH, Batch.Door.PULL)
ARRIVING_DOORS = (*LIVE_DOORS, Batch.Door.BACKFILL)


@dataclass(frozen=True, slots=True)
class Arrived:
    """That records of an entity were taken in through a door, ever."""

    environment_id: int
    entity: str
    door: str


@dataclass(frozen=True, slots=True)
class Window:
    """What came for one entity in a time: outcomes of its records, and how many of the created ones were late."""

    created: int = 0
    updated: int = 0
    unchanged: int = 0
    refused: int = 0
    late: int = 0

    @property
    def accepted(self) -> int:
        return self.created + self.updated + self.unchanged


@dataclass(frozen=True, slots=True)
class Hour:
    start: dt.datetime
    traffic: Traffic


def hours_for(environment: Environment, *, hours: int, now: dt.datetime) -> list[Hour]:
    """The last `hours` hours, oldest first, the one under way included; hours without a batch are there with zeros."""
    last = now.astimezone(dt.UTC).replace(minute=0, second=0, microsecond=0)
    starts = [last - back * HOUR for back in reversed(range(hours))]
    rows = _read(HOURS_SQL, environment, start=starts[0], end=last + HOUR, hours=starts)
    return [Hour(start, Traffic(*map(int, sums))) for start, *sums in rows]


def arrivals_in(environments: Iterable[Environment]) -> set[Arrived]:
    """Which entities were taken in, in which environment: pushed, pulled, or by a backfill."""
    with connection.cursor() as cursor:
        ids = [environment.pk for environment in environments]
        cursor.execute(ARRIVED_SQL, [ids, Entity.values, [str(door) for door in ARRIVING_DOORS]])
        return {Arrived(*row) for row in cursor.fetchall()}


def window_for(environment: Environment, *, start: dt.datetime, end: dt.datetime) -> dict[str, Window]:
    """Entity -> what was pushed and pulled from `start` to before `end`; every entity is there."""
    rows = _read(WINDOW_SQL, environment, start=start, end=end)
    found = {entity: Window(*map(int, sums)) for entity, *sums in rows}
    return {entity.value: found.get(entity.value, Window()) for entity in Entity}


def traffic_in(environment: Environment, *, start: dt.datetime, end: dt.datetime) -> Traffic:
    """What came from `start` to before `end`."""
    [sums] = _read(DAY_SQL, environment, start=start, end=end)
    return Traffic(*map(int, sums))


def _read(sql: str, environment: Environment, **values: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, {"environment": environment.pk, **values})
        return cursor.fetchall()


def traffic_over(hours: Iterable[Hour]) -> Traffic:
    return sum((hour.traffic for hour in hours), Traffic())


def totals_for(environment: Environment) -> dict[str, int]:
    """Entity -> number of records, from the counters; every entity is there."""
    counted = dict(
        RecordCounter.objects.filter(environment=environment)
        .values("entity")
        .annotate(total=Sum("count"))
        .values_list("entity", "total")
    )
    return {entity.value: counted.get(entity.value, 0) for entity in Entity}


def environments_with_last_batch(partners: Iterable[Partner]) -> list[tuple[Environment, dt.datetime | None]]:
    """The environments of `partners`, sandbox first, each with the time of its newest batch."""
    newest = Batch.objects.filter(environment=OuterRef("pk")).order_by("-started_at").values("started_at")[:1]
    environments = Environment.objects.filter(partner__in=list(partners)).order_by("-kind")
    return [
        (environment, environment.last_batch_at)
        for environment in environments.annotate(last_batch_at=Subquery(newest))
    ]
