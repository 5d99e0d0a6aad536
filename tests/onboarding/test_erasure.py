"""Erasing a customer, through the doors: the API, and every store that may hold him."""

from __future__ import annotations

import datetime as dt
import uuid
import zlib
from typing import Any
from urllib.parse import quote, unquote

import pytest
from django.core.exceptions import ValidationError
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.test import Client as Browser
from django.utils import timezone

from entities.erasure import erase_records
from entities.models import Customer, Difference, Erasure, QuarantinedRecord, RecordChange
from entities.pipeline import Report, ingest
from entities.pipeline.policy import Door, Policy
from integrations.clients import create_client, issue_token
from onboarding.erasure import STORES, erase_customer, finish, scrub_sample, unfinished
from onboarding.models import PartnerExport, Sample, SampleChunk
from tests.factories import ConnectionTestFactory
from tests.payloads import customers, sample
from track360 import exact_json
from track360.audit import Actor
from track360.models import AuditEvent, Environment
from track360.partners import create_partner

pytestmark = pytest.mark.django_db

JSON = "application/json"
PERSON = {"first_name": "Marker", "last_name": "Marker", "email": "marker@example.com"}
API = "/api/v1/igaming/customers"
NOTHING = dict.fromkeys(("customers", "history", "quarantine", "differences", "samples", "tests", "exports"), 0)


@pytest.fixture
def sandbox(db: None) -> Environment:
    return create_partner(name="Aurora").environments.get(kind="sandbox")


@pytest.fixture
def call(client: Browser, sandbox: Environment, django_user_model: Any) -> Any:
    """POST or GET with a token of the given scopes."""
    person = django_user_model.objects.create_user("ada@track360.test")

    def called(
        path: str, body: Any = None, *, scopes: tuple[str, ...] = ("manage", "read"), method: str = "post"
    ) -> Any:
        new = create_client(sandbox, name="crm", scopes=scopes, actor=None)
        headers = {"Authorization": f"Bearer {issue_token(new.client, actor=person)}"}
        if method == "get":
            return client.get(path, headers=headers)
        return client.post(path, "" if body is None else body, JSON, headers=headers)

    return called


def held_sample(environment: Environment, *records: Any, **fields: Any) -> Sample:
    body = exact_json.dumps(list(records)).encode()
    made = Sample.objects.create(
        environment=environment,
        format="json",
        size=len(body),
        body=zlib.compress(body),
        **({"entity": "customers", "origin": "paste", "state": "done", "total": len(records)} | fields),
    )
    error = {"index": 0, "pointer": "/0/x", "field": "x", "code": "type", "message": "m", "value": "Marker"}
    SampleChunk.objects.create(
        sample=made, number=0, first=0, records=list(records), errors=[error], warnings=[], invalid=1
    )
    return made


def test_a_program_erases_a_customer_and_gets_the_certificate(call: Any, sandbox: Environment) -> None:
    ingest(sandbox, "customers", customers(2, **PERSON))
    answer = call(f"{API}/cst_1/erase", {"reason": "asked for it"})
    data = answer.json()["data"]
    assert answer.status_code == 200
    assert data["customer_id"] == "cst_1"
    assert data["reason"] == "asked for it"
    assert data["erased"] == NOTHING | {"customers": 1}
    assert Customer.objects.get(customer_id="cst_1").email is None
    event = AuditEvent.objects.get(action="customer.erased")
    assert (event.target, event.environment, bool(event.client_id)) == ("cst_1", sandbox, True)


def test_again_gives_the_same_certificate(call: Any, sandbox: Environment) -> None:
    ingest(sandbox, "customers", customers(2, **PERSON))
    first = call(f"{API}/cst_1/erase")
    assert (first.status_code, call(f"{API}/cst_1/erase", {"reason": "later"}).json()) == (200, first.json())
    assert AuditEvent.objects.filter(action="customer.erased").count() == 1


@pytest.mark.parametrize(
    "key", ["a/b", "a/erase", "erase", "a%2F", "%20", "ä ö?", "..%2F..", "bulk", "a%00b", "x" * 300]
)
def test_an_id_may_hold_anything(call: Any, sandbox: Environment, key: str) -> None:
    customer_id = unquote(key)
    if customer_id.strip() == customer_id and "\x00" not in customer_id and len(customer_id) <= 128:
        ingest(sandbox, "customers", sample("customers", customer_id=customer_id, **PERSON))
        expected = 200
    else:
        expected = 404
    answer = call(f"{API}/{quote(customer_id, safe='/')}/erase")
    assert answer.status_code == expected, answer.content
    if expected == 200:
        assert answer.json()["data"]["customer_id"] == customer_id
        assert Customer.objects.get(customer_id=customer_id).first_name is None


def test_a_customer_whose_id_ends_in_erase_can_be_read(call: Any, sandbox: Environment) -> None:
    ingest(sandbox, "customers", sample("customers", customer_id="a/erase", **PERSON))
    answer = call(f"{API}/a/erase", method="get")
    assert (answer.status_code, answer.json()["data"]["customer_id"]) == (200, "a/erase")
    assert call(f"{API}/a/erase").status_code == 404  # there is no customer "a"
    assert call(f"{API}/a/erase/erase").status_code == 200


def test_an_unknown_customer_is_not_found(call: Any, sandbox: Environment) -> None:
    assert call(f"{API}/nobody/erase").status_code == 404
    assert Erasure.objects.count() == 0


def test_another_partners_customer_is_not_found(call: Any) -> None:
    other = create_partner(name="Borealis").environments.get(kind="sandbox")
    ingest(other, "customers", customers(2, **PERSON))
    assert call(f"{API}/cst_1/erase").status_code == 404
    assert Customer.objects.get(customer_id="cst_1").first_name == "Marker"


def test_it_takes_the_scope_manage(call: Any, sandbox: Environment) -> None:
    ingest(sandbox, "customers", customers(2))
    assert call(f"{API}/cst_1/erase", scopes=("read", "write")).status_code == 403
    assert call(f"{API}/cst_1/erase", method="get", scopes=("write",)).status_code == 403


@pytest.mark.parametrize(
    "body", [[], "x", {"reason": 1}, {"reason": "a\x00b"}, {"reason": "x" * 501}, {"reason": "\x1b"}, {"why": "x"}]
)
def test_a_body_that_makes_no_sense_is_refused(call: Any, sandbox: Environment, body: Any) -> None:
    ingest(sandbox, "customers", customers(2))
    assert call(f"{API}/cst_1/erase", exact_json.dumps(body)).status_code == 422
    assert Erasure.objects.count() == 0


def test_whoever_is_known_from_a_refused_record_alone_can_be_erased(call: Any, sandbox: Environment) -> None:
    ingest(sandbox, "customers", [{"customer_id": "cst_9", **PERSON}], lenient=True)
    assert call(f"{API}/cst_9/erase").json()["data"]["erased"]["quarantine"] == 1
    assert "arker" not in exact_json.dumps(QuarantinedRecord.objects.get().payload)


def test_samples_lose_the_upload_and_the_person(call: Any, sandbox: Environment) -> None:
    held = held_sample(
        sandbox, {"customer_id": "cst_9", "affiliate_id": "a", **PERSON}, {"customer_id": "cst_8", **PERSON}
    )
    other = held_sample(sandbox, {"customer_id": "cst_99", **PERSON})
    unreadable = held_sample(sandbox, {"customer_id": "cst_9", **PERSON}, state="unreadable")
    unreadable.chunks.all().delete()
    assert call(f"{API}/cst_9/erase").json()["data"]["erased"]["samples"] == 2
    chunk = held.chunks.get()
    assert chunk.records == [{"customer_id": "cst_9", "affiliate_id": "a"}, {"customer_id": "cst_8", **PERSON}]
    assert "value" not in chunk.errors[0]
    assert [bool(Sample.objects.get(pk=one.pk).body) for one in (held, other, unreadable)] == [False, True, False]


def test_a_sample_that_is_checked_after_the_erasure_holds_nothing_of_him(sandbox: Environment) -> None:
    ingest(sandbox, "customers", customers(2, **PERSON))
    erase_customer(sandbox, "cst_1", actor=Actor())
    held = held_sample(sandbox, *customers(2, **PERSON))
    innocent = held_sample(sandbox, *customers(1, **PERSON))
    scrub_sample(held)
    scrub_sample(innocent)
    held.refresh_from_db()
    innocent.refresh_from_db()
    assert (bool(held.body), bool(innocent.body)) == (False, True)
    assert [record.get("email") for record in held.chunks.get().records] == [PERSON["email"], None]


def test_exports_that_hold_him_are_deleted(sandbox: Environment) -> None:
    ingest(sandbox, "customers", customers(2, **PERSON))
    path = default_storage.save("exports/x.zip", ContentFile(b"Marker"))
    export = PartnerExport.objects.create(
        partner=sandbox.partner, state="done", path=path, expires_at=timezone.now() + dt.timedelta(days=30)
    )
    assert erase_customer(sandbox, "cst_1", actor=Actor()).counts["exports"] == 1
    export.refresh_from_db()
    assert (export.path, default_storage.exists(path)) == ("", False)


def test_an_erasure_that_stopped_half_way_is_taken_up_again(sandbox: Environment) -> None:
    ingest(sandbox, "customers", [*customers(2, **PERSON), {"customer_id": "cst_1", **PERSON}], lenient=True)
    erase_records(sandbox, "cst_1", actor=Actor(), reason="")
    (half,) = unfinished()
    finish(half)
    assert not unfinished().exists()
    assert Erasure.objects.get().counts == NOTHING | {"customers": 1, "quarantine": 1}


def test_an_unknown_customer_is_refused_by_the_action(sandbox: Environment) -> None:
    with pytest.raises(ValidationError) as refused:
        erase_customer(sandbox, "nobody", actor=Actor())
    assert refused.value.code == "unknown_customer"
    assert set(STORES) == set(NOTHING)


# -- What was fetched ---------------------------------------------------------


def pull(sandbox: Environment, *records: Any, door: Door = Door.COMPARE) -> Report:
    policy = Policy(door=door, run_id=uuid.uuid4(), fields=frozenset(sample("customers")) | set(PERSON))
    return ingest(sandbox, "customers", list(records), door="pull", lenient=True, policy=policy)


def test_a_pulled_version_that_differs_loses_the_person(call: Any, sandbox: Environment) -> None:
    ingest(sandbox, "customers", customers(2))
    pull(sandbox, *customers(2, **PERSON, country_code="SE"))
    assert Difference.objects.filter(payload__contains="Marker").count() == 2
    assert call(f"{API}/cst_1/erase").json()["data"]["erased"]["differences"] == 1
    gone, other = Difference.objects.get(key="cst_1"), Difference.objects.get(key="cst_0")
    assert (gone.payload["country_code"], gone.payload.keys() & PERSON) == ("SE", set())
    assert other.payload["email"] == PERSON["email"]


@pytest.mark.parametrize("door", [Door.PULL, Door.COMPARE])
def test_what_is_pulled_of_an_erased_customer_is_kept_without_the_person(sandbox: Environment, door: Door) -> None:
    ingest(sandbox, "customers", customers(2, **PERSON))
    erase_customer(sandbox, "cst_1", actor=Actor())
    (pulled,) = customers(1, start=1, **PERSON)
    report = pull(sandbox, pulled, door=door)
    assert "erased_customer" in {warning.code for warning in report.warnings}
    assert not Difference.objects.filter(key="cst_1").exists()  # they agree in what is left
    pull(sandbox, pulled | {"affiliate_id": 7}, door=door)
    pull(sandbox, pulled | {"country_code": "SE"}, door=door)
    kept = [
        *Difference.objects.filter(key="cst_1").values_list("payload", flat=True),
        *QuarantinedRecord.objects.values_list("payload", "errors"),
        *RecordChange.objects.values_list("old", flat=True),
        *Customer.objects.filter(customer_id="cst_1").values_list("first_name", "last_name", "email"),
    ]
    assert len(kept) >= 3
    assert "arker" not in exact_json.dumps(kept)


def test_a_refused_record_loses_the_person_in_what_was_edited_too(call: Any, sandbox: Environment) -> None:
    ingest(sandbox, "customers", [{"customer_id": "cst_9", **PERSON}, {"customer_id": "?", **PERSON}], lenient=True)
    renamed = QuarantinedRecord.objects.get(key="?")
    QuarantinedRecord.objects.update(edited={"customer_id": "cst_9", "affiliate_id": "a", **PERSON})
    assert call(f"{API}/cst_9/erase").json()["data"]["erased"]["quarantine"] == 2
    renamed.refresh_from_db()
    assert (renamed.payload, renamed.edited) == ({"customer_id": "?"}, {"customer_id": "cst_9", "affiliate_id": "a"})
    assert "arker" not in exact_json.dumps(list(QuarantinedRecord.objects.values_list("payload", "edited")))


def shown(*records: Any) -> dict[str, Any]:
    error = {"index": 0, "pointer": "/0/x", "field": "x", "code": "type", "message": "m", "value": "Marker"}
    return {"customers": [{"record": record, "errors": [error], "warnings": []} for record in records]}


def test_a_test_of_a_connection_loses_the_person_also_where_it_alone_knows_him(call: Any, sandbox: Environment) -> None:
    rows = shown({"customer_id": "cst_9", "name": "Marker", **PERSON}, {"customer_id": "cst_8", **PERSON})
    test = ConnectionTestFactory(connection__environment=sandbox, rows=rows)
    ConnectionTestFactory(connection__environment=sandbox, rows=None)
    assert call(f"{API}/cst_7/erase").status_code == 404
    assert call(f"{API}/cst_9/erase").json()["data"]["erased"]["tests"] == 1
    test.refresh_from_db()
    gone, other = test.rows["customers"]
    assert (gone["record"], "value" in gone["errors"][0]) == ({"customer_id": "cst_9"}, False)
    assert other == rows["customers"][1]
