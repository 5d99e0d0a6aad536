"""Large things that a worker does: what is to be done stands in a row, and a message only says that there is something.

A worker that is killed leaves the row as it is; the lock that shows that somebody is at it ends with his database
session, and the next ring of the bell takes the job up from the start.
"""

from __future__ import annotations

import datetime as dt
import logging
import uuid
from collections.abc import Callable
from typing import TypeVar

from celery.exceptions import SoftTimeLimitExceeded
from django.utils import timezone

from onboarding.models import PartnerExport, SandboxReset
from track360.alone import alone

logger = logging.getLogger(__name__)

J = TypeVar("J", SandboxReset, PartnerExport)
OPEN = ("waiting", "running")
GIVEN_UP_AFTER = dt.timedelta(days=1)
FAILED = (
    "It broke off on our side; nothing was changed. Ask for it again, and tell the integrations team if it repeats."
)
TOO_LONG = "It took too long and was stopped; nothing was changed. The integrations team can do it by hand."


def run(kind: type[J], job_id: uuid.UUID, work: Callable[[J], None]) -> None:
    """Do the job unless it is done or somebody is at it. `work` ends it; what it raises is kept as a sentence."""
    with alone(job_id) as mine:
        job = kind.objects.filter(pk=job_id, state__in=OPEN).first() if mine else None
        if job is None:
            return
        job.state, job.started_at = kind.State.RUNNING, timezone.now()
        job.save(update_fields=["state", "started_at"])
        try:
            if job.requested_at < timezone.now() - GIVEN_UP_AFTER:
                raise TimeoutError("nobody could end it within a day")
            work(job)
        except SoftTimeLimitExceeded:
            _fail(job, TOO_LONG)
        except Exception:
            logger.exception("%s failed", job)
            _fail(job, FAILED)


def _fail(job: SandboxReset | PartnerExport, problem: str) -> None:
    job.state, job.problem, job.finished_at = job.State.FAILED, problem, timezone.now()
    job.save(update_fields=["state", "problem", "finished_at"])
