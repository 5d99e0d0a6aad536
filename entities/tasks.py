"""Work that nobody waits for."""

from __future__ import annotations

import datetime as dt
import http.client
import logging
import uuid
import zipfile

from celery import shared_task
from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, transaction
from django.utils import timezone

from entities import releases, replays
from entities.batch_hours import roll_up
from entities.fx import download_history, load_history
from entities.fx_fill import fill_missing
from entities.models import Replay
from track360.models import Environment
from track360.problems import Problem

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


@shared_task(name="entities.roll_up_batches")
def roll_up_batches() -> None:
    for environment in Environment.objects.order_by("pk"):
        roll_up(environment, now=timezone.now())


# -- Replays -------------------------------------------------------------------

# A doorbell that nobody has answered in this time is rung again.
UNANSWERED = dt.timedelta(seconds=45)


@shared_task(name="entities.work_replay")
def work_replay(replay_id: str) -> None:
    try:
        replays.work(uuid.UUID(replay_id))
    except SoftTimeLimitExceeded:  # a large one: it goes on from where it stands
        work_replay.delay(replay_id)


@shared_task(name="entities.ring_for_replays")
def ring_for_replays() -> None:
    """Each minute: a message may be lost, and a worker killed; what is left to do stands in the replays themselves."""
    for replay_id in replays.waiting_replays(since=timezone.now() - UNANSWERED):
        work_replay.apply_async((str(replay_id),), expires=60)


def start_work(replay: Replay) -> None:
    """Do a small one at once, and leave a large one to the worker. It cannot fail for want of a broker."""
    if replay.total > replays.SMALL:
        transaction.on_commit(lambda: work_replay.delay(str(replay.pk)), robust=True)
        return
    try:
        replays.work(replay.pk)
    except (DatabaseError, Problem):
        logger.warning("Replay %s is left to the worker", replay.pk)


@shared_task(name="entities.release_waiting")
def release_waiting() -> None:
    """Every 20 s: what waits in quarantine for customers who have come."""
    for environment in releases.environments_to_release():
        try:
            if released := releases.release_waiting(environment):
                logger.info("%s: %d records released", environment, released)
        except (DatabaseError, Problem):
            logger.exception("%s: nothing could be released", environment)
