"""Whatever becomes of workers, broker and source's writers: no record is missing, none is there twice."""

from __future__ import annotations

import datetime as dt
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db.models import Sum

from entities.models import Batch, QuarantinedRecord, RecordCounter, Transaction
from entities.pipeline import ingest
from integrations.models import Feed, SyncRun
from integrations.pull import schedule
from tests.contract.live import database_url
from tests.integrations.pull.feeds import connect_to, make_feed
from tests.partner_sources import Database
from tests.payloads import customers
from track360.audit import Actor
from track360.models import Environment
from track360.partners import create_partner

ROWS = 60_000
PAGE = 250
LEASE_SECONDS = 1.0
CUSTOMERS = 50

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers in /proc"),
    pytest.mark.django_db(transaction=True),
]


def filled(database: Database, rows: int) -> str:
    """A table of so many transactions, and its name."""
    table = f"transactions_{random.randrange(16**8):08x}"
    database.execute(
        f"CREATE TABLE {table} (transaction_id text PRIMARY KEY, customer_id text, transaction_type text,"
        " amount_currency numeric(18,2), currency text, transaction_date timestamptz, status text,"
        " changed_at timestamptz NOT NULL);"
        f"INSERT INTO {table} SELECT 'txn_' || n, 'cst_' || n % {CUSTOMERS}, 'deposit', n / 100.0 + 1, 'EUR',"
        " now() - interval '1 day', 'approved', now() - interval '1 hour' + n / 100 * interval '1 millisecond'"
        f" FROM generate_series(1, {rows}) n;"
        f"CREATE INDEX ON {table} (changed_at, transaction_id)"
    )
    return table


def new_feed(database: Database, table: str, **values: Any) -> Feed:
    environment = create_partner(name=f"Kill {random.randrange(16**8):08x}").environments.get(kind="sandbox")
    ingest(environment, "customers", customers(CUSTOMERS))
    connection = connect_to(database, environment)
    return make_feed(connection, relation=table, cursor_column="changed_at", page_size=PAGE, **values)


@contextmanager
def workers(*arguments: str, environ: dict[str, str] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    given = os.environ | {"DATABASE_URL": database_url(), "OUTBOUND_ALLOWED": "127.0.0.0/8", "DEBUG": "true"}
    command = [sys.executable, "-m", "tests.integrations.pull.worker", str(LEASE_SECONDS), *arguments]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, env=given | (environ or {})) as process:
        try:
            yield process
        finally:
            for child in children(process):
                with_signal(child, signal.SIGKILL)
            process.kill()
            for child in children(process):
                with_signal(child, signal.SIGKILL)


def children(process: subprocess.Popen[bytes]) -> list[int]:
    try:
        text = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    except OSError:
        return []
    return [int(pid) for pid in text.split()]


def with_signal(pid: int, number: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited for {seconds} s"
        time.sleep(0.005)


def state(run: SyncRun) -> str:
    return SyncRun.objects.values_list("state", flat=True).get(pk=run.pk)


def holder(run: SyncRun) -> Any:
    """The token of whoever holds the run."""
    return SyncRun.objects.values_list("lease_token", flat=True).get(pk=run.pk)


def has_ended(run: SyncRun) -> bool:
    return state(run) == "done"


def missing_and_sum(environment: Environment, rows: int) -> tuple[int, bool]:
    """How many rows are not there; whether the sum is that of the source."""
    stored = Transaction.objects.filter(environment=environment)
    expected = Decimal(rows * (rows + 1) // 2) / 100 + rows
    return rows - stored.count(), stored.aggregate(total=Sum("amount_currency"))["total"] == expected


def is_held_anew(run: SyncRun, last: Any) -> bool:
    return holder(run) not in (None, last) or has_ended(run)


def kill_until_done(run: SyncRun, process: subprocess.Popen[bytes], *, at_most: int, chance: random.Random) -> int:
    """Kill whoever works on the run, at any moment of his work, until it has ended or so many have died."""
    kills, last = 0, None
    while kills < at_most:
        wait_until(partial(is_held_anew, run, last))
        last = holder(run)
        time.sleep(chance.uniform(0, 0.3))
        if holder(run) != last or last is None:
            break
        for child in children(process):
            with_signal(child, signal.SIGKILL)
            kills += 1
    return kills


def pull_under_kills(database: Database, table: str, *arguments: str, at_most: int, chance: random.Random) -> int:
    """One pull into an environment of its own; the number of kills. Asserts that nothing is missing or doubled."""
    feed = new_feed(database, table)
    run = schedule.request_run(feed, actor=Actor())
    with workers(*arguments) as process:
        kills = kill_until_done(run, process, at_most=at_most, chance=chance)
        wait_until(partial(has_ended, run), 120)

    environment = feed.environment
    run.refresh_from_db()
    total = sum(
        RecordCounter.objects.filter(environment=environment, entity="transactions").values_list("count", flat=True)
    )
    brought = Batch.objects.filter(environment=environment, entity="transactions").aggregate(Sum("created"))
    assert missing_and_sum(environment, ROWS) == (0, True), "records are missing"
    assert total == brought["created__sum"] == ROWS
    assert (run.read, run.created, run.unchanged) == (ROWS, ROWS, 0)
    return kills


@pytest.mark.parametrize("times", [5, pytest.param(100, marks=pytest.mark.slow)])
def test_killed_workers_lose_nothing_and_store_nothing_twice(
    postgres_source: Database, loopback: None, times: int
) -> None:
    chance = random.Random(times)
    table = filled(postgres_source, ROWS)
    kills = pulls = 0
    while kills < times:
        kills += pull_under_kills(postgres_source, table, at_most=times - kills, chance=chance)
        pulls += 1
    print(f"{kills} kills in {pulls} pulls of {ROWS:,} rows: 0 missing, 0 doubled, sums equal")


def test_that_test_finds_a_cursor_that_is_committed_first(postgres_source: Database, loopback: None) -> None:
    table = filled(postgres_source, ROWS)

    with pytest.raises(AssertionError, match="missing"):
        pull_under_kills(postgres_source, table, "cursor-first", at_most=20, chance=random.Random(3))


def test_a_halted_worker_changes_nothing_once_another_has_finished(postgres_source: Database, loopback: None) -> None:
    table = filled(postgres_source, ROWS)
    feed = new_feed(postgres_source, table)
    run = schedule.request_run(feed, actor=Actor())
    with workers() as halted:
        wait_until(lambda: SyncRun.objects.get(pk=run.pk).pages > 3)
        (child,) = children(halted)
        os.kill(child, signal.SIGSTOP)
        before = SyncRun.objects.get(pk=run.pk)
        assert before.state == "running"
        with workers():
            wait_until(partial(has_ended, run), 120)
        ended = SyncRun.objects.values().get(pk=run.pk)
        cursor = Feed.objects.get(pk=feed.pk).cursor
        os.kill(child, signal.SIGCONT)
        wait_until(lambda: schedule_is_heard(feed, halted))

    assert before.lease_token != ended["lease_token"]
    assert SyncRun.objects.values().get(pk=run.pk) == ended
    assert Feed.objects.get(pk=feed.pk).cursor >= cursor
    assert missing_and_sum(feed.environment, ROWS) == (0, True)


def schedule_is_heard(feed: Feed, process: subprocess.Popen[bytes]) -> bool:
    """Whether the worker has got over what it was at, and does another run."""
    run = schedule.request_run(feed, actor=Actor())
    wait_until(partial(has_ended, run), 30)
    return process.poll() is None


class Writer(threading.Thread):
    """Inserts and updates rows whose `changed_at` is that of the begin of a transaction open up to 300 ms."""

    def __init__(self, database: Database, table: str, number: int) -> None:
        super().__init__()
        self.database, self.table, self.number = database, table, number
        self.stopping = threading.Event()
        self.written: dict[str, int] = {}

    def run(self) -> None:
        chance = random.Random(self.number)
        connection = self.database.connect()
        connection.autocommit = False
        count = 0
        while not self.stopping.is_set():
            with connection, connection.cursor() as cursor:
                for _ in range(chance.randrange(1, 8)):
                    count += 1
                    name = f"w{self.number}_{chance.randrange(count)}"
                    self.written[name] = self.written.get(name, 0) + 1
                    cursor.execute(
                        f"INSERT INTO {self.table} VALUES (%s, 'cst_1', 'deposit', %s, 'EUR', now(), 'approved', now())"
                        " ON CONFLICT (transaction_id) DO UPDATE SET amount_currency = excluded.amount_currency,"
                        " changed_at = now()",
                        [name, self.written[name]],
                    )
                time.sleep(chance.uniform(0, 0.3))
        connection.close()


def test_a_source_that_is_written_meanwhile_loses_nothing(postgres_source: Database, loopback: None) -> None:
    table = filled(postgres_source, 1)
    feed = new_feed(postgres_source, table, overlap=dt.timedelta(seconds=2))
    writers = [Writer(postgres_source, table, number) for number in range(6)]
    for writer in writers:
        writer.start()
    with workers():
        for _ in range(8):  # while they write
            time.sleep(0.5)
            run = schedule.request_run(feed, actor=Actor())
            wait_until(partial(has_ended, run))
        for writer in writers:
            writer.stopping.set()
        for writer in writers:
            writer.join()
        run = schedule.request_run(feed, actor=Actor())
        wait_until(partial(has_ended, run))

    written = {name: Decimal(value) for writer in writers for name, value in writer.written.items()}
    stored = Transaction.objects.filter(environment=feed.environment, transaction_id__startswith="w")
    assert dict(stored.values_list("transaction_id", "amount_currency")) == written
    assert not QuarantinedRecord.objects.filter(environment=feed.environment).exists()
