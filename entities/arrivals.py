"""What came and what did not, over all environments at once: a few statements that only look into indexes.

A scan by time alone would read all batches: no index begins with the time, since each begins with the environment.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.db import connection

from entities.batch_selectors import LIVE_DOORS
from entities.models import Entity
from entities.retries import MENDED

DOORS = [str(door) for door in LIVE_DOORS]
Place = tuple[int, str]  # environment id, entity

REFUSALS_SQL = """
SELECT environment_id, entity, received, rejected
  FROM unnest(%(environments)s::bigint[]) AS environment_id,
       LATERAL (SELECT entity, sum(received) AS received, sum(rejected) AS rejected
                  FROM entities_batch batch
                 WHERE batch.environment_id = environment_id.environment_id AND started_at >= %(since)s
                   AND door = ANY(%(doors)s)
                 GROUP BY entity) AS hour
 WHERE received >= %(at_least)s AND rejected > %(share)s * received
"""
LATE_SQL = """
SELECT environment_id, entity, created, late, own_seconds > lag_seconds - own_seconds
  FROM unnest(%(environments)s::bigint[]) AS environment_id,
       LATERAL (SELECT entity, sum(created) AS created, sum(late) AS late, sum(own_seconds) AS own_seconds,
                       sum(lag_seconds) AS lag_seconds
                  FROM entities_batch batch
                 WHERE batch.environment_id = environment_id.environment_id AND started_at >= %(since)s
                   AND entity = ANY(%(entities)s) AND lags IS NOT NULL
                 GROUP BY entity) AS hour
 WHERE created >= %(at_least)s AND created - late < %(share)s * created
"""
LAST_SQL = """
SELECT environment_id, entity, max(last.at)
  FROM unnest(%(environments)s::bigint[]) AS environment_id, unnest(%(entities)s::text[]) AS entity,
       unnest(%(doors)s::text[]) AS door,
       LATERAL (SELECT max(started_at) AS at
                  FROM entities_batch batch
                 WHERE batch.environment_id = environment_id.environment_id AND batch.entity = entity.entity
                   AND batch.door = door.door) AS last
 GROUP BY environment_id, entity
HAVING max(last.at) IS NOT NULL
"""
HOURS_SQL = """
SELECT environment_id, entity, hour
  FROM unnest(%(environments)s::bigint[], %(entities)s::text[], %(lasts)s::timestamptz[])
       AS place (environment_id, entity, last),
       generate_series(0, %(hours)s - 1) AS hour
 WHERE EXISTS (SELECT FROM entities_batch batch
                WHERE batch.environment_id = place.environment_id AND batch.entity = place.entity
                  AND batch.door = ANY(%(doors)s)
                  AND batch.started_at <= place.last - hour * interval '1 hour'
                  AND batch.started_at > place.last - (hour + 1) * interval '1 hour')
"""
NO_DAY_SQL = """
SELECT environment_id
  FROM unnest(%(environments)s::bigint[]) AS environment_id
 WHERE NOT EXISTS (SELECT FROM entities_activity activity
                    WHERE activity.environment_id = environment_id.environment_id AND activity.date = %(day)s)
   AND EXISTS (SELECT FROM entities_activity activity
                WHERE activity.environment_id = environment_id.environment_id AND activity.date < %(day)s)
"""
# Of the newest 500 that are still held, and not of all: who refuses everything keeps a great many. Those that somebody
# mended have no cause any more.
CAUSES_SQL = """
SELECT DISTINCT ON (environment_id, entity) environment_id, entity, code
  FROM unnest(%(environments)s::bigint[]) AS environment_id,
       LATERAL (SELECT entity, code, count(*) AS number
                  FROM (SELECT entity, code, received_at
                          FROM entities_quarantinedrecord refused
                         WHERE refused.environment_id = environment_id.environment_id AND state = 'held'
                         ORDER BY id DESC LIMIT 500) AS newest
                 WHERE received_at >= %(since)s AND code <> %(mended)s
                 GROUP BY entity, code) AS cause
 ORDER BY environment_id, entity, number DESC, code
"""


@dataclass(frozen=True, slots=True)
class Refusals:
    """`cause` is the commonest code; empty where whole batches were refused, of which no record is kept."""

    environment_id: int
    entity: str
    received: int
    rejected: int
    cause: str


def refusals_since(environments: Sequence[int], since: dt.datetime, *, at_least: int, share: float) -> list[Refusals]:
    """Where more than `share` of at least `at_least` records pushed or pulled since then were refused."""
    with connection.cursor() as cursor:
        cursor.execute(
            REFUSALS_SQL,
            {
                "environments": list(environments),
                "since": since,
                "doors": DOORS,
                "at_least": at_least,
                "share": share,
            },
        )
        found = cursor.fetchall()
        cursor.execute(
            CAUSES_SQL, {"environments": sorted({row[0] for row in found}), "since": since, "mended": MENDED}
        )
        causes = {(environment, entity): code for environment, entity, code in cursor.fetchall()}
        return [
            Refusals(environment, entity, received, rejected, causes.get((environment, entity), ""))
            for environment, entity, received, rejected in found
        ]


@dataclass(frozen=True, slots=True)
class Late:
    """`is_ours`: more of the time of these records was ours than the partner's."""

    environment_id: int
    entity: str
    created: int
    late: int
    is_ours: bool


def late_since(
    environments: Sequence[int], since: dt.datetime, *, entities: Sequence[str], at_least: int, share: float
) -> list[Late]:
    """Where less than `share` of at least `at_least` new records since then came within the freshness target."""
    with connection.cursor() as cursor:
        cursor.execute(
            LATE_SQL,
            {
                "environments": list(environments),
                "since": since,
                "entities": list(entities),
                "at_least": at_least,
                "share": share,
            },
        )
        return [Late(*row) for row in cursor.fetchall()]


def last_arrivals(environments: Sequence[int]) -> dict[Place, dt.datetime]:
    """When the newest batch was pushed or pulled, of each entity that ever was."""
    with connection.cursor() as cursor:
        cursor.execute(LAST_SQL, {"environments": list(environments), "entities": Entity.values, "doors": DOORS})
        return {(environment, entity): at for environment, entity, at in cursor.fetchall()}


def usual_gaps(lasts: dict[Place, dt.datetime], *, hours: int) -> dict[Place, int]:
    """Place -> the most hours in a row without a batch, in the `hours` before its last one: 0 where each had one."""
    heard: dict[Place, set[int]] = defaultdict(set)
    with connection.cursor() as cursor:
        cursor.execute(
            HOURS_SQL,
            {
                "environments": [environment for environment, _ in lasts],
                "entities": [entity for _, entity in lasts],
                "lasts": list(lasts.values()),
                "hours": hours,
                "doors": DOORS,
            },
        )
        for environment, entity, hour in cursor.fetchall():
            heard[environment, entity].add(hour)
    return {place: _longest_run_without(heard[place], hours) for place in lasts}


def _longest_run_without(heard: set[int], hours: int) -> int:
    longest = run = 0
    for hour in range(hours):
        run = 0 if hour in heard else run + 1
        longest = max(longest, run)
    return longest


def without_activity_of(environments: Sequence[int], day: dt.date) -> set[int]:
    """Those that have activity of earlier days, and none of this one."""
    with connection.cursor() as cursor:
        cursor.execute(NO_DAY_SQL, {"environments": list(environments), "day": day})
        return {environment for (environment,) in cursor.fetchall()}
