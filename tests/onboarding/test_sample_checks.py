"""Samples from payload to result: the same pipeline as a dry run, in chunks, once, and again where it was cut short."""

from __future__ import annotations

import datetime as dt
import json
import time
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection, connections
from django.utils import timezone

from entities.models import Affiliate, Batch, Customer, Entity, SeenStatus
from entities.pipeline import ingest
from onboarding import sample_checks, samples, tasks
from onboarding.models import ColumnMapping, Sample, SampleChunk
from onboarding.sample_lessons import lesson_payload
from onboarding.sample_results import checked_records, counted_samples, newest_samples, page_of
from tests.factories import EnvironmentFactory, SampleFactory
from track360.audit import Actor
from track360.models import AuditEvent, Environment

NOBODY = Actor()
CUSTOMER = {"customer_id": "cst_1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "aff_204"}
TRANSACTION = {
    "transaction_id": "txn_1",
    "customer_id": "cst_1",
    "transaction_type": "deposit",
    "amount_currency": 150,
    "currency": "EUR",
    "transaction_date": "2026-03-15T12:10:00Z",
    "status": "approved",
}


@pytest.fixture
def sandbox(db: None) -> Environment:
    return EnvironmentFactory()


def tried(sandbox: Environment, payload: Any, *, entity: str = "customers", origin: str = "paste") -> Sample:
    raw = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    sample = samples.create_sample(sandbox, entity=entity, payload=raw, origin=origin, actor=NOBODY)
    sample_checks.check_sample(sample.pk)
    sample.refresh_from_db()
    return sample


def many(number: int, **more: Any) -> list[dict[str, Any]]:
    return [CUSTOMER | {"customer_id": f"cst_{n}"} | more for n in range(number)]


def test_a_sample_is_checked_like_a_push_and_leaves_no_record(sandbox: Environment):
    sample = tried(
        sandbox, [CUSTOMER, CUSTOMER | {"customer_id": "cst_2", "country_code": "UK", "kyc_status_id": "ok"}]
    )
    assert (sample.state, sample.total, sample.checked, sample.invalid, sample.error_count) == ("done", 2, 2, 1, 1)
    assert sample.groups == [
        {
            "code": "country",
            "field": "country_code",
            "count": 1,
            "first": 1,
            "message": "must be an ISO 3166-1 alpha-2 country code",
        }
    ]
    assert not sample.is_valid
    for model in (Customer, Batch, SeenStatus):
        assert not model.objects.filter(environment=sandbox).exists()
    assert AuditEvent.objects.filter(action="sample.created", target=str(sample.pk)).count() == 1


def test_customers_of_the_newest_valid_customer_sample_count_as_known(sandbox: Environment):
    other = TRANSACTION | {"transaction_id": "txn_2", "customer_id": "cst_2"}
    before = tried(sandbox, [TRANSACTION, other], entity="transactions")
    assert (before.invalid, before.warning_count) == (0, 2 + 2 + 0)  # unmapped_status twice too
    tried(sandbox, [CUSTOMER])
    tried(sandbox, [CUSTOMER | {"customer_id": "cst_2", "country_code": "UK"}])  # newer, but not valid
    tried(sandbox, [CUSTOMER | {"customer_id": "cst_2"}], origin="lesson")
    after = tried(sandbox, [TRANSACTION, other], entity="transactions")
    (chunk,) = after.chunks.all()
    unknown = [warning for warning in chunk.warnings if warning["code"] == "unknown_customer"]
    assert [warning["value"] for warning in unknown] == ["cst_2"]
    assert after.is_valid


def test_known_customers_of_another_partner_do_not_count(sandbox: Environment):
    tried(EnvironmentFactory(), [CUSTOMER])
    assert sample_checks.known_customers(sandbox) == frozenset()


def test_a_large_sample_is_checked_in_chunks_with_positions_over_all(sandbox: Environment):
    records = many(2500)
    records[0]["country_code"] = records[1700]["country_code"] = records[2499]["country_code"] = "UK"
    sample = tried(sandbox, records)
    assert (sample.total, sample.invalid) == (2500, 3)
    assert sample.groups[0]["first"] == 0
    assert list(sample.chunks.order_by("number").values_list("first", "invalid")) == [(0, 1), (1000, 1), (2000, 1)]
    assert [found.index for found in checked_records(sample, faulty=True)] == [0, 1700, 2499]
    assert [found.index for found in checked_records(sample, faulty=True, start=1)] == [1700, 2499]
    assert [found.index for found in checked_records(sample, faulty=False, start=980, limit=50)] == [*range(980, 1030)]


def test_the_page_of_a_faulty_record_is_found(sandbox: Environment):
    sample = tried(sandbox, many(1300, country_code="UK"))
    assert [page_of(sample, index) for index in (0, 39, 40, 999, 1000, 1299)] == [1, 1, 2, 25, 26, 33]


def test_a_check_that_was_cut_short_goes_on_where_it_stopped(sandbox: Environment, monkeypatch: pytest.MonkeyPatch):
    sample = samples.create_sample(
        sandbox,
        entity="customers",
        payload=json.dumps(many(2500, country_code="UK")).encode(),
        origin="upload",
        actor=NOBODY,
    )
    whole, seen = ingest, []

    def killed_in_the_second_chunk(*args: Any, **kwargs: Any) -> Any:
        seen.append(args[2][0]["customer_id"])
        if len(seen) == 2:
            raise SystemExit
        return whole(*args, **kwargs)

    monkeypatch.setattr(sample_checks, "ingest", killed_in_the_second_chunk)
    with pytest.raises(SystemExit):
        sample_checks.check_sample(sample.pk)
    sample.refresh_from_db()
    assert (sample.state, sample.checked, sample.invalid) == ("checking", 1000, 1000)
    sample_checks.check_sample(sample.pk)
    sample_checks.check_sample(sample.pk)  # a message given out twice
    sample.refresh_from_db()
    assert (sample.state, sample.checked, sample.invalid, sample.error_count) == ("done", 2500, 2500, 2500)
    assert sample.groups[0]["count"] == 2500
    assert seen == ["cst_0", "cst_1000", "cst_1000", "cst_2000"]


@pytest.mark.django_db(transaction=True)
def test_two_workers_never_check_the_same_sample():
    sandbox = EnvironmentFactory()
    payload = json.dumps([CUSTOMER]).encode()
    sample = samples.create_sample(sandbox, entity="customers", payload=payload, origin="api", actor=NOBODY)
    other = connections.create_connection("default")
    other.set_autocommit(False)
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [sample.pk.int >> 65])
        sample_checks.check_sample(sample.pk)
        sample.refresh_from_db()
        assert sample.checked == 0
    other.close()  # as when the other worker is killed
    for _ in range(100):
        if not advisory_locks():
            break
        time.sleep(0.05)
    sample_checks.check_sample(sample.pk)
    sample.refresh_from_db()
    assert sample.state == "done"
    assert advisory_locks() == 0


def advisory_locks() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        return cursor.fetchone()[0]


def test_a_sample_whose_message_was_lost_is_rung_for_again(sandbox: Environment, monkeypatch: pytest.MonkeyPatch):
    sample = samples.create_sample(
        sandbox, entity="customers", payload=json.dumps(many(1001)).encode(), origin="api", actor=NOBODY
    )
    rung: list[str] = []
    monkeypatch.setattr(tasks.check_sample, "apply_async", lambda args, **options: rung.append(args[0]))
    tasks.ring_for_samples()
    assert rung == []
    Sample.objects.update(created_at=timezone.now() - dt.timedelta(minutes=1))
    waiting = samples.create_sample(
        sandbox, entity="customers", payload=b"Player,When\n1,2\n", origin="api", actor=NOBODY
    )
    Sample.objects.filter(pk=waiting.pk).update(created_at=sample.created_at - dt.timedelta(hours=1))
    tasks.ring_for_samples()
    assert rung == [str(sample.pk)]


def test_a_large_payload_that_breaks_late_is_unreadable_with_its_line(sandbox: Environment):
    good = json.dumps(CUSTOMER | {"note": "x" * 400}).encode()
    sample = tried(sandbox, b"\n".join([good] * 6000) + b'\n{"customer_id": }')
    assert sample.size > sample_checks.READ_AT_ONCE
    assert sample.state == "unreadable"
    assert sample.problem.startswith("Line 6001, character 17: not valid JSON")
    assert not SampleChunk.objects.exists()


def test_a_small_payload_that_breaks_is_refused_and_leaves_nothing(sandbox: Environment):
    with pytest.raises(ValidationError, match="Line 2"):
        tried(sandbox, b'[{"a": 1},\n{]')
    assert not Sample.objects.exists()
    assert not AuditEvent.objects.exists()


def test_nul_and_odd_names_are_findings_and_no_crash(sandbox: Environment):
    odd = {"x\x00y": 1, "customer_id": "a\x00b", "": 2, "a/b~c": 3}
    sample = tried(sandbox, [odd, None, 1, [], "text", CUSTOMER])
    assert sample.state == "done"
    assert {(group["code"], group["field"]) for group in sample.groups} >= {
        ("control_character", "customer_id"),
        ("additional_property", "x␀y"),
        ("type", ""),
    }
    assert sample.invalid == 5


def test_a_record_with_thousands_of_faults_is_kept_with_the_first_of_them(sandbox: Environment):
    sample = tried(sandbox, [{f"field_{n}": n for n in range(3000)}])
    (chunk,) = sample.chunks.all()
    assert sample.error_count == 3003
    assert len(chunk.errors) == sample_checks.KEPT_PER_RECORD
    assert len(sample.groups) == sample_checks.KEPT_GROUPS


# -- CSV ----------------------------------------------------------------------

CSV = b"Player;Signed up at;btag\ncst_1;2026-03-12T09:15:00Z;aff_204\n"
COLUMNS = {"Player": "customer_id", "Signed up at": "signup_date", "btag": "affiliate_id"}


def test_a_csv_with_names_of_its_own_waits_for_its_columns_and_remembers_them(sandbox: Environment):
    sample = tried(sandbox, CSV)
    assert sample_checks.is_without_columns(sample)
    assert list(counted_samples(sandbox)) == []
    same = samples.set_columns(sample, entity="customers", columns=COLUMNS, actor=NOBODY)
    assert same.pk == sample.pk
    sample_checks.check_sample(sample.pk)
    assert Sample.objects.get().is_valid
    assert tried(sandbox, CSV).is_valid
    assert tried(sandbox, CSV.replace(b"btag", b"BTAG")).columns == {}


def test_columns_set_again_make_a_new_sample(sandbox: Environment):
    sample = tried(sandbox, b"customer_id,signup_date,affiliate_id\ncst_1,2026-03-12T09:15:00Z,aff_204\n")
    columns = {"customer_id": "affiliate_id", "signup_date": "signup_date", "affiliate_id": "customer_id"}
    new = samples.set_columns(sample, entity="customers", columns=columns, actor=NOBODY)
    assert (new.mends_id, new.columns) == (sample.pk, columns)
    assert new.chunks.get().records[0]["customer_id"] == "aff_204"
    assert ColumnMapping.objects.get().columns == columns


@pytest.mark.parametrize(
    ("columns", "sentence"),
    [
        ({"Player": "customer_id"}, "No column holds signup_date, affiliate_id"),
        (COLUMNS | {"x": "customer_id"}, "Two columns hold customer_id"),
    ],
)
def test_columns_that_cannot_be_are_refused(sandbox: Environment, columns: dict[str, str], sentence: str):
    sample = tried(sandbox, CSV)
    with pytest.raises(ValidationError, match=sentence):
        samples.set_columns(sample, entity="customers", columns=columns, actor=NOBODY)
    assert not ColumnMapping.objects.exists()


def test_a_row_with_a_cell_too_few_has_that_error_only(sandbox: Environment):
    sample = tried(sandbox, b"customer_id,signup_date,affiliate_id\ncst_1,2026-03-12T09:15:00Z,aff_204\ncst_2,x\n")
    assert [(group["code"], group["count"]) for group in sample.groups] == [("cells", 1)]
    (found,) = checked_records(sample, faulty=True)
    assert (found.index, found.line, found.record) == (1, 3, {"customer_id": "cst_2", "signup_date": "x"})


# -- Mending ------------------------------------------------------------------


def test_a_mended_sample_is_a_new_one_and_the_old_one_stays(sandbox: Environment):
    sample = tried(sandbox, [CUSTOMER | {"country_code": "UK"}])
    new = samples.mend_sample(sample, payload=json.dumps([CUSTOMER]).encode(), actor=NOBODY)
    sample_checks.check_sample(new.pk)
    assert (new.origin, new.mends) == ("mended", sample)
    assert newest_samples(sandbox)[Entity.CUSTOMERS].is_valid
    assert Sample.objects.count() == 2


def test_a_mended_lesson_stays_a_lesson_and_never_counts(sandbox: Environment):
    lesson = tried(sandbox, lesson_payload(Entity.CUSTOMERS), origin="lesson")
    mended = samples.mend_sample(lesson, payload=json.dumps([CUSTOMER]).encode(), actor=NOBODY)
    assert mended.origin == "lesson"
    assert newest_samples(sandbox) == {}


def test_faulty_records_of_a_large_sample_are_mended_in_their_places(sandbox: Environment):
    records = many(1200)
    records[3]["country_code"] = records[1100]["country_code"] = "UK"
    sample = tried(sandbox, records)
    edited = json.dumps([records[3] | {"country_code": "GB"}, records[1100] | {"country_code": "DE"}]).encode()
    new = samples.mend_records(sample, indexes=[3, 1100], payload=edited, actor=NOBODY)
    sample_checks.check_sample(new.pk)
    new.refresh_from_db()
    assert new.is_valid
    assert new.total == 1200
    first = new.chunks.order_by("number")[0].records
    assert [record.get("country_code") for record in first[2:6]] == [None, "GB", "DE", None]


def test_faulty_rows_of_a_csv_are_mended_under_the_same_header(sandbox: Environment):
    header = b"customer_id;signup_date;affiliate_id;extra\n"
    sample = tried(sandbox, header + b"cst_1;2026-03-12T09:15:00Z;aff_1;kept\ncst_2;x\n")
    samples.set_columns(
        sample,
        entity="customers",
        columns={name: name for name in CUSTOMER} | {"extra": ""},
        actor=NOBODY,
    )
    sample_checks.check_sample(sample.pk)
    sample.refresh_from_db()
    with pytest.raises(ValidationError, match="Keep the header"):
        samples.mend_records(sample, indexes=[1], payload=b"a;b\n1;2\n", actor=NOBODY)
    edited = header + b"cst_2;2026-03-12T09:15:00Z;aff_2;new\n"
    new = samples.mend_records(sample, indexes=[1], payload=edited, actor=NOBODY)
    sample_checks.check_sample(new.pk)
    new.refresh_from_db()
    assert new.is_valid
    assert sample_checks.payload_of(new).decode().splitlines() == [
        "customer_id;signup_date;affiliate_id;extra",
        "cst_1;2026-03-12T09:15:00Z;aff_1;kept",
        "cst_2;2026-03-12T09:15:00Z;aff_2;new",
    ]


def test_an_erased_payload_is_said_to_be_gone(sandbox: Environment):
    sample = SampleFactory(environment=sandbox)
    with pytest.raises(ValidationError, match="was erased"):
        sample_checks.payload_of(sample)


def test_a_sample_of_the_wrong_entity_is_switched_in_its_own_row(sandbox: Environment):
    sample = tried(sandbox, [TRANSACTION])
    assert sample.invalid == 1
    samples.switch_entity(sample, entity="transactions", actor=NOBODY)
    sample_checks.check_sample(sample.pk)
    sample.refresh_from_db()
    assert (sample.entity, sample.state, sample.invalid, sample.total) == ("transactions", "done", 0, 1)
    assert newest_samples(sandbox).keys() == {"transactions"}


# -- Lessons ------------------------------------------------------------------


@pytest.mark.parametrize("entity", list(Entity))
def test_each_lesson_has_five_different_faults_of_one_record_each(sandbox: Environment, entity: Entity):
    Affiliate.objects.create(partner=sandbox.partner, affiliate_id="aff_204")
    lesson = tried(sandbox, lesson_payload(entity), entity=entity, origin="lesson")
    assert (lesson.total, lesson.invalid, lesson.error_count) == (6, 5, 5)
    assert len({group["code"] for group in lesson.groups}) == 5


def test_a_sandbox_emptied_during_a_check_ends_it_quietly(sandbox: Environment, monkeypatch: pytest.MonkeyPatch):
    payload = b'[{"customer_id": "c1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "a1"}]'
    sample = samples.create_sample(sandbox, entity="customers", payload=payload, origin="paste", actor=Actor())

    def ingest_then_empty(*args: Any, **kwargs: Any) -> Any:
        report = ingest(*args, **kwargs)
        Sample.objects.filter(pk=sample.pk).delete()
        return report

    monkeypatch.setattr(sample_checks, "ingest", ingest_then_empty)
    sample_checks.check_sample(sample.pk)
    assert not Sample.objects.exists()
