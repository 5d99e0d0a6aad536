"""Celery is a doorbell: what it forgets is rung again."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from django.conf import settings

from integrations.models import SyncRun
from integrations.pull import schedule
from tests.contract.live import database_url
from tests.integrations.pull.test_kills import ROWS, filled, has_ended, missing_and_sum, new_feed, wait_until
from tests.partner_sources import Database
from track360 import embedded
from track360.audit import Actor

WITHIN_SECONDS = 60


@contextmanager
def celery(command: str, broker: str, log: Path) -> Iterator[None]:
    environ = os.environ | {
        "DATABASE_URL": database_url(),
        "REDIS_URL": broker,
        "OUTBOUND_ALLOWED": "127.0.0.0/8",
        "DEBUG": "true",
    }
    arguments = [sys.executable, "-m", "celery", "--quiet", "--app", "track360", *command.split()]
    with (
        log.open("ab") as out,
        subprocess.Popen(arguments, cwd=settings.BASE_DIR, env=environ, stdout=out, stderr=out) as process,
    ):
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()


def forget_everything(valkey: embedded.Valkey) -> None:
    """Killed, and started again without what it held."""
    (number,) = {int(path.read_text()) for path in valkey.folder.glob("server.pid")}
    os.kill(number, signal.SIGKILL)
    wait_until(lambda: not valkey.alive())
    shutil.rmtree(valkey.folder / "appendonlydir")
    valkey.start()


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_forgets_everything_delays_no_run_for_long(postgres_source: Database) -> None:
    table = filled(postgres_source, ROWS)
    feeds = [new_feed(postgres_source, table) for _ in range(3)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)
        valkey = embedded.Valkey(folder)
        stack.enter_context(valkey.held())
        log = folder / "celery.log"
        for command in ("worker --queues celery,pulls --concurrency 2 --loglevel warning", "beat --loglevel warning"):
            stack.enter_context(celery(command, valkey.url, log))
        first = schedule.request_run(feeds[0], actor=Actor())
        wait_until(lambda: SyncRun.objects.get(pk=first.pk).pages > 0)

        others = [schedule.request_run(feed, actor=Actor()) for feed in feeds[1:]]
        forget_everything(valkey)
        runs = [first, *others]
        wait_until(lambda: all(map(has_ended, runs)), 240)

    for run in runs:
        run.refresh_from_db()
        assert (run.started_at - run.due_at).total_seconds() < WITHIN_SECONDS
    assert [missing_and_sum(feed.environment, ROWS) for feed in feeds] == [(0, True)] * 3
