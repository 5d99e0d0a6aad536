"""Work that nobody waits for."""

from __future__ import annotations

import http.client
import logging
import zipfile

from celery import shared_task
from django.utils import timezone

from entities.fx import download_history, load_history
from entities.fx_fill import fill_missing
from entities.lag_hours import roll_up
from track360.models import Environment

logger = logging.getLogger(__name__)

# No network, an answer that breaks off, or something else than the bank's file.
UNUSABLE = (OSError, http.client.HTTPException, zipfile.BadZipFile, ValueError, LookupError, ArithmeticError)


@shared_task(name="entities.refresh_fx_rates")
def refresh_fx_rates() -> None:
    """Fetch the ECB's history and use what is new in it. Without a network the rates stay as they are."""
    try:
        added = load_history(download_history())
    except UNUSABLE as error:
        logger.warning("ECB rates not refreshed: %s", error)
        return
    logger.info("ECB rates refreshed: %d new", added)
    fill_missing_rates()


@shared_task(name="entities.fill_missing_rates")
def fill_missing_rates() -> None:
    """After rates came, from the bank or from the team: dollars for the transactions that waited for them."""
    for environment in Environment.objects.order_by("pk"):
        if filled := fill_missing(environment):
            logger.info("%s: %d amounts in dollars filled in", environment, filled)


@shared_task(name="entities.roll_up_freshness")
def roll_up_freshness() -> None:
    for environment in Environment.objects.order_by("pk"):
        roll_up(environment, now=timezone.now())
