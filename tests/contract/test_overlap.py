"""Clients that send the same records at once, in whatever order, never see each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from entities.models import Activity, Customer, RecordChange, RecordCounter, Transaction
from tests.contract.conftest import API, Caller
from tests.payloads import customers, sample, transactions
from track360.models import Environment

TURNS = 10


def customer_batch(*, turn: str, start: int) -> list[dict[str, Any]]:
    return customers(200, start=start, last_modified_date=..., click_id=turn)


def transaction_batch(*, turn: str, start: int) -> list[dict[str, Any]]:
    return transactions(200, start=start, note=turn)


def together(caller: Caller, jobs: list[Callable[[Caller, int], httpx.Response]], connect: Any) -> list[httpx.Response]:
    """Each job with a client of its own, all at once, `TURNS` times each."""

    def run(job: Callable[[Caller, int], httpx.Response]) -> list[httpx.Response]:
        return [job(callers[job], turn) for turn in range(TURNS)]

    callers = {job: connect(caller.environment) for job in jobs}
    with ThreadPoolExecutor(len(jobs)) as pool:
        return [answer for answers in pool.map(run, jobs) for answer in answers]


@pytest.mark.parametrize(
    ("entity", "model", "batch"),
    [("customers", Customer, customer_batch), ("transactions", Transaction, transaction_batch)],
)
def test_overlapping_batches_in_opposite_order_are_all_stored_and_counted_exactly(
    entity: str, model: Any, batch: Callable[..., list[Any]], caller: Caller, connect: Callable[..., Caller]
) -> None:
    caller.post(f"{API}/customers", sample("customers"))

    def pusher(name: str, start: int, step: int) -> Callable[[Caller, int], httpx.Response]:
        return lambda by, turn: by.post(f"{API}/{entity}/bulk", batch(turn=f"{name}{turn}", start=start)[::step])

    answers = together(
        caller, [pusher("a", 0, 1), pusher("b", 0, -1), pusher("c", 100, 1), pusher("d", 50, -1)], connect
    )

    here = {"environment": caller.environment}
    data = [answer.json()["data"] for answer in answers]
    created, updated = (sum(counts[name] for counts in data) for name in ("created", "updated"))
    total = caller.get(f"{API}/{entity}").json()["meta"]["total"]
    others = 1 if entity == "customers" else 0
    assert {answer.status_code for answer in answers} == {200}
    assert created == 300
    assert total == model.objects.filter(**here).count() == 300 + others
    assert created + updated == 4 * TURNS * 200  # nobody sent anything twice, and nothing is lost
    assert updated == RecordChange.objects.filter(**here).count()


def test_a_day_that_is_replaced_while_it_is_pushed_is_counted_exactly(
    caller: Caller, connect: Callable[..., Caller], sandbox: Environment
) -> None:
    caller.post(f"{API}/customers/bulk", customers(60))

    def rows(start: int, turn: int) -> list[dict[str, Any]]:
        return [sample("activity", customer_id=f"cst_{number}", bets_count=turn) for number in range(start, start + 30)]

    answers = together(
        caller,
        [
            lambda by, turn: by.put(f"{API}/activity/days/2026-03-15", rows(0, turn)),
            lambda by, turn: by.put(f"{API}/activity/days/2026-03-15", rows(30, turn)[::-1]),
            lambda by, turn: by.post(f"{API}/activity/bulk", rows(15, turn)[::-1]),
        ],
        connect,
    )

    data = [answer.json()["data"] for answer in answers]
    stored = Activity.objects.filter(environment=sandbox).count()
    counted = sum(RecordCounter.objects.filter(environment=sandbox, entity="activity").values_list("count", flat=True))
    assert {answer.status_code for answer in answers} == {200}
    assert stored == counted == sum(counts["created"] - counts.get("removed", 0) for counts in data)
