"""What came in and when, read from the batches: the pictures and figures never touch the records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Case, F, IntegerField, OuterRef, Subquery, Sum, Value, When

from entities.models import Batch, Entity, RecordCounter
from track360.models import Environment, Partner

HOUR = dt.timedelta(hours=1)

# A refused batch stored nothing, whatever it received.
STORED = Case(
    When(refused=True, then=Value(0)),
    default=F("received") - F("rejected"),
    output_field=IntegerField(),
)
SUMS = {
    "sum_records": Sum(STORED),
    "sum_refused": Sum("rejected"),
    "sum_created": Sum("created"),
    "sum_late": Sum("late"),
}

# One look into the index an hour: grouping all rows of the time by their hour would sort them.
HOURS_SQL = """
SELECT hour, traffic.*
  FROM unnest(%s::timestamptz[]) AS hour
 CROSS JOIN LATERAL (
       SELECT coalesce(sum(CASE WHEN refused THEN 0 ELSE received - rejected END), 0),
              coalesce(sum(rejected), 0), coalesce(sum(created), 0), coalesce(sum(late), 0)
         FROM entities_batch
        WHERE environment_id = %s AND started_at >= hour AND started_at < hour + interval '1 hour' AND door <> %s
       ) AS traffic
 ORDER BY hour
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
    with connection.cursor() as cursor:
        cursor.execute(HOURS_SQL, [starts, environment.pk, Batch.Door.SAMPLE])
        return [Hour(start, Traffic(*sums)) for start, *sums in cursor.fetchall()]


def arrivals_in(environments: Iterable[Environment]) -> set[Arrived]:
    """Which entities were taken in, in which environment: pushed, pulled, or by a backfill."""
    with connection.cursor() as cursor:
        ids = [environment.pk for environment in environments]
        cursor.execute(ARRIVED_SQL, [ids, Entity.values, [str(door) for door in ARRIVING_DOORS]])
        return {Arrived(*row) for row in cursor.fetchall()}


def window_for(environment: Environment, *, start: dt.datetime, end: dt.datetime) -> dict[str, Window]:
    """Entity -> what was pushed and pulled from `start` to before `end`; every entity is there."""
    rows = (
        Batch.objects.filter(environment=environment, entity__in=Entity.values, door__in=LIVE_DOORS)
        .filter(started_at__gte=start, started_at__lt=end)
        .values("entity")
        .annotate(
            stored_created=Sum("created"),
            stored_updated=Sum("updated"),
            stored_unchanged=Sum("unchanged"),
            sum_refused=Sum("rejected"),
            sum_late=Sum("late"),
        )
    )
    found = {
        row["entity"]: Window(
            created=row["stored_created"],
            updated=row["stored_updated"],
            unchanged=row["stored_unchanged"],
            refused=row["sum_refused"],
            late=row["sum_late"],
        )
        for row in rows
    }
    return {entity.value: found.get(entity.value, Window()) for entity in Entity}


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


def traffic_by_environment(partners: Iterable[Partner], *, since: dt.datetime) -> dict[int, Traffic]:
    """Environment id -> what came in since then; environments without a batch are left out."""
    rows = (
        Batch.objects.filter(environment__partner__in=list(partners), started_at__gte=since)
        .exclude(door=Batch.Door.SAMPLE)
        .values("environment_id")
        .annotate(**SUMS)
    )
    return {row["environment_id"]: _traffic(row) for row in rows}


def environments_with_last_batch(partners: Iterable[Partner]) -> list[tuple[Environment, dt.datetime | None]]:
    """The environments of `partners`, sandbox first, each with the time of its newest batch."""
    newest = Batch.objects.filter(environment=OuterRef("pk")).order_by("-started_at").values("started_at")[:1]
    environments = Environment.objects.filter(partner__in=list(partners)).order_by("-kind")
    return [
        (environment, environment.last_batch_at)
        for environment in environments.annotate(last_batch_at=Subquery(newest))
    ]


def _traffic(row: Any) -> Traffic:
    return Traffic(row["sum_records"], row["sum_refused"], row["sum_created"], row["sum_late"])
