"""A replay whose worker is killed goes on from where it stood; two workers at once replay nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from functools import partial

import pytest
from django.conf import settings
from django.db import connection

from entities import replays
from entities.models import Batch, Customer, QuarantinedRecord, QuarantineEvent, RecordCounter, Replay, Transaction
from entities.pipeline import ingest
from entities.releases import release_waiting
from entities.replays import confirm_replay, request_replay, work
from tests.contract.live import database_url
from tests.entities.refused import ACTOR, refuse
from tests.entities.test_concurrency import together
from tests.payloads import customers, sample, transactions
from track360.models import Environment

pytestmark = pytest.mark.django_db(transaction=True)

RUNS, EACH = 40, 25
WORKER = """
import django, sys, uuid
django.setup()
from entities.replays import work
work(uuid.UUID(sys.argv[1]))
"""


def refused_by_runs(environment: Environment) -> None:
    """Of each run good and bad ones: so many batches, of which each is a transaction of its own."""
    for run in range(RUNS):
        refuse(environment, "customers", *customers(EACH, start=run * EACH, country_code="ZZ"), run_id=uuid.uuid4())
    for record in QuarantinedRecord.objects.exclude(key__endswith="0"):
        record.payload["country_code"] = "DE"
        record.save(update_fields=["payload"])


def confirmed(environment: Environment) -> Replay:
    replay = request_replay(environment, filters={}, actor=ACTOR)
    work(replay.pk)
    return confirm_replay(replay, actor=ACTOR)


def assert_each_was_replayed_once(replay: Replay) -> None:
    replay.refresh_from_db()
    total = RUNS * EACH
    good = QuarantinedRecord.objects.exclude(key__endswith="0").count()
    assert (replay.state, replay.done, replay.passed, replay.failed) == ("done", total, good, total - good)
    assert Customer.objects.count() == good == sum(RecordCounter.objects.values_list("count", flat=True))
    assert QuarantineEvent.objects.filter(kind="stored").count() == good
    assert QuarantineEvent.objects.filter(kind="refused").count() == total - good
    assert QuarantinedRecord.objects.filter(state="held").count() == total - good
    batches = Batch.objects.filter(door="replay").values_list("created", "rejected")
    assert (sum(created for created, _ in batches), sum(rejected for _, rejected in batches)) == (good, total - good)


@pytest.mark.parametrize("kills", [4, pytest.param(40, marks=pytest.mark.slow)])
def test_a_killed_worker_is_followed_by_one_that_goes_on_from_there(environment: Environment, kills: int) -> None:
    refused_by_runs(environment)
    replay = confirmed(environment)
    chance = random.Random(4)
    environ = os.environ | {"DATABASE_URL": database_url(), "DJANGO_SETTINGS_MODULE": "track360.settings"}
    killed_between = 0
    for _ in range(kills):
        before = Replay.objects.get(pk=replay.pk).done
        command = [sys.executable, "-c", WORKER, str(replay.pk)]
        with subprocess.Popen(command, cwd=settings.BASE_DIR, env=environ) as worker:
            wait_until(partial(has_moved, replay, before, worker))
            time.sleep(chance.uniform(0, 0.02))
            worker.send_signal(signal.SIGKILL)
        killed_between += before < Replay.objects.get(pk=replay.pk).done < RUNS * EACH
    assert killed_between > 0, "no kill came in the middle"

    wait_until(lambda: goes_on(replay))

    assert_each_was_replayed_once(replay)


def has_moved(replay: Replay, since: int, worker: subprocess.Popen[bytes]) -> bool:
    return Replay.objects.get(pk=replay.pk).done > since or worker.poll() is not None


def goes_on(replay: Replay) -> bool:
    """The database may still be at what the killed one asked for."""
    work(replay.pk)
    return Replay.objects.get(pk=replay.pk).state == "done"


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.002)


def test_two_workers_at_once_replay_nothing_twice(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even without the lock that keeps the second one away."""
    refused_by_runs(environment)
    replay = confirmed(environment)

    def keep_on() -> None:
        while replays._step(replay.pk):
            pass

    assert together(keep_on, keep_on, keep_on) == []

    assert_each_was_replayed_once(replay)


def test_several_rounds_at_once_release_each_record_once(environment: Environment) -> None:
    for start in (0, 400):
        refuse(environment, "transactions", *transactions(400, start=start))
    ingest(environment, "customers", sample("customers"))

    def release() -> None:
        release_waiting(environment)

    assert together(release, release, release) == []

    release_waiting(environment)
    assert Transaction.objects.count() == 800
    assert QuarantineEvent.objects.filter(kind="released").count() == 800
    assert not QuarantinedRecord.objects.exclude(state="stored").exists()
    connection.close()
