"""Customers who were erased: what is sent for them again is stored without the person."""

from __future__ import annotations

import importlib
import threading
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from entities import erasure
from entities.models import Customer, Erasure, QuarantinedRecord, RecordChange
from entities.pipeline import ingest
from entities.pipeline.erased import concerns
from tests.payloads import customers, sample, transactions
from track360 import exact_json
from track360.audit import Actor
from track360.models import Environment

pytestmark = pytest.mark.django_db

PERSON = {"first_name": "Marker", "last_name": "Marker", "email": "marker@example.com"}


def erase(environment: Environment, customer_id: str) -> Erasure:
    return erasure.erase_records(environment, customer_id, actor=Actor(), reason="")


@pytest.fixture
def erased(environment: Environment) -> Customer:
    ingest(environment, "customers", customers(3, **PERSON))
    erase(environment, "cst_1")
    return Customer.objects.get(customer_id="cst_1")


def codes(report: Any) -> list[str]:
    return [warning.code for warning in report.warnings if warning.code == "erased_customer"]


def test_the_record_keeps_everything_but_the_person(erased: Customer) -> None:
    assert (erased.first_name, erased.last_name, erased.email) == (None, None, None)
    assert (erased.affiliate_id, erased.country_code) == ("aff_204", "GB")
    assert Customer.objects.filter(email=PERSON["email"]).count() == 2


def test_earlier_versions_name_nobody(environment: Environment) -> None:
    for click in "abc":
        ingest(environment, "customers", customers(2, click_id=click, last_modified_date=..., **PERSON))
    found = erase(environment, "cst_0")
    texts = [
        exact_json.dumps(change.old) for change in RecordChange.objects.order_by("id") if "cst_0" in str(change.old)
    ]
    assert len(texts) == 3  # two versions before, and the one that ended with the erasure
    assert not any("arker" in text for text in texts)
    assert found.counts == {"customers": 1, "history": 2}
    assert RecordChange.objects.filter(old__customer_id="cst_1", old__first_name="Marker").count() == 2


def test_whoever_follows_the_changes_learns_of_it(environment: Environment) -> None:
    ingest(environment, "customers", customers(1))
    before = Customer.objects.get()
    erase(environment, "cst_0")
    assert Customer.objects.get().updated_at > before.updated_at
    assert RecordChange.objects.get().old["updated_at"]


def test_what_is_sent_again_is_dropped_with_a_warning_and_the_rest_is_stored(
    environment: Environment, erased: Customer
) -> None:
    report = ingest(environment, "customers", customers(3, country_code="DE", last_modified_date=..., **PERSON))
    erased.refresh_from_db()
    assert codes(report) == ["erased_customer"]
    assert [warning.index for warning in report.warnings if warning.code == "erased_customer"] == [1]
    assert report.outcomes == ["updated"] * 3
    assert (erased.country_code, erased.first_name, erased.email) == ("DE", None, None)


def test_a_single_object_is_treated_the_same(environment: Environment, erased: Customer) -> None:
    report = ingest(environment, "customers", sample("customers", customer_id="cst_1", **PERSON))
    assert codes(report) == ["erased_customer"]
    assert report.outcomes == ["unchanged"]


def test_sending_the_same_again_changes_nothing_each_time(environment: Environment, erased: Customer) -> None:
    changes = RecordChange.objects.count()
    for _turn in range(3):
        report = ingest(environment, "customers", customers(3, **PERSON))
        assert report.outcomes == ["unchanged"] * 3
    assert RecordChange.objects.count() == changes


def test_a_record_without_a_person_in_it_brings_no_warning(environment: Environment, erased: Customer) -> None:
    bare = sample("customers", customer_id="cst_1", first_name=..., last_name=..., email=None)
    assert codes(ingest(environment, "customers", bare)) == []


def test_a_batch_without_personal_data_asks_nothing(environment: Environment, erased: Customer) -> None:
    def looks(records: list[dict[str, Any]]) -> int:
        with CaptureQueriesContext(connection) as queries:
            ingest(environment, "customers", records)
        return sum("entities_erasure" in query["sql"] for query in queries)

    bare = customers(3, first_name=..., last_name=..., email=...)
    assert (looks(bare), looks(customers(3, **PERSON))) == (0, 1)


def test_a_dry_run_says_it_too(environment: Environment, erased: Customer) -> None:
    report = ingest(environment, "customers", customers(3, **PERSON), dry_run=True)
    assert codes(report) == ["erased_customer"]


def test_another_environment_knows_nothing_of_it(
    environment: Environment, other_environment: Environment, erased: Customer
) -> None:
    report = ingest(other_environment, "customers", customers(3, **PERSON))
    assert codes(report) == []
    assert Customer.objects.get(environment=other_environment, customer_id="cst_1").first_name == "Marker"


REFUSED = [
    ("customers", {"customer_id": "cst_1", "email": "Marker", "affiliate_id": 7}),
    ("customers", {"customer_id": " cst_1 ", **PERSON}),
    ("customers", {"customer_id": "cst_1", "phone": "Marker", "signup_date": "x"}),
    ("customers", {"customer_id": "cst_1", "affiliate_id": {"name": "Marker"}}),
    ("customers", {"customer": {"customer_id": "cst_1", "first_name": "Marker"}}),
    ("customers", ["cst_1", "Marker"]),
    ("transactions", {"customer_id": "cst_1", "transaction_id": "t", "email": "Marker"}),
]


@pytest.mark.parametrize(("entity", "record"), REFUSED)
def test_what_waits_in_quarantine_is_erased(environment: Environment, entity: str, record: Any) -> None:
    ingest(environment, "customers", customers(3, **PERSON))
    others = {"customer_id": "cst_11", "first_name": "Somebody", "affiliate_id": 1}
    ingest(environment, entity, [record, others], shape="array", lenient=True)
    assert erasure.erase_quarantine(environment, "cst_1") == 1
    kept = QuarantinedRecord.objects.order_by("index")
    assert "arker" not in exact_json.dumps([kept[0].payload, kept[0].errors])
    assert kept[1].payload == others
    assert erasure.erase_quarantine(environment, "cst_1") == 0


@pytest.mark.parametrize(("entity", "record"), REFUSED)
def test_what_is_refused_after_the_erasure_is_kept_without_the_person(
    environment: Environment, erased: Customer, entity: str, record: Any
) -> None:
    report = ingest(environment, entity, [record], shape="array", lenient=True)
    kept = QuarantinedRecord.objects.get()
    assert "arker" not in exact_json.dumps([kept.payload, kept.errors])
    assert codes(report) == ["erased_customer"]


def test_a_number_for_an_id_is_still_that_customer() -> None:
    assert concerns({"customer_id": 100245, "first_name": "x"}) == {"100245"}
    assert concerns({"customer_id": "cst_1", "affiliate_id": "cst_2"}) == {"cst_1"}
    assert concerns({"customer_id": None, "other": ["cst_2", {"id": 3}]}) == {"cst_2", "3"}
    assert concerns({"customer_id": "\x00", "a": True}) == set()


@pytest.mark.django_db(transaction=True)
def test_a_batch_that_looked_before_the_erasure_writes_nobody_after_it(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch stands still between its check and its transaction; the customer is erased; the batch goes on."""
    module = importlib.import_module("entities.pipeline.ingest")
    ingest(environment, "customers", customers(3, **PERSON))
    checked, go_on = threading.Event(), threading.Event()
    check = module.check

    def check_and_wait(work: Any) -> None:
        check(work)
        checked.set()
        go_on.wait(20)

    outcomes: list[Any] = []

    def push() -> None:
        try:
            batch = [
                *customers(3, click_id="new", last_modified_date=..., **PERSON),
                {"customer_id": "cst_1", **PERSON},
            ]
            outcomes.append(ingest(environment, "customers", batch, shape="array", lenient=True))
        finally:
            connection.close()

    monkeypatch.setattr(module, "check", check_and_wait)
    thread = threading.Thread(target=push)
    thread.start()
    assert checked.wait(20)
    erase(environment, "cst_1")
    go_on.set()
    thread.join()

    stored = Customer.objects.get(customer_id="cst_1")
    assert (stored.click_id, stored.first_name, stored.email) == ("new", None, None)
    assert codes(outcomes[0]) == ["erased_customer"] * 2
    assert not RecordChange.objects.filter(old__customer_id="cst_1", old__first_name="Marker").exists()
    assert "arker" not in exact_json.dumps(QuarantinedRecord.objects.get().payload)


@pytest.mark.django_db(transaction=True)
def test_an_erasure_waits_for_a_batch_that_is_writing(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch has written the person and not committed; the erasure must not overlook that."""
    module = importlib.import_module("entities.pipeline.ingest")
    written, go_on = threading.Event(), threading.Event()
    save_batch = module.save_batch

    def save_and_wait(*args: Any, **kwargs: Any) -> None:
        save_batch(*args, **kwargs)
        written.set()
        go_on.wait(20)

    monkeypatch.setattr(module, "save_batch", save_and_wait)

    def run(job: Any) -> threading.Thread:
        def job_and_close() -> None:
            try:
                job()
            finally:
                connection.close()

        thread = threading.Thread(target=job_and_close)
        thread.start()
        return thread

    pushing = run(lambda: ingest(environment, "customers", customers(3, **PERSON)))
    assert written.wait(20)
    erasing = run(lambda: erase(environment, "cst_1"))
    erasing.join(0.5)
    assert erasing.is_alive()
    go_on.set()
    pushing.join()
    erasing.join()
    assert Customer.objects.get(customer_id="cst_1").first_name is None


def test_money_stays(environment: Environment, erased: Customer) -> None:
    report = ingest(environment, "transactions", transactions(2, customer_id="cst_1"))
    assert report.outcomes == ["created"] * 2
