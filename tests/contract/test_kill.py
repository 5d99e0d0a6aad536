"""What was answered with 2xx is stored, whole, whatever becomes of the web workers; so is or is not all the rest."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from django.db import connection

from entities.models import Batch, Customer, RecordChange, RecordCounter
from tests.contract import live
from tests.contract.conftest import API, Caller
from tests.payloads import customers
from track360.models import Environment

CONNECTIONS = 4
NEW, RESENT = 40, 60

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="finds the workers in /proc")


class Pusher(threading.Thread):
    """Sends batch after batch over one connection: some customers again, with the batch's number, and some new ones.

    `answered` has the numbers of the batches that got a 2xx; `sent` is the number of all. Ids of customers and the
    numbers in `click_id` bear the name, so that no two pushers touch the same customer.
    """

    def __init__(self, caller: Caller, *, name: str) -> None:
        super().__init__(name=name)
        self.caller = caller
        self.sent = 0
        self.answered: set[int] = set()
        self.others: list[int] = []
        self.stopping = threading.Event()

    def run(self) -> None:
        while not self.stopping.is_set():
            self.sent += 1
            try:
                status = self.caller.post(f"{API}/customers/bulk", self.batch(self.sent)).status_code
            except httpx.TransportError:
                continue
            if status == 200:
                self.answered.add(self.sent)
            else:
                self.others.append(status)

    def batch(self, number: int) -> list[dict[str, Any]]:
        changes = {"last_modified_date": ..., "click_id": str(number)}
        again = [record | {"customer_id": f"{self.name}-{n}"} for n, record in enumerate(customers(RESENT, **changes))]
        new = [
            record | {"customer_id": f"{self.name}-{number}-{n}"} for n, record in enumerate(customers(NEW, **changes))
        ]
        return again + new


def kill_workers(server: live.Server, pushers: list[Pusher], *, times: int) -> None:
    """Each time once more batches have been answered, and at another moment of those under way."""
    chance = random.Random(7)
    for _ in range(times):
        wanted = sum(len(pusher.answered) for pusher in pushers) + CONNECTIONS

        def enough(wanted: int = wanted) -> bool:
            return sum(len(pusher.answered) for pusher in pushers) >= wanted

        wait_until(enough)
        time.sleep(chance.uniform(0, 0.05))
        for worker in server.workers():
            os.kill(worker, signal.SIGKILL)


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.005)


def nothing_under_way() -> bool:
    """Whether PostgreSQL has finished what workers that are gone had asked for."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid() AND state <> 'idle'"
        )
        return cursor.fetchone() == (0,)


def assert_whole(environment: Environment, pusher: Pusher) -> set[int]:
    """The numbers of the batches that are there; each is, to the last record, in the table and in the history."""
    mine = Customer.objects.filter(environment=environment, customer_id__startswith=f"{pusher.name}-")
    stored: dict[int, int] = {}
    for name, number in mine.values_list("customer_id", "click_id"):
        if name.count("-") == 2:
            stored[int(number)] = stored.get(int(number), 0) + 1
    assert set(stored.values()) == {NEW}
    assert pusher.answered <= set(stored)
    history: dict[int, list[int]] = {}
    again = {
        pk: int(number)
        for pk, name, number in mine.values_list("pk", "customer_id", "click_id")
        if name.count("-") == 1
    }
    for pk, old in (
        RecordChange.objects.filter(environment=environment, record_id__in=again)
        .order_by("id")
        .values_list("record_id", "old")
    ):
        history.setdefault(pk, []).append(int(old["click_id"]))
    assert len(again) == RESENT
    for pk, last in again.items():
        assert [*history.get(pk, []), last] == sorted(stored)
    return set(stored)


@pytest.mark.parametrize("times", [20, pytest.param(300, marks=pytest.mark.slow)])
def test_killed_workers_lose_no_batch_that_was_answered_and_leave_no_part_of_another(
    times: int, server: live.Server, sandbox: Environment, connect: Callable[..., Caller]
) -> None:
    pushers = [Pusher(connect(sandbox), name=f"p{number}") for number in range(CONNECTIONS)]
    for pusher in pushers:
        pusher.start()
    try:
        kill_workers(server, pushers, times=times)
    finally:
        for pusher in pushers:
            pusher.stopping.set()
        for pusher in pushers:
            pusher.join()
    wait_until(nothing_under_way)

    stored = [assert_whole(sandbox, pusher) for pusher in pushers]

    batches = sum(len(numbers) for numbers in stored)
    total = sum(RecordCounter.objects.filter(environment=sandbox).values_list("count", flat=True))
    assert [pusher.others for pusher in pushers] == [[]] * CONNECTIONS
    assert Batch.objects.filter(environment=sandbox).count() == batches
    assert total == Customer.objects.filter(environment=sandbox).count() == batches * NEW + CONNECTIONS * RESENT
    assert sum(pusher.sent - len(pusher.answered) for pusher in pushers) > 0, "no batch was under way at any kill"
