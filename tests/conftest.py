"""What every test stands on: real servers of its own, one database a worker, and no way out but loopback.

`script/test` uses embedded servers under `var/test`; with DATABASE_URL or REDIS_URL set it uses those instead, in the
database `test_…` and from the second Valkey database on.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
import pytest
import redis
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.db.backends.postgresql.operations import DatabaseOperations
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from pytest_django.plugin import DjangoDbBlocker

from tests import partner_sources
from tests.partner_sources import Database, Missing, or_skip

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium")
LOOPBACK = {"127.0.0.1", "::1", "localhost"}
OF_THE_DEVELOPER = (
    "PORT",
    "TRACK360_BASE_URL",
    "SECRET_KEY",
    "OAUTH_SIGNING_KEY",
    "FIELD_KEYS",
    "EMAIL_URL",
    "TRUSTED_PROXIES",
    "OUTBOUND_ALLOWED",
)

FILLED_BY_MIGRATIONS = {"django_migrations", "django_content_type", "auth_permission", "entities_fxrate"}

servers = ExitStack()


class QuickHasher(PBKDF2PasswordHasher):
    """The product's password hash with one round: a live server reads what a test wrote."""

    iterations = 1


def _set_up_environment() -> None:
    """Before the settings are read, in the main process and in each worker: the servers, and a Valkey database each."""
    from track360 import embedded

    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    os.environ["DJANGO_SETTINGS_MODULE"] = "track360.settings"
    if "PYTEST_XDIST_WORKER" not in os.environ:  # a worker inherits what the main process has set here
        os.environ["DEBUG"] = "true"
        home = os.environ.get("TRACK360_VAR") or Path(__file__).resolve().parent.parent / "var"
        os.environ["TRACK360_VAR"] = str(Path(home, "test").resolve())
        for name in OF_THE_DEVELOPER:
            os.environ.pop(name, None)
            os.environ.pop(f"{name}_FILE", None)
    var = Path(os.environ["TRACK360_VAR"])
    servers.enter_context(embedded.running(var, durable=False))
    number = int(worker.removeprefix("gw")) + 1
    url = os.environ.get("REDIS_URL") or embedded.Valkey(var).url
    os.environ["REDIS_URL"] = (
        f"{url.partition('?')[0]}?db={number}"
        if url.startswith("unix:")
        else urlsplit(url)._replace(path=f"/{number}").geturl()
    )


_set_up_environment()
django.setup()  # the folders' own conftest files import models
# A worker that inherits this would have its settings loaded before it has an environment of its own.
del os.environ["DJANGO_SETTINGS_MODULE"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="also the long kill and soak tests")
    parser.addoption("--pgbouncer", action="store_true", help="through PgBouncer in transaction mode")


def pytest_configure() -> None:
    from django.conf import settings

    hypothesis_settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    hypothesis_settings.load_profile("busy")  # how fast the machine is says nothing about the code
    settings.PASSWORD_HASHERS = ["tests.conftest.QuickHasher"]
    settings.STATIC_ROOT.mkdir(exist_ok=True)  # whitenoise warns where there is none, and warnings are errors


def pytest_unconfigure() -> None:
    servers.close()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "slow" in item.keywords and not config.getoption("--slow"):
            item.add_marker(pytest.mark.skip(reason="runs with --slow"))
        if "browser" in item.keywords and not CHROMIUM:
            item.add_marker(pytest.mark.skip(reason="no Chromium"))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    if not CHROMIUM:
        terminalreporter.write_line("Browser tests skipped: no Chromium; install chromium or set CHROMIUM to its path.")


@pytest.fixture(autouse=True, scope="session")
def _flush_between_committing_tests() -> Iterator[None]:
    """After a test that commits (`django_db(transaction=True)`) the tables it filled are emptied, and no others.

    The audit trail refuses that while its triggers are on; what migrations filled stays.
    """
    from django.db import connection

    def sql_flush(
        self: DatabaseOperations, style: object, tables: list[str], *args: object, **options: object
    ) -> list[str]:
        with connection.cursor() as cursor:
            names = sorted({*tables, "integrations_apirequest", "track360_cache"} - FILLED_BY_MIGRATIONS)
            cursor.execute(" UNION ALL ".join(f"(SELECT '{name}' FROM {name} LIMIT 1)" for name in names))
            used = ", ".join(name for (name,) in cursor.fetchall())
        if not used:
            return []
        return [
            "ALTER TABLE track360_auditevent DISABLE TRIGGER USER",
            f"TRUNCATE {used} CASCADE",
            "DELETE FROM entities_fxrate WHERE source <> 'ecb'",
            "ALTER TABLE track360_auditevent ENABLE TRIGGER USER",
        ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(DatabaseOperations, "sql_flush", sql_flush)
        yield


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None, django_db_blocker: DjangoDbBlocker
) -> None:
    """Each worker's database is a copy of one that has been migrated."""
    from django.db import connection

    from tests.databases import migrated_template

    with django_db_blocker.unblock():
        connection.settings_dict["TEST"]["TEMPLATE"] = migrated_template()


@pytest.fixture(autouse=True, scope="session")
def _no_session_outlives_the_tests(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A page that polls may leave its server's thread in the database, which then cannot be dropped."""
    from django.db import connection

    yield
    with django_db_blocker.unblock(), connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.fixture(autouse=True, scope="session")
def _through_pgbouncer(_no_session_outlives_the_tests: None, pytestconfig: pytest.Config) -> Iterator[None]:
    """With `--pgbouncer`, once the database is made; it is dropped without it again."""
    from tests.pgbouncer import in_front

    if not pytestconfig.getoption("--pgbouncer"):
        yield
        return
    try:
        with in_front():
            yield
    except Missing as missing:
        pytest.exit(str(missing), returncode=1)


@pytest.fixture(autouse=True, scope="session")
def _empty_valkey() -> None:
    redis.Redis.from_url(os.environ["REDIS_URL"]).flushdb()


@pytest.fixture(autouse=True, scope="session")
def _loopback_only() -> Iterator[None]:
    """A test that reaches for the network fails, on every machine alike."""

    def guarded(connect: Any) -> Any:
        def guard(self: socket.socket, address: Any) -> Any:
            if self.family != socket.AF_UNIX and address[0] not in LOOPBACK:
                raise AssertionError(f"a test reached for {address}; only loopback is allowed")
            return connect(self, address)

        return guard

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(socket.socket.connect))
        patch.setattr(socket.socket, "connect_ex", guarded(socket.socket.connect_ex))
        yield


@pytest.fixture(autouse=True, scope="session")
def _no_log_thread() -> Iterator[None]:
    """Tests write the request log themselves, in their own transaction: `request_log.flush()`."""
    from integrations.request_log import queue

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(queue, "start", lambda: None)
        yield
    queue.rows.clear()


@pytest.fixture(scope="session")
def postgres_source() -> Iterator[Database]:
    """A partner's PostgreSQL; without Debian's package the test is skipped."""
    yield from or_skip(partner_sources.postgres_source())


@pytest.fixture(scope="session")
def mariadb_source() -> Iterator[Database]:
    yield from or_skip(partner_sources.mariadb_source())
