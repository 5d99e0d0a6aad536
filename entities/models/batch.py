"""What each call to the pipeline did."""

from __future__ import annotations

import uuid

from django.contrib.postgres.fields import ArrayField
from django.db import models

from entities.models.base import Entity
from track360.models import Environment


class Batch(models.Model):
    """One call to the pipeline: by which door, for which request, with what result.

    Evidence, freshness and the pictures are computed from these rows, never from the records.
    A refused batch (strict, with errors) has `refused` set and stored nothing; `rejected` counts the bad records.
    """

    class Door(models.TextChoices):
        PUSH = "push"
        PULL = "pull"
        SAMPLE = "sample"
        REPLAY = "replay"
        BACKFILL = "backfill"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    entity = models.CharField(max_length=16, choices=Entity)
    door = models.CharField(max_length=8, choices=Door)
    request_id = models.UUIDField(null=True)
    run_id = models.UUIDField(
        null=True,
        help_text="The sync run whose records these are, also where they are replayed; null: they were pushed.",
    )
    fetched_since = models.DateTimeField(
        null=True, help_text="Of what is fetched: a record that was pushed from then on stands against it."
    )
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    refused = models.BooleanField(default=False)
    received = models.IntegerField(default=0)
    created = models.IntegerField(default=0)
    updated = models.IntegerField(default=0)
    unchanged = models.IntegerField(default=0)
    stale = models.IntegerField(default=0)
    rejected = models.IntegerField(default=0)
    removed = models.IntegerField(default=0)
    late = models.IntegerField(default=0, help_text="Created past the guide's freshness target.")
    warnings = models.IntegerField(default=0)
    differing = models.IntegerField(
        default=0, db_default=0, help_text="Of the stale: pulled, and unlike the pushed one that stands."
    )
    lags = ArrayField(
        models.IntegerField(),
        null=True,
        help_text="Created records by the time from event to receipt: one count for each of `lags.BOUNDS`, and one for "
        "what is longer. Null: none created.",
    )
    lag_seconds = models.FloatField(default=0, db_default=0, help_text="Sum of those times.")
    own_seconds = models.FloatField(
        default=0, db_default=0, help_text="The part of it that is ours: waiting for our fetch, storing."
    )

    class Meta:
        verbose_name_plural = "batches"
        indexes = [
            models.Index(fields=["environment", "started_at"], name="batch_by_start"),
            models.Index(fields=["environment", "entity", "door", "started_at"], name="batch_by_entity"),
        ]

    def __str__(self) -> str:
        return f"{self.door} {self.entity} {self.id}"


class BatchHour(models.Model):
    """The sums of an hour's batches of one entity by one door: a month may have millions of batches.

    Made by `batch_hours.roll_up` and only a copy: what is newer is read from the batches.
    """

    environment = models.ForeignKey(
        Environment,
        on_delete=models.CASCADE,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    hour = models.DateTimeField(help_text="Its first moment, UTC.")
    entity = models.CharField(max_length=16, choices=Entity)
    door = models.CharField(max_length=8, choices=Batch.Door)
    upto = models.DateTimeField(help_text="The batches that started before then are in it: the hour's end, at last.")
    records = models.BigIntegerField(help_text="Taken in: new, changed or the same.")
    refused = models.BigIntegerField(help_text="Records, also those of refused batches.")
    created = models.BigIntegerField()
    updated = models.BigIntegerField()
    unchanged = models.BigIntegerField()
    late = models.BigIntegerField()
    lags = ArrayField(models.BigIntegerField(), help_text="As in the batches.")
    partner_seconds = models.FloatField(help_text="Sum over the records: from the event to where our part begins.")
    own_seconds = models.FloatField(help_text="Sum over the records: waiting for our fetch, storing.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "hour", "entity", "door"], name="batch_hour_key")]

    def __str__(self) -> str:
        return f"{self.door} {self.entity} {self.hour:%Y-%m-%d %H:%M}"


class RecordCounter(models.Model):
    """A part of the number of records of an entity; the total is the sum over the slots.

    Written as the last statement of the transaction that writes the records; several slots let writers of single
    records commit side by side.
    """

    SLOTS = 16

    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    entity = models.CharField(max_length=16, choices=Entity)
    slot = models.SmallIntegerField()
    count = models.BigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "entity", "slot"], name="record_counter_key")]

    def __str__(self) -> str:
        return f"{self.entity} {self.slot}: {self.count}"
