"""The real server for tests: gunicorn as in production, over the database and Valkey of this test process."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from django.conf import settings
from django.db import connection

from track360 import embedded

START_SECONDS = 30.0
FAILURES = r"Internal Server Error: |The API crashed|Error handling request|Exception in worker"


@dataclass(frozen=True)
class Server:
    """`url` has no slash at the end; `log` is the file with what the server prints."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or 80

    def workers(self) -> list[int]:
        """Process ids of the web workers."""
        return [
            int(pid) for pid in Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        ]

    def crashes(self) -> int:
        """How many failures of its own it has printed: of a view, of the API, of a worker."""
        return len(re.findall(FAILURES, self.log.read_text()))


@contextmanager
def running() -> Iterator[Server]:
    port = _free_port()
    log = Path(settings.VAR, f"web-{port}.log")
    environ = os.environ | {"PORT": str(port), "DATABASE_URL": database_url()}
    command = [sys.executable, "-m", "gunicorn", "--config", "track360/gunicorn.py", "track360.wsgi"]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, cwd=settings.BASE_DIR, env=environ, stdout=out, stderr=out) as process,
    ):
        server = Server(f"http://127.0.0.1:{port}", process, log)
        try:
            _wait_for(server)
            yield server
        finally:
            process.send_signal(signal.SIGTERM)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def database_url() -> str:
    """The database that this process tests in, as the server's environment names it."""
    url = os.environ.get("DATABASE_URL") or embedded.Postgres(settings.VAR).url
    return urlsplit(url)._replace(path=f"/{connection.settings_dict['NAME']}").geturl()


def _wait_for(server: Server) -> None:
    deadline = time.monotonic() + START_SECONDS
    said = ""
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            answer = httpx.get(f"{server.url}/readyz", trust_env=False)
            if answer.status_code == 200:
                return
            said = answer.text
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"The server did not start: {said}\n{server.log.read_text()}")
