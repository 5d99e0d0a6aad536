"""PgBouncer in transaction mode, in front of the database that this process tests in.

Stricter than in production: after each transaction all that belongs to the session is thrown away, so whatever is kept
there (a setting, a session's advisory lock, an open cursor, a temporary table) is missed at once, and not only where
two clients happen to meet on a server connection.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg2
from django.conf import settings
from django.db import connection

from tests.partner_sources import WIDE_PATH, Missing, free_port, ordinary_account, process, wait_for
from track360 import embedded

SERVER_CONNECTIONS = 20
CONFIGURATION = """\
[databases]
* = {upstream}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
server_reset_query = DISCARD ALL
server_reset_query_always = 1
default_pool_size = {connections}
max_client_conn = 500
log_connections = 0
log_disconnections = 0
"""


@contextmanager
def in_front() -> Iterator[None]:
    """Meanwhile this process, and what it starts, reach the database through PgBouncer. Raises Missing."""
    settings_dict, url = connection.settings_dict, os.environ.get("DATABASE_URL")
    direct = dict(settings_dict)
    with _running(connection.get_connection_params()) as port:
        connection.close()
        options = {name: value for name, value in direct["OPTIONS"].items() if name not in {"host", "port"}}
        settings_dict.update({"HOST": "127.0.0.1", "PORT": str(port), "OPTIONS": options})
        os.environ["DATABASE_URL"] = f"postgresql://{quote(direct['USER'])}@127.0.0.1:{port}/{direct['NAME']}"
        try:
            yield
        finally:
            connection.close()
            settings_dict.update(direct)
            del os.environ["DATABASE_URL"]
            if url is not None:
                os.environ["DATABASE_URL"] = url


@contextmanager
def _running(upstream: dict[str, Any]) -> Iterator[int]:
    """Its port; it goes on to the server of these parameters (libpq's), whichever database is asked for."""
    binary = shutil.which("pgbouncer", path=WIDE_PATH)
    if not binary:
        raise Missing("PgBouncer is not installed (apt-get install pgbouncer).")
    words = ("host", "port", "user", "password")
    target = " ".join(f"{word}='{upstream[word]}'" for word in words if word in upstream)
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="pgbouncer-") as name:
        folder = Path(name)
        account = _account(folder)
        configuration = CONFIGURATION.format(upstream=target, port=port, connections=SERVER_CONNECTIONS)
        (folder / "pgbouncer.ini").write_text(configuration)
        folder.chmod(0o755)
        with process([*account, binary, folder / "pgbouncer.ini"], folder / "log"):
            through = upstream | {"host": "127.0.0.1", "port": port}
            wait_for(lambda: psycopg2.connect(**through), folder / "log").close()
            yield port


def _account(folder: Path) -> list[str]:
    """It refuses to run as root; the socket of the embedded server is open to that server's account alone."""
    if os.environ.get("DATABASE_URL"):
        return ordinary_account(folder)
    account = embedded.Postgres(settings.VAR).account
    if account.uid is None:
        return list(account.prefix)
    return ["setpriv", f"--reuid={account.uid}", f"--regid={account.gid}", "--clear-groups"]
