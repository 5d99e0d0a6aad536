"""`/api/v1/mappings` and `/api/v1/affiliates`: what people do on the two pages, by a program."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import quote

from entities.models import Affiliate
from onboarding.mappings import Wish, save_mappings
from tests.contract.conftest import API, Caller
from tests.factories import AffiliateFactory, PartnerFactory
from tests.payloads import sample
from track360.audit import Actor
from track360.models import AuditEvent

MAPPINGS, AFFILIATES = "/api/v1/mappings", "/api/v1/affiliates"
KYC = "kyc_status_id"


def wish(value: str, canonical: str | None, field: str = KYC) -> dict:
    return {"field": field, "value": value, "canonical_value": canonical}


def test_what_is_mapped_is_read_in_the_records_at_once(filled: Caller) -> None:
    (row,) = filled.get(MAPPINGS, params={"field": KYC}).json()["data"]
    assert (row["canonical_value"], row["records"], row["records_exact"], row["declared"]) == (None, 1, True, False)

    saved = filled.put(MAPPINGS, {"mappings": [wish(row["value"], "approved")]})

    assert (saved.status_code, saved.json()["data"]["changed"]) == (200, 1)
    assert (
        filled.get(f"{API}/customers/{sample('customers')['customer_id']}").json()["data"]["kyc_status"] == "approved"
    )
    assert filled.get(MAPPINGS, params={"field": KYC, "unmapped": 1}).json()["data"] == []
    assert AuditEvent.objects.get(action="mapping.changed").client_id == filled.credentials.client.client_id


def test_a_value_changed_after_the_base_is_refused(caller: Caller) -> None:
    base = caller.put(MAPPINGS, {"mappings": [wish("3", "approved")]}).json()["data"]["base"]
    caller.put(MAPPINGS, {"mappings": [wish("3", "pending")]})

    refused = caller.put(MAPPINGS, {"mappings": [wish("3", "rejected")], "base": base})
    unknown = caller.put(MAPPINGS, {"mappings": [wish("3", "rejected")], "base": str(uuid.uuid4())})

    assert [refused.status_code, unknown.status_code] == [422, 422]
    assert "in the meantime" in refused.json()["detail"]


def test_a_list_that_is_too_long_is_one_error_and_no_million_of_them(caller: Caller) -> None:
    answer = caller.put(MAPPINGS, {"mappings": [1] * 200_000})

    (error,) = answer.json()["errors"]
    assert (answer.status_code, answer.json()["error_count"]) == (422, 1)
    assert (error["pointer"], error["code"]) == ("/mappings", "too_many_records")


def test_one_that_cannot_be_names_its_place_and_nothing_is_saved(caller: Caller) -> None:
    answer = caller.put(MAPPINGS, {"mappings": [wish("1", "approved"), wish("2", "verified")]})

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["index"], error["pointer"]) == (422, 1, "/mappings/1/canonical_value")
    assert caller.get(MAPPINGS).json()["meta"]["total"] == 0
    bodies: list[Any] = [
        {"mappings": []},
        {"mappings": [wish("a\x00", None)]},
        {"mappings": [wish("a", None, "currency")]},
        {"mappings": [wish("a", "%(x)s %")]},
        {"mappings": [wish("a", "approved"), wish("a", "pending")]},
        [],
    ]
    for body in bodies:
        assert caller.put(MAPPINGS, body).status_code == 422, body


def test_a_change_is_listed_and_taken_back_once(caller: Caller) -> None:
    caller.put(MAPPINGS, {"mappings": [wish("3", "approved")]})
    (change,) = caller.get(f"{MAPPINGS}/changes").json()["data"]
    assert change["lines"] == [{"field": KYC, "value": "3", "before": None, "after": "approved"}]

    undo = f"{MAPPINGS}/changes/{change['id']}/undo"
    assert [caller.post(undo, {}).status_code for _ in range(2)] == [200, 422]
    assert caller.get(MAPPINGS).json()["data"] == []
    assert caller.post(f"{MAPPINGS}/changes/{uuid.uuid4()}/undo", {}).status_code == 404


def test_a_value_is_taken_out_whatever_characters_it_has(caller: Caller) -> None:
    odd = "a/b?c&d é%"
    caller.put(MAPPINGS, {"mappings": [wish(odd, None)]})

    place = {"field": KYC, "value": odd}
    assert [caller.http.delete(MAPPINGS, params=place).status_code for _ in range(2)] == [204, 404]
    assert caller.http.delete(MAPPINGS, params={"field": KYC}).status_code == 422


def test_affiliates_are_registered_listed_and_removed(caller: Caller) -> None:
    answer = caller.post(
        AFFILIATES, [{"affiliate_id": "a/1", "name": "Odds"}, {"affiliate_id": "a2"}, {"affiliate_id": "a2"}]
    )
    assert answer.json()["data"] == {"new": 2, "renamed": 0, "known": 0, "removed": 0}
    assert caller.post(AFFILIATES, [{"affiliate_id": "a2", "name": "Two"}]).json()["data"]["renamed"] == 1

    found = caller.get(AFFILIATES, params={"per_page": 1}).json()
    assert (found["meta"]["total"], found["data"][0]["affiliate_id"]) == (2, "a/1")
    rest = caller.get(AFFILIATES, params={"per_page": 1, "cursor": found["meta"]["next_cursor"]}).json()
    assert (rest["data"][0]["name"], rest["meta"]["next_cursor"]) == ("Two", None)

    assert [caller.http.delete(f"{AFFILIATES}/a%2F1").status_code for _ in range(2)] == [204, 404]


def test_affiliates_that_came_unknown_are_listed(filled: Caller) -> None:
    (unknown,) = filled.get(f"{AFFILIATES}/unknown").json()["data"]
    received_at = filled.get(f"{API}/customers").json()["data"][0]["received_at"]
    assert unknown == {
        "affiliate_id": sample("customers")["affiliate_id"],
        "customers": 1,
        "first_seen_at": received_at,
    }


def test_the_list_is_replaced_as_a_whole(caller: Caller) -> None:
    caller.post(AFFILIATES, [{"affiliate_id": "a1", "name": "One"}, {"affiliate_id": "a2", "name": "Two"}])

    refused = caller.put(AFFILIATES, [{"affiliate_id": "a3"}, {"affiliate_id": " "}])
    answer = caller.put(AFFILIATES, [{"affiliate_id": "a2"}, {"affiliate_id": "a3"}])

    assert refused.status_code == 422
    assert answer.json()["data"] == {"new": 1, "renamed": 1, "known": 0, "removed": 1}
    found = caller.get(AFFILIATES).json()["data"]
    assert [(row["affiliate_id"], row["name"]) for row in found] == [("a2", ""), ("a3", "")]
    assert AuditEvent.objects.get(action="affiliates.replaced").detail["removed"] == 1


def test_an_affiliate_of_any_name_is_taken_off(caller: Caller) -> None:
    for odd in ("unknown", "a b", "é/ü?#", "a%2Fb", "ab"):
        caller.post(AFFILIATES, [{"affiliate_id": odd}])
        address = f"{AFFILIATES}/{quote(odd, safe='')}"
        assert caller.http.delete(f"{AFFILIATES}/a%00b").status_code in {400, 404}
        assert [caller.http.delete(address).status_code for _ in range(2)] == [204, 404], odd


def test_another_partners_changes_and_affiliates_are_not_there(caller: Caller) -> None:
    theirs = PartnerFactory()
    AffiliateFactory(partner=theirs, affiliate_id="theirs")
    change = save_mappings(theirs, [Wish(KYC, "3", "approved")], actor=Actor())

    assert caller.post(f"{MAPPINGS}/changes/{change.pk}/undo", {}).status_code == 404
    assert caller.http.delete(f"{AFFILIATES}/theirs").status_code == 404
    assert caller.http.delete(MAPPINGS, params={"field": KYC, "value": "3"}).status_code == 404
    assert [caller.get(page).json()["data"] for page in (MAPPINGS, f"{MAPPINGS}/changes", AFFILIATES)] == [[], [], []]
    assert caller.put(AFFILIATES, [{"affiliate_id": "ours"}]).status_code == 200
    assert Affiliate.objects.filter(partner=theirs).count() == 1


def test_bad_affiliates_name_their_place(caller: Caller) -> None:
    answer = caller.post(AFFILIATES, [{"affiliate_id": "good"}, {"affiliate_id": " blank "}])
    assert (answer.status_code, answer.json()["errors"][0]["index"]) == (422, 1)
    wrong: list[Any] = [[], {}, [{}], *([{"affiliate_id": bad}] for bad in ("x" * 501, "a\x00b", 7))]
    for body in wrong:
        assert caller.post(AFFILIATES, body).status_code == 422, body
    assert caller.get(AFFILIATES).json()["meta"]["total"] == 0
