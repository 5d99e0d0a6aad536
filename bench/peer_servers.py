"""The peers that the product is measured against, and the environment they run in: their code is in `bench/peers`."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import server

FOLDER = Path(__file__).parent / "peers"
REQUIREMENTS = FOLDER / "requirements.txt"
UVICORN = (
    "uvicorn --workers 2 --loop uvloop --http httptools --timeout-keep-alive 75 --no-access-log --log-level warning"
    " --host 127.0.0.1"
)
GUNICORN = "gunicorn --worker-class gthread --workers 2 --threads 4 --keep-alive 75 --log-level warning --preload"
PUSH = {
    "FastAPI, asyncpg": ("push_fastapi", f"{UVICORN} --port {{port}} push_fastapi:app"),
    "django-ninja": ("push_ninja", f"{GUNICORN} --bind 127.0.0.1:{{port}} push_wsgi"),
    "DRF serializers": ("push_drf", f"{GUNICORN} --bind 127.0.0.1:{{port}} push_wsgi"),
}
"""The servers that take a push, by name: the module of the peer, and how it is started. As many processes as ours."""


def environment() -> str:
    """The Python of an environment of its own with the peers in it, made once for all databases of the benches."""
    from django.conf import settings

    folder = settings.VAR.parent / "peers"
    python = folder / "bin" / "python"
    stamp = folder / "installed.txt"
    wanted = REQUIREMENTS.read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        subprocess.check_call([sys.executable, "-m", "venv", "--clear", str(folder)])
        subprocess.check_call([str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)])
        stamp.write_text(wanted)
    return str(python)


@contextmanager
def running(name: str, dsn: str, environment_id: int) -> Iterator[int]:
    """The port of the server called so in PUSH, which stores for the environment in the database at `dsn`.

    It takes `POST /transactions/bulk`, a JSON array of 1 to 1,000 transactions in the API's format, and
    `POST /transactions`, one of them, and answers `{"stored": count}`.
    """
    module, command = PUSH[name]
    port = server.free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "PEER": module,
        "PEER_DSN": dsn,
        "PEER_ENVIRONMENT": str(environment_id),
        "DJANGO_SETTINGS_MODULE": "push_settings",
    }
    process = subprocess.Popen([environment(), "-m", *command.format(port=port).split()], cwd=FOLDER, env=environ)
    try:
        deadline = time.monotonic() + server.START_SECONDS
        while not answers(port):
            if time.monotonic() > deadline or process.poll() is not None:
                raise SystemExit(f"{name} did not start")
            time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(30)


def answers(port: int) -> bool:
    try:
        urllib.request.urlopen(f"http://127.0.0.1:{port}/transactions", timeout=2).close()
    except urllib.error.HTTPError as error:
        return error.code == 405  # it takes only POST
    except OSError:
        return False
    return True
