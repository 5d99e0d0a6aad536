"""The guide's walk: a client library of the public kind fetches a token, sends, and reads back what it sent."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
import uuid
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from oauthlib.oauth2 import BackendApplicationClient
from requests import Response
from requests_oauthlib import OAuth2Session

from tests.contract import live
from tests.contract.conftest import API, Caller, new_credentials
from tests.payloads import sample, transactions
from track360 import exact_json
from track360.models import Environment


class Library(OAuth2Session):
    """requests-oauthlib as its documentation has it, with relative addresses and bodies that keep each digit."""

    def __init__(self, server: live.Server, credentials: Any) -> None:
        super().__init__(client=BackendApplicationClient(client_id=credentials.client.client_id))
        self.trust_env = False
        self.server = server
        self.issued = self.fetch_token(
            f"{server.url}/oauth/token", client_id=credentials.client.client_id, client_secret=credentials.clear
        )

    def send_json(self, method: str, path: str, body: Any, **headers: str) -> Response:
        usual = {"Content-Type": "application/json"}
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.request(
            method, f"{self.server.url}{path}", data=exact_json.dumps(body).encode(), headers=usual | names
        )

    def read(self, path: str) -> Any:
        answer = self.get(f"{self.server.url}{path}")
        assert answer.status_code == 200, answer.text
        return exact_json.loads(answer.text)


@pytest.fixture
def library(server: live.Server, sandbox: Environment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # it refuses plain http otherwise
    with Library(server, new_credentials(sandbox, scopes=("read", "write"))) as library:
        yield library


def is_given_back(sent: dict[str, Any], given: dict[str, Any]) -> None:
    """Each field as sent: numbers equal, times the same moment in UTC with Z, cut at six digits; the absent null."""
    for name, value in sent.items():
        if name.endswith("_date") and isinstance(value, str):
            assert given[name].endswith("Z")
            assert dt.datetime.fromisoformat(given[name]) == dt.datetime.fromisoformat(value), name
        else:
            assert given[name] == value, name
    assert given["source"] == "push"
    assert given["received_at"].endswith("Z")
    assert given["updated_at"].endswith("Z")


def test_a_library_fetches_a_token_and_sends_the_three_samples(library: Library) -> None:
    assert {**library.issued, "access_token": "", "expires_at": 0} == {
        "access_token": "",
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": ["read", "write"],
        "expires_at": 0,
    }
    for entity in ("customers", "transactions", "activity"):
        answer = library.send_json("POST", f"{API}/{entity}", sample(entity))
        assert answer.status_code == 201
        body = exact_json.loads(answer.text)
        assert set(body) == {"data", "outcome", "warnings"}
        assert body["outcome"] == "created"
        is_given_back(sample(entity), body["data"])
        (listed,) = library.read(f"{API}/{entity}")["data"]
        assert listed == body["data"]
    is_given_back(sample("customers"), library.read(f"{API}/customers/cst_100245")["data"])
    is_given_back(sample("transactions"), library.read(f"{API}/transactions/txn_889001")["data"])


def thousand() -> list[dict[str, Any]]:
    """Transactions with amounts up to 15 digits, times in many offsets and with up to nine digits of a second."""
    chance = random.Random(360)
    records = transactions(1000, note=..., amount_usd=...)
    for number, record in enumerate(records):
        amount = Decimal(chance.randrange(1, 10 ** chance.randint(1, 15))).scaleb(-2)
        offset = chance.choice(["Z", "+05:30", "-08:00", "+15:59", "-15:59"])
        digits = chance.choice(["", ".5", ".123456", ".123456789"])
        record["amount_currency"] = amount
        record["currency"] = chance.choice(["USD", "EUR", "JPY", "SEK"])
        record["transaction_date"] = (
            f"2026-0{1 + number % 3}-{1 + number % 28:02}T{number % 24:02}:30:59{digits}{offset}"
        )
        if number % 3 == 0:
            record |= {"note": f"Ünïcødé №{number} 🎰", "amount_usd": amount}
    return records


def test_a_thousand_records_are_read_back_as_they_were_sent(library: Library) -> None:
    library.send_json("POST", f"{API}/customers", sample("customers"))
    sent = thousand()

    answer = library.send_json("POST", f"{API}/transactions/bulk", sent)

    body = answer.json()
    assert (answer.status_code, body["data"]) == (
        200,
        {"received": 1000, "created": 1000, "updated": 0, "unchanged": 0, "stale": 0, "rejected": 0},
    )
    assert body["errors"] == []
    given: dict[str, Any] = {}
    cursor = ""
    while cursor is not None:
        page = library.read(f"{API}/transactions?per_page=300{cursor and '&cursor=' + cursor}")
        assert page["meta"]["total"] == 1000
        given |= {record["transaction_id"]: record for record in page["data"]}
        cursor = page["meta"]["next_cursor"]
    assert len(given) == 1000
    for record in sent:
        is_given_back({"note": None} | record, given[record["transaction_id"]])
        usd = given[record["transaction_id"]]
        if "amount_usd" in record:
            assert usd["fx"] == {"source": "partner", "rate": None, "rate_date": None}
        elif usd["fx"]:
            exact = record["amount_currency"] * usd["fx"]["rate"]
            assert usd["fx"]["source"] == "ecb"
            assert usd["amount_usd"] == exact.quantize(Decimal("0.01"))  # half-even


def test_numbers_stand_in_plain_notation_in_the_text_of_the_answer(caller: Caller) -> None:
    caller.post(f"{API}/customers", sample("customers"))
    body = exact_json.dumps(sample("transactions", amount_usd=...)).replace("1500", "1.5E3")

    answer = caller.post(f"{API}/transactions", body.encode())

    assert answer.status_code == 201
    assert '"amount_currency":1500,' in answer.text.replace("1500.00", "1500")


def test_a_single_record_is_created_unchanged_updated_or_stale(library: Library) -> None:
    def push(**changes: Any) -> tuple[int, str, list[str]]:
        answer = library.send_json("POST", f"{API}/customers", sample("customers", **changes))
        body = answer.json()
        return answer.status_code, body["outcome"], [warning["code"] for warning in body["warnings"]]

    assert push()[:2] == (201, "created")
    assert push()[:2] == (200, "unchanged")
    assert push(country_code="DE", last_modified_date="2026-03-16T00:00:00Z")[:2] == (200, "updated")
    status, outcome, codes = push(country_code="FR")
    assert (status, outcome, codes) == (200, "stale", ["stale"])
    assert library.read(f"{API}/customers/cst_100245")["data"]["country_code"] == "DE"


def test_bulk_names_the_outcome_of_each_index_when_asked(caller: Caller) -> None:
    first, second = (sample("customers", customer_id=name) for name in ("one", "two"))
    caller.post(f"{API}/customers/bulk", [first, second])
    newer = second | {"last_modified_date": "2026-04-01T00:00:00Z", "country_code": "SE"}
    older = first | {"last_modified_date": "2026-01-01T00:00:00Z"}
    third = first | {"customer_id": "three"}

    plain = caller.post(f"{API}/customers/bulk", [third, third]).json()
    answer = caller.post(f"{API}/customers/bulk?results=1", [older, newer, third, first | {"customer_id": "four"}])

    assert "results" not in plain["data"]
    assert plain["data"]["created"] == plain["data"]["unchanged"] == 1
    outcomes = ["stale", "updated", "unchanged", "created"]
    assert answer.json()["data"] == {
        "received": 4,
        **dict.fromkeys(outcomes, 1),
        "rejected": 0,
        "results": [{"index": index, "outcome": outcome} for index, outcome in enumerate(outcomes)],
    }


BAD = sample("customers", customer_id="bad", country_code="ZZ")


def test_a_strict_batch_with_one_bad_record_stores_nothing(caller: Caller) -> None:
    answer = caller.post(f"{API}/customers/bulk", [sample("customers"), BAD])

    problem = answer.json()
    assert (answer.status_code, problem["code"], problem["error_count"]) == (422, "validation_failed", 1)
    (error,) = problem["errors"]
    assert error.pop("message")
    assert error == {
        "index": 1,
        "pointer": "/1/country_code",
        "field": "country_code",
        "code": "country",
        "value": "ZZ",
    }
    assert "preference-applied" not in answer.headers
    assert caller.get(f"{API}/customers").json()["meta"]["total"] == 0


def test_a_lenient_batch_stores_the_good_and_keeps_the_bad(caller: Caller) -> None:
    answer = caller.post(f"{API}/customers/bulk?results=1", [sample("customers"), BAD], Prefer="handling=lenient")

    body = answer.json()
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (200, "handling=lenient")
    assert [row["outcome"] for row in body["data"].pop("results")] == ["created", "rejected"]
    assert body["data"] == {"received": 2, "created": 1, "updated": 0, "unchanged": 0, "stale": 0, "rejected": 1}
    assert [(error["index"], error["code"]) for error in body["errors"]] == [(1, "country")]
    assert caller.get(f"{API}/customers").json()["meta"]["total"] == 1
    (held,) = caller.get("/api/v1/quarantine").json()["data"]
    assert (held["record"], held["code"], held["index"]) == (BAD, "country", 1)


@pytest.mark.parametrize("body", [[], {}, [sample("customers")] * 1001, 5, None])
def test_a_batch_of_the_wrong_shape_is_refused_in_lenient_handling_too(caller: Caller, body: Any) -> None:
    answer = caller.post(f"{API}/customers/bulk", body, Prefer="handling=lenient")

    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert caller.get("/api/v1/quarantine").json()["data"] == []


@pytest.mark.parametrize(
    ("body", "received", "invalid"),
    [(sample("customers"), 1, 0), (BAD, 1, 1), ([sample("customers"), BAD], 2, 1)],
)
def test_validate_counts_and_stores_nothing(caller: Caller, body: Any, received: int, invalid: int) -> None:
    answer = caller.post(f"{API}/customers/validate", body)

    found = answer.json()
    assert answer.status_code == 200
    assert found["data"] == {"received": received, "valid": received - invalid, "invalid": invalid}
    assert len(found["errors"]) == invalid
    assert "unmapped_status" in {warning["code"] for warning in found["warnings"]} or body is BAD
    assert caller.get(f"{API}/customers").json()["meta"]["total"] == 0


def test_a_day_becomes_exactly_what_is_put(caller: Caller) -> None:
    caller.post(f"{API}/customers/bulk", [sample("customers", customer_id=name) for name in ("a", "b")])
    row = {name: sample("activity", customer_id=name) for name in "ab"}
    other_day = sample("activity", customer_id="a", date="2026-03-16")
    caller.post(f"{API}/activity/bulk", [row["a"], row["b"], other_day])
    day = f"{API}/activity/days/2026-03-15"

    poker = row["a"] | {"game_type": "poker"}
    narrowed = caller.put(f"{day}?customer_id=a", [poker])
    wrong = caller.put(f"{day}?customer_id=a", [row["b"]])
    whole = caller.put(day, [row["b"] | {"bets_count": 1}])
    emptied = caller.put(day, [])

    counts = {"received": 1, "created": 1, "updated": 0, "unchanged": 0, "stale": 0, "rejected": 0, "removed": 1}
    assert narrowed.json()["data"] == counts
    assert wrong.status_code == 422
    assert whole.json()["data"] == counts | {"created": 0, "updated": 1}
    assert emptied.json()["data"] == dict.fromkeys(counts, 0) | {"removed": 1}
    left = exact_json.loads(caller.get(f"{API}/activity").text)
    assert left["meta"]["total"] == 1
    is_given_back(other_day, left["data"][0])


def test_every_answer_bears_its_id_the_limit_and_no_store(caller: Caller) -> None:
    calls = [
        caller.get(f"{API}/customers"),
        caller.post(f"{API}/customers", sample("customers")),
        caller.post(f"{API}/customers", {}),
        caller.post(f"{API}/customers", b"{"),
        caller.get(f"{API}/customers/nobody"),
        caller.http.delete(f"{API}/customers"),
        caller.get("/api/nothing"),
    ]

    assert [answer.status_code for answer in calls] == [200, 201, 422, 400, 404, 405, 404]
    assert len({uuid.UUID(answer.headers["X-Request-ID"]) for answer in calls}) == len(calls)
    assert [int(answer.headers["RateLimit-Remaining"]) for answer in calls] == [999 - n for n in range(len(calls))]
    for answer in calls:
        assert answer.headers["RateLimit-Limit"] == "1000"
        assert 1 <= int(answer.headers["RateLimit-Reset"]) <= 60
        assert answer.headers["Cache-Control"] == "no-store"
        if answer.status_code >= 400:
            assert answer.json()["request_id"] == answer.headers["X-Request-ID"]


def test_a_packed_body_is_read_as_the_same_body(caller: Caller) -> None:
    packed = gzip.compress(json.dumps(sample("customers"), default=str).encode())

    first = caller.post(f"{API}/customers", packed, Content_Encoding="gzip")
    again = caller.post(f"{API}/customers", sample("customers"))

    assert (first.status_code, again.json()["outcome"]) == (201, "unchanged")
