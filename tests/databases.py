"""Test databases are copied from one that has been migrated once: a copy takes a tenth of a second, migrating several.

The template lives on the test server, under a name made from what goes into it, so a new migration makes a new one.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from django.core.management import call_command
from django.db import connection

from track360 import embedded, env

PREFIX = "migrated_"


def migrated_template() -> str:
    """The template's name; made if need be, by one worker while the others wait."""
    name = PREFIX + _digest()
    with (
        embedded.locked(Path(os.environ["TRACK360_VAR"], "template.lock")),
        connection._nodb_cursor() as cursor,
    ):
        cursor.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [PREFIX])
        found = {row[0] for row in cursor.fetchall()}
        if name not in found:
            for old in found:
                cursor.execute(f"DROP DATABASE {old} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {PREFIX}new")
            _migrate(f"{PREFIX}new")
            cursor.execute(f"ALTER DATABASE {PREFIX}new RENAME TO {name}")
    return name


def _digest() -> str:
    content = hashlib.sha256((env.BASE_DIR / "requirements.txt").read_bytes())
    for path in sorted(env.BASE_DIR.glob("*/migrations/*.py")):
        content.update(path.read_bytes())
    return content.hexdigest()[:16]


def _migrate(database: str) -> None:
    usual = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = database
    try:
        call_command("migrate", interactive=False, verbosity=0)
    finally:
        connection.close()
        connection.settings_dict["NAME"] = usual
