from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from track360 import embedded, env, serve

SERVE = [sys.executable, "-m", "track360.serve"]
READY_SECONDS = 10
"""From the second start on; the first one makes the demo."""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """As on a developer's machine: nothing set but a folder and a port."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    bare = {name: os.environ[name] for name in ("HOME", "PATH") if name in os.environ}
    return bare | {"TRACK360_VAR": str(tmp_path / "var"), "PORT": str(port)}


def readiness(environment: dict[str, str]) -> tuple[int, Any]:
    with closing(http.client.HTTPConnection("127.0.0.1", int(environment["PORT"]), timeout=5)) as connection:
        connection.request("GET", "/readyz?strict=1")
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def wait_until_ready(environment: dict[str, str], seconds: float) -> None:
    give_up = time.monotonic() + seconds
    status: Any = None
    while time.monotonic() < give_up:
        try:
            status = readiness(environment)
        except OSError as error:
            status = error
        if isinstance(status, tuple) and status[0] == 200:
            return
        time.sleep(0.1)
    pytest.fail(f"not ready after {seconds} s: {status}")


def wait_until_the_database_is_missed(environment: dict[str, str]) -> None:
    """A killed PostgreSQL leaves its sessions behind, which answer until they notice."""
    give_up = time.monotonic() + READY_SECONDS
    while (failed := readiness(environment)[1]["failed"]) != ["database"]:
        assert time.monotonic() < give_up, failed
        time.sleep(0.1)


@contextmanager
def served(environment: dict[str, str], seconds: float) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(SERVE, env=environment, cwd=env.BASE_DIR, stdout=subprocess.DEVNULL)
    try:
        wait_until_ready(environment, seconds)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_taken_port_is_said_and_nothing_is_left_running(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environment["PORT"]))):
        answer = subprocess.run(SERVE, env=environment, cwd=env.BASE_DIR, capture_output=True, text=True, check=False)
    assert answer.returncode == 1
    assert answer.stderr.startswith(f"Port {environment['PORT']} cannot be used (Address already in use); choose")
    assert not Path(environment["TRACK360_VAR"], "postgres").exists()


@pytest.mark.slow
def test_servers_come_back_after_kill_and_stop_with_their_last_user(environment: dict[str, str]) -> None:
    var = Path(environment["TRACK360_VAR"])
    postgres, valkey = embedded.Postgres(var), embedded.Valkey(var)
    with served(environment, seconds=180):  # the first start makes the demo
        pass
    assert not postgres.alive()
    assert not valkey.alive()
    with served(environment, READY_SECONDS):
        os.kill(int((var / "postgres/postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        os.kill(int((var / "valkey/server.pid").read_text()), signal.SIGKILL)
        wait_until_the_database_is_missed(environment)
        with served(environment | {"PORT": str(int(environment["PORT"]) + 1)}, READY_SECONDS):
            wait_until_ready(environment, READY_SECONDS)
        wait_until_ready(environment, READY_SECONDS)
    assert not postgres.alive()
    assert not valkey.alive()


@pytest.mark.parametrize(
    ("port", "database", "command"),
    [
        (8000, "", ".venv/bin/python manage.py demo"),
        (8001, "", "PORT=8001 .venv/bin/python manage.py demo"),
        (8000, "postgresql://localhost/track360", "DEBUG=true .venv/bin/python manage.py demo"),
    ],
)
def test_the_demo_command_works_in_a_second_terminal(
    monkeypatch: pytest.MonkeyPatch, port: int, database: str, command: str
) -> None:
    monkeypatch.setattr(env, "PORT", port)
    monkeypatch.setenv("DATABASE_URL", database)

    assert serve.demo_command() == command
