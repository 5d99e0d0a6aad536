"""Bulk push over HTTP against COPY into the same table, in one run: `python -m bench.ingest`.

Both sides write the same transactions, all new, dated within the last minutes as the guide wants them, 1,000 a commit,
into the table with all its indexes; everything runs on this machine, the clients too. COPY is the limit: it checks
nothing and cannot upsert. It runs before and after the push and the mean counts, so that the growing table favours
neither side.
"""

from __future__ import annotations

import datetime as dt
import http.client
import io
import json
import random
import statistics
import threading
import time
import urllib.parse
from collections.abc import Callable

from bench import server

CONNECTIONS = 4
BATCH = 1000
HTTP_SECONDS = 20
COPY_SECONDS = 8
CUSTOMERS = 20_000
SPREAD_SECONDS = 200
"""How far back the transactions are dated: within the freshness target of 5 minutes."""
COLUMNS = (
    "environment_id, received_at, updated_at, source, batch_id, transaction_id, customer_id, transaction_type, "
    "transaction_subtype, amount_currency, currency, transaction_date, status, note, amount_usd, fx_source"
)
TAG = "@@@@@@@@@@@@"
"""Stands in every transaction_id of a template and is replaced by the number of the batch."""


def records(seed: int) -> list[dict[str, object]]:
    """1,000 transactions with TAG in their ids."""
    rng = random.Random(seed)
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    return [
        {
            "transaction_id": f"txn_{TAG}_{number:04d}",
            "customer_id": f"cst_{rng.randrange(CUSTOMERS)}",
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


def throughput(seconds: float, connections: int, worker: Callable[[int, Callable[[], str | None]], None]) -> float:
    """Records a second that the connections store together; each worker asks for tags until there are none."""
    done = 0
    lock = threading.Lock()
    deadline = time.monotonic() + seconds
    run = f"{random.randrange(16**6):06x}"

    def next_tag() -> str | None:
        nonlocal done
        if time.monotonic() > deadline:
            return None
        with lock:
            done += 1
            return f"{run}{done:06d}"

    threads = [threading.Thread(target=worker, args=(number, next_tag)) for number in range(connections)]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done * BATCH / (time.monotonic() - started)


def pusher(port: int, token: str) -> Callable[[int, Callable[[], str | None]], None]:
    def push(number: int, next_tag: Callable[[], str | None]) -> None:
        template = json.dumps(records(number)).encode()
        connection = http.client.HTTPConnection("127.0.0.1", port)
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        while tag := next_tag():
            body = template.replace(TAG.encode(), tag.encode())
            connection.request("POST", "/api/v1/igaming/transactions/bulk", body, headers)
            answer = connection.getresponse()
            counts = json.load(answer)
            if answer.status != 200 or counts["data"]["created"] != BATCH:
                raise SystemExit(f"A batch was not stored: {answer.status} {str(counts)[:300]}")

    return push


def copier(environment_id: int) -> Callable[[int, Callable[[], str | None]], None]:
    from django.db import connection

    def copy(number: int, next_tag: Callable[[], str | None]) -> None:
        template = copy_lines(records(number), environment_id)
        with connection.cursor() as cursor:
            while tag := next_tag():
                lines = io.StringIO(template.replace(TAG, tag))
                cursor.copy_expert(f"COPY entities_transaction ({COLUMNS}) FROM STDIN", lines)
        connection.close()

    return copy


def token_for(port: int, client_id: str, secret: str) -> str:
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    connection.request("POST", "/oauth/token", urllib.parse.urlencode(form), headers)
    return str(json.load(connection.getresponse())["access_token"])


def measure() -> None:
    from entities.models import StatusMapping
    from entities.pipeline import ingest
    from integrations.clients import create_client
    from track360.models import Environment, Partner

    partner = Partner.objects.create(slug=f"bench-{random.randrange(16**8):08x}", name="Bench")
    environment = Environment.objects.create(partner=partner, kind="sandbox")
    for status in ("pending", "approved", "declined", "reversed"):
        StatusMapping.objects.create(partner=partner, field="status", raw_value=status, canonical_value=status)
    for start in range(0, CUSTOMERS, BATCH):
        customers = [
            {"customer_id": f"cst_{number}", "signup_date": "2024-01-01T00:00:00Z", "affiliate_id": "aff_1"}
            for number in range(start, start + BATCH)
        ]
        ingest(environment, "customers", customers)
    client = create_client(environment, name="bench", actor=None)

    with server.web_server() as web:
        push = pusher(web.port, token_for(web.port, client.client.client_id, client.clear))
        copy = copier(environment.pk)
        throughput(2, CONNECTIONS, push)  # warm-up
        copy_one = throughput(COPY_SECONDS, 1, copy)
        before = throughput(COPY_SECONDS, CONNECTIONS, copy)
        pushed = throughput(HTTP_SECONDS, CONNECTIONS, push)
        after = throughput(COPY_SECONDS, CONNECTIONS, copy)
        peak = web.peak_megabytes()
    copied = statistics.mean((before, after))
    print(f"\n{'way':<44}{'records/s':>12}{'of COPY x4':>12}")
    for name, figure in (
        ("COPY, 1 connection", copy_one),
        ("COPY, 4 connections, before", before),
        ("COPY, 4 connections, after", after),
        ("bulk push over HTTP, 4 connections", pushed),
    ):
        print(f"{name:<44}{figure:>12,.0f}{figure / copied:>12.2f}")
    print(f"peak memory of a web worker: {peak:.0f} MB\n{dt.date.today()}, {server.machine()}")
    server.print_result(
        "ingest",
        {
            "copy_1": round(copy_one),
            "copy_4": round(copied),
            "http_4": round(pushed),
            "ratio": round(pushed / copied, 3),
            "worker_peak_mb": round(peak),
        },
    )


if __name__ == "__main__":
    server.run(measure)
