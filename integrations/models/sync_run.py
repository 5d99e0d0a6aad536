"""Each fetch of a feed: what is due, who holds it, how far it got, what came of it."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db import models
from django.utils import timezone

from entities.models import Entity
from integrations.models.connection import Feed
from track360.models import Environment, User


class SyncRun(models.Model):
    """One fetch, from its due time to its end. It is the record of the work; Celery's message is only a doorbell.

    A worker holds it by `lease_token` until `lease_until`; every write of the run renews the lease or does not happen
    (`pull.lease`). `position` is where the next page begins (JSON of the source's own; null: at the start), written in
    the transaction that stores the page before it.
    """

    class Kind(models.TextChoices):
        SCHEDULED = "scheduled", "Scheduled"
        MANUAL = "manual", "Asked for"
        BACKFILL = "backfill", "Backfill"

    class State(models.TextChoices):
        DUE = "due", "Due"  # waiting for a worker, or for the next try
        RUNNING = "running", "Running"
        PAUSED = "paused", "Paused"
        DONE = "done", "Done"
        STOPPED = "stopped", "Stopped"

    OPEN = (State.DUE, State.RUNNING, State.PAUSED)

    class Party(models.TextChoices):
        """Who has to act on a problem."""

        PARTNER = "partner", "the partner"
        MAPPING = "mapping", "whoever set up the feed"
        US = "us", "us"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="runs")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    entity = models.CharField(max_length=16, choices=Entity)
    kind = models.CharField(max_length=10, choices=Kind, default=Kind.SCHEDULED)
    state = models.CharField(max_length=8, choices=State, default=State.DUE)
    requested_at = models.DateTimeField(default=timezone.now, help_text="When it was planned, or asked for.")
    due_at = models.DateTimeField(default=timezone.now, help_text="From then on a worker may take it.")
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    # The window: text by the feed's cursor_kind; of a backfill the days asked for.
    since = models.CharField(max_length=64, blank=True, help_text="Empty: from the beginning.")
    until = models.CharField(max_length=64, blank=True, help_text="Exclusive; empty: to the end.")
    cursor_before = models.CharField(max_length=64, blank=True)
    cursor_after = models.CharField(max_length=64, blank=True)
    position = models.JSONField(null=True)
    # Who is at it
    lease_token = models.UUIDField(null=True)
    lease_until = models.DateTimeField(null=True)
    attempts = models.IntegerField(
        default=0, help_text="Tries in a row that brought nothing; a stored page makes it 0."
    )
    # What came of it
    pages = models.IntegerField(default=0)
    read = models.BigIntegerField(default=0)
    created = models.BigIntegerField(default=0)
    updated = models.BigIntegerField(default=0)
    unchanged = models.BigIntegerField(default=0)
    stale = models.BigIntegerField(default=0)
    rejected = models.BigIntegerField(default=0)
    differing = models.BigIntegerField(default=0)
    expected = models.BigIntegerField(null=True, help_text="Rows in the window, where the source can be asked.")
    busy_seconds = models.FloatField(default=0, help_text="Time in which a worker was at it.")
    problem = models.TextField(blank=True, help_text="The last thing that went wrong, as a sentence.")
    problem_party = models.CharField(max_length=8, choices=Party, blank=True)

    class Meta:
        constraints = [
            # A backfill goes beside the schedule; otherwise a feed runs once at a time.
            models.UniqueConstraint(
                fields=["feed"],
                condition=models.Q(state__in=("due", "running", "paused")) & ~models.Q(kind="backfill"),
                name="sync_run_once_a_feed",
            )
        ]
        indexes = [
            models.Index(fields=["due_at"], condition=models.Q(state__in=("due", "running")), name="sync_run_due"),
            models.Index(fields=["environment", "-due_at"], name="sync_run_by_time"),
            # A filter that few of millions meet: what is rare among runs is rare by one of these.
            models.Index(fields=["environment", "entity", "-due_at"], name="sync_run_by_entity"),
            models.Index(fields=["environment", "state", "-due_at"], name="sync_run_by_state"),
            models.Index(fields=["environment", "kind", "-due_at"], name="sync_run_by_kind"),
            models.Index(
                fields=["environment", "due_at"],
                condition=models.Q(state__in=("due", "running", "paused")),
                name="sync_run_open",
            ),
            models.Index(fields=["feed", "-due_at"], name="sync_run_by_feed"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} run of {self.entity}, {self.due_at:%Y-%m-%d %H:%M}"

    @property
    def is_open(self) -> bool:
        return self.state in self.OPEN

    @property
    def began_at(self) -> dt.datetime:
        """When it began, or is to begin; `due_at` alone is that of the next try after one that failed."""
        return self.started_at or self.due_at

    @property
    def took(self) -> dt.timedelta | None:
        """From its begin to its end, the waits between tries included."""
        return self.finished_at - self.started_at if self.started_at and self.finished_at else None


class SyncEvent(models.Model):
    """One line of a run's log: a request that was made (`status` or `error` says how it went), or something noted.

    `url` has no secrets: no user info, and the values of parameters that could be one are masked.
    """

    class Kind(models.TextChoices):
        CALL = "call", "Request"
        NOTE = "note", "Note"
        PROBLEM = "problem", "Problem"

    run = models.ForeignKey(SyncRun, on_delete=models.CASCADE, related_name="events")
    at = models.DateTimeField(default=timezone.now)
    kind = models.CharField(max_length=8, choices=Kind)
    text = models.TextField(blank=True)
    url = models.TextField(blank=True, help_text="Of a database: the relation.")
    status = models.IntegerField(null=True, help_text="HTTP status.")
    duration_ms = models.IntegerField(null=True)
    size = models.BigIntegerField(null=True, help_text="Bytes of the answer.")
    records = models.IntegerField(null=True)

    class Meta:
        indexes = [models.Index(fields=["run", "id"], name="sync_event_by_run")]

    def __str__(self) -> str:
        return self.text or self.url


class ConformanceReport(models.Model):
    """How a partner's API or database behaves when it is fetched from: dated, for both sides. Made by a worker.

    `checks`: [{"code", "title", "verdict": "pass" | "fail" | "warn" | "skip", "detail", "calls"}, …] in order.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="reports")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    checks = models.JSONField(default=list)
    problem = models.TextField(blank=True)

    class Meta:
        indexes = [models.Index(fields=["feed", "-requested_at"], name="conformance_newest")]

    def __str__(self) -> str:
        return f"conformance of {self.feed}, {self.requested_at:%Y-%m-%d}"
