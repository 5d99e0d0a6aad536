"""What lacks only its customer is stored by itself once he has come."""

from __future__ import annotations

import uuid

import pytest

from entities import tasks
from entities.erasure import erase_records
from entities.mending import drop_records
from entities.models import Activity, Batch, QuarantinedRecord, Transaction
from entities.pipeline import Door, Policy, ingest
from entities.releases import environments_to_release, release_waiting
from tests.entities.refused import ACTOR, refuse
from tests.payloads import sample, transactions
from track360.models import Environment


def test_records_wait_until_their_customer_has_come(environment: Environment) -> None:
    refuse(environment, "transactions", *transactions(3))
    refuse(environment, "activity", sample("activity"))
    assert release_waiting(environment) == 0
    assert Transaction.objects.count() == 0

    ingest(environment, "customers", sample("customers"))

    assert release_waiting(environment) == 4
    assert (Transaction.objects.count(), Activity.objects.count()) == (3, 1)
    record = QuarantinedRecord.objects.first()
    assert record is not None
    event = record.events.get()
    assert (record.state, event.kind, event.outcome, event.by) == ("stored", "released", "created", None)
    assert event.batch_id in Batch.objects.filter(door="replay").values_list("pk", flat=True)
    assert release_waiting(environment) == 0


@pytest.mark.parametrize("door", ["push", "pull"])
def test_the_customer_may_come_by_any_door(environment: Environment, door: str) -> None:
    run = uuid.uuid4()
    refuse(environment, "transactions", sample("transactions"), run_id=run)
    policy = Policy(door=Door.PULL, run_id=uuid.uuid4()) if door == "pull" else Policy()
    ingest(environment, "customers", sample("customers"), door=door, policy=policy)

    assert release_waiting(environment) == 1
    assert Batch.objects.get(door="replay").run_id == run


def test_records_with_another_fault_wait_for_nobody(environment: Environment) -> None:
    refuse(environment, "transactions", sample("transactions", currency="EUX"))
    ingest(environment, "customers", sample("customers"))
    assert release_waiting(environment) == 0
    assert QuarantinedRecord.objects.get().state == "held"


def test_a_dropped_record_is_not_released(environment: Environment) -> None:
    refuse(environment, "transactions", sample("transactions"))
    drop_records(environment, filters={}, reason="not ours", actor=ACTOR)
    ingest(environment, "customers", sample("customers"))
    assert release_waiting(environment) == 0
    assert not Transaction.objects.exists()


def test_the_newest_of_several_waiting_versions_is_released(environment: Environment) -> None:
    for status in ("pending", "approved"):
        refuse(environment, "transactions", sample("transactions", status=status))
    ingest(environment, "customers", sample("customers"))
    assert release_waiting(environment) == 1
    assert Transaction.objects.get().status == "approved"
    assert list(QuarantinedRecord.objects.order_by("pk").values_list("state", flat=True)) == ["superseded", "stored"]


def test_what_waits_for_an_erased_customer_is_stored(environment: Environment) -> None:
    refuse(environment, "transactions", sample("transactions"))
    ingest(environment, "customers", sample("customers"))
    erase_records(environment, "cst_100245", actor=ACTOR, reason="asked")
    assert release_waiting(environment) == 1


def test_the_round_goes_over_every_environment_where_somebody_came(
    environment: Environment, other_environment: Environment
) -> None:
    for place in (environment, other_environment):
        refuse(place, "transactions", sample("transactions"))
    assert list(environments_to_release()) == []
    ingest(environment, "customers", sample("customers"))
    assert list(environments_to_release()) == [environment]

    ingest(other_environment, "customers", sample("customers"))
    tasks.release_waiting()

    assert not QuarantinedRecord.objects.exclude(state="stored").exists()
    assert Transaction.objects.count() == 2


def test_a_customer_of_another_environment_releases_nothing(
    environment: Environment, other_environment: Environment
) -> None:
    refuse(environment, "transactions", sample("transactions"))
    ingest(other_environment, "customers", sample("customers"))
    assert release_waiting(environment) == 0
