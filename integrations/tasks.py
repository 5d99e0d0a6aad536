"""What the worker does for this app."""

from __future__ import annotations

from celery import shared_task
from oauth2_provider.models import clear_expired

from track360.limits import forget_old_counts


@shared_task(name="integrations.clear_expired_tokens")
def clear_expired_tokens() -> None:
    """Hourly: clients fetch up to 60 tokens a minute, and each leaves a row."""
    clear_expired()
    forget_old_counts()
