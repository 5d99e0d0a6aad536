"""The contract, sentence by sentence, where no other test asks for it; by the section that it stands in."""

from __future__ import annotations

import datetime as dt
import json
from decimal import Decimal
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
import jsonschema_rs
import jwt
import pytest

from entities.models import RecordChange
from tests.contract import live
from tests.contract.conftest import API, Caller, exactly, problem_codes
from tests.payloads import sample
from track360 import exact_json

ENTITIES = ("customers", "transactions", "activity")


def codes(answer: httpx.Response) -> set[str]:
    return {warning["code"] for warning in answer.json()["warnings"]}


# -- 2. Tokens ----------------------------------------------------------------


def test_anybody_can_verify_a_token_by_the_published_documents(caller: Caller, anybody: httpx.Client) -> None:
    token = caller.http.headers["Authorization"].removeprefix("Bearer ")
    metadata = anybody.get("/.well-known/oauth-authorization-server").json()
    keys = jwt.PyJWKSet.from_dict(anybody.get(urlsplit(metadata["jwks_uri"]).path).json())
    header = jwt.get_unverified_header(token)

    claims = jwt.decode(token, keys[header["kid"]], algorithms=["RS256"], options={"verify_aud": False})

    client_id = caller.credentials.client.client_id
    assert (header["typ"], header["alg"]) == ("at+jwt", "RS256")
    assert (claims["sub"], claims["client_id"], claims["iss"]) == (client_id, client_id, metadata["issuer"])
    assert claims["exp"] - claims["iat"] == 3600
    assert claims["scope"] == "read write manage"


@pytest.mark.parametrize("path", ["/oauth", "/oauth/", "/oauth/authorize", "/oauth/introspect", "/oauth/token/x"])
def test_nothing_else_is_there_under_oauth(path: str, anybody: httpx.Client) -> None:
    answer = anybody.get(path)

    assert (answer.status_code, answer.json()["error"]) == (404, "not_found")


@pytest.mark.parametrize("path", ["/.well-known/jwks.json", "/.well-known/oauth-authorization-server"])
def test_the_published_documents_are_only_read(path: str, anybody: httpx.Client) -> None:
    answers = [anybody.get(path), anybody.get(f"{path}/"), anybody.post(path)]

    assert [answer.status_code for answer in answers] == [200, 200, 405]
    assert answers[2].headers["Allow"] == "GET, HEAD"


@pytest.mark.parametrize(
    ("scope", "allowed"),
    [("read", {"GET"}), ("write", {"POST", "PUT"}), ("manage", {"the log"})],
)
def test_a_scope_allows_what_it_says_and_no_more(scope: str, allowed: set[str], connect: Any, sandbox: Any) -> None:
    caller = connect(sandbox, scopes=(scope,))

    answers = {
        "GET": caller.get(f"{API}/customers"),
        "POST": caller.post(f"{API}/customers", sample("customers")),
        "PUT": caller.put(f"{API}/activity/days/2026-03-15", []),
        "the log": caller.get("/api/v1/requests"),
    }

    assert {name for name, answer in answers.items() if answer.is_success} == allowed
    for name in answers.keys() - allowed:
        assert (answers[name].status_code, answers[name].json()["code"]) == (403, "insufficient_scope")
        assert 'error="insufficient_scope"' in answers[name].headers["WWW-Authenticate"]


# -- 3. Records ---------------------------------------------------------------


def test_a_resent_record_replaces_the_stored_one_whole(filled: Caller) -> None:
    least = {name: sample("customers")[name] for name in ("customer_id", "signup_date", "affiliate_id")}

    answer = filled.post(f"{API}/customers", least)

    given = filled.get(f"{API}/customers/cst_100245").json()["data"]
    assert answer.json()["outcome"] == "updated"
    assert codes(answer) >= {"attribution_cleared"}
    assert {name for name, value in given.items() if value is not None} == {
        *least,
        "received_at",
        "updated_at",
        "source",
    }
    (change,) = RecordChange.objects.filter(environment=filled.environment)
    assert (change.old["first_name"], change.old["country_code"]) == ("John", "GB")


def test_the_date_that_guards_a_customer_outlives_a_version_without_one(filled: Caller) -> None:
    filled.post(f"{API}/customers", sample("customers", last_modified_date=...))

    older = filled.post(f"{API}/customers", sample("customers", last_modified_date="2026-03-15T11:40:21Z"))

    (stale,) = (warning for warning in older.json()["warnings"] if warning["code"] == "stale")
    assert older.json()["outcome"] == "stale"
    assert "2026-03-15T11:40:21Z" in stale["message"]
    assert "2026-03-15T11:40:22Z" in stale["message"]


def test_a_date_ahead_of_now_guards_only_until_the_time_of_receipt(caller: Caller) -> None:
    now = dt.datetime.now(dt.UTC)
    ahead = sample("customers", last_modified_date=(now + dt.timedelta(hours=2)).isoformat())
    nearly = sample("customers", last_modified_date=(now + dt.timedelta(minutes=4)).isoformat())

    first = caller.post(f"{API}/customers", ahead)
    second = caller.post(f"{API}/customers", nearly | {"country_code": "SE"})

    assert "future_date" in codes(first)
    assert second.json()["outcome"] == "updated"
    assert "future_date" not in codes(second)


def test_of_a_key_twice_in_a_batch_copies_collapse_and_the_newest_customer_wins(caller: Caller) -> None:
    old, new = (sample("customers", last_modified_date=f"2026-01-0{day}T00:00:00Z") for day in (1, 2))

    answer = caller.post(f"{API}/customers/bulk?results=1", [old, new, new])
    clash = caller.post(f"{API}/customers/bulk", [sample("customers"), sample("customers", country_code="SE")])

    assert [row["outcome"] for row in answer.json()["data"]["results"]] == ["stale", "created", "unchanged"]
    assert (clash.status_code, problem_codes(clash)) == (422, ["duplicate_in_batch"] * 2)


@pytest.mark.parametrize("entity", ["transactions", "activity"])
def test_money_and_play_are_as_received_last(entity: str, filled: Caller) -> None:
    changed = {"transactions": {"status": "reversed"}, "activity": {"bets_count": 49}}[entity]

    outcomes = [
        filled.post(f"{API}/{entity}", record).json()["outcome"]
        for record in (sample(entity, **changed), sample(entity), sample(entity))
    ]

    assert outcomes == ["updated", "updated", "unchanged"]


IDS = ["a/b", "a b", "a?b", "a%b", "a%2Fb", "a#b", "a+b", "a;b", "a//b", "a/", "/a", "..", "ünïcødé", "🎰"]


def test_a_record_is_found_by_its_id_whatever_is_in_it(caller: Caller) -> None:
    caller.post(f"{API}/customers/bulk", [sample("customers", customer_id=key) for key in IDS])

    found = []
    for key in IDS:
        escaped = quote(key, safe="").replace(".", "%2E")
        address = caller.http.base_url.copy_with(raw_path=f"{API}/customers/{escaped}".encode())
        found.append(caller.get(address).json().get("data", {}).get("customer_id"))

    assert found == IDS


def test_dollars_come_from_the_banks_last_day_at_the_transactions_utc_date(filled: Caller) -> None:
    def push(**changes: Any) -> Any:
        return exactly(filled.post(f"{API}/transactions", sample("transactions", amount_usd=..., **changes)))

    sunday = push(currency="EUR", transaction_date="2026-03-15T12:10:00Z")["data"]
    still_monday = push(currency="EUR", transaction_date="2026-03-17T04:30:00+05:00")["data"]
    crossed = push(currency="SEK", transaction_date="2026-03-13T12:00:00Z", amount_currency=Decimal("0.05"))["data"]
    unknown = push(currency="KWD")

    assert sunday["fx"]["rate_date"] == "2026-03-13"
    assert still_monday["fx"]["rate_date"] == "2026-03-16"
    assert sunday["amount_usd"] == (1500 * sunday["fx"]["rate"]).quantize(Decimal("0.01"))
    assert len(crossed["fx"]["rate"].as_tuple().digits) <= 10
    assert (unknown["data"]["amount_usd"], unknown["data"]["fx"]) == (None, None)
    assert "fx_rate_missing" in {warning["code"] for warning in unknown["warnings"]}


def test_ggr_says_whether_it_was_sent_or_computed(filled: Caller) -> None:
    def push(**changes: Any) -> tuple[Any, Any]:
        data = exactly(filled.post(f"{API}/activity", sample("activity", **changes)))["data"]
        return data["ggr"], data["ggr_source"]

    assert push() == (Decimal("105.25"), "partner")
    assert push(ggr=...) == (Decimal("105.25"), "computed")
    assert push(ggr=..., wins=...) == (None, None)


NUMBERS = {
    "1500.10": "1500.10",
    "1e2": "100",
    "-0.0": "0",
    "0.29": "0.29",
    "1e-2": "0.01",
    "1234567890123.45": "1234567890123.45",
    "999999999999999": "999999999999999",
    "1.00000000000000": "1",
}


def test_numbers_come_back_equal_in_plain_notation(filled: Caller) -> None:
    body = exact_json.dumps(sample("transactions", amount_usd=...))
    found = {}

    for written in NUMBERS:
        answer = filled.post(f"{API}/transactions", body.replace(":1500,", f":{written},").encode())
        found[written] = exactly(answer)["data"]["amount_currency"]
        (text,) = (part for part in answer.text.split(",") if part.startswith('"amount_currency":'))
        assert "e" not in text.removeprefix('"amount_currency":').lower()

    assert found == {written: Decimal(read) for written, read in NUMBERS.items()}


TIMES = {
    "2026-03-15T12:10:00.123456999Z": "2026-03-15T12:10:00.123456Z",
    "2026-03-15t12:10:00z": "2026-03-15T12:10:00Z",
    "2026-03-15T00:10:00+15:59": "2026-03-14T08:11:00Z",
    "1900-01-01T00:00:00Z": "1900-01-01T00:00:00Z",
}


def test_times_come_back_in_utc_cut_to_six_digits(caller: Caller) -> None:
    found = {
        written: caller.post(f"{API}/customers", sample("customers", signup_date=written)).json()["data"]["signup_date"]
        for written in TIMES
    }

    assert found == TIMES


def test_the_served_schema_is_the_one_enforced(anybody: httpx.Client) -> None:
    for entity in ENTITIES:
        schema = anybody.get(f"{API}/schemas/{entity}").json()
        check = jsonschema_rs.Draft202012Validator(schema, validate_formats=True)
        nulls = {name: None for name in schema["properties"] if name not in schema["required"]}
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert check.is_valid(json.loads(exact_json.dumps(sample(entity) | nulls)))
        assert not check.is_valid(json.loads(exact_json.dumps(sample(entity) | {"more": 1})))


# -- 4. Rules -----------------------------------------------------------------


def test_a_currency_that_was_valid_on_the_records_date_counts(filled: Caller) -> None:
    kuna = sample("transactions", currency="HRK", amount_usd=...)

    then = filled.post(f"{API}/transactions", kuna | {"transaction_date": "2022-06-15T12:00:00Z"})
    now = filled.post(f"{API}/transactions", kuna)

    assert (then.status_code, now.status_code, problem_codes(now)) == (200, 422, ["currency"])


def test_only_an_adjustment_may_be_negative_and_both_amounts_have_one_sign(filled: Caller) -> None:
    def push(kind: str, currency: int, usd: int) -> list[str]:
        record = sample("transactions", transaction_type=kind, amount_currency=currency, amount_usd=usd)
        answer = filled.post(f"{API}/transactions", record)
        return [] if answer.is_success else sorted(set(problem_codes(answer)))

    assert push("adjustment", -5, -5) == []
    assert push("adjustment", -5, 5) == ["sign_mismatch"]
    assert push("withdrawal", -5, -5) == ["negative_amount"]
    assert push("withdrawal", 5, 5) == []


def test_a_customer_of_the_same_batch_is_no_customer_yet_but_one_of_the_batch_before_is(caller: Caller) -> None:
    unknown = caller.post(f"{API}/transactions", sample("transactions"))
    caller.post(f"{API}/customers", sample("customers"))
    known = caller.post(f"{API}/transactions", sample("transactions"))

    assert (unknown.status_code, problem_codes(unknown), known.status_code) == (422, ["unknown_customer"], 201)


# -- 5. Errors and limits -----------------------------------------------------


def test_an_accept_header_gets_json_where_it_lets_json_through_and_else_406(caller: Caller) -> None:
    def status(accept: str) -> int:
        return caller.get(f"{API}/customers", headers={"Accept": accept}).status_code

    for accept in ("application/json; charset=utf-8", "application/*", "text/html, */*;q=0.1", "Application/JSON", ""):
        assert status(accept) == 200, accept
    for accept in ("text/html", "application/xml, text/*", "*/*;q=0", "application/json;q=0", "nonsense"):
        assert status(accept) == 406, accept


def test_the_type_of_a_problem_opens_a_page_that_explains_it(caller: Caller, server: live.Server) -> None:
    answers = [
        caller.get(f"{API}/customers?x=1"),
        caller.get("/api/nothing"),
        caller.post(f"{API}/customers", b"{"),
        caller.post(f"{API}/customers", {}),
        caller.http.patch(f"{API}/customers"),
        caller.get(f"{API}/customers", headers={"Authorization": ""}),
    ]

    for answer in answers:
        problem = answer.json()
        page = httpx.get(problem["type"], trust_env=False)
        assert problem["type"].endswith(problem["code"])
        assert urlsplit(problem["type"]).port == server.port
        assert (page.status_code, page.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
        assert problem["code"] in page.text


def test_a_token_in_the_query_is_no_token(caller: Caller, anybody: httpx.Client) -> None:
    token = caller.http.headers["Authorization"].removeprefix("Bearer ")

    answer = anybody.get(f"{API}/customers", params={"access_token": token})

    assert (answer.status_code, answer.json()["code"]) == (401, "missing_token")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_every_answer_of_the_server_bears_its_id(anybody: httpx.Client) -> None:
    for path in (
        "/",
        "/healthz",
        "/readyz",
        "/accounts/login/",
        "/nothing",
        "/oauth/token",
        "/problems/x",
        "/static/x",
    ):
        assert anybody.get(path).headers["X-Request-ID"], path
