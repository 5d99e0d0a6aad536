"""Connections: what is refused, what a change takes away, where a secret may go, and who may switch one on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from integrations import connections
from integrations.clients import Override
from integrations.models import Connection, SyncRun
from tests.factories import ConnectionFactory, FeedFactory, PartnerFactory, RunFactory, StaffFactory
from tests.partner_server import certificate
from track360.audit import Actor
from track360.models import AuditEvent, Environment

SYSTEM = Actor()
REST: dict[str, Any] = {"name": "Platform", "base_url": "https://api.example.com/v2", "auth": "bearer"}
SQL: dict[str, Any] = {"name": "Replica", "host": "db.example.com", "database": "dwh", "user": "track360"}


@pytest.fixture
def sandbox(db: None) -> Environment:
    return PartnerFactory().environments.get(kind="sandbox")


def codes(refusal: pytest.ExceptionInfo[ValidationError]) -> set[str]:
    return {str(error.code) for error in refusal.value.error_list}


def made(sandbox: Environment, kind: str = "rest", secret: str = "", **values: Any) -> Connection:
    base = REST if kind == "rest" else SQL
    return connections.create_connection(sandbox, kind=kind, values=base | values, secret=secret, actor=SYSTEM)


@pytest.mark.parametrize(
    ("kind", "values", "code"),
    [
        ("ftp", {}, "kind"),
        ("rest", {"name": " "}, "name"),
        ("rest", {"name": "a\x00b"}, "name"),
        ("rest", {"name": "x" * 101}, "name"),
        ("rest", {"base_url": "http://api.example.com/"}, "base_url"),
        ("rest", {"base_url": "https://169.254.169.254/"}, "base_url"),
        ("rest", {"base_url": "https://user:pw@api.example.com/"}, "base_url"),
        ("rest", {"base_url": "https://api.example.com/?key=1"}, "base_url"),
        ("rest", {"base_url": ""}, "base_url"),
        ("rest", {"auth": "magic"}, "auth"),
        ("rest", {"auth": "header", "auth_header": "X Key"}, "auth_header"),
        ("rest", {"auth": "header", "auth_header": "X-Key\r\nHost"}, "auth_header"),
        ("rest", {"auth": "header", "auth_header": "Content-Length"}, "auth_header"),
        ("rest", {"auth": "header", "auth_header": "hOST"}, "auth_header"),
        ("rest", {"auth": "header"}, "auth_header"),
        ("rest", {"auth_header": "X-Key"}, "auth_header"),
        ("rest", {"auth": "basic", "user": "a:b"}, "user"),
        ("rest", {"auth": "oauth", "user": "id", "token_url": "https://10.0.0.1/token"}, "token_url"),
        ("rest", {"host": "db.example.com"}, "host"),
        ("postgresql", {"base_url": "https://api.example.com"}, "base_url"),
        ("postgresql", {"host": "/var/run/postgresql"}, "host"),
        ("postgresql", {"host": "%2Fvar%2Frun"}, "host"),
        ("postgresql", {"host": "a.example.com,b.example.com"}, "host"),
        ("postgresql", {"host": "user@db.example.com"}, "host"),
        ("postgresql", {"host": "db.example.com:5433"}, "host"),
        ("postgresql", {"host": "postgresql://db.example.com/x"}, "host"),
        ("mysql", {"host": "db example"}, "host"),
        ("mysql", {"port": 0}, "port"),
        ("mysql", {"port": 65536}, "port"),
        ("mysql", {"port": True}, "port"),
        ("postgresql", {"database": "dwh?sslmode=disable"}, "database"),
        ("postgresql", {"database": "host=/tmp"}, "database"),
        ("postgresql", {"user": ""}, "user"),
        ("postgresql", {"ca_certificate": "-----BEGIN CERTIFICATE-----\nno"}, "ca_certificate"),
        ("postgresql", {"ca_certificate": "-----BEGIN PRIVATE KEY-----"}, "ca_certificate"),
    ],
)  # fmt: skip
def test_what_could_not_be_connected_to_is_refused_at_its_field(
    sandbox: Environment, kind: str, values: dict[str, Any], code: str
) -> None:
    with pytest.raises(ValidationError) as refusal:
        made(sandbox, kind, **values)
    assert codes(refusal) == {code}
    assert not Connection.objects.exists()


def test_a_database_gets_the_port_of_its_kind_and_a_certificate_of_ones_own_ca(
    sandbox: Environment, tmp_path: Path
) -> None:
    pem = certificate(tmp_path).read_text()
    pem = pem[pem.index("-----BEGIN CERTIFICATE") :].partition("-----BEGIN EC")[0]
    found = made(sandbox, "postgresql", ca_certificate=pem)
    assert (found.port, found.ca_certificate) == (5432, pem.strip())
    assert made(sandbox, "mysql", name="Other", host="2001:db8::1").port == 3306


@pytest.mark.parametrize("secret", ["a\r\nX-Evil: 1", "a\x00b", " key", "schlüssel", "x" * 5001])
def test_a_secret_that_could_not_be_sent_is_refused(sandbox: Environment, secret: str) -> None:
    with pytest.raises(ValidationError) as refusal:
        made(sandbox, secret=secret)
    assert codes(refusal) == {"secret"}


def test_a_secret_is_sealed_and_in_no_audit_row(sandbox: Environment) -> None:
    connection = made(sandbox, secret="s3cret-token")
    connections.set_secret(connection, secret="s3cret-next", actor=SYSTEM)
    connection.refresh_from_db()
    assert "s3cret" not in connection.sealed_secret
    assert connections.secret_of(connection) == "s3cret-next"
    assert "s3cret" not in str(list(AuditEvent.objects.values()))


def test_at_most_twenty_an_environment_and_one_of_a_name(sandbox: Environment) -> None:
    made(sandbox)
    with pytest.raises(ValidationError) as refusal:
        made(sandbox)
    assert codes(refusal) == {"name"}
    for _ in range(19):
        ConnectionFactory(environment=sandbox)
    with pytest.raises(ValidationError) as refusal:
        made(sandbox, name="One more")
    assert codes(refusal) == {"too_many"}


@pytest.mark.parametrize(
    ("change", "stands"),
    [
        ({"name": "Another name"}, True),
        ({"base_url": "https://api.casino.example/v3"}, False),
        ({"auth_header": "X-Token"}, False),
        ({"auth": "bearer", "auth_header": ""}, False),
    ],
)
def test_where_it_leads_and_how_it_signs_in_take_its_pass_and_switch_it_off(
    sandbox: Environment, change: dict[str, Any], stands: bool
) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    connection = connections.change_connection(feed.connection, values=change, actor=SYSTEM)
    feed.refresh_from_db()
    assert [connection.passed_at is not None, connection.is_on] == [stands] * 2
    assert [feed.passed_at is not None, feed.is_on, feed.next_run_at is not None] == [stands] * 3


def test_another_secret_takes_the_pass_too(sandbox: Environment) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    connection = connections.set_secret(feed.connection, secret="next", actor=SYSTEM)
    feed.refresh_from_db()
    assert (connection.passed_at, connection.is_on, feed.passed_at, feed.is_on) == (None, False, None, False)


def test_a_secret_never_goes_to_another_host_than_it_was_given_for(sandbox: Environment) -> None:
    connection = ConnectionFactory(environment=sandbox)
    same = connections.change_connection(
        connection, values={"base_url": "https://API.casino.example/other"}, actor=SYSTEM
    )
    assert same.sealed_secret
    elsewhere = connections.change_connection(connection, values={"base_url": "https://evil.example/v2"}, actor=SYSTEM)
    assert (elsewhere.sealed_secret, elsewhere.secret_set_at) == ("", None)


@pytest.mark.parametrize(
    "change",
    [
        {"auth": "oauth", "auth_header": "", "user": "id", "token_url": "https://evil.example/token"},
        {"base_url": "https://api.casino.example:443@evil.example/"},
        {"auth": "none", "auth_header": ""},
    ],
)
def test_no_other_way_leads_a_secret_out(sandbox: Environment, change: dict[str, Any]) -> None:
    connection = ConnectionFactory(environment=sandbox)
    try:
        connections.change_connection(connection, values=change, actor=SYSTEM)
    except ValidationError:
        assert "base_url" in change
        return
    connection.refresh_from_db()
    assert connection.sealed_secret == ""


def test_another_database_host_forgets_the_password_and_one_that_comes_along_stands(sandbox: Environment) -> None:
    connection = ConnectionFactory(environment=sandbox, is_sql=True)
    connections.change_connection(connection, values={"host": "evil.example"}, secret="new", actor=SYSTEM)
    connection.refresh_from_db()
    assert connections.secret_of(connection) == "new"
    assert connections.change_connection(connection, values={"port": 6432}, actor=SYSTEM).sealed_secret == ""


def test_runs_of_another_place_are_stopped(sandbox: Environment) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox), cursor="2026-03-15T12:00:00Z")
    run = RunFactory(feed=feed, state="running")
    connections.change_connection(feed.connection, values={"base_url": "https://api2.casino.example"}, actor=SYSTEM)
    run.refresh_from_db()
    feed.refresh_from_db()
    assert (run.state, run.lease_token) == (SyncRun.State.STOPPED, None)
    assert feed.cursor == ""


def test_it_is_switched_on_only_once_a_test_has_passed(sandbox: Environment) -> None:
    connection = ConnectionFactory(environment=sandbox, is_on=False, passed_at=None)
    with pytest.raises(ValidationError) as refusal:
        connections.switch_connection(connection, on=True, actor=SYSTEM)
    assert codes(refusal) == {"not_passed"}


def test_in_production_it_is_switched_on_as_clients_are_made(sandbox: Environment) -> None:
    production = sandbox.partner.environments.get(kind="production")
    connection = ConnectionFactory(environment=production, is_on=False)
    with pytest.raises(ValidationError) as refusal:
        connections.switch_connection(connection, on=True, actor=SYSTEM)
    assert codes(refusal) == {"not_ready"}
    staff = StaffFactory()
    override = Override(by=staff, reason="agreed by phone")
    connections.switch_connection(connection, on=True, actor=Actor(user=staff), override=override)
    event = AuditEvent.objects.get(action="connection.switched_on")
    assert (event.detail["override_by"], event.detail["override_reason"]) == (staff.email, "agreed by phone")


def test_removed_it_fetches_nothing_and_has_no_secret(sandbox: Environment) -> None:
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    run = RunFactory(feed=feed, state="due")
    for _ in range(2):
        connections.remove_connection(feed.connection, actor=SYSTEM)
    connection = Connection.objects.get()
    feed.refresh_from_db()
    run.refresh_from_db()
    assert (connection.sealed_secret, connection.is_on, feed.is_on) == ("", False, False)
    assert None not in (connection.removed_at, feed.removed_at)
    assert run.state == SyncRun.State.STOPPED
    assert AuditEvent.objects.filter(action="connection.removed").count() == 1
    with pytest.raises(ValidationError) as refusal:
        connections.set_secret(connection, secret="x", actor=SYSTEM)
    assert codes(refusal) == {"removed"}
