"""Large things that a worker does for a partner: empty his sandbox, export all he has."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from track360.models import Environment, Partner, User


class Job(models.Model):
    """Asked for by a person, done by a worker; the page shows how far it is."""

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    counts = models.JSONField(default=dict, help_text="Rows by store.")
    problem = models.TextField(blank=True)

    class Meta:
        abstract = True


class SandboxReset(Job):
    """A sandbox is emptied: records, history, quarantine, batches, seen values, samples. Credentials stay."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"reset of {self.environment}"


class PartnerExport(Job):
    """All of a partner's data as one zip of JSON lines, kept 30 days; made on request and when a partner is closed."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    path = models.CharField(max_length=300, blank=True, help_text="In the default storage.")
    size = models.BigIntegerField(default=0)
    sha256 = models.CharField(max_length=64, blank=True)
    expires_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"export of {self.partner}"
