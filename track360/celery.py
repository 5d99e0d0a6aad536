"""The Celery app. Its messages are doorbells: what is due and how far it got stands in PostgreSQL.

Settings are the `CELERY_…` ones in `track360.settings`; each app's `tasks.py` is found by itself.
"""

from __future__ import annotations

import logging
import os
from typing import Any

import redis
from celery import Celery
from celery.beat import Scheduler
from celery.signals import heartbeat_sent

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "track360.settings")

app = Celery("track360")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()

logger = logging.getLogger(__name__)


@heartbeat_sent.connect
def _worker_is_alive(sender: Any, **_: Any) -> None:
    _show_alive("puller" if str(sender.eventer.hostname).startswith("puller@") else "worker")


class ScheduleInMemory(Scheduler):
    """Keeps no file: what is due stands in PostgreSQL, and a schedule file breaks at `kill -9` or when two share it."""

    def tick(self, *args: Any, **kwargs: Any) -> float:
        _show_alive("scheduler")
        return super().tick(*args, **kwargs)


def _show_alive(name: str) -> None:
    from track360.health import show_alive  # needs the settings, which Celery reads later

    try:
        show_alive(name)
    except redis.RedisError:
        logger.warning("Valkey is away: %s cannot show that it is alive", name)
