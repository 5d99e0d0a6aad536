"""Each store with a period: what is older goes, what is younger stays."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.files.base import ContentFile
from django.core.files.storage import default_storage
from django.utils import timezone

from entities.models import Batch, BatchHour, Difference, QuarantinedRecord, QuarantineEvent, Replay
from integrations.models import ApiRequest, ConformanceReport, ConnectionTest, Feed, SyncEvent, SyncRun
from integrations.partitions import ensure_partitions
from onboarding.models import Notification, PartnerExport, Sample
from onboarding.retention import STORES, forget_old
from onboarding.tasks import keep_stores
from tests.factories import (
    ApiRequestFactory,
    BatchFactory,
    BatchHourFactory,
    ConnectionTestFactory,
    EnvironmentFactory,
    FeedFactory,
    QuarantinedRecordFactory,
    RunFactory,
    SyncEventFactory,
)
from tests.onboarding.test_erasure import held_sample
from track360.models import Environment

pytestmark = pytest.mark.django_db

WITH_PERIOD = [store for store in STORES if store.kept is not None]


@pytest.fixture
def environment(db: None) -> Environment:
    return EnvironmentFactory()


def request_of(environment: Environment, at: dt.datetime) -> Any:
    ensure_partitions(at.date())
    return ApiRequestFactory(environment=environment, at=at)


def sample_of(environment: Environment, at: dt.datetime) -> Any:
    return held_sample(environment, {"customer_id": "c"}, created_at=at)


def notification_of(environment: Environment, at: dt.datetime) -> Any:
    return Notification.objects.create(
        partner=environment.partner, kind="step.green", subject=uuid.uuid4().hex, title="t", text="", at=at, over_at=at
    )


def export_of(environment: Environment, at: dt.datetime) -> Any:
    path = default_storage.save(f"exports/{uuid.uuid4()}.zip", ContentFile(b"x"))
    return PartnerExport.objects.create(partner=environment.partner, state="done", path=path, finished_at=at)


def session_of(environment: Environment, at: dt.datetime) -> Any:
    return Session.objects.create(session_key=uuid.uuid4().hex, expire_date=at + dt.timedelta(days=14))


def held(environment: Environment, at: dt.datetime) -> Any:
    """Refused, edited since."""
    record = QuarantinedRecordFactory(environment=environment, received_at=at)
    QuarantineEvent.objects.create(record=record, kind="edited")
    return record


def feed_of(environment: Environment) -> Feed:
    return Feed.objects.filter(environment=environment).first() or FeedFactory(connection__environment=environment)


def run_of(environment: Environment, at: dt.datetime) -> SyncRun:
    return RunFactory(feed=feed_of(environment), due_at=at, finished_at=at)


def trial_of(environment: Environment, at: dt.datetime) -> Any:
    connection = feed_of(environment).connection
    return ConnectionTestFactory(connection=connection, requested_at=at, rows={"customers": []})


def difference_of(environment: Environment, at: dt.datetime) -> Any:
    return Difference.objects.create(
        environment=environment,
        entity="customers",
        record_id=1,
        key="cst_1",
        batch_id=uuid.uuid4(),
        fetched_at=at,
        payload={},
        closed_at=at,
    )


# Store -> one row of it from a moment, and which rows there are.
ROWS: dict[str, tuple[Callable[[Environment, dt.datetime], Any], Callable[[], Any]]] = {
    "Request log": (request_of, ApiRequest.objects.all),
    "Batches": (lambda environment, at: BatchFactory(environment=environment, started_at=at), Batch.objects.all),
    "Batches by the hour": (
        lambda environment, at: BatchHourFactory(environment=environment, hour=at),
        BatchHour.objects.all,
    ),
    "Quarantine": (
        held,
        QuarantinedRecord.objects.all,
    ),
    "Replays": (
        lambda environment, at: Replay.objects.create(environment=environment, requested_at=at),
        Replay.objects.all,
    ),
    "Rows shown by tests": (trial_of, lambda: ConnectionTest.objects.filter(rows__isnull=False)),
    "Tests of connections": (trial_of, ConnectionTest.objects.all),
    "Logs of runs": (
        lambda environment, at: SyncEventFactory(run=run_of(environment, at)),
        SyncEvent.objects.all,
    ),
    "Runs": (lambda environment, at: SyncEventFactory(run=run_of(environment, at)).run, SyncRun.objects.all),
    "Conformance reports": (
        lambda environment, at: ConformanceReport.objects.create(
            feed=feed_of(environment), environment=environment, requested_at=at
        ),
        ConformanceReport.objects.all,
    ),
    "Differences": (difference_of, Difference.objects.all),
    "Samples": (sample_of, Sample.objects.all),
    "Notifications": (notification_of, Notification.objects.all),
    "Exports": (export_of, lambda: PartnerExport.objects.exclude(path="")),
    "Sessions": (session_of, Session.objects.all),
}


def test_each_store_with_a_period_is_tried() -> None:
    assert set(ROWS) == {store.name for store in WITH_PERIOD}
    assert all(store.forget for store in WITH_PERIOD)
    assert all(store.how for store in STORES if store.kept is None)


@pytest.mark.parametrize("store", WITH_PERIOD, ids=lambda store: store.name)
def test_what_is_older_goes_and_what_is_younger_stays(store: Any, environment: Environment) -> None:
    make, kept = ROWS[store.name]
    now = timezone.now()
    # The first one may be kept as evidence.
    spare = make(environment, now - store.kept - dt.timedelta(days=9)) if store.name == "Batches" else None
    old = [make(environment, now - store.kept - dt.timedelta(days=2, hours=hour)) for hour in range(3)]
    young = [make(environment, now - store.kept + dt.timedelta(days=1, hours=hour)) for hour in range(3)]
    forget_old(store, now=now, chunk=2)
    assert {row.pk for row in kept()} == {row.pk for row in young} | ({spare.pk} if spare else set())
    assert forget_old(store, now=now) == 0
    assert len(old) == 3


def test_the_first_batch_by_each_door_stays_for_it_is_evidence(environment: Environment) -> None:
    long_ago = timezone.now() - dt.timedelta(days=1000)

    def batch(days: int, **fields: Any) -> uuid.UUID:
        return BatchFactory(environment=environment, started_at=long_ago + dt.timedelta(days=days), **fields).pk

    batch(0, refused=True, rejected=1)
    batch(1, rejected=1)
    first, pulled = batch(2), batch(3, door="pull")
    customers = batch(4, entity="customers")
    batch(5)
    keep_stores()
    assert set(Batch.objects.values_list("pk", flat=True)) == {first, pulled, customers}


def test_the_newest_test_of_each_connection_stays_without_its_rows(environment: Environment) -> None:
    long_ago = timezone.now() - dt.timedelta(days=1000)
    trial_of(environment, long_ago)
    newest = trial_of(environment, long_ago + dt.timedelta(days=1))
    only = ConnectionTestFactory(requested_at=long_ago, rows={"customers": []})
    keep_stores()
    assert set(ConnectionTest.objects.values_list("pk", "rows")) == {(newest.pk, None), (only.pk, None)}


def test_a_run_that_has_not_ended_and_an_open_difference_stay(environment: Environment) -> None:
    long_ago = timezone.now() - dt.timedelta(days=1000)
    run = RunFactory(feed=feed_of(environment), due_at=long_ago, state="paused")
    SyncEventFactory(run=run, at=long_ago)
    RunFactory(feed=run.feed, due_at=long_ago)
    Difference.objects.filter(pk=difference_of(environment, long_ago).pk).update(closed_at=None)
    keep_stores()
    assert (SyncRun.objects.get(), SyncEvent.objects.count(), Difference.objects.count()) == (run, 1, 1)


def test_the_newest_sample_and_the_newest_valid_one_stay_for_they_are_evidence(environment: Environment) -> None:
    long_ago = timezone.now() - dt.timedelta(days=1000)

    def sample(days: int, **fields: Any) -> Sample:
        return held_sample(environment, {"customer_id": "c"}, created_at=long_ago + dt.timedelta(days=days), **fields)

    sample(0)
    valid, invalid = sample(1), sample(3, invalid=1)
    Sample.objects.filter(pk=invalid.pk).update(mends=sample(2, invalid=1))
    other = sample(1, entity="activity")
    sample(9, origin="lesson")
    keep_stores()
    assert set(Sample.objects.all()) == {valid, invalid, other}


def test_what_still_lasts_is_not_forgotten(environment: Environment) -> None:
    lasting = notification_of(environment, timezone.now() - dt.timedelta(days=4000))
    Notification.objects.filter(pk=lasting.pk).update(over_at=None)
    keep_stores()
    assert Notification.objects.count() == 1
