"""Batches that meet: no error, no deadlock, nothing lost."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from entities.models import Customer, RecordChange, RecordCounter
from entities.pipeline import ingest
from tests.payloads import customers
from track360.models import Environment

pytestmark = pytest.mark.django_db(transaction=True)


def together(*jobs: Callable[[], None]) -> list[BaseException]:
    """Run the jobs in threads of their own, each with its own connection; gives what they raised."""
    raised: list[BaseException] = []
    start = threading.Barrier(len(jobs))

    def run(job: Callable[[], None]) -> None:
        try:
            start.wait()
            job()
        except BaseException as error:  # noqa: BLE001
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_overlapping_batches_in_opposite_order_never_see_each_other(environment: Environment) -> None:
    outcomes: list[dict[str, int]] = []

    def push(country: str, order: int, first: int) -> Callable[[], None]:
        def job() -> None:
            for turn in range(12):
                batch = customers(100, start=first, country_code=country, last_modified_date=..., click_id=f"{turn}")
                outcomes.append(ingest(environment, "customers", batch[::order]).counts())

        return job

    raised = together(push("DE", 1, 0), push("FR", -1, 50), push("SE", 1, 25), push("GB", -1, 0))

    created = sum(counts["created"] for counts in outcomes)
    updated = sum(counts["updated"] for counts in outcomes)
    assert raised == []
    assert created == Customer.objects.count() == 150
    assert updated == RecordChange.objects.count()
    assert sum(RecordCounter.objects.values_list("count", flat=True)) == 150


def test_the_history_has_each_version_once(environment: Environment) -> None:
    def push(name: str) -> Callable[[], None]:
        def job() -> None:
            for turn in range(25):
                record: dict[str, Any] = customers(1, last_modified_date=..., click_id=f"{name}{turn}")[0]
                ingest(environment, "customers", record)

        return job

    raised = together(push("a"), push("b"), push("c"))

    versions = [change.old["click_id"] for change in RecordChange.objects.all()]
    versions.append(Customer.objects.get().click_id)
    assert raised == []
    assert sorted(versions) == sorted(f"{name}{turn}" for name in "abc" for turn in range(25))
