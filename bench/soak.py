"""Ten minutes of steady mixed load on web server and puller, and what their memory does: `script/bench soak`.

Several clients push batches (new, changed and sent again) and single records, read lists, fetch tokens and open pages
of the portal, with pauses; the puller reads 500,000 rows from PostgreSQL and from a REST API again and again. The
resident memory of each process is read every few seconds. `BENCH_SECONDS` makes it shorter or longer.
"""

from __future__ import annotations

import datetime as dt
import http.client
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import urllib.parse
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg2

from bench import load, pull, server

SECONDS = float(os.environ.get("BENCH_SECONDS", 600))
WARM_UP = 0.25  # of the time: caches fill, pools open
SAMPLE_SECONDS = min(10.0, SECONDS / 30)
LIMITS = {"web worker": 250, "pull worker": 200}  # MB
PASSWORD = "a password of the bench"
API = "/api/v1/igaming"
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PAGES = ("", "transactions/", "customers/", "requests/", "quarantine/", "freshness/", "onboarding/", "credentials/")


# -- The load -----------------------------------------------------------------


@dataclass
class Caller:
    """One kind of call, by one connection, until it is told to stop; `done` counts the answers by status."""

    name: str
    port: int
    pause: float
    work: Callable[[Caller, int], int]
    headers: dict[str, str] = field(default_factory=dict)
    done: Counter[int] = field(default_factory=Counter)

    def call(self, method: str, path: str, body: bytes | str | None = None, **headers: str) -> tuple[int, bytes]:
        self._connection.request(method, path, body, self.headers | headers)
        answer = self._connection.getresponse()
        return answer.status, answer.read()

    def run(self, stop: threading.Event) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        number = 0
        while not stop.wait(self.pause):
            self.done[self.work(self, number)] += 1
            number += 1


def push_bulk(caller: Caller, number: int) -> int:
    """Of three batches one is new, one changes the last one, and one sends it again."""
    body = json.dumps(load.records(0, players=pull.CUSTOMERS)).replace(
        load.TAG, f"{caller.name[-1]}{os.getpid()}{number // 3:06d}"
    )
    if number % 3:
        body = body.replace("a note of the usual length", "another note")
    return caller.call("POST", f"{API}/transactions/bulk", body, **JSON)[0]


def push_single(caller: Caller, number: int) -> int:
    record = load.records(0, players=pull.CUSTOMERS)[number % load.BATCH]
    record["transaction_id"] = f"single_{caller.name[-1]}{os.getpid()}_{number // 2}"  # each one twice
    status = caller.call("POST", f"{API}/transactions", json.dumps(record), **JSON)[0]
    return 200 if status == 201 else status


def read_list(caller: Caller, number: int) -> int:
    query = ("", "?per_page=500", "?status=approved", "?from=2026-01-01T00:00:00Z", "?customer_id=cst_7", "?page=20")
    entity = "customers?per_page=100" if number % 7 == 0 else f"transactions{query[number % len(query)]}"
    return caller.call("GET", f"{API}/{entity}")[0]


def open_page(caller: Caller, number: int) -> int:
    return caller.call("GET", caller.headers["X-Bench-Portal"] + PAGES[number % len(PAGES)])[0]


def token_fetcher(client_id: str, secret: str) -> Callable[[Caller, int], int]:
    form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret})
    return lambda caller, number: caller.call("POST", "/oauth/token", form, **FORM)[0]


def signed_in(port: int, email: str) -> str:
    """The cookies of somebody who has signed in."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/accounts/login/")
    answer = connection.getresponse()
    page = answer.read().decode()
    csrf = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page)
    assert csrf, page
    cookie = (answer.getheader("Set-Cookie") or "").partition(";")[0]
    form = urllib.parse.urlencode({"login": email, "password": PASSWORD, "csrfmiddlewaretoken": csrf[1]})
    connection.request("POST", "/accounts/login/", form, {"Cookie": cookie, **FORM})
    answer = connection.getresponse()
    cookies = [value.partition(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
    if answer.status != 302:
        raise SystemExit(f"Nobody could sign in: {answer.status} {answer.read()[:500]!r}")
    return "; ".join([cookie, *cookies])


def callers(port: int, environment: Any) -> list[Caller]:
    from integrations.clients import create_client
    from track360.models import Membership, User

    partner = environment.partner
    user = User.objects.create_user(f"{partner.slug}@example.com", PASSWORD)
    Membership.objects.create(user=user, partner=partner, role=Membership.Role.OWNER)
    client = create_client(environment, name="soak", actor=None)
    token = load.token_for(port, client.client.client_id, client.clear)
    bearer = {"Authorization": f"Bearer {token}"}
    portal = {"Cookie": signed_in(port, user.email), "X-Bench-Portal": f"/p/{partner.slug}/{environment.kind}/"}
    fetch = token_fetcher(client.client.client_id, client.clear)
    return [
        *(Caller(f"bulk {number}", port, 0.3, push_bulk, bearer) for number in range(2)),
        *(Caller(f"single {number}", port, 0.02, push_single, bearer) for number in range(2)),
        *(Caller(f"list {number}", port, 0.05, read_list, bearer) for number in range(2)),
        Caller("page", port, 0.2, open_page, portal),
        Caller("token", port, 0.5, fetch),
    ]


# -- The puller ---------------------------------------------------------------


@contextmanager
def puller() -> Iterator[subprocess.Popen[bytes]]:
    """As the Procfile starts it."""
    command = "--quiet --app track360 worker --queues pulls --hostname puller@%h --loglevel warning"
    arguments = [sys.executable, "-m", "celery", *command.split(), "--without-gossip", "--without-mingle"]
    process = subprocess.Popen(arguments, cwd=server.ROOT)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(60)


def new_feeds(source: pull.SourceServer, address: str) -> list[Any]:
    from integrations.models import Connection, Feed

    sql = {"kind": "postgresql", "host": "127.0.0.1", "port": source.port, "database": "track360", "user": "track360"}
    paging = {"paging": "page", "paging_options": {"page_parameter": "page", "first_page": 1}}
    values: list[tuple[dict[str, Any], dict[str, Any]]] = [
        (sql, {"relation": pull.TABLE, "cursor_column": "changed_at"}),
        ({"kind": "rest", "base_url": address}, {"path": "transactions", "records_at": "/data", **paging}),
    ]
    Feed.objects.filter(connection__name="soak").update(is_on=False)  # of a soak that was cut off
    feeds = []
    for connection_values, feed_values in values:
        environment = pull.new_environment()
        connection = Connection.objects.create(environment=environment, name="soak", is_on=True, **connection_values)
        feeds.append(
            Feed.objects.create(
                connection=connection,
                environment=environment,
                entity="transactions",
                is_on=True,
                page_size=pull.PAGE,
                **feed_values,
            )
        )
    return feeds


def keep_pulling(feeds: list[Any], stop: threading.Event) -> None:
    """Each feed once more from its beginning as soon as its run has ended."""
    from integrations.models import Feed, SyncRun
    from integrations.pull.schedule import request_run
    from integrations.tasks import pull as ring
    from track360.audit import Actor

    while not stop.wait(0.5):
        for feed in feeds:
            if not SyncRun.objects.filter(feed=feed, state__in=SyncRun.OPEN).exists():
                Feed.objects.filter(pk=feed.pk).update(cursor="", cursor_moved_at=None)
                request_run(feed, actor=Actor())
                ring.apply_async(expires=60)


# -- The memory ---------------------------------------------------------------


@dataclass
class Memory:
    """What one process held: seconds since the begin, and MB."""

    kind: str
    pid: int
    at: list[float] = field(default_factory=list)
    megabytes: list[float] = field(default_factory=list)

    def sample(self, seconds: float) -> None:
        status = Path(f"/proc/{self.pid}/status").read_text()  # a process that has died ends the bench
        self.at.append(seconds)
        self.megabytes.append(next(int(line.split()[1]) for line in status.splitlines() if "VmRSS" in line) / 1024)

    @property
    def warm(self) -> list[tuple[float, float]]:
        return [pair for pair in zip(self.at, self.megabytes, strict=True) if pair[0] >= SECONDS * WARM_UP]

    @property
    def slope(self) -> float:
        """MB an hour, by least squares over the samples after the warm-up."""
        return statistics.linear_regression(*zip(*self.warm, strict=True)).slope * 3600

    @property
    def peak(self) -> float:
        return max(self.megabytes)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def soak(memories: list[Memory]) -> None:
    began = time.monotonic()
    while (seconds := time.monotonic() - began) < SECONDS:
        for memory in memories:
            memory.sample(seconds)
        time.sleep(SAMPLE_SECONDS)


def measure() -> None:
    from django.conf import settings

    from track360.env import outbound_allowed

    os.environ["OUTBOUND_ALLOWED"] = "127.0.0.0/8"
    settings.OUTBOUND_ALLOWED = outbound_allowed()
    folder = settings.VAR / "source"
    folder.mkdir(exist_ok=True)
    source = pull.SourceServer(folder)
    with source.held():
        with psycopg2.connect(source.url) as connection, connection.cursor() as cursor:
            cursor.execute(f"DROP TABLE IF EXISTS {pull.TABLE}; {pull.FILL}")
        with pull.rest_server(source.url) as address, server.web_server() as web, puller() as celery:
            load = callers(web.port, pull.new_environment())
            feeds = new_feeds(source, address)
            stop = threading.Event()
            threads = [threading.Thread(target=caller.run, args=(stop,)) for caller in load]
            threads.append(threading.Thread(target=keep_pulling, args=(feeds, stop)))
            for thread in threads:
                thread.start()
            time.sleep(10)  # the puller's children are there
            memories = [Memory("web worker", pid) for pid in web.workers()]
            memories += [Memory("pull worker", pid) for pid in [celery.pid, *children(celery.pid)]]
            try:
                soak(memories)
            finally:
                stop.set()
                for thread in threads:
                    thread.join()
    tell(load, feeds, memories)


def tell(load: list[Caller], feeds: list[Any], memories: list[Memory]) -> None:
    from django.db.models import Sum

    from integrations.models import SyncRun

    print(f"\n{'call':<12}{'answers':>10}   not 200")
    for caller in load:
        print(f"{caller.name:<12}{sum(caller.done.values()):>10,}   {dict(caller.done - Counter({200: 10**9})) or ''}")
    read = SyncRun.objects.filter(feed__in=feeds).aggregate(rows=Sum("read"))["rows"] or 0
    print(f"{'pulled':<12}{read:>10,}   rows")
    print(f"\n{'process':<14}{'warm MB':>9}{'last MB':>9}{'peak MB':>9}{'limit':>7}{'MB an hour':>12}")
    for one in memories:
        print(
            f"{one.kind:<14}{one.warm[0][1]:>9.1f}{one.megabytes[-1]:>9.1f}{one.peak:>9.1f}{LIMITS[one.kind]:>7}"
            f"{one.slope:>12.1f}"
        )
    print(f"{SECONDS:.0f} s; {dt.date.today()}, {server.machine()}")
    figures: dict[str, float | str] = {}
    for kind in LIMITS:
        name = kind.replace(" ", "_")
        figures[f"{name}_peak_mb"] = round(max(one.peak for one in memories if one.kind == kind))
        figures[f"{name}_mb_an_hour"] = round(max(one.slope for one in memories if one.kind == kind), 1)
    server.print_result("soak", {"seconds": SECONDS, "rows_pulled": read, **figures})
    if not read or any(set(caller.done) != {200} for caller in load):
        raise SystemExit("Something was not answered, so this says nothing.")


if __name__ == "__main__":
    server.run(measure)
