"""The peers of a push as the benches use them: three servers that upsert into the same table, and the bare statement.

The servers of `bench/peers` check no token, no limit and no rules beyond types, and keep no history, counts or log;
each is written as an experienced user of it would for speed. Our own statement on connections to the database, with
rows that are ready, is what is left without HTTP and without Python.
"""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from decimal import Decimal
from typing import Any

import psycopg2
from psycopg2.extras import RealDictCursor

from bench import peer_servers
from bench.load import BATCH, CONNECTIONS, TAG, Send, records


@contextmanager
def all_running(dsn: str, environment_id: int, *, players: int) -> Iterator[dict[str, int]]:
    """The ports of the peers by their names. Each has shown that it stores what it is sent."""
    with ExitStack() as stack:
        ports = {
            name: stack.enter_context(peer_servers.running(name, dsn, environment_id)) for name in peer_servers.PUSH
        }
        for name, port in ports.items():
            check(name, port, dsn, environment_id, players=players)
        yield ports


def batch_poster(port: int, bodies: list[bytes]) -> Send:
    """Pushes the template of a batch under its tag. Raises where a peer did not store all of it."""
    connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(CONNECTIONS)]

    def push(connection: int, tag: str, number: int) -> None:
        body = bodies[number % len(bodies)].replace(TAG.encode(), tag.encode())
        post(connections[connection], "/transactions/bulk", body, size=BATCH)

    return push


def post(connection: http.client.HTTPConnection, path: str, body: str | bytes, *, size: int) -> None:
    connection.request("POST", path, body, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 200 or json.loads(said)["stored"] != size:
        raise RuntimeError(f"A peer did not store a batch: {answer.status} {said[:300]!r}")


def check(name: str, port: int, dsn: str, environment_id: int, *, players: int) -> None:
    """A batch, sent once more with other values, is stored as sent, each record once; ends the program if not."""
    sent: list[dict[str, Any]] = json.loads(
        json.dumps(records(0, players=players)).replace(TAG, f"check{uuid.uuid4().hex}")
    )
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


def bare_upsert(dsn: str, environment_id: int, bodies: list[bytes]) -> Send:
    """Our statement as the pipeline runs it on new records, a commit each, with arrays that are ready: what psql does,
    which also hands the text to libpq and no more."""
    from entities.models import Entity
    from entities.pipeline.columns import arrays, columns_of
    from entities.pipeline.insert import insert_sql
    from entities.pipeline.tables import TABLES

    statement = insert_sql("transactions")
    values = {"environment": environment_id, "source": "push", "batch": str(uuid.uuid4())}
    templates = [arrays(columns_of(json.loads(body)), TABLES[Entity.TRANSACTIONS].columns) for body in bodies]
    connections = [psycopg2.connect(dsn) for _ in range(CONNECTIONS)]

    def run(connection: int, tag: str, number: int) -> None:
        rows = templates[number % len(templates)]
        named = {"transaction_id": rows["transaction_id"].replace(TAG, tag)}
        with connections[connection] as transaction, transaction.cursor() as cursor:
            cursor.execute(statement, {**values, **rows, **named})
            if cursor.rowcount != BATCH:
                raise RuntimeError("The statement did not store a batch")

    return run
