"""Servers that nobody here wrote, for pulling from: PostgreSQL, MariaDB, Datasette and json-server, on loopback.

Each is a context manager and ends with its block; `Missing` says in one line what is not there.
"""

from __future__ import annotations

import json
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg2
import pymysql
import pytest

from tests.partner_server import certificate

START_SECONDS = 60
JSON_SERVER = "json-server@0.17.4"
PASSWORD = "a secret"


class Missing(Exception):
    """What is not on this machine, in one line."""


def or_skip(source: AbstractContextManager[Any]) -> Iterator[Any]:
    """What a fixture yields from: the opened source, or a skip that says what is missing."""
    try:
        opened = source.__enter__()
    except Missing as missing:
        pytest.skip(str(missing))
    try:
        yield opened
    finally:
        source.__exit__(None, None, None)


@dataclass(frozen=True)
class Database:
    """`user` may read everything and `admin` do anything, both by PASSWORD. `ca_certificate`: TLS is offered."""

    kind: str
    port: int
    ca_certificate: str
    host: str = "127.0.0.1"
    database: str = "partner"
    user: str = "reader"
    admin: str = "admin"
    password: str = PASSWORD

    @property
    def arguments(self) -> dict[str, Any]:
        """For either driver's `connect`, as the admin."""
        return {
            "host": self.host,
            "port": self.port,
            "database": self.database,
            "user": self.admin,
            "password": self.password,
        }

    def connect(self) -> Any:
        """As the admin; statements commit by themselves."""
        driver: Any = psycopg2 if self.kind == "postgresql" else pymysql
        made = driver.connect(**self.arguments)
        if self.kind == "postgresql":
            made.autocommit = True
        else:
            made.autocommit(True)
        return made

    def execute(self, statement: str, rows: Sequence[Sequence[Any]] = ()) -> None:
        """One statement, or one for each row."""
        connection = self.connect()
        try:
            with connection.cursor() as cursor:
                if rows:
                    cursor.executemany(statement, rows)
                else:
                    cursor.execute(statement)
        finally:
            connection.close()


# -- PostgreSQL ---------------------------------------------------------------


@contextmanager
def postgres_source() -> Iterator[Database]:
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    found = binaries[-1].parent if binaries else None
    if not found:
        raise Missing("PostgreSQL's server is not installed (apt-get install postgresql).")
    with _folder() as folder:
        account, data, port = ordinary_account(folder), folder / "data", free_port()
        secret = _file(folder / "password", PASSWORD)
        _run([*account, found / "initdb", "-D", data, "-U", "admin", "--auth=scram-sha-256", "-E", "UTF8",
              "--locale=C.UTF-8", "--no-sync", f"--pwfile={secret}"])  # fmt: skip
        pem = certificate(folder, days=30)
        _own(pem, 0o600)
        options = {
            "listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": "", "fsync": "off",
            "ssl": "on", "ssl_cert_file": pem, "ssl_key_file": pem, "max_connections": 60,
        }  # fmt: skip
        command = [*account, found / "postgres", "-D", data]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        server = Database("postgresql", port, pem.read_text())
        with process(command, folder / "log"):
            wait_for(lambda: psycopg2.connect(
                host=server.host, port=port, dbname="postgres", user="admin", password=PASSWORD
            ), folder / "log")  # fmt: skip
            _run([*account, found / "createdb", "-h", server.host, "-p", str(port), "-U", "admin", server.database],
                 PGPASSWORD=PASSWORD)  # fmt: skip
            server.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT pg_read_all_data TO reader")
            yield server


# -- MariaDB ------------------------------------------------------------------


@contextmanager
def mariadb_source() -> Iterator[Database]:
    server_binary, installer = shutil.which("mariadbd", path=WIDE_PATH), shutil.which("mariadb-install-db")
    if not server_binary or not installer:
        raise Missing("MariaDB's server is not installed (apt-get install mariadb-server).")
    with _folder() as folder:
        account, data, port = ordinary_account(folder), folder / "data", free_port()
        _run([*account, installer, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
              "--skip-test-db"])  # fmt: skip
        pem = certificate(folder, days=30)
        _own(pem, 0o600)
        command = [
            *account, server_binary, "--no-defaults", f"--datadir={data}", f"--port={port}",
            "--bind-address=127.0.0.1", f"--socket={folder / 'socket'}", f"--pid-file={folder / 'pid'}",
            f"--ssl-cert={pem}", f"--ssl-key={pem}", "--innodb-flush-log-at-trx-commit=0", "--skip-name-resolve",
            "--innodb-buffer-pool-size=64M", "--performance-schema=OFF",
        ]  # fmt: skip
        server = Database("mysql", port, pem.read_text())
        with process(command, folder / "log"):
            root = wait_for(lambda: _at_socket(folder / "socket"), folder / "log")
            with root.cursor() as cursor:
                cursor.execute(f"CREATE DATABASE {server.database} CHARACTER SET utf8mb4")
                for user, right in (("admin", "ALL ON *.*"), ("reader", f"SELECT ON {server.database}.*")):
                    cursor.execute(f"CREATE USER {user}@'%%' IDENTIFIED BY '{PASSWORD}'", ())
                    cursor.execute(f"GRANT {right} TO {user}@'%%' WITH GRANT OPTION", ())
            root.close()
            yield server


def _at_socket(path: Path) -> Any:
    path.stat()  # the driver leaves its socket open where there is nothing yet
    return pymysql.connect(unix_socket=str(path), user="root")


# -- REST ---------------------------------------------------------------------


@contextmanager
def datasette_source(database: Path) -> Iterator[str]:
    """The address under which the SQLite file's tables are, such as `{url}/customers.json`."""
    port = free_port()
    command = [
        sys.executable, "-m", "datasette", "serve", str(database), "--host", "127.0.0.1", "--port", str(port),
        "--setting", "max_returned_rows", "5000", "--setting", "default_cache_ttl", "0",
    ]  # fmt: skip
    with _folder() as folder, process(command, folder / "log"):
        wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1), folder / "log").close()
        yield f"http://127.0.0.1:{port}/{database.stem}"


@contextmanager
def json_server(content: dict[str, list[Any]]) -> Iterator[str]:
    """The address under which each list of the content is: `{url}/customers?_page=1&_limit=100`."""
    home = json_server_folder()
    node = shutil.which("node")
    binary = home / "node_modules/json-server/lib/cli/bin.js"
    if not node or not binary.exists():
        raise Missing(f"json-server is not installed (npm install --prefix {home} {JSON_SERVER}).")
    port = free_port()
    with _folder() as folder:
        file = _file(folder / "db.json", json.dumps(content))
        command = [node, binary, "--quiet", "--host", "127.0.0.1", "--port", str(port), file]
        with process(command, folder / "log"):
            wait_for(lambda: socket.create_connection(("127.0.0.1", port), 1), folder / "log").close()
            yield f"http://127.0.0.1:{port}"


def json_server_folder() -> Path:
    """Where `.ci/run` installs it: beside the servers of the tests."""
    var = Path(os.environ.get("TRACK360_VAR") or Path(__file__).resolve().parent.parent / "var")
    return (var if var.name == "test" else var / "test") / "json-server"


# -- Processes ----------------------------------------------------------------

WIDE_PATH = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _folder() -> Iterator[Path]:
    """In the machine's own place for such: the path of a unix socket is short."""
    with tempfile.TemporaryDirectory(prefix="partner-", ignore_cleanup_errors=True) as name:
        _own(Path(name), 0o755)
        yield Path(name)


def ordinary_account(folder: Path) -> list[str]:
    """Databases refuse to run as root."""
    if os.geteuid() != 0:
        return []
    entry = pwd.getpwnam("nobody")
    return ["setpriv", f"--reuid={entry.pw_uid}", f"--regid={entry.pw_gid}", "--clear-groups"]


def _own(path: Path, mode: int) -> None:
    path.chmod(mode)
    if os.geteuid() == 0:
        entry = pwd.getpwnam("nobody")
        os.chown(path, entry.pw_uid, entry.pw_gid)


def _file(path: Path, text: str) -> Path:
    path.write_text(text)
    _own(path, 0o600)
    return path


def _run(command: Sequence[Any], **more: str) -> None:
    done = subprocess.run(
        [str(part) for part in command], capture_output=True, text=True, env={**os.environ, **more}, cwd="/"
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]}: {done.stderr or done.stdout}")


@contextmanager
def process(command: Sequence[Any], log: Path) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=output, stdin=subprocess.DEVNULL, cwd="/"
        )
        try:
            yield
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def wait_for(attempt: Any, log: Path) -> Any:
    give_up = time.monotonic() + START_SECONDS
    while True:
        with suppress(OSError, psycopg2.OperationalError, pymysql.OperationalError):
            return attempt()
        if time.monotonic() > give_up:
            raise RuntimeError(log.read_text(errors="replace")[-2000:])
        time.sleep(0.1)
