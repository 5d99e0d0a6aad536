"""What the worker does for this app."""

from __future__ import annotations

import datetime as dt
import logging
import uuid

from celery import shared_task
from django.db import DatabaseError, transaction
from django.utils import timezone

from entities.pipeline.validate import MAX_RECORDS
from integrations.models import Feed
from integrations.reconciliation import counting
from onboarding import (
    checklist,
    closing,
    delivery,
    erasure,
    exports,
    reconciling,
    retention,
    sample_checks,
    samples,
    watch,
)
from onboarding.days import time_zone_of
from onboarding.models import Delivery, PartnerExport, Sample, SandboxReset
from track360.audit import Actor
from track360.models import Environment, Partner, User

logger = logging.getLogger(__name__)

# Something comes all the time from a partner who is live: he is judged again after this, and once the next call comes.
RESTS = dt.timedelta(seconds=30)
# A doorbell that nobody has answered in this time is rung again.
UNANSWERED = dt.timedelta(seconds=45)
RECONCILING_SECONDS = 50.0


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


@shared_task(name="onboarding.reconcile")
def reconcile() -> None:
    """Each minute: the day totals of the environments where something came."""
    reconciling.reconcile(budget_seconds=RECONCILING_SECONDS)


@shared_task(name="onboarding.count_at_source")
def count_at_source(feed_id: str, first: str, last: str, user_id: int | None, client_id: str) -> None:
    feed = Feed.objects.select_related("connection", "environment__partner").get(pk=feed_id)
    counting.count_at_source(
        feed,
        first=dt.date.fromisoformat(first),
        last=dt.date.fromisoformat(last),
        time_zone=time_zone_of(feed.environment.partner),
        actor=Actor(user=User.objects.get(pk=user_id) if user_id else None, client_id=client_id),
    )


@transaction.atomic
def start_count(environment: Environment, entity: str, *, first: dt.date, last: dt.date, actor: Actor) -> None:
    """Ask for a count at the partner's database, and ring. It cannot fail for want of a broker."""
    zone = time_zone_of(environment.partner)
    feed = counting.request_count(environment, entity, first=first, last=last, time_zone=zone, actor=actor)
    arguments = (str(feed.pk), str(first), str(last), actor.user.pk if actor.user else None, actor.client_id)
    transaction.on_commit(lambda: count_at_source.delay(*arguments), robust=True)


def start_check(sample: Sample) -> None:
    """Check a small sample at once, and leave a large one to the worker. It cannot fail for want of a broker."""
    if sample_checks.is_without_columns(sample):
        return
    if 0 < sample.total <= MAX_RECORDS:
        sample_checks.check_sample(sample.pk)
    else:
        transaction.on_commit(lambda: check_sample.delay(str(sample.pk)), robust=True)


# -- Resets, exports, erasures, retention -------------------------------------

# An export of a large partner takes its time; that its message is given out again meanwhile does no harm.
EXPORT_SECONDS = 2 * 60 * 60


@shared_task(name="onboarding.reset_sandbox")
def reset_sandbox(reset_id: str) -> None:
    closing.run_reset(uuid.UUID(reset_id))


@shared_task(name="onboarding.export_partner", soft_time_limit=EXPORT_SECONDS, time_limit=EXPORT_SECONDS + 60)
def export_partner(export_id: str) -> None:
    exports.run_export(uuid.UUID(export_id))


@shared_task(name="onboarding.ring_for_jobs")
def ring_for_jobs() -> None:
    """Each minute: take up what no message has led to an end."""
    since = timezone.now() - UNANSWERED
    for reset in closing.waiting_resets().filter(requested_at__lt=since):
        reset_sandbox.apply_async((str(reset.pk),), expires=60)
    for export in exports.waiting_exports().filter(requested_at__lt=since):
        export_partner.apply_async((str(export.pk),), expires=60)
    for begun in erasure.unfinished().filter(erased_at__lt=since):
        erasure.finish(begun)


@shared_task(name="onboarding.keep_stores", soft_time_limit=3600, time_limit=3660)
def keep_stores() -> None:
    """Daily: delete what is past its time, store by store."""
    now = timezone.now()
    for store in retention.STORES:
        if deleted := retention.forget_old(store, now=now):
            logger.info("%s: %d rows past their time deleted", store.name, deleted)


@transaction.atomic
def start_reset(environment: Environment, *, actor: Actor) -> SandboxReset:
    """Ask for a reset, and ring. It cannot fail for want of a broker."""
    reset = closing.request_reset(environment, actor=actor)
    transaction.on_commit(lambda: reset_sandbox.delay(str(reset.pk)), robust=True)
    return reset


@transaction.atomic
def start_export(partner: Partner, *, actor: Actor) -> PartnerExport:
    export = exports.request_export(partner, actor=actor)
    transaction.on_commit(lambda: export_partner.delay(str(export.pk)), robust=True)
    return export


# -- Notifications ------------------------------------------------------------


@shared_task(name="onboarding.send_emails")
def send_emails() -> None:
    delivery.send_due(Delivery.Channel.EMAIL)


@shared_task(name="onboarding.watch_partners")
def watch_partners() -> None:
    """Each minute."""
    watch.watch(now=timezone.now())


@shared_task(name="onboarding.call_webhooks")
def call_webhooks() -> None:
    """Apart from the emails, which must not wait for somebody's server that hangs."""
    delivery.send_due(Delivery.Channel.WEBHOOK)


def ring_for_webhooks() -> None:
    """For a person who waits for an answer. Without a broker the next round of the schedule does it."""
    transaction.on_commit(call_webhooks.delay, robust=True)
