"""What the log keeps of a call, and that the call does not suffer from it."""

from __future__ import annotations

import datetime as dt
import json
import logging
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client as Browser

from entities.pipeline import RecordError
from integrations import request_log
from integrations.models import ApiRequest
from integrations.partitions import drop_old_partitions, ensure_partitions
from integrations.payloads import excerpt, masked_record
from integrations.request_log import queue, refused_records
from integrations.selectors import request_page
from integrations.tasks import keep_request_log
from track360 import exact_json
from track360.models import Environment

pytestmark = pytest.mark.django_db

CUSTOMERS = "/api/v1/igaming/customers"
JSON = "application/json"


@pytest.fixture(autouse=True)
def _empty_queue() -> Any:
    queue.rows.clear()
    yield
    queue.rows.clear()


def logged(answer: Any) -> Any:
    request_log.flush()
    return ApiRequest.objects.get(pk=answer["X-Request-ID"])


def test_a_call_is_logged_with_who_what_and_how_it_went(client: Browser, token: str, sandbox: Environment) -> None:
    record = {"customer_id": "c1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "a"}
    headers = {"Authorization": f"Bearer {token}", "User-Agent": "my/1"}
    body = json.dumps([record])
    row = logged(client.post(f"{CUSTOMERS}/bulk/?results=1", body, JSON, headers=headers))
    assert (row.environment, row.token_last_four, row.user_agent) == (sandbox, token[-4:], "my/1")
    assert (row.method, row.path, row.query, row.entity) == ("POST", f"{CUSTOMERS}/bulk/", "results=1", "customers")
    assert (row.status, row.request_bytes, row.ip) == (200, len(body), "127.0.0.1")
    assert (row.received, row.created, row.rejected) == (1, 1, 0)
    assert (row.error_code, row.error_summary, row.detail) == ("", "", None)
    assert abs(row.at - dt.datetime.now(dt.UTC)) < dt.timedelta(seconds=10)


def test_the_token_and_its_client_are_all_that_is_kept_of_the_credentials(client: Browser, token: str) -> None:
    row = logged(client.get(CUSTOMERS, headers={"Authorization": f"Bearer {token}"}))
    assert row.client_id
    assert token not in str(ApiRequest.objects.filter(pk=row.pk).values().get())


def test_a_token_in_the_query_is_neither_kept_nor_echoed(client: Browser, token: str) -> None:
    answer = client.get(f"{CUSTOMERS}?access_token={token}&x=1", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, token[:30].encode() in answer.content) == (422, False)
    assert logged(answer).query == "access_token=***&x=1"


def test_a_refused_token_is_logged_without_an_environment(client: Browser) -> None:
    row = logged(client.get(CUSTOMERS, headers={"Authorization": "Bearer a.b.c"}))
    assert (row.environment, row.status, row.error_code) == (None, 401, "invalid_token")


def test_a_refused_batch_keeps_its_bad_records_without_data_of_people(client: Browser, token: str) -> None:
    good = {"customer_id": "c1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "a"}
    bad = {"customer_id": "c2", "email": "ann@example.com", "first_name": "Ann", "phone": "+44 1", "last_name": None}
    headers = {"Authorization": f"Bearer {token}"}
    row = logged(client.post(f"{CUSTOMERS}/bulk", json.dumps([good, bad]), JSON, headers=headers))
    (kept,) = row.detail["records"]
    assert kept["index"] == 1
    assert kept["record"] == {
        "customer_id": "c2", "email": "***", "first_name": "***", "phone": "***", "last_name": None
    }  # fmt: skip
    assert "required" in [error["code"] for error in kept["errors"]]
    assert row.error_summary.startswith("1 of 2 records refused: ")
    assert row.error_code == "validation_failed"


def test_the_refused_records_of_a_lenient_batch_are_kept_too(client: Browser, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}", "Prefer": "handling=lenient"}
    row = logged(client.post(f"{CUSTOMERS}/bulk", json.dumps([{}] * 150), JSON, headers=headers))
    assert (row.status, row.rejected, len(row.detail["records"])) == (200, 150, 100)


def test_numbers_of_any_size_are_kept_as_sent(client: Browser, token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    body = '{"customer_id": 123456789012345678901234567890, "affiliate_id": "\\u0000", "signup_date": 0.10}'
    row = logged(client.post(CUSTOMERS, body, JSON, headers=headers))
    record = row.detail["records"][0]["record"]
    assert (record["customer_id"], record["affiliate_id"]) == (123456789012345678901234567890, "\x00")
    assert str(record["signup_date"]) == "0.10"


def test_of_a_body_that_cannot_be_parsed_the_place_is_kept(client: Browser, token: str) -> None:
    body = '[{"customer_id": "ü", "email": "ann@example.com", "x": nope}]'
    row = logged(client.post(CUSTOMERS, body, JSON, headers={"Authorization": f"Bearer {token}"}))
    assert (row.status, row.error_code) == (400, "invalid_json")
    assert "ann@" not in row.detail["excerpt"]
    assert row.detail["excerpt"][row.detail["fault"] :].startswith(("nope", "ope"))
    assert abs(row.detail["offset"] - body.encode().index(b"nope")) <= 1


@pytest.mark.parametrize("place", [0, 99, 100, 101, 5000, 10_000])
def test_an_excerpt_is_whole_characters_around_the_fault(place: int) -> None:
    raw = ("é" * 5000).encode()
    found = excerpt(raw, place)
    assert set(found["excerpt"].rstrip("\ufffd")) <= {"é"}
    assert len(found["excerpt"]) in range(50, 103)
    assert 0 <= found["fault"] <= len(found["excerpt"])


def test_a_member_that_begins_before_the_excerpt_is_masked() -> None:
    raw = b'{"last_name": "' + b"Jones " * 40 + b'", oops}'
    assert "Jones" not in excerpt(raw, raw.index(b"oops"))["excerpt"]


def test_a_record_too_large_to_keep_is_cut() -> None:
    assert len(masked_record({"note": "x" * 10**6})) < 2000
    assert len(masked_record(["x"] * 10**6)) < 2000


def test_a_batch_of_the_wrong_shape_keeps_no_record() -> None:
    error = RecordError(None, "", None, "too_many_records", "a batch holds at most 1000 records, not 1001")
    assert refused_records([{}] * 1001, [error])[0]["record"] is None


def test_odd_addresses_and_headers_can_be_logged(client: Browser) -> None:
    row = logged(client.get("/api/v1/%00%ff?\x00", headers={"User-Agent": "a\x00b\udc80" + "x" * 5000}))
    assert row.status == 404
    assert len(row.user_agent) == 1000


def test_a_log_that_cannot_be_written_does_not_fail_the_call(
    client: Browser, token: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def away(rows: Any) -> None:
        raise OperationalError("the database is away")

    monkeypatch.setattr(queue, "write", away)
    assert client.get(CUSTOMERS, headers={"Authorization": f"Bearer {token}"}).status_code == 200
    with caplog.at_level(logging.WARNING):
        request_log.flush()
    assert "1 calls are missing from the request log" in caplog.text
    assert not queue.rows


def test_a_queue_that_is_full_drops_and_counts(client: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_log, "QUEUED_ROWS", 2)
    for _ in range(5):
        client.get(CUSTOMERS)
    assert (len(queue.rows), queue.dropped) == (2, 3)
    queue.dropped = 0


def test_sandbox_and_production_are_apart(
    client: Browser, token: str, sandbox: Environment, production: Environment
) -> None:
    logged(client.get(CUSTOMERS, headers={"Authorization": f"Bearer {token}"}))
    assert request_page(sandbox, filters={}).total == 1
    assert request_page(production, filters={}).total == 0


def test_the_log_is_walked_from_the_latest_and_filtered(client: Browser, token: str, sandbox: Environment) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    for path in ("", "?x=1", "/nobody", "?page=0"):
        client.get(f"{CUSTOMERS}{path}", headers=headers)
    client.get("/api/v1/igaming/activity", headers=headers)
    request_log.flush()
    seen: list[int] = []
    cursor = None
    while True:
        page = request_page(sandbox, filters={"entity": "customers"}, per_page=3, cursor=cursor)
        seen += [row.status for row in page.rows]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [422, 404, 422, 200]
    for status, count in (("4xx", 3), ("422", 2), ("200", 2), ("5xx", 0)):
        assert request_page(sandbox, filters={"status": status}).total == count
    now = dt.datetime.now(dt.UTC)
    assert request_page(sandbox, filters={"from": now - dt.timedelta(minutes=5), "to": now}).total == 5
    assert request_page(sandbox, filters={"from": now}).total == 0


# -- Partitions ---------------------------------------------------------------


def row_at(moment: dt.datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO integrations_apirequest (id, at, client_id, token_last_four, method, path, query, entity,"
            " status, duration_ms, request_bytes, user_agent, error_code, error_summary)"
            " VALUES (gen_random_uuid(), %s, '', '', 'GET', '/', '', '', 200, 1, 0, '', '', '')",
            [moment],
        )


def partition_of(moment: dt.datetime) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT tableoid::regclass::text FROM integrations_apirequest WHERE at = %s", [moment])
        return [name for (name,) in cursor.fetchall()]


def test_rows_that_came_before_their_partition_move_into_it() -> None:
    moment = dt.datetime(2030, 5, 2, 23, 59, 59, tzinfo=dt.UTC)
    row_at(moment)
    assert partition_of(moment) == ["integrations_apirequest_default"]
    for _ in range(2):
        ensure_partitions(dt.date(2030, 4, 30))
    assert partition_of(moment) == ["integrations_apirequest_20300502"]


def test_ninety_days_are_kept() -> None:
    today = dt.date(2030, 9, 1)
    kept, gone = dt.datetime(2030, 6, 3, tzinfo=dt.UTC), dt.datetime(2030, 6, 2, 23, tzinfo=dt.UTC)
    for moment in (kept, gone):
        ensure_partitions(moment.date())
        row_at(moment)
    early = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)  # in the default partition
    row_at(early)
    assert dt.date(2030, 6, 2) in drop_old_partitions(today)
    assert (len(partition_of(kept)), partition_of(gone), partition_of(early)) == (1, [], [])


def test_the_daily_task_makes_todays_partition() -> None:
    keep_request_log()
    now = dt.datetime.now(dt.UTC)
    row_at(now)
    assert partition_of(now) == [f"integrations_apirequest_{now:%Y%m%d}"]


@pytest.mark.parametrize(
    "body",
    [
        b"{'first_name': 'Marker'}",
        b"{first_name: Marker, oops}",
        b'{"first_name": Marker Jones}',
        b'{"email": "a\\"Marker", oops}',
        b'{"last_name": "Marker',
        b'{"first_name" : "x" "Marker"}',
        b'{"firstName": "Marker", oops}',
    ],
)
def test_an_excerpt_names_nobody_however_it_is_quoted(body: bytes) -> None:
    for place in (0, len(body) - 1, len(body)):
        assert "Marker" not in excerpt(body, place)["excerpt"]


def test_an_excerpt_keeps_what_says_nothing_of_a_person() -> None:
    body = b'{"customer_id": "cst_1", "bets_count": 4.8.1}'
    assert excerpt(body, 42)["excerpt"] == body.decode()


@pytest.mark.parametrize(
    "record",
    [
        "Marker",
        ["cst_1", "Marker"],
        {"customer_id": "cst_1", "e_mail": "Marker"},
        {"customer_id": {"name": "Marker"}},
        {"first_name": ["Marker"]},
    ],
)
def test_nothing_of_a_refused_record_names_a_person(client: Browser, token: str, record: Any) -> None:
    row = logged(client.post(f"{CUSTOMERS}/bulk", [record], JSON, headers={"Authorization": f"Bearer {token}"}))
    assert row.status == 422
    assert "Marker" not in exact_json.dumps(row.detail)
    assert "Marker" not in row.error_summary
