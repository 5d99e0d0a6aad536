#!/usr/bin/env python
"""Django's command line. Finds the running embedded servers or starts them for its own duration."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import nullcontext

from django.core.management import execute_from_command_line

from track360 import embedded, env

WITHOUT_DATABASE = {"check", "collectstatic", "diffsettings", "help", "version", "--help", "--version"}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "track360.settings")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that servers started here are stopped again
    needs_database = len(sys.argv) > 1 and sys.argv[1] not in WITHOUT_DATABASE
    with embedded.running(env.VAR) if needs_database else nullcontext():
        execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
