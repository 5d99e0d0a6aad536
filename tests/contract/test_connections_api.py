"""`/api/v1/connections`: what people do on the connections pages, by a program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from integrations.models import Connection, ConnectionTest, Feed
from tests.contract.conftest import Caller, new_partner, problem_codes
from tests.factories import ConnectionFactory, FeedFactory
from track360.models import AuditEvent, Environment

CONNECTIONS = "/api/v1/connections"
REST = {"name": "Platform", "kind": "rest", "base_url": "https://api.example.com/v2", "auth": "bearer"}
SECRET = "s3cret-token"


def made(caller: Caller, **more: Any) -> dict[str, Any]:
    answer = caller.post(CONNECTIONS, REST | more)
    assert answer.status_code == 201, answer.text
    return dict(answer.json()["data"])


@pytest.fixture
def feed(caller: Caller) -> Feed:
    return FeedFactory(connection=ConnectionFactory(environment=caller.environment))


@pytest.fixture
def address(feed: Feed) -> str:
    return f"{CONNECTIONS}/{feed.connection_id}"


def test_a_connection_is_made_changed_and_removed(caller: Caller) -> None:
    one = made(caller, secret=SECRET)
    assert (one["on"], one["passed_at"], one["port"]) == (False, None, None)
    assert one["secret_set_at"]
    address = f"{CONNECTIONS}/{one['id']}"
    changed = caller.put(address, {"name": "Other"})
    assert changed.json()["data"] == one | {"name": "Other"}
    assert caller.get(address).json()["data"] == one | {"name": "Other"}
    assert [row["id"] for row in caller.get(CONNECTIONS).json()["data"]] == [one["id"]]
    assert caller.http.delete(address).status_code == 204
    assert [caller.get(address).status_code, caller.get(CONNECTIONS).json()["data"]] == [404, []]


def test_a_secret_is_in_no_answer_and_in_no_audit_row(caller: Caller) -> None:
    answer = caller.post(CONNECTIONS, REST | {"secret": SECRET})
    address = f"{CONNECTIONS}/{answer.json()['data']['id']}"
    answers = [
        answer,
        caller.put(f"{address}/secret", {"secret": SECRET}),
        caller.put(address, {"base_url": "ftp://x", "secret": SECRET}),
        caller.put(f"{address}/secret", {"secret": f"{SECRET}\n"}),
        caller.get(address),
        caller.get(CONNECTIONS),
    ]
    assert [answer.status_code for answer in answers] == [201, 200, 422, 422, 200, 200]
    assert not any(SECRET in answer.text for answer in answers)
    assert SECRET not in str(list(AuditEvent.objects.values()))


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"base_url": "http://10.0.0.1/"}, "/base_url", "base_url"),
        ({"auth": "header", "auth_header": "Host"}, "/auth_header", "auth_header"),
        ({"port": 70000}, "/port", None),
        ({"name": "a\x00"}, "/name", "name"),
        ({"dsn": "postgresql://db/x"}, "", "additional_property"),
        ({"kind": "postgresql", "base_url": "", "auth": "none", "host": "/tmp", "database": "d", "user": "u"},
         "/host", "host"),
    ],
)  # fmt: skip
def test_a_fault_is_named_at_its_place(caller: Caller, body: dict[str, Any], pointer: str, code: str | None) -> None:
    answer = caller.post(CONNECTIONS, REST | body)
    assert answer.status_code == 422
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert code in (None, error["code"])
    assert not Connection.objects.filter(environment=caller.environment).exists()


def test_a_feed_is_made_changed_and_removed(caller: Caller) -> None:
    address = f"{CONNECTIONS}/{made(caller)['id']}/feeds"
    answer = caller.post(address, {"entity": "activity", "path": "/days", "query": {"from": "{since:date}"}})
    assert answer.status_code == 201, answer.text
    one = answer.json()["data"]
    assert (one["daily_at"], one["every_minutes"], one["overlap_seconds"]) == ("05:00", None, 3 * 86400)
    assert caller.post(address, {"entity": "activity"}).json()["errors"][0]["pointer"] == "/entity"
    changed = caller.put(f"{address}/{one['id']}", {"every_minutes": 10, "overlap_seconds": 90})
    assert changed.json()["data"] == one | {"daily_at": None, "every_minutes": 10, "overlap_seconds": 90}
    assert [row["id"] for row in caller.get(address).json()["data"]] == [one["id"]]
    assert caller.http.delete(f"{address}/{one['id']}").status_code == 204
    assert caller.get(f"{address}/{one['id']}").status_code == 404


def test_a_fault_in_a_feed_is_named_at_its_place(caller: Caller) -> None:
    address = f"{CONNECTIONS}/{made(caller)['id']}/feeds"
    body = {
        "entity": "customers",
        "query": {"a/b": "{sinse}"},
        "paging": "page",
        "fields": {"customer_id": "id", "signup_date": "s", "affiliate_id": "/~"},
        "overlap_seconds": 31 * 86400,
    }
    errors = {error["pointer"]: error["code"] for error in caller.post(address, body).json()["errors"]}
    assert errors == {
        "/query/a~1b": "query",
        "/paging_options/page_parameter": "paging_options",
        "/fields/affiliate_id": "fields",
    }


def test_a_test_is_asked_for_once_and_read(caller: Caller, feed: Feed, address: str) -> None:
    assert caller.get(f"{address}/test").status_code == 404
    first, second = caller.post(f"{address}/test", {}), caller.post(f"{address}/test", {})
    assert [first.status_code, second.status_code] == [202, 200]
    assert first.json()["data"]["id"] == second.json()["data"]["id"]
    ConnectionTest.objects.update(
        state="passed",
        feeds={"transactions": {"ok": True, "steps": [], "cursor_kind": "moment", "names": ["id"], "calls": []}},
        rows={"transactions": [{"record": {"amount_currency": "1.00"}, "errors": [], "warnings": []}]},
    )
    read = caller.get(f"{address}/test").json()["data"]
    assert read["state"] == "passed"
    assert read["feeds"]["transactions"]["records"][0]["record"] == {"amount_currency": "1.00"}


def test_without_a_feed_or_a_secret_there_is_nothing_to_test(caller: Caller) -> None:
    address = f"{CONNECTIONS}/{made(caller)['id']}"
    assert problem_codes(caller.post(f"{address}/test", {})) == ["no_feeds"]
    caller.post(f"{address}/feeds", {"entity": "customers"})
    assert problem_codes(caller.post(f"{address}/test", {})) == ["secret"]


def test_connection_and_feed_are_switched(caller: Caller, feed: Feed, address: str) -> None:
    off = caller.post(f"{address}/switch", {"on": False})
    assert (off.status_code, off.json()["data"]["on"]) == (200, False)
    one = f"{address}/feeds/{feed.pk}"
    assert caller.post(f"{one}/switch", {"on": False}).json()["data"]["on"] is False
    assert problem_codes(caller.post(f"{one}/switch", {"on": True})) == ["connection_off"]
    caller.post(f"{address}/switch", {"on": True, "feeds": True})
    assert caller.get(one).json()["data"]["on"] is True
    caller.put(f"{address}/secret", {"secret": "another"})
    assert problem_codes(caller.post(f"{address}/switch", {"on": True})) == ["not_passed"]


def test_in_production_it_waits_for_the_steps(caller: Caller, connect: Callable[..., Caller]) -> None:
    production = connect(caller.environment.partner.environments.get(kind=Environment.Kind.PRODUCTION))
    connection = ConnectionFactory(environment=production.environment, is_on=False)
    answer = production.post(f"{CONNECTIONS}/{connection.pk}/switch", {"on": True})
    assert (answer.status_code, problem_codes(answer)) == (422, ["not_ready"])


def test_a_cursor_is_set_back(caller: Caller, feed: Feed, address: str) -> None:
    one = f"{address}/feeds/{feed.pk}/cursor"
    assert caller.put(one, {"cursor": ""}).json()["data"]["cursor"] == ""
    refused = caller.put(one, {"cursor": "yesterday"})
    assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, "/cursor")


def test_another_partners_connection_and_feed_do_not_exist(
    caller: Caller, feed: Feed, address: str, connect: Callable[..., Caller]
) -> None:
    other = connect(new_partner().environments.get(kind="sandbox"))
    mine = made(other)
    one = f"{address}/feeds/{feed.pk}"
    answers = [
        other.get(address),
        other.put(address, {"name": "x"}),
        other.http.delete(address),
        other.put(f"{address}/secret", {"secret": "x"}),
        other.post(f"{address}/switch", {"on": False}),
        other.post(f"{address}/test", {}),
        other.post(f"{address}/feeds", {"entity": "customers"}),
        other.get(one),
        other.put(f"{one}/cursor", {"cursor": ""}),
        other.get(f"{CONNECTIONS}/{mine['id']}/feeds/{feed.pk}"),
    ]
    assert {answer.status_code for answer in answers} == {404}
    feed.refresh_from_db()
    assert feed.is_on


def test_without_the_scope_manage_nothing_is_to_be_had(connect: Callable[..., Caller], caller: Caller) -> None:
    reader = connect(caller.environment, scopes=("read", "write"))
    assert [reader.get(CONNECTIONS).status_code, reader.post(CONNECTIONS, REST).status_code] == [403, 403]
