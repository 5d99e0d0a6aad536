"""The product as a bench needs it: embedded servers of its own under `var/bench`, and the real web server.

Each database of the benches is a server of its own: `scratch`, where a bench leaves what it made, and the two that
`bench.fill` fills.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import Process
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60


def run(measure: Callable[[], None], *, database: str = "scratch") -> None:
    """Measure on the bench's own servers and settings; Django is set up and migrated when `measure` begins."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "bench.settings"
    os.environ.setdefault("DEBUG", "true")  # keys are made, as in development
    folder = Path(os.environ.get("TRACK360_VAR") or ROOT / "var") / "bench" / database
    folder.mkdir(parents=True, exist_ok=True)
    os.environ["TRACK360_VAR"] = str(folder)
    os.environ["PORT"] = str(free_port())
    from track360 import embedded, env

    with embedded.running(env.VAR):
        import django

        django.setup()
        from django.conf import settings
        from django.core.management import call_command

        settings.STATIC_ROOT.mkdir(parents=True, exist_ok=True)
        call_command("migrate", verbosity=0)
        measure()


def run_apart(measure: Callable[[], None], *, database: str) -> None:
    """As `run`, in a process of its own: Django knows one database at a time. Ends the program where that fails."""
    process = Process(target=run, args=(measure,), kwargs={"database": database})
    process.start()
    process.join()
    if process.exitcode:
        sys.exit(process.exitcode)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Web:
    """The running web server. `token` is a bearer token of the bench's partner."""

    process: subprocess.Popen[bytes]
    port: int

    def workers(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def peak_megabytes(self) -> float:
        """The most memory that one worker has had, in MB (Linux)."""

        def peak(pid: int) -> int:
            lines = Path(f"/proc/{pid}/status").read_text().splitlines()
            return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

        return max(peak(pid) for pid in self.workers()) / 1024


@contextmanager
def web_server() -> Iterator[Web]:
    """gunicorn as the Procfile starts it."""
    port = int(os.environ["PORT"])
    command = [sys.executable, "-m", "gunicorn", "--config", "track360/gunicorn.py", "track360.wsgi"]
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=2).close()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise
                time.sleep(0.1)
        yield Web(process, port)
    finally:
        process.terminate()
        process.wait(30)


def machine() -> str:
    """Cores, memory and versions, for the line under a table."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3
    return f"{os.cpu_count()} cores, {memory:.0f} GB, Python {sys.version.split()[0]}"


def print_result(name: str, figures: dict[str, float | str]) -> None:
    """The last line of each bench: one JSON object."""
    print(json.dumps({"bench": name, **figures}))
