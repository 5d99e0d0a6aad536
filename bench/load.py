"""What the benches of the push send, and how: transactions of the filled sandbox, in batches that are all new."""

from __future__ import annotations

import datetime as dt
import http.client
import io
import json
import random
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from track360.models import Environment

CONNECTIONS = 4
BATCH = 1000
SECONDS = 5
SPREAD_SECONDS = 200
"""How far back the transactions are dated: within the freshness target of 5 minutes."""
COLUMNS = (
    "environment_id, received_at, updated_at, source, batch_id, transaction_id, customer_id, transaction_type, "
    "transaction_subtype, amount_currency, currency, transaction_date, status, note, amount_usd, fx_source"
)
TAG = "@@@@@@@@@@@@"
"""Stands in every transaction_id of a template and is replaced by what names the batch."""
BULK = "/api/v1/igaming/transactions/bulk"

Send = Callable[[int, str, int], None]
"""(connection, tag, number of the template): store one batch."""


def records(seed: int, *, players: int) -> list[dict[str, object]]:
    """1,000 transactions with TAG in their ids."""
    rng = random.Random(seed)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return [
        {
            "transaction_id": f"txn_{TAG}_{number:04d}",
            "customer_id": f"cst_{rng.randrange(players)}",
            "transaction_type": rng.choice(("deposit", "withdrawal", "bonus", "other")),
            "transaction_subtype": "card",
            "amount_currency": rng.randrange(100, 10**6) / 100,
            "amount_usd": rng.randrange(100, 10**6) / 100,
            "currency": rng.choice(("USD", "EUR", "GBP", "SEK")),
            "transaction_date": (now - dt.timedelta(seconds=rng.randrange(SPREAD_SECONDS))).strftime(
                "%Y-%m-%dT%H:%M:%SZ"
            ),
            "status": rng.choice(("pending", "approved", "declined", "reversed")),
            "note": "a note of the usual length",
        }
        for number in range(BATCH)
    ]


def copy_lines(batch: list[dict[str, object]], environment_id: int) -> str:
    now = dt.datetime.now(dt.UTC).isoformat()
    head = (environment_id, now, now, "push", "00000000-0000-0000-0000-000000000000")
    order = COLUMNS.replace(" ", "").split(",")[5:-1]
    return "".join(
        "\t".join(map(str, (*head, *(record[name] for name in order), "partner"))) + "\n" for record in batch
    )


def new_tags() -> Iterator[str]:
    """A name for each batch, never given before."""
    run = f"{random.randrange(16**6):06x}"
    return (f"{run}{number:06d}" for number in count())


def throughput(send: Send, tags: Iterable[str], *, seconds: float = SECONDS) -> tuple[float, list[str]]:
    """Records a second that the connections store together, and the tags of what they stored."""
    done: list[str] = []
    lock = threading.Lock()
    left = iter(tags)
    deadline = time.monotonic() + seconds

    def work(connection: int) -> None:
        while time.monotonic() < deadline:
            with lock:
                tag = next(left, None)
                if tag is None:
                    return
                number = len(done)
                done.append(tag)
            send(connection, tag, number)

    started = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        list(pool.map(work, range(CONNECTIONS)))
    return len(done) * BATCH / (time.monotonic() - started), done


def pusher(port: int, token: str, bodies: list[bytes], *, outcome: str) -> Send:
    """Pushes the template of a batch under its tag. Raises where not all of it had the outcome."""
    connections = [http.client.HTTPConnection("127.0.0.1", port) for _ in range(CONNECTIONS)]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}

    def push(connection: int, tag: str, number: int) -> None:
        body = bodies[number % len(bodies)].replace(TAG.encode(), tag.encode())
        connections[connection].request("POST", BULK, body, headers)
        answer = connections[connection].getresponse()
        counts = json.load(answer)
        if answer.status != 200 or counts["data"][outcome] != BATCH:
            raise RuntimeError(f"A batch was not stored: {answer.status} {str(counts)[:300]}")

    return push


def copier(environment: Environment, batches: list[list[dict[str, object]]]) -> Send:
    import psycopg2
    from django.db import connection as default

    parameters = default.get_connection_params() | {"cursor_factory": None}
    connections = [psycopg2.connect(**parameters) for _ in range(CONNECTIONS)]
    texts = [copy_lines(batch, environment.pk) for batch in batches]

    def copy(connection: int, tag: str, number: int) -> None:
        with connections[connection] as transaction, transaction.cursor() as cursor:
            lines = io.StringIO(texts[number % len(texts)].replace(TAG, tag))
            cursor.copy_expert(f"COPY entities_transaction ({COLUMNS}) FROM STDIN", lines)

    return copy


def token_for(port: int, client_id: str, secret: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/oauth/token", urllib.parse.urlencode(form), headers)
    return str(json.load(connection.getresponse())["access_token"])


@contextmanager
def given_back(environment: Environment) -> Iterator[None]:
    """Take away what was stored meanwhile, so that the next run finds what this one found."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("SELECT max(id) FROM entities_transaction WHERE environment_id = %s", [environment.pk])
        last = cursor.fetchone()[0]
        cursor.execute("SELECT now()")
        began = cursor.fetchone()[0]
        try:
            yield
        finally:
            cursor.execute(
                "DELETE FROM entities_transaction WHERE environment_id = %s AND id > %s", [environment.pk, last]
            )
            gone = [environment.pk, began]
            cursor.execute("DELETE FROM entities_batch WHERE environment_id = %s AND started_at >= %s", gone)
            cursor.execute("DELETE FROM entities_recordchange WHERE environment_id = %s AND changed_at >= %s", gone)
            cursor.execute("DELETE FROM entities_recordcounter WHERE environment_id = %s AND slot > 0", gone[:1])
            cursor.execute(
                "UPDATE entities_recordcounter SET count = (SELECT count(*) FROM entities_transaction"
                " WHERE environment_id = %s) WHERE environment_id = %s AND entity = 'transactions'",
                [environment.pk, environment.pk],
            )
            cursor.execute("VACUUM (ANALYZE) entities_transaction")
