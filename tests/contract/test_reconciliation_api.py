"""`/api/v1/reconciliation`: control totals in, comparisons out, and what is done about a difference."""

from __future__ import annotations

import datetime as dt
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from entities.models import Batch, Transaction
from entities.pipeline import Door, Policy, ingest
from integrations.models import DayTotals, DoubledDay
from integrations.reconciliation.compute import refresh
from tests.contract.conftest import Caller, exactly, problem_codes
from tests.factories import DoubledDayFactory
from tests.payloads import sample
from track360.models import AuditEvent

ROOT = "/api/v1/reconciliation"
DAY = f"{ROOT}/transactions/days/2026-03-15"


def total(count: int, amount: Any, *, currency: str = "USD", **more: Any) -> dict[str, Any]:
    return {"currency": currency, "type": "deposit", "count": count, "sum": amount} | more


def put(caller: Caller, *totals: Any, address: str = DAY) -> Any:
    return caller.put(address, {"totals": list(totals)})


@pytest.fixture
def counted(filled: Caller) -> Caller:
    """The guide's samples are stored, and counted."""
    refresh(filled.environment, "UTC")
    return filled


def test_control_totals_are_compared_at_once_and_sums_are_exact(counted: Caller) -> None:
    agreed = put(counted, total(1, Decimal("1500.00")))
    assert (agreed.status_code, agreed.json()["data"]["state"]) == (200, "agrees")

    differs = exactly(put(counted, total(2, "1500.01")))["data"]

    (usd,) = differs["currencies"]
    assert (differs["state"], usd["state"], usd["currency"]) == ("differs", "differs", "USD")
    assert (usd["count_difference"], usd["sum_difference"]) == (-1, Decimal("-0.01"))
    assert (usd["stored"], usd["pulled"]) == ({"count": 1, "sum": Decimal("1500.00")}, None)
    assert [(row["side"], row["origin"]) for row in differs["versions"]][:2] == [("partner", "api")] * 2
    assert (differs["begins_at"], differs["time_zone"]) == ("2026-03-15T00:00:00Z", "UTC")
    assert exactly(counted.get(DAY))["data"] == differs


def test_the_same_again_writes_nothing_and_none_is_an_empty_day(counted: Caller) -> None:
    for _ in range(2):
        put(counted, total(1, "1500"))
    assert put(counted).json()["data"]["state"] == "differs"

    said = DayTotals.objects.filter(side="partner").order_by("pk")
    assert [(row.origin, len(row.lines)) for row in said] == [("api", 1), ("api", 0)]
    assert said[0].client_id == counted.credentials.client.client_id


def test_customers_are_counted_and_activity_has_no_type(counted: Caller) -> None:
    customers = put(counted, {"count": 1}, address=f"{ROOT}/customers/days/2026-03-12")
    activity = put(counted, {"currency": "USD", "count": 1, "sum": 105.25}, address=f"{ROOT}/activity/days/2026-03-15")

    assert customers.json()["data"]["state"] == "agrees", customers.json()
    assert activity.json()["data"]["state"] == "agrees", activity.json()
    assert customers.json()["data"]["currencies"][0]["stored"] == {"count": 1, "sum": None}


@pytest.mark.parametrize(
    ("line", "pointer", "code"),
    [
        (total(1, "1.001"), "/totals/0/sum", "pattern"),
        (total(1, Decimal("1.001")), "/totals/0/sum", "sum"),
        (total(1, None), "/totals/0/sum", "sum"),
        (total(-1, "1"), "/totals/0/count", "minimum"),
        (total(1, "1", currency="XXQ"), "/totals/0/currency", "currency"),
        (total(1, "1", type="gift"), "/totals/0/type", "type"),
        (total(1, "1", note="x"), "/totals/0", "additional_property"),
        ({"currency": "EUR"}, "/totals/0", "required"),
    ],
)
def test_a_line_that_cannot_be_names_its_place(caller: Caller, line: Any, pointer: str, code: str) -> None:
    answer = put(caller, line)

    (error,) = answer.json()["errors"]
    assert (answer.status_code, error["pointer"], error["index"]) == (422, pointer, 0)
    assert problem_codes(answer) == [code]
    assert error["message"] in answer.json()["detail"]
    assert "anyOf" not in error["message"], "of the forms of a sum, the one that was meant"
    assert not DayTotals.objects.exists()


@pytest.mark.parametrize("address", ["transactions/days/2999-01-01", "transactions/days/today", "bets/days/2026-03-15"])
def test_what_is_no_day_is_not_found(caller: Caller, address: str) -> None:
    assert caller.get(f"{ROOT}/{address}").status_code == 404
    assert put(caller, address=f"{ROOT}/{address}").status_code == 404


def test_a_day_of_which_nobody_said_anything_is_not_found(caller: Caller) -> None:
    for address in (DAY, f"{DAY}/differences"):
        assert caller.get(address).status_code == 404


def test_days_are_listed_by_entity_range_and_state(counted: Caller) -> None:
    put(counted, total(9, "1"))
    span = {"from": "2026-03-01", "to": "2026-03-16"}

    def listed(**filters: str) -> list[tuple[str, str, str]]:
        rows = counted.get(ROOT, params=span | filters).json()["data"]
        return [(row["date"], row["entity"], row["state"]) for row in rows]

    assert listed() == [
        ("2026-03-15", "transactions", "differs"),
        ("2026-03-15", "activity", "unsaid"),
        ("2026-03-12", "customers", "unsaid"),
    ]
    assert listed(state="differs") == listed(entity="transactions") == listed()[:1]
    assert counted.get(ROOT).json()["data"] == []
    assert counted.get(ROOT, params={"from": "2020-01-01", "to": "2026-01-01"}).status_code == 422
    first = counted.get(ROOT, params=span | {"per_page": 2}).json()["meta"]
    second = counted.get(ROOT, params=span | {"per_page": 2, "cursor": first["next_cursor"]}).json()
    assert (first["total"], [row["entity"] for row in second["data"]]) == (3, ["customers"])


@pytest.fixture
def hybrid(filled: Caller) -> Caller:
    """txn_889001 pushed and pulled with another amount, txn_2 and 3 pulled only."""
    pulled = [
        sample("transactions", amount_currency=Decimal("1499.99")),
        sample("transactions", transaction_id="txn_2"),
        sample("transactions", transaction_id="txn_3"),
    ]
    policy = Policy(door=Door.COMPARE, run_id=uuid.uuid4(), fetched_since=timezone.now() + dt.timedelta(hours=1))
    ingest(filled.environment, "transactions", pulled, door=Batch.Door.PULL, lenient=True, policy=policy)
    refresh(filled.environment, "UTC")
    return filled


def test_the_records_behind_a_difference_are_walked(hybrid: Caller) -> None:
    (row,) = exactly(hybrid.get(f"{DAY}/differences"))["data"]
    assert (row["key"], row["amount"]) == ("txn_889001", Decimal("1500.00"))
    assert row["fields"] == [{"name": "amount_currency", "stored": "1500.00", "pulled": "1499.99"}]

    query = {"list": "only_pulled", "per_page": 1}
    first = hybrid.get(f"{DAY}/differences", params=query).json()
    second = hybrid.get(f"{DAY}/differences", params=query | {"cursor": first["meta"]["next_cursor"]}).json()
    assert [page["data"][0]["key"] for page in (first, second)] == ["txn_2", "txn_3"]
    assert second["meta"]["next_cursor"] is None
    strange = query | {"cursor": first["meta"]["next_cursor"], "currency": "EUR"}
    assert hybrid.get(f"{DAY}/differences", params=strange).json()["code"] == "invalid_cursor"


def test_the_pulled_version_is_taken(hybrid: Caller) -> None:
    assert hybrid.post(f"{DAY}/take", {"ids": [10**9]}).status_code == 404

    taken = hybrid.post(f"{DAY}/take", {})

    assert taken.json() == {"data": {"taken": 1, "kept": 0, "refused": 0}}
    stored = Transaction.objects.get(transaction_id="txn_889001")
    assert (stored.amount_currency, stored.source) == (Decimal("1499.99"), "pull")
    assert hybrid.post(f"{DAY}/take", {}).status_code == 404


def test_records_that_differ_are_waived_with_a_reason(hybrid: Caller) -> None:
    address = f"{DAY}/differences/waive"
    (row,) = hybrid.get(f"{DAY}/differences").json()["data"]
    assert row["waiver"] is None
    assert hybrid.post(address, {"ids": [row["id"]]}).status_code == 422
    assert hybrid.post(address, {"ids": [row["id"]], "reason": " "}).status_code == 422
    assert hybrid.post(address, {"currency": "EUR", "reason": "Ours is right."}).status_code == 404

    waived = hybrid.post(address, {"ids": [row["id"]], "reason": "Ours is right."})

    assert exactly(waived) == {"data": {"waived": 1}}
    assert hybrid.get(f"{DAY}/differences").json()["data"] == []
    (left,) = exactly(hybrid.get(f"{DAY}/differences", params={"list": "waived"}))["data"]
    assert (left["id"], left["fields"], left["waiver"]["reason"]) == (row["id"], row["fields"], "Ours is right.")
    assert Transaction.objects.get(transaction_id="txn_889001").source == "push"
    assert hybrid.post(address, {"reason": "Again."}).status_code == 404


def test_a_difference_is_waived_and_the_waiver_withdrawn(counted: Caller) -> None:
    put(counted, total(2, "1500.01"))
    assert counted.post(f"{DAY}/waive", {"currency": "USD"}).status_code == 422

    waived = counted.post(f"{DAY}/waive", {"currency": "USD", "reason": "A test deposit of yours."})

    assert (waived.status_code, exactly(waived)["data"]["sum_difference"]) == (200, Decimal("-0.01"))
    assert counted.get(DAY).json()["data"]["state"] == "waived"
    assert counted.post(f"{DAY}/waive", {"currency": "USD", "reason": "Again."}).status_code == 422
    gone = [counted.http.delete(f"{DAY}/waive", params={"currency": "USD"}) for _ in range(2)]
    assert [answer.status_code for answer in gone] == [204, 404]
    actions = AuditEvent.objects.filter(action__startswith="difference.").values_list("action", flat=True)
    assert sorted(actions) == ["difference.waived", "difference.waiver_withdrawn"]


def test_a_doubled_day_is_judged_by_its_own_environment_alone(caller: Caller) -> None:
    flag = DoubledDayFactory(environment=caller.environment)
    other = DoubledDayFactory(environment=caller.environment.partner.environments.get(kind="production"))
    body = {"verdict": "earlier", "reason": "The job ran twice."}

    answer = caller.post(f"{ROOT}/doubled/{flag.pk}", body)

    assert (answer.status_code, answer.json()["data"]["verdict"]) == (200, "earlier")
    assert caller.post(f"{ROOT}/doubled/{other.pk}", body).status_code == 404
    assert caller.post(f"{ROOT}/doubled/{flag.pk}", body | {"reason": " "}).status_code == 422
    assert DoubledDay.objects.filter(verdict="earlier").count() == 1
