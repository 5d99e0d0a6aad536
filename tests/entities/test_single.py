"""A record that comes by itself is stored as one in a batch would be, in one message."""

from __future__ import annotations

import threading
import time
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.db import connection, transaction
from django.utils import timezone

from entities.models import Activity, Batch, Customer, RecordCounter, SeenStatus, Transaction
from entities.pipeline import Report, ingest
from entities.pipeline.locks import INGEST_LOCK
from entities.pipeline.single import function_name, function_sql
from entities.pipeline.transaction import BatchRow
from entities.selectors import canonical_statuses
from tests.entities.test_concurrency import together
from tests.factories import CustomerFactory, StatusMappingFactory
from tests.payloads import sample
from track360.models import Environment

MODELS: dict[str, Any] = {"customers": Customer, "transactions": Transaction, "activity": Activity}
NOT_ALIKE = {"id", "transaction_id", "batch_id", "received_at", "updated_at"}


def push(environment: Environment, **changes: Any) -> Report:
    return ingest(environment, "transactions", sample("transactions", **changes), shape="object")


def as_stored(report: Report) -> dict[str, Any]:
    """The record of the report as its table has it."""
    canonical = {"kyc_status", "sales_status", "canonical_status"}
    return {name: value for name, value in msgspec.structs.asdict(report.record).items() if name not in canonical}


@pytest.fixture(autouse=True)
def known(environment: Environment) -> None:
    """The customer is stored, and the status came a while ago: nothing of it has to be noted."""
    CustomerFactory(environment=environment, customer_id=sample("transactions")["customer_id"])
    assert push(environment, transaction_id="before").outcomes == ["created"]


@pytest.mark.django_db
def test_it_is_stored_and_counted_like_a_batch_of_one(environment: Environment) -> None:
    alone = push(environment, transaction_id="alone")
    ingest(environment, "transactions", [sample("transactions", transaction_id="in a batch")])

    assert (alone.outcomes, alone.stored) == (["created"], True)
    assert alone.record is not None
    records = Transaction.objects.filter(transaction_id__in=["alone", "in a batch"]).order_by("id").values()
    one, other = ({name: value for name, value in row.items() if name not in NOT_ALIKE} for row in records)
    assert one == other
    assert as_stored(alone) == Transaction.objects.filter(transaction_id="alone").values().get()
    assert alone.record.received_at == alone.record.updated_at
    assert sum(RecordCounter.objects.filter(entity="transactions").values_list("count", flat=True)) == 3
    first, second = map(dict, Batch.objects.filter(entity="transactions").order_by("started_at").values()[1:])
    apart = {"id", "started_at", "finished_at", "own_seconds", "lag_seconds"}
    assert {name: first[name] for name in first.keys() - apart} == {
        name: second[name] for name in second.keys() - apart
    }


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("entity", "own", "changes"),
    [
        ("customers", "customer_id", {"first_name": ..., "last_name": ..., "email": ...}),
        ("customers", "customer_id", {"first_name": ..., "last_name": ..., "email": ..., "last_modified_date": ...}),
        (
            "transactions",
            "transaction_id",
            {"amount_usd": Decimal("9999999999.99"), "note": 'a "quoted" \\ {thing} \n é'},
        ),
        ("transactions", "transaction_id", {"amount_usd": ..., "currency": "EUR"}),
        ("activity", "game_type", {"ggr": ..., "total_bets": Decimal("10.05"), "wins": Decimal("3.1")}),
        ("activity", "game_type", {"ggr": Decimal("-7.25")}),
    ],
)
def test_each_entity_is_stored_to_the_last_digit_as_in_a_batch(
    environment: Environment, entity: str, own: str, changes: dict[str, Any]
) -> None:
    keys = ("slots", "poker") if entity == "activity" else ("alone", "in a batch")
    one, other = (sample(entity, **changes | {own: key}) for key in keys)
    if entity != "activity":  # so that its statuses have come before
        ingest(environment, entity, one | {own: "before"})

    alone = ingest(environment, entity, one, shape="object")
    ingest(environment, entity, [other])

    assert alone.record is not None
    first, second = (MODELS[entity].objects.filter(**{own: key}).values().get() for key in keys)
    assert as_stored(alone) == first
    apart = NOT_ALIKE | {own, "version_guard"}
    assert {name: first[name] for name in first.keys() - apart} == {
        name: second[name] for name in second.keys() - apart
    }
    assert (first.get("version_guard") is None) == (second.get("version_guard") is None)


@pytest.mark.django_db
@pytest.mark.parametrize("entity", MODELS)
def test_the_function_is_made_of_what_the_tables_say_now(entity: str) -> None:
    """Where not, a migration has to create it again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [function_name(entity)])
        (body,) = cursor.fetchone()
    assert body == function_sql(entity).split("$$")[1]


def test_a_row_of_a_batch_has_the_fields_of_the_model() -> None:
    assert list(BatchRow.__struct_fields__) == [field.attname for field in Batch._meta.concrete_fields]


@pytest.mark.django_db
def test_its_status_means_what_the_mapping_says(environment: Environment) -> None:
    record = sample("transactions")
    StatusMappingFactory(
        partner=environment.partner, field="status", raw_value=record["status"], canonical_value="approved"
    )

    environment.refresh_from_db()  # which says when a mapping came last

    report = push(environment)

    assert report.record.canonical_status == "approved"
    assert canonical_statuses(environment)["status", record["status"]] == "approved"


@pytest.mark.django_db
def test_one_that_is_stored_goes_the_way_of_every_batch(environment: Environment) -> None:
    push(environment)

    again, other = push(environment), push(environment, note="another")

    assert (again.outcomes, again.record) == (["unchanged"], None)
    assert (other.outcomes, other.record) == (["updated"], None)
    assert sum(RecordCounter.objects.filter(entity="transactions").values_list("count", flat=True)) == 2


@pytest.mark.django_db
def test_one_that_is_stored_is_tried_once_before_it_is_compared(environment: Environment) -> None:
    def numbers_taken() -> int:
        with connection.cursor() as cursor:
            cursor.execute("SELECT last_value FROM entities_transaction_id_seq")
            return int(cursor.fetchone()[0])

    push(environment)
    before = numbers_taken()

    assert push(environment).outcomes == ["unchanged"]

    assert numbers_taken() == before + 1


@pytest.mark.django_db(transaction=True)
def test_one_that_many_send_at_once_is_created_once(environment: Environment) -> None:
    outcomes: list[str] = []

    def job() -> None:
        for turn in range(10):
            outcomes.extend(push(environment, transaction_id=f"txn_{turn}").outcomes)

    raised = together(*[job] * 6)

    assert raised == []
    assert sorted(outcomes) == ["created"] * 10 + ["unchanged"] * 50
    assert sum(RecordCounter.objects.filter(entity="transactions").values_list("count", flat=True)) == 11


@pytest.mark.django_db(transaction=True)
def test_it_waits_for_who_has_the_environment_to_himself_and_bears_the_time_after(environment: Environment) -> None:
    reports: list[Report] = []

    def job() -> None:
        reports.append(push(environment, transaction_id="waited"))
        connection.close()

    thread = threading.Thread(target=job)
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [INGEST_LOCK, environment.pk])
        thread.start()
        time.sleep(0.5)
        assert not reports
        released = timezone.now()
    thread.join()

    assert reports[0].record is not None
    assert reports[0].record.updated_at >= released


@pytest.mark.django_db
def test_what_has_a_status_to_note_or_a_person_in_it_takes_no_short_cut(environment: Environment) -> None:
    noted = push(environment, transaction_id="new status", status="never seen")
    person = ingest(environment, "customers", sample("customers", customer_id="cst_new"), shape="object")

    assert (noted.outcomes, noted.record) == (["created"], None)
    assert (person.outcomes, person.record) == (["created"], None)
    assert SeenStatus.objects.filter(environment=environment, raw_value="never seen").exists()
