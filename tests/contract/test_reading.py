"""Reading as section 3 of the contract has it: walks, watermarks, totals, filters and what is no parameter."""

from __future__ import annotations

import itertools

from tests.contract.conftest import API, Caller
from tests.payloads import customers, transactions


def test_a_walk_is_complete_while_others_write(caller: Caller) -> None:
    caller.post(f"{API}/customers/bulk", customers(50))
    found: list[str] = []
    cursor = None

    for turn in itertools.count():
        place = f"&cursor={cursor}" if cursor else ""
        page = caller.get(f"{API}/customers?per_page=7{place}").json()
        found += [record["customer_id"] for record in page["data"]]
        cursor = page["meta"]["next_cursor"]
        if cursor is None:
            break
        caller.post(f"{API}/customers/bulk", customers(20, start=100 + 20 * turn))
        caller.post(f"{API}/customers/bulk", customers(50, click_id=str(turn)))

    before = [f"cst_{number}" for number in range(50)]
    assert sorted(name for name in found if name in before) == sorted(before)
    assert len(found) == len(set(found))


def test_reading_from_watermark_to_watermark_misses_nothing(caller: Caller) -> None:
    seen: list[str] = []
    since = "2026-01-01T00:00:00Z"
    for turn in range(4):
        caller.post(f"{API}/customers/bulk", customers(10, start=5 * turn, click_id=str(turn)))
        answer = caller.get(f"{API}/customers", params={"updated_since": since, "per_page": 500}).json()
        seen += [f"{record['customer_id']} {record['click_id']}" for record in answer["data"]]
        updates = [record["updated_at"] for record in answer["data"]]
        assert updates == sorted(updates)
        since = answer["meta"]["watermark"]

    assert set(seen) >= {f"cst_{number} {turn}" for turn in range(4) for number in range(5 * turn, 5 * turn + 10)}


def test_a_filtered_total_is_exact_and_ranges_are_half_open(filled: Caller) -> None:
    later = transactions(3, transaction_date="2026-03-16T00:00:00Z", currency="EUR")
    filled.post(f"{API}/transactions/bulk", later)

    def total(entity: str, query: str) -> int:
        return filled.get(f"{API}/{entity}?{query}").json()["meta"]["total"]

    assert total("transactions", "from=2026-03-15&to=2026-03-16") == 1
    assert total("transactions", "from=2026-03-16T00:00:00Z&to=2026-03-17") == 3
    assert total("transactions", "from=2026-03-15T12:10:00Z&to=2026-03-15T12:10:00Z") == 0
    assert total("transactions", "customer_id=cst_100245&currency=EUR&status=approved&transaction_type=deposit") == 3
    assert total("activity", "from=2026-03-15&to=2026-03-16&game_type=slots&currency=USD") == 1
    assert total("activity", "from=2026-03-16") == total("activity", "to=2026-03-15") == 0
    assert total("customers", "affiliate_id=aff_204&campaign_id=cmp_981&country_code=GB&kyc_status_id=approved") == 1
    assert total("customers", "signup_from=2026-03-12T09:15:00Z&signup_to=2026-03-12T09:15:01Z") == 1
    assert total("customers", "signup_to=2026-03-12T09:15:00Z") == 0


QUERIES = {
    "page=0": "invalid_parameter",
    "page=1&page=2": "invalid_parameter",
    "per_page=0": "invalid_parameter",
    "per_page=501": "invalid_parameter",
    "limit=5": "invalid_parameter",
    "Page=1": "invalid_parameter",
    "page=1&cursor=abc": "invalid_parameter",
    "signup_from=yesterday": "invalid_parameter",
    "signup_from=2026-03-15T12:00:00": "invalid_parameter",
    "access_token=abc": "invalid_parameter",
    "cursor=abc": "invalid_cursor",
    "cursor=": "invalid_cursor",
    "page=21&per_page=500": "page_too_deep",
    "page=201": "page_too_deep",
}


def test_a_parameter_that_cannot_be_taken_is_named(caller: Caller) -> None:
    answers = {query: caller.get(f"{API}/customers?{query}") for query in QUERIES}

    assert {query: answer.json()["code"] for query, answer in answers.items()} == QUERIES
    assert {answer.status_code for answer in answers.values()} == {422}
    assert "next_cursor" in answers["page=201"].json()["detail"]


def test_an_unknown_parameter_is_refused_wherever_it_is_sent(filled: Caller) -> None:
    for call in (
        f"GET {API}/customers/cst_100245",
        f"POST {API}/customers",
        f"POST {API}/customers/bulk",
        f"POST {API}/customers/validate",
        f"PUT {API}/activity/days/2026-03-15",
        f"GET {API}/schemas/customers",
    ):
        answer = filled.send(call.split()[0], f"{call.split()[1]}?dry_run=1", {})

        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_parameter"), call
        assert answer.json()["errors"][0]["field"] == "dry_run", call


def test_pages_go_as_deep_as_ten_thousand(caller: Caller) -> None:
    answer = caller.get(f"{API}/customers?page=20&per_page=500")

    assert answer.json() == {"data": [], "meta": {"total": 0, "page": 20, "per_page": 500, "next_cursor": None}}


def test_a_cursor_is_bound_to_its_list_and_its_filters(filled: Caller) -> None:
    filled.post(f"{API}/customers/bulk", customers(3))
    cursor = filled.get(f"{API}/customers?per_page=2&country_code=GB").json()["meta"]["next_cursor"]

    same = filled.get(f"{API}/customers", params={"cursor": cursor, "country_code": "GB", "per_page": 3})
    others = [
        filled.get(f"{API}/customers", params={"cursor": cursor}),
        filled.get(f"{API}/customers", params={"cursor": cursor, "country_code": "SE"}),
        filled.get(f"{API}/transactions", params={"cursor": cursor}),
        filled.get(f"{API}/customers", params={"cursor": f"{cursor[:-1]}{'a' if cursor[-1] != 'a' else 'b'}"}),
    ]

    assert len(same.json()["data"]) == 2
    assert {(answer.status_code, answer.json()["code"]) for answer in others} == {(422, "invalid_cursor")}
