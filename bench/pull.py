"""A pull of 500,000 transactions from PostgreSQL and from a REST API, beside dlt's merge: `script/bench pull`.

The same rows, all new to both, on one machine: the source is a second embedded PostgreSQL on loopback, and a server
that answers pages of 1,000 it has made before. Ours goes through mapping, schema, rules, known customers, counts and
the checkpoint of each page; dlt loads into a schema of its own on the source's server, merging, in its defaults. Both
run in a process of their own, whose most memory is printed.
"""

from __future__ import annotations

import datetime as dt
import json
import multiprocessing
import os
import random
import resource
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg2

from bench import peer_servers, server
from track360 import embedded

ROWS = int(os.environ.get("BENCH_ROWS", 500_000))
PAGE = 1000
CUSTOMERS = 20_000
TABLE = "source_transactions"

FILL = f"""
CREATE TABLE {TABLE} (
    transaction_id text PRIMARY KEY, customer_id text NOT NULL,
    transaction_type text NOT NULL, transaction_subtype text,
    amount_currency numeric(18,2) NOT NULL, amount_usd numeric(18,2), currency text NOT NULL,
    transaction_date timestamptz NOT NULL, status text NOT NULL, note text, changed_at timestamptz NOT NULL);
INSERT INTO {TABLE}
SELECT 'txn_' || n, 'cst_' || n % {CUSTOMERS}, (ARRAY['deposit', 'withdrawal', 'bonus', 'other'])[1 + n % 4], 'card',
       1 + n % 1000000 / 100.0, 1 + n % 1000000 / 100.0, (ARRAY['USD', 'EUR', 'GBP', 'SEK'])[1 + n % 4],
       now() - n * interval '1 second', (ARRAY['pending', 'approved', 'declined', 'reversed'])[1 + n % 4],
       'a note of the usual length', now() - n * interval '1 second'
  FROM generate_series(1, {ROWS}) n;
CREATE INDEX ON {TABLE} (changed_at, transaction_id);
ANALYZE {TABLE};
"""


class SourceServer(embedded.Postgres):
    """The same server with the same settings, reached by TCP on loopback."""

    port = server.free_port()

    def _settings(self) -> dict[str, str | int]:
        return super()._settings() | {"listen_addresses": "127.0.0.1", "port": self.port}

    @property
    def socket_name(self) -> str:  # type: ignore[override]
        return f".s.PGSQL.{self.port}"

    @property
    def url(self) -> str:
        return f"postgresql://track360:none@127.0.0.1:{self.port}/track360"  # dlt wants a password


# -- The REST side ------------------------------------------------------------


def serve(url: str, port: Any) -> None:
    """In a process of its own, which also holds the pages."""
    pages = answers(url)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = dict(part.partition("=")[::2] for part in self.path.partition("?")[2].split("&"))
            number = int(query.get("page", 1))
            body = pages[number - 1] if number <= len(pages) else b'{"data": []}'
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    Handler.wbufsize = -1  # type: ignore[attr-defined]  # one segment an answer
    httpd = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    port.value = httpd.server_address[1]
    httpd.serve_forever()


def answers(url: str) -> list[bytes]:
    """The table as pages of JSON."""
    names = "transaction_id customer_id transaction_type transaction_subtype amount_currency amount_usd currency status"
    with psycopg2.connect(url) as connection, connection.cursor() as cursor:
        cursor.execute(
            f"SELECT json_build_object('data', json_agg(r))::text FROM (SELECT {names.replace(' ', ', ')},"
            f" to_char(transaction_date AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS transaction_date,"
            f" (row_number() OVER (ORDER BY changed_at) - 1) / {PAGE} AS page FROM {TABLE}) p,"
            f" LATERAL (SELECT {', '.join(f'p.{name}' for name in names.split())}, p.transaction_date) r"
            " GROUP BY p.page ORDER BY p.page"
        )
        return [row[0].encode() for row in cursor.fetchall()]


@contextmanager
def rest_server(url: str) -> Iterator[str]:
    port = multiprocessing.Value("i", 0)
    process = multiprocessing.get_context("fork").Process(target=serve, args=(url, port), daemon=True)
    process.start()
    while not port.value:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port.value}/"
    finally:
        process.kill()


# -- The two ------------------------------------------------------------------


def ours(feed_id: str, results: Any) -> None:
    """A worker's work on one feed, from the claim to the end; in a process of its own."""
    from django.db import connections

    from integrations.models import SyncRun
    from integrations.pull.run import work_next

    connections.close_all()
    started = time.monotonic()
    while work_next():
        pass
    seconds = time.monotonic() - started
    run = SyncRun.objects.get(feed=feed_id)
    if run.state != "done" or run.created != ROWS:
        raise SystemExit(f"The pull came to {run.state} with {run.created} created: {run.problem}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    results.put({"rows": run.created, "seconds": seconds, "peak_mb": peak})


def pulled(environment: Any, **connection_values: Any) -> dict[str, float]:
    from integrations.models import Connection, Feed
    from integrations.pull.schedule import request_run
    from track360.audit import Actor

    feed_values = connection_values.pop("feed")
    connection = Connection.objects.create(environment=environment, name="bench", is_on=True, **connection_values)
    feed = Feed.objects.create(
        connection=connection, environment=environment, entity="transactions", is_on=True, **feed_values
    )
    request_run(feed, actor=Actor())
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    from django.db import connections

    connections.close_all()
    process = context.Process(target=ours, args=(str(feed.pk), results))
    process.start()
    found: dict[str, float] = results.get()
    process.join()
    return found


def new_environment() -> Any:
    from entities.models import StatusMapping
    from entities.pipeline import ingest
    from track360.models import Environment, Partner

    partner = Partner.objects.create(slug=f"bench-{random.randrange(16**8):08x}", name="Bench")
    environment = Environment.objects.create(partner=partner, kind="sandbox")
    for status in ("pending", "approved", "declined", "reversed"):
        StatusMapping.objects.create(partner=partner, field="status", raw_value=status, canonical_value=status)
    for start in range(0, CUSTOMERS, PAGE):
        customers = [
            {"customer_id": f"cst_{number}", "signup_date": "2024-01-01T00:00:00Z", "affiliate_id": "aff_1"}
            for number in range(start, start + PAGE)
        ]
        ingest(environment, "customers", customers)
    return environment


def dlt_pulled(python: str, kind: str, destination: str, source: str) -> dict[str, float]:
    environ = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "RUNTIME__DLTHUB_TELEMETRY": "false"}
    command = [python, str(peer_servers.FOLDER / "pull_dlt.py"), kind, destination, source]
    said = subprocess.run(command, env=environ, stdout=subprocess.PIPE, check=True, text=True).stdout
    found: dict[str, float] = json.loads(said.splitlines()[-1])
    if found["rows"] != ROWS:
        raise SystemExit(f"dlt stored {found['rows']} rows")
    return found


def measure() -> None:
    from django.conf import settings

    from track360.env import outbound_allowed

    os.environ["OUTBOUND_ALLOWED"] = "127.0.0.0/8"
    settings.OUTBOUND_ALLOWED = outbound_allowed()
    python = peer_servers.environment()
    folder = settings.VAR / "source"
    folder.mkdir(exist_ok=True)
    source = SourceServer(folder)
    with source.held():
        with psycopg2.connect(source.url) as connection, connection.cursor() as cursor:
            cursor.execute("DROP SCHEMA IF EXISTS dlt_sql CASCADE; DROP SCHEMA IF EXISTS dlt_rest CASCADE;")
            cursor.execute(f"DROP TABLE IF EXISTS {TABLE}; {FILL}")
        figures = {}
        figures["dlt, PostgreSQL"] = dlt_pulled(python, "sql", source.url, f"{source.url}#{TABLE}")
        figures["ours, PostgreSQL"] = pulled(
            new_environment(),
            kind="postgresql",
            host="127.0.0.1",
            port=source.port,
            database="track360",
            user="track360",
            feed={"relation": TABLE, "cursor_column": "changed_at", "page_size": PAGE},
        )
        with rest_server(source.url) as address:
            figures["dlt, REST"] = dlt_pulled(python, "rest", source.url, address)
            figures["ours, REST"] = pulled(
                new_environment(),
                kind="rest",
                base_url=address,
                feed={
                    "path": "transactions",
                    "records_at": "/data",
                    "paging": "page",
                    "paging_options": {"page_parameter": "page", "first_page": 1},
                    "page_size": PAGE,
                },
            )
    tell(figures)


def tell(figures: dict[str, dict[str, Any]]) -> None:
    rates = {name: found["rows"] / found["seconds"] for name, found in figures.items()}
    print(f"\n{'way':<24}{'rows/s':>10}{'of dlt':>8}{'peak MB':>9}")
    for name, found in figures.items():
        peer = rates[f"dlt, {name.partition(', ')[2]}"]
        print(f"{name:<24}{rates[name]:>10,.0f}{rates[name] / peer:>8.2f}{found['peak_mb']:>9,.0f}")
    print(f"{ROWS:,} rows; {dt.date.today()}, {server.machine()}")
    server.print_result(
        "pull",
        {
            **{name.replace(", ", "_").lower(): round(rate) for name, rate in rates.items()},
            "ratio_postgresql": round(rates["ours, PostgreSQL"] / rates["dlt, PostgreSQL"], 2),
            "ratio_rest": round(rates["ours, REST"] / rates["dlt, REST"], 2),
            "puller_peak_mb": round(max(figures[name]["peak_mb"] for name in figures if name.startswith("ours"))),
        },
    )


if __name__ == "__main__":
    server.run(measure)
