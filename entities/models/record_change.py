"""The history of records."""

from __future__ import annotations

from django.db import models

from entities.models.base import Entity
from track360.models import Environment


class RecordChange(models.Model):
    """The values of a record before one change, written in the same statement as the change.

    `old` is the whole row: the guide's fields, `updated_at`, `source` and `batch_id` of that version.
    `removed` marks the last version of a record that a replaced day took back.
    """

    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    entity = models.CharField(max_length=16, choices=Entity)
    record_id = models.BigIntegerField(help_text="`id` of the record.")
    changed_at = models.DateTimeField()
    batch_id = models.UUIDField(help_text="The batch that brought the change.")
    removed = models.BooleanField(default=False)
    old = models.JSONField()

    class Meta:
        indexes = [
            models.Index(fields=["environment", "entity", "record_id", "id"], name="record_change_by_record"),
            # What changed since a walk began (entities.walks).
            models.Index(fields=["environment", "entity", "changed_at"], name="record_change_by_time"),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.record_id} at {self.changed_at:%Y-%m-%d %H:%M:%S}"
