"""A worker like the puller's, to be killed: `python -m tests.integrations.pull.worker LEASE_SECONDS [cursor-first]`.

It forks a child that works on what is due, and another once that has died, as a pool of Celery does.
"""

from __future__ import annotations

import datetime as dt
import os
import sys
import time

import django


def main(lease_seconds: str, order: str = "") -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "track360.settings"
    django.setup()
    from integrations.pull import lease

    lease.LEASE = dt.timedelta(seconds=float(lease_seconds))
    if order == "cursor-first":
        commit_the_cursor_first()
    while True:
        child = os.fork()
        if not child:
            work()
        os.waitpid(child, 0)


def work() -> None:
    from integrations.pull.run import work_next

    while True:
        if not work_next():
            time.sleep(0.02)


def commit_the_cursor_first() -> None:
    """What must lose records: the position is committed, and then the page."""
    from django.db import transaction

    from entities.pipeline import store
    from integrations.pull.run import Pull

    def store_after(self, page, prepared) -> None:
        with transaction.atomic():
            self._keep(page, None)
        if prepared is not None:
            store(prepared)
        del self.calls[: self.logged]
        self.run.position, self.run.pages = page.position, self.run.pages + 1

    Pull._store = store_after  # type: ignore[method-assign]


if __name__ == "__main__":
    main(*sys.argv[1:])
