"""The test of a connection, made as the worker makes it: against a real server, once, and only of what still stands."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from entities.models import Customer, Erasure
from integrations import connection_tests, connections, feeds, tasks
from integrations.models import Connection, ConnectionTest, Feed
from tests.factories import CONNECTION_SECRET, ConnectionFactory, FeedFactory, PartnerFactory
from tests.partner_server import PartnerServer, answers, partner_server
from tests.payloads import customers
from track360.audit import Actor
from track360.models import AuditEvent, Environment, Partner

SYSTEM = Actor()
State = ConnectionTest.State


@pytest.fixture
def sandbox(db: None) -> Environment:
    return PartnerFactory().environments.get(kind="sandbox")


@pytest.fixture
def server(settings: Any) -> Iterator[PartnerServer]:
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
    with partner_server() as server:
        yield server


@pytest.fixture
def connection(sandbox: Environment, server: PartnerServer) -> Connection:
    return ConnectionFactory(environment=sandbox, base_url=server.url, is_on=False, passed_at=None)


def feed_of(connection: Connection, entity: str = "customers", **values: Any) -> Feed:
    whole = {"paging": "none", "paging_options": {}, "query": {}, "records_at": ""}
    return FeedFactory(connection=connection, entity=entity, is_on=False, passed_at=None, **(whole | values))


def gives(records: Any, **headers: str) -> Any:
    return answers(200, json.dumps(records, default=str).encode(), **{"Content-Type": "application/json"} | headers)


def outcome_of(connection: Connection) -> ConnectionTest:
    test, _ = connection_tests.request_test(connection, actor=SYSTEM)
    tasks.test_connection(str(test.pk))
    test.refresh_from_db()
    connection.refresh_from_db()
    return test


def test_what_passes_is_shown_as_it_would_be_stored_and_stores_nothing(
    connection: Connection, server: PartnerServer
) -> None:
    feed = feed_of(connection)
    bad = {**customers(1)[0], "customer_id": "bad", "country_code": "ZZ"}
    server.replies = [gives([*customers(12), bad][-11:])]
    test = outcome_of(connection)
    feed.refresh_from_db()
    assert test.state == State.PASSED, (test.steps, test.feeds)
    assert all(step["ok"] for step in test.feeds["customers"]["steps"])
    assert len(test.rows["customers"]) == 10
    assert "customer_id" in test.feeds["customers"]["names"]
    assert connection.passed_at == feed.passed_at == test.finished_at
    assert (connection.is_on, feed.is_on, Customer.objects.count()) == (False, False, 0)
    assert server.calls[0].headers["x-api-key"] == CONNECTION_SECRET
    assert CONNECTION_SECRET not in str((test.feeds, test.rows, list(AuditEvent.objects.values())))


def test_rows_that_would_be_refused_say_why_and_do_not_fail_it_unless_all_are(
    connection: Connection, server: PartnerServer
) -> None:
    feed_of(connection)
    good, bad = customers(1)[0], {**customers(1)[0], "customer_id": "bad", "country_code": "ZZ"}
    server.replies = [gives([good, bad])]
    test = outcome_of(connection)
    assert test.state == State.PASSED
    assert [[error["code"] for error in row["errors"]] for row in test.rows["customers"]] == [[], ["country"]]
    server.replies = [gives([{"id": 1}, {"id": 2}])]
    test = outcome_of(connection)
    assert test.state == State.FAILED
    assert "None of the 2 would be stored" in test.feeds["customers"]["steps"][-1]["detail"]


def test_a_source_without_records_passes(connection: Connection, server: PartnerServer) -> None:
    feed_of(connection)
    server.replies = [gives([])]
    assert outcome_of(connection).state == State.PASSED


@pytest.mark.parametrize("reply", [answers(401), answers(500), answers(200, b"<html>"), answers(200, b"{}")])
def test_what_fails_says_at_which_step_and_gives_no_pass(
    connection: Connection, server: PartnerServer, reply: Any
) -> None:
    feed = feed_of(connection)
    server.replies = [reply]
    test = outcome_of(connection)
    feed.refresh_from_db()
    assert (test.state, connection.passed_at, feed.passed_at) == (State.FAILED, None, None)
    last = test.feeds["customers"]["steps"][-1]
    assert (last["ok"], bool(last["detail"])) == (False, True)


def test_a_feed_that_fails_keeps_no_other_from_its_pass(connection: Connection, server: PartnerServer) -> None:
    good, bad = feed_of(connection), feed_of(connection, entity="transactions")
    server.replies = [gives(customers(1)), answers(500)]
    test = outcome_of(connection)
    good.refresh_from_db()
    bad.refresh_from_db()
    assert (test.state, bool(connection.passed_at)) == (State.FAILED, True)
    assert (bool(good.passed_at), bad.passed_at) == (True, None)


@pytest.mark.parametrize("what", ["secret", "address", "feed"])
def test_what_was_changed_meanwhile_gets_no_pass(connection: Connection, server: PartnerServer, what: str) -> None:
    feed = feed_of(connection)
    actions: Any = {"secret": lambda: connections.set_secret(connection, secret="next", actor=SYSTEM)}
    actions["address"] = lambda: connections.change_connection(
        connection, values={"base_url": f"{server.url}/v2"}, actor=SYSTEM
    )
    actions["feed"] = lambda: feeds.change_feed(feed, values={"path": "/other"}, actor=SYSTEM)
    server.replies = [gives(customers(1))]
    test, _ = connection_tests.request_test(connection, actor=SYSTEM)
    before = connection_tests._tested

    def meanwhile(one: Feed) -> dict[str, Any]:
        found = before(one)
        actions[what]()
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(connection_tests, "_tested", meanwhile)
        tasks.test_connection(str(test.pk))
    test.refresh_from_db()
    connection.refresh_from_db()
    feed.refresh_from_db()
    assert (test.state, connection.passed_at, feed.passed_at) == (State.FAILED, None, None)
    assert test.feeds["customers"]["steps"][-1]["detail"] == connection_tests.CHANGED


def test_removed_meanwhile_it_ends_with_a_sentence(connection: Connection, server: PartnerServer) -> None:
    feed_of(connection)
    test, _ = connection_tests.request_test(connection, actor=SYSTEM)
    connections.remove_connection(connection, actor=SYSTEM)
    tasks.test_connection(str(test.pk))
    test.refresh_from_db()
    assert (test.state, test.steps[0]["detail"]) == (State.FAILED, "This connection was removed.")


def test_another_kind_of_cursor_begins_at_the_beginning(connection: Connection) -> None:
    feed = feed_of(connection, cursor_kind="number", cursor="17")
    connection_tests._pass(feed, "number", now=timezone.now())
    assert feed.cursor == "17"
    connection_tests._pass(feed, "day", now=timezone.now())
    assert (feed.cursor_kind, feed.cursor) == ("day", "")


def test_an_erased_customer_is_not_kept_in_the_rows(connection: Connection, server: PartnerServer) -> None:
    feed_of(connection)
    record = {**customers(1)[0], "email": "ada@marker.example", "first_name": 7}
    Erasure.objects.create(environment=connection.environment, customer_id=record["customer_id"])
    server.replies = [gives([record])]
    test = outcome_of(connection)
    assert "marker" not in str(test.rows)


def test_a_test_is_made_once(connection: Connection, server: PartnerServer) -> None:
    feed_of(connection)
    server.replies = [gives(customers(1))]
    test = outcome_of(connection)
    tasks.test_connection(str(test.pk))
    assert len(server.calls) == 1
    assert AuditEvent.objects.filter(action="connection.tested").count() == 1


def test_the_bell_is_rung_again_and_a_killed_workers_test_ends(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed_of(connection)
    rung: list[str] = []
    monkeypatch.setattr(tasks.test_connection, "apply_async", lambda args, **_: rung.append(args[0]))
    test, is_new = connection_tests.request_test(connection, actor=SYSTEM)
    tasks.ring_for_tests()
    assert (rung, is_new) == ([], True)
    ConnectionTest.objects.update(requested_at=timezone.now() - dt.timedelta(minutes=1))
    tasks.ring_for_tests()
    assert rung == [str(test.pk)]
    ConnectionTest.objects.update(state=State.RUNNING, started_at=timezone.now() - dt.timedelta(minutes=6))
    tasks.ring_for_tests()
    test.refresh_from_db()
    assert (test.state, test.steps[0]["detail"]) == (State.FAILED, connection_tests.KILLED)
    assert connection_tests.request_test(connection, actor=SYSTEM)[1]


def test_a_late_worker_does_not_undo_what_was_said_of_it(connection: Connection, server: PartnerServer) -> None:
    feed_of(connection)
    server.replies = [gives(customers(1))]
    test, _ = connection_tests.request_test(connection, actor=SYSTEM)
    found = {feed: connection_tests._tested(feed) for feed in Feed.objects.select_related("connection", "environment")}
    ConnectionTest.objects.update(state=State.FAILED)
    connection_tests._finish(test, found)
    test.refresh_from_db()
    connection.refresh_from_db()
    assert (test.state, connection.passed_at) == (State.FAILED, None)


def test_nothing_of_a_suspended_partner_is_called(connection: Connection, server: PartnerServer) -> None:
    feed_of(connection)
    Partner.objects.update(status=Partner.Status.SUSPENDED)
    test = outcome_of(connection)
    assert (test.state, test.steps[0]["detail"]) == (State.FAILED, connection_tests.NOT_ACTIVE)
    assert server.calls == []


def test_what_cannot_be_tested_is_refused(connection: Connection) -> None:
    with pytest.raises(ValidationError) as refusal:
        connection_tests.request_test(connection, actor=SYSTEM)
    assert refusal.value.code == "no_feeds"
    feed_of(connection)
    Connection.objects.update(sealed_secret="")
    with pytest.raises(ValidationError) as refusal:
        connection_tests.request_test(connection, actor=SYSTEM)
    assert refusal.value.code == "secret"
