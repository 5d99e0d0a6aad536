"""The way to partners' databases: the checked address alone, TLS by the host's name, read-only, and never for ever.

A partner gives host, port, database, user and password as fields. No text of theirs is read as a DSN, so nothing in it
can name a socket of this machine, another host, a service file or an option. Limits that a server keeps are a courtesy
of that server: what holds is that each wait here ends by cutting the connection.
"""

from __future__ import annotations

import os
import socket
import ssl
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import Any

import certifi
import psycopg2
import psycopg2.extensions
import pymysql
import pymysql.converters
import sqlalchemy as sa
from pymysql.constants import CR, FIELD_TYPE
from sqlalchemy.pool import NullPool

from integrations.outbound.addresses import (
    Address,
    OutboundFailed,
    OutboundRefused,
    OutboundUntrusted,
    database_addresses,
)

CONNECT_SECONDS = 5
SIGN_IN_SECONDS = 15
TICK_SECONDS = 0.1

# Values whose text is exact and whose Python type is narrower than the database's: infinity, year 0, years BC.
_AS_TEXT = (1082, 1083, 1114, 1184, 1266, 1186, 114, 3802, 2950)  # dates, times, interval, json, jsonb, uuid
_FLOATS = (700, 701)
_MYSQL_TEXT = (
    FIELD_TYPE.TIMESTAMP,
    FIELD_TYPE.DATETIME,
    FIELD_TYPE.DATE,
    FIELD_TYPE.NEWDATE,
    FIELD_TYPE.TIME,
)


@dataclass(frozen=True, slots=True)
class Database:
    """Whose, where and as whom; each a field of its own."""

    host: str
    port: int
    database: str
    user: str
    password: str = field(repr=False)
    ca_certificate: str = ""


class OpenedDatabase:
    """A signed-in session inside a read-only transaction. `connection` streams its rows; dates come as text, and
    numbers with a fraction as Decimal. `is_secured`: by TLS, its certificate checked."""

    def __init__(self, connection: sa.Connection, watch: _Watch, secured: bool) -> None:
        self.connection, self._watch, self.is_secured = connection, watch, secured

    def limit(self, seconds: float) -> Any:
        """A context in which the database has so long to answer; then the connection is cut, which raises there."""
        return self._watch.limit(seconds)

    @property
    def was_cut(self) -> bool:
        return self._watch.was_cut

    def cut(self) -> None:
        """End it without reading what is still on its way."""
        self._watch.cut()


@contextmanager
def open_database(kind: str, database: Database, *, statement_seconds: float) -> Iterator[OpenedDatabase]:
    """Connect and sign in to `kind` (`postgresql` or `mysql`); a statement may take so long by the server's clock.

    Raises OutboundRefused and OutboundFailed where it cannot be reached or trusted, and the driver's errors, wrapped
    in SQLAlchemy's, where it refuses us.
    """
    connect = {"postgresql": _connect_postgresql, "mysql": _connect_mysql}[kind]
    driver = {"postgresql": "postgresql+psycopg2", "mysql": "mysql+pymysql"}[kind]
    options = {"use_native_hstore": False} if kind == "postgresql" else {}
    with ExitStack() as stack:
        watch = stack.enter_context(_watching())
        secured = False

        def create() -> Any:
            nonlocal secured
            made, secured = connect(database, watch)
            return made

        engine = sa.create_engine(
            sa.URL.create(driver), creator=create, poolclass=NullPool, hide_parameters=True, **options
        )
        with watch.limit(SIGN_IN_SECONDS):
            try:
                connection = engine.connect()
            except Exception as error:
                if watch.was_cut:
                    raise OutboundFailed(f"{database.host} did not answer in time.") from error
                raise
            stack.callback(_close, connection, watch)
            _prepare(connection, kind, statement_seconds)
        yield OpenedDatabase(connection, watch, secured)


def _close(connection: sa.Connection, watch: _Watch) -> None:
    """Nothing is written and nothing is kept, so that hanging up is all there is to do: a driver that says goodbye
    would first read what is still on its way."""
    watch.cut()
    with suppress(Exception):
        result = getattr(connection.connection.driver_connection, "_result", None)
        if result is not None:
            result.unbuffered_active = False  # PyMySQL reads the rest even when it is thrown away
        connection.invalidate()
    with suppress(Exception):
        connection.close()


def _prepare(connection: sa.Connection, kind: str, statement_seconds: float) -> None:
    milliseconds = int(statement_seconds * 1000)
    raw: Any = connection.connection.driver_connection
    if kind == "postgresql":
        raw.string_types.update(dict.fromkeys(_AS_TEXT, psycopg2.extensions.UNICODE))
        raw.string_types.update(dict.fromkeys(_FLOATS, psycopg2.extensions.DECIMAL))
        # Within the transaction, not as start-up options: poolers refuse those, and would lend others what a session
        # has set.
        connection.exec_driver_sql(
            f"SET LOCAL statement_timeout = {milliseconds}; SET LOCAL lock_timeout = 5000;"
            " SET LOCAL idle_in_transaction_session_timeout = 300000;"
            " SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'"
        )
    else:
        is_mariadb = "mariadb" in str(raw.get_server_info()).lower()
        limit = f"max_statement_time = {milliseconds / 1000}" if is_mariadb else f"max_execution_time = {milliseconds}"
        connection.exec_driver_sql(f"SET SESSION {limit}, SESSION time_zone = '+00:00'")
        connection.rollback()
        connection.exec_driver_sql("SET SESSION TRANSACTION READ ONLY")


# -- PostgreSQL ---------------------------------------------------------------


def _connect_postgresql(database: Database, watch: _Watch) -> tuple[Any, bool]:
    addresses, is_opened = _addresses(database)
    must_secure = not is_opened or bool(database.ca_certificate)
    with _ca_file(database, must_secure) as ca_file:
        failure: Exception | None = None
        for address in addresses:
            try:
                made = psycopg2.connect(
                    # libpq takes from the environment, and from files at home, whatever is not said here.
                    host=database.host,
                    hostaddr=str(address),
                    port=database.port,
                    dbname=database.database,
                    user=database.user,
                    password=database.password,
                    passfile=os.devnull,
                    sslmode="verify-full" if must_secure else "prefer",
                    sslrootcert=ca_file,
                    sslcertmode="disable",
                    gssencmode="disable",
                    options="",
                    target_session_attrs="any",
                    connect_timeout=CONNECT_SECONDS,
                    client_encoding="UTF8",
                    application_name="Track360",
                    keepalives_idle=30,
                )
            except psycopg2.OperationalError as error:
                failure = error
                if not _is_unreachable(error):
                    break
                continue
            watch.watch(made.fileno())
            made.set_session(readonly=True, isolation_level="READ COMMITTED")
            return made, must_secure
    assert failure is not None
    raise _postgresql_failure(failure, database.host) from failure


def _is_unreachable(error: Exception) -> bool:
    text = str(error)
    return "Is the server running" in text or "timeout expired" in text or "could not connect" in text


def _postgresql_failure(error: Exception, host: str) -> Exception:
    """libpq tells by words alone what went wrong before the server spoke."""
    text = str(error)
    if "FATAL" in text:
        return error
    if "timeout expired" in text:
        return OutboundFailed(f"{host} did not answer in time.")
    if _is_unreachable(error):
        return OutboundFailed(f"{host} could not be connected to.")
    if "server does not support SSL" in text:
        return OutboundUntrusted(f"{host} does not offer TLS.")
    if "certificate" in text:
        reason = text.strip().rpartition(": ")[2]
        return OutboundUntrusted(f"The certificate of {host} cannot be trusted: {reason}.")
    if "SSL error" in text:
        return OutboundUntrusted(f"{host} does not speak TLS as it should.")
    if "password supplied" in text or "authentication" in text:
        return error
    return OutboundFailed(f"{host} does not speak PostgreSQL as it should, or broke off.")


@contextmanager
def _ca_file(database: Database, must_secure: bool) -> Iterator[str]:
    if not database.ca_certificate:
        yield certifi.where() if must_secure else ""  # with a file libpq would check by it, whatever the mode
        return
    _tls_context(database)  # says what is wrong with it
    with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
        file.write(database.ca_certificate)
        file.flush()
        yield file.name


# -- MySQL and MariaDB --------------------------------------------------------


def _connect_mysql(database: Database, watch: _Watch) -> tuple[Any, bool]:
    addresses, is_opened = _addresses(database)
    must_secure = not is_opened or bool(database.ca_certificate)
    tls = {"ssl": _tls_context(database)} if must_secure else {}
    made = pymysql.connect(
        host=database.host,
        port=database.port,
        user=database.user,
        password=database.password,
        database=database.database,
        charset="utf8mb4",
        conv=_mysql_conversions(),
        local_infile=False,
        connect_timeout=CONNECT_SECONDS,
        read_timeout=SIGN_IN_SECONDS,
        write_timeout=SIGN_IN_SECONDS,
        defer_connect=True,
        **tls,
    )
    reached = _socket(database.host, addresses, database.port, watch)
    try:
        made.connect(reached)
    except pymysql.err.OperationalError as error:
        raise _mysql_failure(error, database.host) from error
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, struct.error) as error:
        raise OutboundFailed(f"{database.host} does not speak MySQL as it should.") from error
    finally:
        if not made.open:
            reached.close()
    made._read_timeout = None  # the watch has the word from here on
    return made, must_secure


def _mysql_failure(error: pymysql.err.OperationalError, host: str) -> Exception:
    cause = getattr(error, "original_exception", None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return OutboundUntrusted(f"The certificate of {host} cannot be trusted: {cause.verify_message}.")
    if isinstance(cause, ssl.SSLError):
        return OutboundUntrusted(f"{host} does not speak TLS as it should.")
    if error.args[0] == CR.CR_SSL_CONNECTION_ERROR:
        return OutboundUntrusted(f"{host} does not offer TLS.")
    if isinstance(error.__context__, TimeoutError):  # the driver's own, where it comes before the watch
        return OutboundFailed(f"{host} did not answer in time.")
    if isinstance(cause, OSError) or error.args[0] in (CR.CR_SERVER_LOST, CR.CR_SERVER_GONE_ERROR):
        return OutboundFailed(f"{host} does not speak MySQL as it should, or broke off.")
    return error


def _socket(host: str, addresses: list[Address], port: int, watch: _Watch) -> socket.socket:
    """Connected to one of the checked addresses, whatever the driver would make of the name."""
    for address in addresses:
        try:
            made = socket.create_connection((str(address), port), CONNECT_SECONDS)
        except OSError:
            continue
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        watch.watch(made.fileno())
        return made
    raise OutboundFailed(f"{host} could not be connected to.")


def _mysql_conversions() -> dict[Any, Any]:
    conversions = dict(pymysql.converters.conversions)
    for field_type in _MYSQL_TEXT:
        conversions.pop(field_type, None)
    decimal = conversions[FIELD_TYPE.NEWDECIMAL]
    return conversions | {FIELD_TYPE.FLOAT: decimal, FIELD_TYPE.DOUBLE: decimal}


# -- Both ---------------------------------------------------------------------


def _addresses(database: Database) -> tuple[list[Address], bool]:
    if any("\x00" in text for text in (database.database, database.user, database.password)):
        raise OutboundRefused("The name of the database, the user and the password must not hold control characters.")
    return database_addresses(database.host, database.port, deadline=time.monotonic() + CONNECT_SECONDS)


def _tls_context(database: Database) -> ssl.SSLContext:
    if not database.ca_certificate:
        return ssl.create_default_context(cafile=certifi.where())
    try:
        return ssl.create_default_context(cadata=database.ca_certificate)
    except (ssl.SSLError, ValueError):
        raise OutboundRefused("The CA certificate is no certificate in PEM.") from None


class _Watch:
    """Cuts the connection once a wait is over its limit, from a thread of its own: drivers wait in C, or for each
    piece anew, and a server that drips a byte now and then would hold them for ever."""

    def __init__(self) -> None:
        self.ended = Event()
        self.was_cut = False
        self._sockets: list[socket.socket] = []
        self._deadline: float | None = None

    def watch(self, descriptor: int) -> None:
        """A copy, so that the number cannot have become another file's when it is cut."""
        self._sockets.append(socket.socket(fileno=os.dup(descriptor)))

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        self._deadline = time.monotonic() + seconds
        try:
            yield
        finally:
            self._deadline = None

    def run(self) -> None:
        while not self.ended.wait(TICK_SECONDS):
            deadline = self._deadline
            if deadline is not None and time.monotonic() > deadline:
                self.was_cut = True
                self.cut()

    def cut(self) -> None:
        for watched in self._sockets:
            with suppress(OSError):
                watched.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.ended.set()
        for watched in self._sockets:
            watched.close()


@contextmanager
def _watching() -> Iterator[_Watch]:
    watch = _Watch()
    thread = Thread(target=watch.run, name="database-watch", daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        watch.ended.set()
        thread.join()
        watch.close()
