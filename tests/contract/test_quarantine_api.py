"""`/api/v1/quarantine`: what people do on the quarantine's pages, by a program."""

from __future__ import annotations

import uuid
from typing import Any

import pytest

from tests.contract.conftest import API, Caller, problem_codes
from tests.entities.refused import refuse as hold
from tests.factories import RunFactory
from tests.payloads import customers, sample, transactions
from track360.models import AuditEvent

QUARANTINE = "/api/v1/quarantine"
FAR = {"country_code": "ZZ"}


def refuse(caller: Caller, entity: str, *records: Any) -> list[dict[str, Any]]:
    """Push them; gives all that is held, in order."""
    answer = caller.post(f"{API}/{entity}/bulk", list(records), Prefer="handling=lenient")
    assert answer.status_code == 200
    found: list[dict[str, Any]] = caller.get(QUARANTINE).json()["data"]
    return found


def test_the_list_shows_what_is_held_unless_asked_for_more(caller: Caller) -> None:
    first, _ = refuse(caller, "customers", *customers(2, **FAR))
    caller.post(f"{QUARANTINE}/{first['id']}/drop", {"reason": "a test"})

    def states(query: str) -> list[str]:
        return [row["state"] for row in caller.get(f"{QUARANTINE}{query}").json()["data"]]

    assert states("") == ["held"]
    assert states("?state=dropped") == ["dropped"]
    assert states("?state=any") == ["dropped", "held"]
    assert states("?field=country_code&code=country&entity=customers") == ["held"]
    assert states("?edited=1") == []
    assert states("?waits_for=cst_1") == []
    assert problem_codes(caller.get(f"{QUARANTINE}?state=gone")) == ["invalid_parameter"]


def test_what_a_run_left_is_read_replayed_and_dropped_alone(caller: Caller) -> None:
    (pushed,) = refuse(caller, "customers", sample("customers", **FAR))
    run = str(RunFactory(feed__connection__environment=caller.environment).pk)
    (held,) = hold(caller.environment, "customers", sample("customers", customer_id="2", **FAR), run_id=uuid.UUID(run))

    assert [row["id"] for row in caller.get(f"{QUARANTINE}?run={run}").json()["data"]] == [held.pk]
    assert [cause["count"] for cause in caller.get(f"{QUARANTINE}/causes").json()["data"]] == [2]
    assert [cause["count"] for cause in caller.get(f"{QUARANTINE}/causes?run={run}").json()["data"]] == [1]
    assert caller.post(f"{QUARANTINE}/replays", {"run": run}).json()["data"]["total"] == 1
    assert caller.post(f"{QUARANTINE}/drop", {"run": run, "reason": "a test"}).json()["data"] == {"dropped": 1}
    assert [row["id"] for row in caller.get(QUARANTINE).json()["data"]] == [pushed["id"]]
    for address in (f"{QUARANTINE}?run=7", f"{QUARANTINE}/causes?run=%00"):
        assert problem_codes(caller.get(address)) == ["invalid_parameter"]
    assert caller.post(f"{QUARANTINE}/replays", {"run": "7"}).status_code == 422


def test_a_record_is_mended_and_replayed_by_a_program(caller: Caller) -> None:
    (held,) = refuse(caller, "customers", sample("customers", **FAR))
    address = f"{QUARANTINE}/{held['id']}"

    edited = caller.send("PUT", address, {"record": sample("customers")}).json()["data"]
    assert (edited["code"], edited["errors"], edited["record"]["country_code"]) == ("mended", [], "ZZ")
    assert [row["id"] for row in caller.get(f"{QUARANTINE}?edited=1").json()["data"]] == [held["id"]]

    estimate = caller.post(f"{QUARANTINE}/replays", {"code": "mended"})
    assert estimate.status_code == 201
    replay = estimate.json()["data"]
    assert (replay["state"], replay["total"], replay["would_pass"]) == ("estimated", 1, 1)
    done = caller.post(f"{QUARANTINE}/replays/{replay['id']}/run", {})
    assert (done.status_code, done.json()["data"]["passed"]) == (200, 1)
    assert caller.get(f"{QUARANTINE}/replays/{replay['id']}").json() == done.json()

    record = caller.get(address).json()["data"]
    assert record["state"] == "stored"
    assert [(event["kind"], event["outcome"]) for event in record["history"]] == [
        ("edited", None),
        ("stored", "created"),
    ]
    assert record["history"][0]["by"] == caller.credentials.client.client_id
    assert caller.get(f"{API}/customers/cst_100245").json()["data"]["source"] == "replay"
    assert AuditEvent.objects.get(action="quarantine.replayed").client_id == caller.credentials.client.client_id
    assert [row["id"] for row in caller.get(f"{QUARANTINE}/replays").json()["data"]] == [replay["id"]]


def test_a_replay_chooses_by_ids(caller: Caller) -> None:
    first, _, third = refuse(caller, "customers", *customers(3, **FAR))
    replay = caller.post(f"{QUARANTINE}/replays", {"ids": [first["id"], third["id"]]}).json()["data"]
    assert (replay["total"], replay["would_fail"]) == (2, 2)


def test_an_edit_that_leaves_faults_says_which(caller: Caller) -> None:
    (held,) = refuse(caller, "customers", sample("customers", **FAR))
    record = caller.send("PUT", f"{QUARANTINE}/{held['id']}", {"record": sample("customers", lang_id="xx")})
    assert [(error["code"], error["pointer"]) for error in record.json()["data"]["errors"]] == [
        ("language", "/0/lang_id")
    ]


def test_records_are_dropped_with_a_reason(caller: Caller) -> None:
    held = refuse(caller, "customers", *customers(3, **FAR))
    assert problem_codes(caller.post(f"{QUARANTINE}/drop", {"entity": "customers"})) == ["required"]
    assert problem_codes(caller.post(f"{QUARANTINE}/drop", {"reason": " "})) == ["reason"]

    one = caller.post(f"{QUARANTINE}/{held[0]['id']}/drop", {"reason": "a test player"}).json()["data"]
    assert (one["state"], one["history"][0]["reason"]) == ("dropped", "a test player")
    again = caller.post(f"{QUARANTINE}/{held[0]['id']}/drop", {"reason": "a test player"})
    assert problem_codes(again) == ["closed"]
    rest = caller.post(f"{QUARANTINE}/drop", {"code": "country", "reason": "test players"})
    assert rest.json() == {"data": {"dropped": 2}}


def test_causes_bear_money_and_first_deposits(caller: Caller) -> None:
    refuse(caller, "transactions", *transactions(2, amount_currency=10.25))
    (cause,) = caller.get(f"{QUARANTINE}/causes").json()["data"]
    assert (cause["code"], cause["field"], cause["count"]) == ("unknown_customer", "customer_id", 2)
    assert (cause["money"], cause["first_deposits"]) == ({"USD": 20.5}, 1)


def test_a_replay_is_cancelled_and_then_no_longer_run(caller: Caller) -> None:
    refuse(caller, "customers", sample("customers", **FAR))
    replay = caller.post(f"{QUARANTINE}/replays", {}).json()["data"]
    address = f"{QUARANTINE}/replays/{replay['id']}"
    assert caller.post(f"{address}/cancel", {}).json()["data"]["state"] == "cancelled"
    for action in ("run", "cancel"):
        assert problem_codes(caller.post(f"{address}/{action}", {})) == ["state"]


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/replays", {"state": "held"}, "additional_property"),
        ("/replays", {"ids": []}, "empty_batch"),
        ("/replays", {"ids": [1], "code": "country"}, "filters"),
        ("/replays", {"field": "a\x00"}, "filters"),
        ("/replays", {"entity": "activity"}, "nothing_held"),
        ("/drop", {"ids": [10**30], "reason": "r"}, "type"),
        ("/drop", {"reason": "x" * 501}, "max_length"),
    ],
)
def test_what_means_nothing_is_refused(caller: Caller, path: str, body: dict[str, Any], code: str) -> None:
    refuse(caller, "customers", sample("customers", **FAR))
    answer = caller.post(f"{QUARANTINE}{path}", body)
    assert (answer.status_code, problem_codes(answer)) == (422, [code])


@pytest.mark.parametrize("record", [None, [], "a", 7])
def test_a_record_that_is_no_object_is_refused(caller: Caller, record: Any) -> None:
    (held,) = refuse(caller, "customers", sample("customers", **FAR))
    answer = caller.send("PUT", f"{QUARANTINE}/{held['id']}", {"record": record})
    assert (answer.status_code, problem_codes(answer)) == (422, ["type"])


def test_what_is_not_there_is_not_found(caller: Caller) -> None:
    for path in ("/999999999", f"/{10**30}", "/replays/00000000-0000-0000-0000-000000000000"):
        assert caller.get(f"{QUARANTINE}{path}").status_code == 404
