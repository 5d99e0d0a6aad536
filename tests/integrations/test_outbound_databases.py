"""The way to partners' databases: to the checked address alone, by fields that are nothing but fields."""

from __future__ import annotations

import ipaddress
import socket
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from integrations.outbound import OutboundError, OutboundFailed, OutboundRefused, OutboundUntrusted, addresses
from integrations.outbound import databases as outbound_databases
from integrations.outbound.databases import Database, open_database
from tests import partner_sources
from tests.integrations.test_outbound import Connects, connects, names  # noqa: F401
from tests.partner_server import certificate

KINDS = ["postgresql", "mysql"]
TARGET = Database("db.example", 5432, "partner", "reader", "a secret")


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest) -> partner_sources.Database:
    return request.getfixturevalue("postgres_source" if request.param == "postgresql" else "mariadb_source")


@pytest.fixture
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]


def target(server: partner_sources.Database, **values: Any) -> Database:
    made = Database(server.host, server.port, server.database, server.user, server.password)
    return replace(made, **values)


def answer_of(kind: str, database: Database, statement: str = "SELECT 1") -> Any:
    with open_database(kind, database, statement_seconds=10) as opened:
        return opened.connection.execute(sa.text(statement)).scalar(), opened.is_secured


# -- Where it goes ------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "host",
    [
        "/var/run/postgresql",
        "%2Fvar%2Frun",
        "a,b",
        "db.example hostaddr=127.0.0.1",
        "host=127.0.0.1",
        "service=x",
        "postgresql://127.0.0.1/x",
        "user@db.example",
        "@abstract",
        "db.example\x00",
        "",
        "a" * 254,
    ],
)
def test_a_host_is_a_name_and_nothing_else(connects: Connects, kind: str, host: str):  # noqa: F811
    with pytest.raises(OutboundRefused, match="no host of a database"):
        answer_of(kind, replace(TARGET, host=host))
    assert connects == []


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "10.0.0.5", "169.254.169.254", "0x7f000001", "::1", "::ffff:127.0.0.1", "mixed.example"],
)
def test_nothing_private_is_connected_to(
    connects: Connects, names: dict[str, list[list[str]]], kind: str, host: str  # noqa: F811
):  # fmt: skip
    names |= {"mixed.example": [["93.184.216.34", "127.0.0.1"]], "localhost": [["127.0.0.1"]]}
    with pytest.raises(OutboundRefused, match="does not lead to a public address"):
        answer_of(kind, replace(TARGET, host=host))
    assert connects == []


@pytest.mark.parametrize("port", [0, -1, 65536])
def test_a_port_is_a_port(port: int):
    with pytest.raises(OutboundRefused, match="from 1 to 65535"):
        answer_of("postgresql", replace(TARGET, port=port))


@pytest.mark.usefixtures("loopback")
def test_the_connection_goes_to_the_checked_address_though_the_name_has_moved(
    server: partner_sources.Database, names: dict[str, list[list[str]]]  # noqa: F811
):  # fmt: skip
    """The certificate is for another name, which shows that the name was checked and not the address."""
    names["db.example"] = [["127.0.0.1"], ["93.184.216.34"]]
    assert answer_of(server.kind, target(server, host="db.example")) == (1, False), "TLS alone proves nothing"
    names["db.example"] = [["127.0.0.1"], ["93.184.216.34"]]
    with pytest.raises(OutboundUntrusted, match=r"certificate of db\.example cannot be trusted"):
        answer_of(server.kind, target(server, host="db.example", ca_certificate=server.ca_certificate))


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("field", ["database", "user", "password"])
@pytest.mark.parametrize(
    "value",
    [
        "host=/var/run dbname=partner",
        "postgresql://admin@127.0.0.1/partner",
        "partner sslmode=disable",
        "partner' options='-c statement_timeout=0",
        "x\\",
    ],
)
def test_no_field_is_read_as_a_dsn(server: partner_sources.Database, field: str, value: str):
    with pytest.raises(sa.exc.DBAPIError) as refusal:
        answer_of(server.kind, target(server, **{field: value}))
    assert server.password not in str(refusal.value)


@pytest.mark.usefixtures("loopback")
def test_the_environment_has_no_say(
    postgres_source: partner_sources.Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    for name, value in {
        "PGHOSTADDR": "127.0.0.9",
        "PGHOST": "elsewhere.example",
        "PGOPTIONS": "-c search_path=nowhere",
        "PGSSLMODE": "disable",
        "PGPASSFILE": str(tmp_path / "none"),
        "PGSSLROOTCERT": str(tmp_path / "none"),
        "PGTARGETSESSIONATTRS": "standby",
    }.items():
        monkeypatch.setenv(name, value)
    ca = postgres_source.ca_certificate
    assert answer_of("postgresql", target(postgres_source, ca_certificate=ca), "SHOW search_path") == (
        '"$user", public',
        True,
    )


# -- Whom it trusts -----------------------------------------------------------


@pytest.mark.usefixtures("loopback")
def test_a_certificate_of_the_partners_own_ca_is_checked(server: partner_sources.Database, tmp_path: Path):
    assert answer_of(server.kind, target(server, ca_certificate=server.ca_certificate)) == (1, True)
    other = certificate(tmp_path).read_text()
    with pytest.raises(OutboundUntrusted, match="cannot be trusted"):
        answer_of(server.kind, target(server, ca_certificate=other))
    with pytest.raises(OutboundRefused, match="no certificate in PEM"):
        answer_of(server.kind, target(server, ca_certificate="not PEM"))


@pytest.fixture
def public(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if loopback were on the internet: reached, but not opened to go without TLS."""
    monkeypatch.setattr(addresses, "is_public", lambda address: True)


@pytest.mark.usefixtures("public")
def test_on_the_internet_nothing_is_said_without_a_certificate_that_browsers_would_trust(
    server: partner_sources.Database,
):
    with pytest.raises(OutboundUntrusted, match="cannot be trusted"):
        answer_of(server.kind, target(server))
    assert answer_of(server.kind, target(server, ca_certificate=server.ca_certificate)) == (1, True)


@pytest.mark.usefixtures("public")
def test_a_server_that_offers_no_tls_gets_no_password():
    heard: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        peer, _ = listener.accept()
        with peer:
            heard.append(peer.recv(1000))
            peer.sendall(b"N")
            heard.append(peer.recv(1000))

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        with pytest.raises(OutboundUntrusted, match="does not offer TLS"):
            answer_of("postgresql", replace(TARGET, host="127.0.0.1", port=listener.getsockname()[1]))
        thread.join(5)
    assert b"secret" not in b"".join(heard)


# -- What may be done ---------------------------------------------------------


@pytest.mark.usefixtures("loopback")
def test_a_session_only_reads_also_for_one_who_may_write(server: partner_sources.Database):
    with pytest.raises(sa.exc.DBAPIError, match="(?i)read.only"):
        answer_of(server.kind, target(server, user=server.admin), "CREATE TABLE made (x int)")
    server.execute("CREATE TABLE there (x int)")
    try:
        with pytest.raises(sa.exc.DBAPIError, match="(?i)read.only"):
            answer_of(server.kind, target(server, user=server.admin), "INSERT INTO there VALUES (1)")
    finally:
        server.execute("DROP TABLE there")


@pytest.mark.usefixtures("loopback")
def test_no_file_of_this_machine_is_sent(mariadb_source: partner_sources.Database):
    mariadb_source.execute("CREATE TABLE there (x text)")
    try:
        with pytest.raises(Exception, match="(?i)local_infile|not allowed|read.only|LOAD_LOCAL"):
            answer_of(
                "mysql", target(mariadb_source, user="admin"), "LOAD DATA LOCAL INFILE '/etc/hosts' INTO TABLE there"
            )
    finally:
        mariadb_source.execute("DROP TABLE there")


@pytest.mark.usefixtures("loopback")
def test_a_statement_is_ended_by_the_servers_clock_and_by_ours(server: partner_sources.Database):
    sleep = "pg_sleep(20)" if server.kind == "postgresql" else "(SELECT SUM(SLEEP(20)) FROM information_schema.tables)"
    with open_database(server.kind, target(server), statement_seconds=0.5) as opened, pytest.raises(sa.exc.DBAPIError):
        opened.connection.execute(sa.text(f"SELECT {sleep}"))
    assert not opened.was_cut
    with open_database(server.kind, target(server), statement_seconds=5) as opened:
        with opened.limit(0.5), pytest.raises(sa.exc.DBAPIError):
            opened.connection.execute(sa.text(f"SELECT {sleep}"))
        assert opened.was_cut


@pytest.mark.usefixtures("loopback")
def test_a_database_that_is_not_there_or_hangs_is_left(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(outbound_databases, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(outbound_databases, "SIGN_IN_SECONDS", 1)
    for kind in KINDS:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            port = silent.getsockname()[1]
            with pytest.raises(OutboundFailed, match="did not answer in time"):
                answer_of(kind, replace(TARGET, host="127.0.0.1", port=port))
        with pytest.raises(OutboundError, match="could not be connected to"):
            answer_of(kind, replace(TARGET, host="127.0.0.1", port=port))
