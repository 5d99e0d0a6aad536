"""Whom our push is measured against: three servers that upsert into the same table, and the bare statement.

The servers of `bench/peers` check no token, no limit and no rules beyond types, and keep no history, counts or log;
each is written as an experienced user of it would for speed. The limit is COPY, which cannot upsert, and below it our
own statement on connections to the database with rows that are ready: what is left without HTTP and without Python.

`script/bench push_peers` prints them alone, `script/bench push_peers small` on the small database.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import statistics
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from bench import peer_servers, server
from bench.ingest import BATCH, TAG, copier, records, throughput

CONNECTIONS = 4
SINGLE_CONNECTIONS = 8
SECONDS = 10
WARM_SECONDS = 2
CACHE_SECONDS = 8
"""Until the pages that all of them write are in memory, and in the log since the last checkpoint."""

Worker = Callable[[int, Callable[[], str | None]], None]


def poster(port: int, path: str, size: int) -> Worker:
    """Pushes to a peer, all new, `size` transactions a call: BATCH to `/transactions/bulk`, one to `/transactions`."""

    def push(number: int, next_tag: Callable[[], str | None]) -> None:
        batch = records(number)
        template = json.dumps(batch if size == BATCH else batch[0]).encode()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        while tag := next_tag():
            body = template.replace(TAG.encode(), tag.encode())
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            said = answer.read()
            if answer.status != 200 or json.loads(said)["stored"] != size:
                raise SystemExit(f"A peer did not store a batch: {answer.status} {said[:300]!r}")

    return push


def check(name: str, port: int, dsn: str, environment_id: int) -> None:
    """A batch, sent once more with other values, is stored as sent, each record once; ends the program if not."""
    sent: list[dict[str, Any]] = json.loads(json.dumps(records(0)).replace(TAG, f"check{uuid.uuid4().hex}"))
    changed = [record | {"amount_currency": 1.07, "amount_usd": None, "note": None} for record in sent]
    connection = http.client.HTTPConnection("127.0.0.1", port)
    for path, body in (("/transactions/bulk", sent), ("/transactions/bulk", changed), ("/transactions", sent[0])):
        connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
        connection.getresponse().read()
    with psycopg2.connect(dsn) as database, database.cursor(cursor_factory=RealDictCursor) as cursor:
        date = "to_char(transaction_date AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS transaction_date"
        names = ", ".join(name if name != "transaction_date" else date for name in sent[0])
        cursor.execute(
            f"SELECT {names} FROM entities_transaction WHERE environment_id = %s AND transaction_id = ANY(%s)"
            " ORDER BY transaction_id",
            [environment_id, [record["transaction_id"] for record in sent]],
        )
        stored = [
            {key: float(value) if isinstance(value, Decimal) else value for key, value in row.items()}
            for row in cursor.fetchall()
        ]
    if stored != [sent[0], *changed[1:]]:
        raise SystemExit(f"{name} did not store what it was sent")


def bare_upsert(dsn: str, environment_id: int) -> Worker:
    """Our statement as the pipeline runs it, a commit each, on a connection of its own with ready rows in JSON."""
    from entities.pipeline.policy import Door
    from entities.pipeline.upsert import upsert_sql

    statement = upsert_sql("transactions", Door.PUSH)

    def run(number: int, next_tag: Callable[[], str | None]) -> None:
        template = json.dumps(records(number))
        values = {"environment": environment_id, "source": "push", "batch": str(uuid.uuid4()), "entity": "transactions"}
        connection = psycopg2.connect(dsn)
        connection.autocommit = True
        with connection.cursor() as cursor:
            while tag := next_tag():
                cursor.execute(statement, {**values, "rows": template.replace(TAG, tag)})
                if cursor.fetchone()[1] != BATCH:
                    raise SystemExit("The statement did not store a batch")
        connection.close()

    return run


def measure_peers(dsn: str, environment_id: int, *, seconds: float = SECONDS) -> dict[str, float]:
    """Records a second of each peer, by name: new ones, 1,000 a call on 4 connections."""
    found = {}
    for name in peer_servers.PUSH:
        with peer_servers.running(name, dsn, environment_id) as port:
            check(name, port, dsn, environment_id)
            push = poster(port, "/transactions/bulk", BATCH)
            throughput(WARM_SECONDS, CONNECTIONS, push)
            found[name] = throughput(seconds, CONNECTIONS, push)
    return found


def measure_single(dsn: str, environment_id: int, *, seconds: float = SECONDS) -> dict[str, float]:
    """Records a second of each peer, by name: new ones, one a call on 8 connections."""
    found = {}
    for name in peer_servers.PUSH:
        with peer_servers.running(name, dsn, environment_id) as port:
            push = poster(port, "/transactions", 1)
            throughput(WARM_SECONDS, SINGLE_CONNECTIONS, push)
            found[name] = throughput(seconds, SINGLE_CONNECTIONS, push) / BATCH
    return found


@contextmanager
def left_as_it_was(dsn: str, environment_id: int) -> Iterator[None]:
    """Deletes the environment's transactions that came meanwhile."""
    connection = psycopg2.connect(dsn)
    connection.autocommit = True  # for VACUUM
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(id), 0) FROM entities_transaction")
        highest = cursor.fetchone()[0]
        try:
            yield
        finally:
            came = [environment_id, highest]
            cursor.execute("DELETE FROM entities_transaction WHERE environment_id = %s AND id > %s", came)
            cursor.execute("VACUUM (ANALYZE) entities_transaction")
    connection.close()


def measure() -> None:
    from bench.fill import filled_environment
    from track360 import embedded, env

    environment_id = filled_environment().pk
    dsn = embedded.Postgres(env.VAR).url
    peer_servers.environment()
    copy = copier(environment_id)
    with left_as_it_was(dsn, environment_id):
        throughput(CACHE_SECONDS, CONNECTIONS, copy)
        before = throughput(SECONDS, CONNECTIONS, copy)
        rates = {
            "our statement alone": throughput(SECONDS, CONNECTIONS, bare_upsert(dsn, environment_id)),
            **measure_peers(dsn, environment_id),
        }
        after = throughput(SECONDS, CONNECTIONS, copy)
        singles = measure_single(dsn, environment_id)
    copied = statistics.mean((before, after))
    rates = {"COPY, before": before, "COPY, after": after, **rates}
    print(f"\n{'way':<24}{'records/s':>12}{'of COPY':>10}{'single/s':>12}")
    for name, rate in rates.items():
        single = f"{singles[name]:,.0f}" if name in singles else ""
        print(f"{name:<24}{rate:>12,.0f}{rate / copied:>10.2f}{single:>12}")
    print(f"{dt.date.today()}, {server.machine()}")
    figures = {name: round(rate) for name, rate in rates.items()}
    server.print_result("push_peers", {**figures, **{f"{name}, single": round(rate) for name, rate in singles.items()}})


if __name__ == "__main__":
    server.run(measure, database=sys.argv[1] if len(sys.argv) > 1 else "large")
