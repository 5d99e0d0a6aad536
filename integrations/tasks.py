"""What the worker does for this app."""

from __future__ import annotations

import datetime as dt

from celery import shared_task
from oauth2_provider.models import clear_expired

from integrations.partitions import drop_old_partitions, ensure_partitions
from track360.limits import forget_old_counts


@shared_task(name="integrations.clear_expired_tokens")
def clear_expired_tokens() -> None:
    """Hourly: clients fetch up to 60 tokens a minute, and each leaves a row."""
    clear_expired()
    forget_old_counts()


@shared_task(name="integrations.keep_request_log")
def keep_request_log() -> None:
    """Daily: make the request log's next partitions, drop those older than 90 days."""
    today = dt.datetime.now(dt.UTC).date()
    ensure_partitions(today)
    drop_old_partitions(today)
