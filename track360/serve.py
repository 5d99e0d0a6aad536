"""The developer's command behind `script/server`: embedded servers, schema, demo, then all processes of the Procfile.

Production starts the Procfile itself, after `manage.py migrate` and `manage.py collectstatic`.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing, suppress
from pathlib import Path
from threading import Thread
from typing import IO, cast

import django
from django.core.management import call_command, get_commands
from django.db import OperationalError, connections

from track360 import embedded, env


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    check_port()
    try:
        with embedded.running(env.VAR):
            with embedded.locked(env.VAR / "prepare.lock"):  # two of us at once
                sign_in = prepare()
            code = run_processes(sign_in)
    except KeyboardInterrupt:
        code = 130
    except OperationalError as error:
        sys.exit(f"The database cannot be used; DATABASE_URL may be wrong. It says: {str(error).strip()}")
    sys.exit(code)


def check_port() -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", env.PORT))
        except OSError as error:
            other = env.PORT + 1 if env.PORT < 65535 else 8000
            sys.exit(
                f"Port {env.PORT} cannot be used ({error.strerror}); choose another one: PORT={other} script/server"
            )


def prepare() -> str:
    """Brings the schema up to date, makes the demo on the first run, and says how to sign in."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "track360.settings"
    django.setup()
    from track360.models import Partner

    call_command("migrate", interactive=False, verbosity=0)
    first = env.DEBUG and not Partner.objects.exists() and "demo" in get_commands()
    sign_in = make_demo() if first else f"For fresh passwords run: {demo_command()}"
    connections.close_all()
    return sign_in


def make_demo() -> str:
    print("First run: making the demo data.", flush=True)
    made = subprocess.run([sys.executable, "manage.py", "demo"], cwd=env.BASE_DIR, stdout=subprocess.PIPE, check=False)
    if made.returncode:
        sys.exit("The demo could not be made; what went wrong stands above.")
    demo = json.loads(made.stdout)
    partner, staff, client = demo["partner_user"], demo["staff_user"], demo["client"]
    return "\n".join(
        [
            f"  partner     {partner['email']}  {partner['password']}",
            f"  staff       {staff['email']}  {staff['password']}  (second factor: {staff['totp_secret']})",
            f"  API client  {client['client_id']}  {client['client_secret']}  ({client['environment']})",
            f"These are shown once. For fresh ones run: {demo_command()}",
        ]
    )


def demo_command() -> str:
    """What to type in a second terminal, which has neither our PORT nor the DEBUG of `script/server`."""
    port = [f"PORT={env.PORT}"] if env.PORT != 8000 else []
    debug = ["DEBUG=true"] if os.environ.get("DATABASE_URL") else []  # it alone means production
    return " ".join([*port, *debug, ".venv/bin/python manage.py demo"])


def run_processes(sign_in: str) -> int:
    """Runs honcho until it ends by itself or by a signal; its exit status.

    Honcho is kept off the terminal, whose signals and whose closing would end it before it has stopped the others.
    """
    environment = {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "PORT": str(env.PORT),
        # Honcho gives each process a port of its own: without this their links would differ.
        "TRACK360_BASE_URL": env.base_url(),
    }
    honcho = subprocess.Popen(
        [sys.executable, "-m", "honcho", "--env", os.devnull, "start"],
        cwd=env.BASE_DIR,
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )

    def stop(*_: object) -> None:
        honcho.send_signal(signal.SIGTERM)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    Thread(target=announce, args=(sign_in,), daemon=True).start()
    for line in cast(IO[bytes], honcho.stdout):
        show(line.decode(errors="replace"))
    return honcho.wait()


def announce(sign_in: str) -> None:
    while not ready():
        time.sleep(0.1)
    show(f"\nTrack360 is ready: {env.base_url()}\n{sign_in}\nCtrl-C stops it.\n\n")


def show(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone
        sys.stdout.write(text)
        sys.stdout.flush()


def ready() -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", env.PORT, timeout=5)
    with closing(connection), suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    return False


if __name__ == "__main__":
    main()
