"""The request log's partitions: one a day (UTC), made ahead, dropped after 90 days."""

from __future__ import annotations

import datetime as dt

from django.db import connection, transaction

TABLE = "integrations_apirequest"
KEPT_DAYS = 90
DAYS_AHEAD = 3
PARTITION_LOCK = 361
NAME_FORMAT = f"{TABLE}_%Y%m%d"


def ensure_partitions(today: dt.date) -> None:
    """Make the partitions of today and the next days. What came before its partition is moved from the default one."""
    existing = _partitions()
    for day in (today + dt.timedelta(days=ahead) for ahead in range(DAYS_AHEAD + 1)):
        if day not in existing:
            _make(day)


def drop_old_partitions(today: dt.date) -> list[dt.date]:
    """Drop what is older than 90 days; returns the days."""
    first_kept = today - dt.timedelta(days=KEPT_DAYS)
    old = sorted(day for day in _partitions() if day < first_kept)
    with connection.cursor() as cursor:
        for day in old:
            cursor.execute(f"DROP TABLE IF EXISTS {day:{NAME_FORMAT}}")
        cursor.execute(f"DELETE FROM {TABLE}_default WHERE at < %s", [first_kept])
    return old


def _partitions() -> set[dt.date]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
            " WHERE i.inhparent = %s::regclass",
            [TABLE],
        )
        names = [name for (name,) in cursor.fetchall() if name != f"{TABLE}_default"]
    return {dt.datetime.strptime(name, NAME_FORMAT).date() for name in names}


def _make(day: dt.date) -> None:
    """Made aside and attached: an attached partition may not overlap rows of the default one."""
    name, first, end = f"{day:{NAME_FORMAT}}", f"{day} 00:00Z", f"{day + dt.timedelta(days=1)} 00:00Z"
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [PARTITION_LOCK])
        cursor.execute("SELECT to_regclass(%s)", [name])
        if cursor.fetchone()[0]:
            return
        cursor.execute(f"CREATE TABLE {name} (LIKE {TABLE} INCLUDING DEFAULTS INCLUDING CONSTRAINTS)")
        cursor.execute(f"LOCK TABLE {TABLE}_default IN ACCESS EXCLUSIVE MODE")
        cursor.execute(
            f"WITH moved AS (DELETE FROM {TABLE}_default WHERE at >= %s AND at < %s RETURNING *)"
            f" INSERT INTO {name} SELECT * FROM moved",
            [first, end],
        )
        cursor.execute(f"ALTER TABLE {TABLE} ATTACH PARTITION {name} FOR VALUES FROM ('{first}') TO ('{end}')")
