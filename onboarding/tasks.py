"""What the worker does for this app."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

from celery import shared_task
from django.db import DatabaseError, transaction
from django.utils import timezone

from entities.pipeline.validate import MAX_RECORDS
from onboarding import checklist, sample_checks, samples
from onboarding.models import Sample
from track360.models import Partner

logger = logging.getLogger(__name__)

# Something comes all the time from a partner who is live: he is judged again after this, and once the next call comes.
RESTS = dt.timedelta(seconds=30)
# A doorbell that nobody has answered in this time is rung again.
UNANSWERED = dt.timedelta(seconds=45)


@shared_task(name="onboarding.check_sample")
def check_sample(sample_id: str) -> None:
    sample_checks.check_sample(uuid.UUID(sample_id))


@shared_task(name="onboarding.ring_for_samples")
def ring_for_samples() -> None:
    """Each minute: a message may be lost, and a worker killed; what is left to do stands in the samples themselves."""
    for sample_id in samples.waiting_samples(since=timezone.now() - UNANSWERED):
        check_sample.apply_async((str(sample_id),), expires=60)


@shared_task(name="onboarding.compute_checklists")
def compute_checklists() -> None:
    """Every 20 s: the steps of the partners of whom something changed, so that each is right within a minute."""
    now = timezone.now()
    for partner in Partner.objects.filter(pk__in=checklist.changed_partners(now=now, rested_before=now - RESTS)):
        try:
            checklist.compute(partner, now=timezone.now())
        except DatabaseError:
            logger.exception("The checklist of %s could not be computed", partner.slug)


def start_check(sample: Sample) -> None:
    """Check a small sample at once, and leave a large one to the worker. It cannot fail for want of a broker."""
    if sample_checks.is_without_columns(sample):
        return
    if 0 < sample.total <= MAX_RECORDS:
        sample_checks.check_sample(sample.pk)
    else:
        transaction.on_commit(lambda: check_sample.delay(str(sample.pk)), robust=True)
