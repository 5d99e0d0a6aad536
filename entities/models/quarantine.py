"""Refused records, kept whole, and what became of them."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from entities.models.base import Entity, JsonTextField
from track360.models import Environment, User

# What a refused transaction is about, cut out of its text by the database when it is written: for 10,000 at each look
# that took 0.2 s. The text may hold anything; a cast to JSON fails at a NUL, one to a number at a word. So what does
# not look like an amount, a currency or an id counts as none. A member stands after a comma, its name between bare
# quotation marks, which nothing inside a text does; and what stands there of digits, a point and a sign alone is a
# number, since JSON knows nothing else of them.
_BODY = """(',' || substr(coalesce(edited, payload), 2)) COLLATE "C\""""
_AMOUNT = f"split_part(translate(left(split_part({_BODY}, ',\"amount_currency\":', 2), 33), '}}', ','), ',', 1)"
_CURRENCY = f'left(split_part({_BODY}, \',"currency":"\', 2), 4)'
_CUSTOMER = f"split_part(left(split_part({_BODY}, ',\"customer_id\":\"', 2), 129), '\"', 1)"
_TRANSACTION = "entity = 'transactions'"


def _cut(what: str, *conditions: str) -> models.GeneratedField:
    """A column of transactions that is null where one of the conditions does not hold."""
    text = f"CASE WHEN {' AND '.join((_TRANSACTION, *conditions))} THEN {what} END"
    return models.GeneratedField(
        expression=models.Func(template=text, output_field=models.TextField()),
        output_field=models.TextField(),
        db_persist=True,
        null=True,
    )


class QuarantinedRecord(models.Model):
    """One record that a lenient batch refused: as sent, with its errors, and what became of it.

    `payload` is as sent and stays; `edited` is what a person made of it. `errors` are those of the last try.
    """

    class State(models.TextChoices):
        HELD = "held", "Held"
        STORED = "stored", "Stored"  # replayed or released; or a newer version stood already
        SUPERSEDED = "superseded", "Superseded"  # a newer refused version of the same record was replayed
        DROPPED = "dropped", "Dropped"

    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    entity = models.CharField(max_length=16, choices=Entity)
    batch_id = models.UUIDField()
    run_id = models.UUIDField(null=True, help_text="The sync run that fetched it; null: it was pushed.")
    index = models.IntegerField(help_text="Position in the batch, from 0.")
    received_at = models.DateTimeField()
    key = models.TextField(blank=True, help_text="The record's natural key, as far as it can be read.")
    code = models.CharField(max_length=32, help_text="Code of the first error.")
    field = models.TextField(blank=True, help_text="Field of the first error.")
    payload = JsonTextField()
    edited = JsonTextField(null=True)
    errors = JsonTextField()
    waits_for = models.TextField(
        null=True, help_text="The customer_id that is all it lacks: it is released once that customer is stored."
    )
    state = models.CharField(max_length=12, choices=State, default=State.HELD, db_default=State.HELD.value)
    closed_at = models.DateTimeField(null=True)
    amount = _cut(
        _AMOUNT,
        f"length({_AMOUNT}) BETWEEN 1 AND 20",
        f"translate({_AMOUNT}, '0123456789.-', '') = ''",
    )
    currency = _cut(
        f"left({_CURRENCY}, 3)",
        f"length({_CURRENCY}) = 4",
        f"translate({_CURRENCY}, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ', '') = '\"'",
        f"right({_CURRENCY}, 1) = '\"'",
    )
    depositor = _cut(
        _CUSTOMER,
        f'strpos({_BODY}, \',"transaction_type":"deposit"\') > 0',
        f"strpos({_CUSTOMER}, '\\') = 0",
        f"length({_CUSTOMER}) BETWEEN 1 AND 128",
    )

    class Meta:
        indexes = [
            models.Index(fields=["environment", "id"], name="quarantine_by_id"),
            models.Index(fields=["environment", "entity", "code", "id"], name="quarantine_by_cause"),
            models.Index(fields=["environment", "id"], condition=models.Q(state="held"), name="quarantine_held"),
            models.Index(
                fields=["environment", "run_id", "id"], condition=models.Q(state="held"), name="quarantine_by_run"
            ),
            # The same record again, from the overlap of the next fetch.
            models.Index(
                fields=["environment", "entity", "key"], condition=models.Q(state="held"), name="quarantine_by_key"
            ),
            models.Index(
                fields=["environment", "waits_for"],
                condition=models.Q(state="held", waits_for__isnull=False),
                name="quarantine_waiting",
            ),
        ]

    def __str__(self) -> str:
        return self.key or f"record {self.index} of batch {self.batch_id}"


class QuarantineEvent(models.Model):
    """Something that happened to a refused record after it was refused: never altered."""

    class Kind(models.TextChoices):
        EDITED = "edited", "Edited"
        REFUSED = "refused", "Replayed, and refused again"
        STORED = "stored", "Replayed"
        RELEASED = "released", "Released: its customer came"
        SUPERSEDED = "superseded", "Superseded by a newer version"
        DROPPED = "dropped", "Dropped"

    record = models.ForeignKey(QuarantinedRecord, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=12, choices=Kind)
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    batch_id = models.UUIDField(null=True, help_text="The batch that tried it again.")
    outcome = models.CharField(max_length=12, blank=True, help_text="What the pipeline made of it.")
    reason = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["record", "at"], name="quarantine_event_by_record")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M:%S}"


class Replay(models.Model):
    """Refused records tried again: estimated in a dry run, then run, each by a worker; cancelled between two batches.

    It goes through the held records that `filters` choose in the order of their ids, up to `last_id`. `position` is
    the id it has come to: a worker that is killed goes on from there.
    """

    class State(models.TextChoices):
        ESTIMATING = "estimating"
        ESTIMATED = "estimated"
        RUNNING = "running"
        DONE = "done"
        CANCELLED = "cancelled"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    filters = models.JSONField(default=dict, help_text="{entity, code, field, run} or {ids: [..]}; empty: all.")
    last_id = models.BigIntegerField(default=0, help_text="The newest record when it was asked for.")
    position = models.BigIntegerField(default=0)
    state = models.CharField(max_length=12, choices=State, default=State.ESTIMATING)
    cancel_requested = models.BooleanField(default=False)
    total = models.IntegerField(default=0)
    would_pass = models.IntegerField(default=0)
    would_fail = models.IntegerField(default=0)
    done = models.IntegerField(default=0)
    passed = models.IntegerField(default=0)
    failed = models.IntegerField(default=0)
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    touched_at = models.DateTimeField(default=timezone.now, help_text="When a worker was last at it.")
    finished_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["environment", "-requested_at"], name="replay_newest")]

    def __str__(self) -> str:
        return f"replay of {self.total} records"
