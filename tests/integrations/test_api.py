"""The API over records, request in, answer out; the refusals have their own table in tests/contract."""

from __future__ import annotations

import gc
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.db import OperationalError
from django.test import Client as Browser
from django.utils.html import escape
from rest_framework.request import Request

from entities.models import Affiliate, QuarantinedRecord, StatusMapping
from entities.pipeline import Parsed
from integrations import request_log
from integrations.api.base import ApiView
from integrations.api.prefer import handling
from integrations.clients import create_client
from track360.models import Environment
from track360.problems import PROBLEM_TYPES

ROOT = "/api/v1/igaming"
CUSTOMER = {
    "customer_id": "cst_1",
    "signup_date": "2026-03-12T10:15:00.1234567+01:00",
    "affiliate_id": "aff_1",
    "kyc_status_id": "ok",
}
TRANSACTION = {
    "transaction_id": "txn_1",
    "customer_id": "cst_1",
    "transaction_type": "deposit",
    "amount_currency": 1500.10,
    "currency": "EUR",
    "transaction_date": "2026-03-15T12:10:00Z",
    "status": "approved",
}
ACTIVITY = {"date": "2026-03-15", "customer_id": "cst_1", "game_type": "slots", "currency": "EUR"}


@dataclass(frozen=True)
class Api:
    """The API as one client sees it."""

    browser: Browser
    token: str

    def get(self, path: str) -> Any:
        return self.browser.get(f"/api/v1/{path}", headers=self.headers)

    def send(self, path: str, body: Any, *, method: str = "POST", **headers: str) -> Any:
        return self.browser.generic(
            method, f"{ROOT}/{path}", json.dumps(body), "application/json", headers=self.headers | headers
        )

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


@pytest.fixture
def api(client: Browser, sandbox: Environment, ask_for_token: Callable[..., Any]) -> Api:
    made = create_client(sandbox, name="all", actor=None, scopes=["read", "write", "manage"])
    fields = {"client_id": made.client.client_id, "client_secret": made.clear}
    return Api(client, ask_for_token(**fields).json()["access_token"])


@pytest.fixture
def customer(api: Api) -> dict[str, Any]:
    answer = api.send("customers", CUSTOMER)
    assert answer.status_code == 201
    return answer.json()["data"]


def test_a_single_record_is_given_back_as_it_now_stands(api: Api, customer: dict[str, Any]) -> None:
    assert customer["signup_date"] == "2026-03-12T09:15:00.123456Z"
    assert (customer["email"], customer["last_modified_date"], customer["source"]) == (None, None, "push")
    assert set(customer) == {
        "customer_id", "signup_date", "last_modified_date", "affiliate_id", "campaign_id", "click_id", "lang_id",
        "country_code", "kyc_status_id", "sales_status_id", "first_name", "last_name", "email",
        "kyc_status", "sales_status", "received_at", "updated_at", "source",
    }  # fmt: skip
    assert api.get("igaming/customers/cst_1").json() == {"data": customer}
    assert api.get("igaming/customers").json()["data"] == [customer]


def test_the_outcome_of_a_single_record_is_named(api: Api, customer: dict[str, Any]) -> None:
    outcomes = []
    for change in ({}, {"last_modified_date": "2026-03-13T00:00:00Z"}, {"last_modified_date": "2026-03-01T00:00:00Z"}):
        answer = api.send("customers", CUSTOMER | change)
        assert answer.status_code == 200
        outcomes.append(answer.json()["outcome"])
    assert outcomes == ["unchanged", "updated", "stale"]
    assert answer.json()["data"]["last_modified_date"] == "2026-03-13T00:00:00Z"
    assert "stale" in [warning["code"] for warning in answer.json()["warnings"]]


def test_the_canonical_status_follows_the_mapping_at_once(api: Api, customer: dict[str, Any], sandbox: Any) -> None:
    assert customer["kyc_status"] is None
    StatusMapping.objects.create(
        partner=sandbox.partner, field="kyc_status_id", raw_value="ok", canonical_value="approved"
    )
    assert api.get("igaming/customers/cst_1").json()["data"]["kyc_status"] == "approved"


def test_an_amount_without_dollars_says_where_its_rate_is_from(api: Api, customer: dict[str, Any]) -> None:
    data = api.send("transactions", TRANSACTION).json()["data"]
    assert set(data["fx"]) == {"source", "rate", "rate_date"}
    assert (data["fx"]["source"], data["fx"]["rate_date"]) == ("ecb", "2026-03-13")
    own = api.send("transactions", TRANSACTION | {"transaction_id": "txn_2", "amount_usd": 12}).json()["data"]
    assert (own["amount_usd"], own["fx"]) == (12, {"source": "partner", "rate": None, "rate_date": None})
    none = api.send("transactions", TRANSACTION | {"transaction_id": "txn_3", "currency": "AFN"}).json()
    assert (none["data"]["amount_usd"], none["data"]["fx"]) == (None, None)
    assert "fx_rate_missing" in [warning["code"] for warning in none["warnings"]]


def test_activity_is_given_back_by_its_key(api: Api, customer: dict[str, Any]) -> None:
    answer = api.send("activity", ACTIVITY | {"total_bets": 10.5, "wins": 3})
    assert (answer.status_code, answer.json()["outcome"]) == (201, "created")
    data = answer.json()["data"]
    assert (data["ggr"], data["ggr_source"], data["bets_count"]) == (7.5, "computed", None)


def test_activity_that_is_taken_back_before_it_is_read_again_is_no_crash(
    api: Api, customer: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.send("activity", ACTIVITY).status_code == 201
    monkeypatch.setattr("integrations.api.views.activity_for", lambda *args, **key: None)
    answer = api.send("activity", ACTIVITY)
    assert (answer.status_code, answer.json()["outcome"], answer.json()["data"]) == (200, "unchanged", None)


def test_bulk_counts_and_tells_outcomes_when_asked(api: Api, customer: dict[str, Any]) -> None:
    batch = [CUSTOMER, CUSTOMER | {"customer_id": "cst_2"}]
    plain = api.send("customers/bulk", batch).json()
    assert plain["data"] == {"received": 2, "created": 1, "updated": 0, "unchanged": 1, "stale": 0, "rejected": 0}
    assert plain["errors"] == []
    told = api.send("customers/bulk?results=1", batch).json()["data"]["results"]
    assert told == [{"index": 0, "outcome": "unchanged"}, {"index": 1, "outcome": "unchanged"}]


def test_a_strict_batch_with_one_bad_record_stores_nothing(api: Api) -> None:
    answer = api.send("customers/bulk", [CUSTOMER, {"customer_id": "cst_2"}])
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/1/signup_date", "/1/affiliate_id"}
    assert api.get("igaming/customers").json()["meta"]["total"] == 0


def test_a_lenient_batch_stores_the_good_and_keeps_the_bad(api: Api) -> None:
    answer = api.send("customers/bulk", [CUSTOMER, {"customer_id": "cst_2"}], Prefer="handling=lenient")
    assert (answer.status_code, answer["Preference-Applied"]) == (200, "handling=lenient")
    assert (answer.json()["data"]["created"], answer.json()["data"]["rejected"]) == (1, 1)
    assert len(answer.json()["errors"]) == 2
    kept = api.get("quarantine").json()
    assert kept["meta"]["total"] == QuarantinedRecord.objects.count() == 1
    assert (kept["data"][0]["record"], kept["data"][0]["code"]) == ({"customer_id": "cst_2"}, "required")
    assert api.get("quarantine?code=enum").json()["data"] == []


@pytest.mark.parametrize(
    ("header", "preferred"),
    [
        ("", None),
        ("handling=lenient", "lenient"),
        ("HANDLING = Lenient", "lenient"),
        ('respond-async, wait=10; x=y, handling="lenient"; foo', "lenient"),
        ("handling=strict, handling=lenient", "strict"),
        ("handling=kind", None),
        ("x=handling=lenient", None),
        ("lenient", None),
        ('note="handling=lenient"', None),
    ],
)
def test_the_prefer_header_is_read_as_rfc_7240_has_it(header: str, preferred: str | None) -> None:
    assert handling(header) == preferred


def test_validate_tells_and_stores_nothing(api: Api) -> None:
    answer = api.send("customers/validate", [CUSTOMER, {}]).json()
    assert answer["data"] == {"received": 2, "valid": 1, "invalid": 1}
    assert {error["index"] for error in answer["errors"]} == {1}
    single = api.send("customers/validate", {}).json()
    assert (single["data"]["invalid"], single["errors"][0]["index"]) == (1, None)
    assert api.get("igaming/customers").json()["data"] == []


def test_a_day_becomes_exactly_what_is_put(api: Api, customer: dict[str, Any]) -> None:
    api.send("customers", CUSTOMER | {"customer_id": "cst_2"})
    rows = [ACTIVITY, ACTIVITY | {"game_type": "poker"}, ACTIVITY | {"customer_id": "cst_2"}]
    api.send("activity/bulk", rows)
    day = "activity/days/2026-03-15"
    narrowed = api.send(f"{day}?customer_id=cst_1", [ACTIVITY], method="PUT").json()["data"]
    assert (narrowed["unchanged"], narrowed["removed"]) == (1, 1)
    assert api.send(day, [], method="PUT").json()["data"]["removed"] == 2
    assert api.get("igaming/activity").json()["meta"]["total"] == 0


def test_lists_are_filtered_and_paged(api: Api, customer: dict[str, Any], django_assert_max_num_queries: Any) -> None:
    batch = [
        TRANSACTION | {"transaction_id": f"t{n}", "transaction_date": f"2026-03-{n + 1:02}T00:00:00Z"} for n in range(9)
    ]
    api.send("transactions/bulk", batch)
    with django_assert_max_num_queries(6):
        page = api.get("igaming/transactions?from=2026-03-03&to=2026-03-08T00:00:00Z&status=approved&per_page=2").json()
    assert [row["transaction_id"] for row in page["data"]] == ["t2", "t3"]
    assert (page["meta"]["total"], page["meta"]["page"], page["meta"]["per_page"]) == (5, 1, 2)
    cursor = page["meta"]["next_cursor"]
    again = api.get(f"igaming/transactions?status=approved&per_page=5&to=2026-03-08&from=2026-03-03&cursor={cursor}")
    assert [row["transaction_id"] for row in again.json()["data"]] == ["t4", "t5", "t6"]
    assert again.json()["meta"]["next_cursor"] is None
    other = api.get(f"igaming/transactions?status=declined&from=2026-03-03&to=2026-03-08&cursor={cursor}")
    assert other.json()["code"] == "invalid_cursor"
    assert [row["transaction_id"] for row in api.get("igaming/transactions?page=2&per_page=8").json()["data"]] == ["t8"]


def test_updated_since_answers_the_value_to_use_next(api: Api, customer: dict[str, Any]) -> None:
    first = api.get("igaming/customers?updated_since=2026-01-01T00:00:00%2B02:00").json()
    assert len(first["data"]) == 1
    watermark = first["meta"]["watermark"]
    assert watermark.endswith("Z")
    assert api.get(f"igaming/customers?updated_since={watermark}").status_code == 200
    assert "watermark" not in api.get("igaming/customers").json()["meta"]


def test_an_id_may_hold_slashes(api: Api) -> None:
    for key in ("a/b", "a/b/", "ü"):
        assert api.send("customers", CUSTOMER | {"customer_id": key}).status_code == 201
    for path, key in (("a/b", "a/b"), ("a%2Fb%2F", "a/b/"), ("%C3%BC", "ü")):
        assert api.get(f"igaming/customers/{path}").json()["data"]["customer_id"] == key


def test_the_schemas_are_open_to_all_and_are_those_enforced(client: Browser) -> None:
    schema = client.get(f"{ROOT}/schemas/activity").json()
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["properties"]["wins"]["type"] == ["number", "null"]


def test_warnings_do_not_stop_a_record(api: Api, sandbox: Environment) -> None:
    Affiliate.objects.create(partner=sandbox.partner, affiliate_id="another")
    codes = [warning["code"] for warning in api.send("customers", CUSTOMER).json()["warnings"]]
    assert {"unknown_affiliate", "unmapped_status"} <= set(codes)


def test_a_database_that_is_away_is_503_with_retry_after(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*args: Any, **kwargs: Any) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr("integrations.api.views.records_for", away)
    answer = api.get("igaming/customers")
    assert (answer.status_code, answer.json()["code"]) == (503, "unavailable")
    assert int(answer["Retry-After"]) > 0


def test_a_crash_is_a_problem_too(api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("integrations.api.views.records_for", lambda *args, **kwargs: 1 / 0)
    answer = api.get("igaming/customers")
    assert (answer.status_code, answer.json()["code"]) == (500, "internal_error")
    assert "division" not in answer.content.decode()
    assert "ZeroDivisionError" in caplog.text


def test_with_an_https_address_plain_http_is_refused(client: Browser, settings: Any) -> None:
    settings.HTTPS = True
    for path in ("/api/v1/igaming/customers", "/api/schema/", "/oauth/token"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "https_required")


def test_another_host_name_is_refused_in_json(client: Browser, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    answer = client.get("/api/v1/igaming/customers", headers={"Host": "evil.example.com"})
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("code", PROBLEM_TYPES)
def test_each_problem_has_its_page(client: Browser, code: str) -> None:
    answer = client.get(f"/problems/{code}")
    assert answer.status_code == 200
    assert escape(PROBLEM_TYPES[code].title) in answer.content.decode()


def test_a_problem_that_is_none_has_no_page(client: Browser) -> None:
    assert client.get("/problems/nonsense").status_code == 404


def test_no_session_is_opened_for_a_call(api: Api) -> None:
    answer = api.get("igaming/customers")
    assert not answer.cookies
    assert "Cookie" not in answer.get("Vary", "")
    request_log.queue.rows.clear()


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "customers", json.dumps(CUSTOMER)),
        ("POST", "customers/bulk", json.dumps([CUSTOMER])),
        ("POST", "customers/bulk", "[{}]"),
        ("POST", "customers/bulk", "[{]"),
        ("POST", "customers/bulk", "{}"),
        ("GET", "customers", ""),
        ("HEAD", "customers", ""),
        ("GET", "customers/nobody", ""),
        ("DELETE", "customers", ""),
    ],
)
def test_nothing_of_a_call_waits_for_the_garbage_collector(api: Api, method: str, path: str, body: str) -> None:
    """A body of a megabyte would wait with it, and hundreds of them come before the collector does."""
    gc.collect()
    gc.disable()
    try:
        for _ in range(2):  # of the second it is remembered who calls
            api.browser.generic(method, f"{ROOT}/{path}", body, "application/json", headers=api.headers)
        left = [thing for thing in gc.get_objects() if isinstance(thing, Request | Parsed | ApiView)]
    finally:
        gc.enable()
    assert not left
