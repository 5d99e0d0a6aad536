"""Where two doors bring the same record: that both did, and where they do not agree."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from entities.models.base import Entity, JsonTextField
from track360.models import Environment, User


class Sighting(models.Model):
    """That a record came as it stands through another door than the one which wrote its standing version.

    With `source` of the record it says whether the record was pushed, pulled, or both. A sighting from before the
    record's `updated_at` was of an earlier version and says nothing of this one.
    """

    pk = models.CompositePrimaryKey("environment", "entity", "record_id", "door")
    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    entity = models.CharField(max_length=16, choices=Entity)
    record_id = models.BigIntegerField(help_text="`id` of the record.")
    door = models.CharField(max_length=8, help_text="push or pull.")
    seen_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["environment", "entity", "seen_at"], name="sighting_by_time")]

    def __str__(self) -> str:
        return f"{self.entity} {self.record_id} by {self.door}"


class Difference(models.Model):
    """A pulled record that differs from the pushed one of the same key, which stands. At most one open a record.

    A waived one holds for just these two versions: until a batch writes the record anew, or another version is pulled.
    """

    class Outcome(models.TextChoices):
        TAKEN = "taken", "The pulled one was taken"
        AGREES = "agrees", "They agree now"
        WAIVED = "waived", "Waived"

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    entity = models.CharField(max_length=16, choices=Entity)
    record_id = models.BigIntegerField(help_text="`id` of the record that stands.")
    key = models.TextField(help_text="Its natural key, for people.")
    batch_id = models.UUIDField(help_text="The batch that brought the pulled version.")
    fetched_at = models.DateTimeField(help_text="When that batch was received.")
    payload = JsonTextField(help_text="The pulled version as it would be stored.")
    fields = models.JSONField(default=list, help_text="Names of the fields that differ.")
    outcome = models.CharField(max_length=8, choices=Outcome, blank=True)
    reason = models.TextField(blank=True)
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    found_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "entity", "record_id"],
                condition=models.Q(closed_at=None),
                name="difference_open_once",
            )
        ]
        indexes = [
            models.Index(fields=["environment", "id"], name="difference_by_id"),
            models.Index(fields=["environment", "entity", "fetched_at"], name="difference_by_time"),
            models.Index(fields=["environment", "entity", "closed_at"], name="difference_by_closing"),
            models.Index(
                fields=["environment", "entity", "record_id", "-id"],
                condition=models.Q(outcome="waived"),
                name="difference_waived",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.key}"
