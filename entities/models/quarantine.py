"""Refused records, kept whole."""

from __future__ import annotations

from django.db import models

from entities.models.base import Entity, JsonTextField
from track360.models import Environment


class QuarantinedRecord(models.Model):
    """One record that a lenient batch refused: as sent, with its errors."""

    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    entity = models.CharField(max_length=16, choices=Entity)
    batch_id = models.UUIDField()
    index = models.IntegerField(help_text="Position in the batch, from 0.")
    received_at = models.DateTimeField()
    key = models.TextField(blank=True, help_text="The record's natural key, as far as it can be read.")
    code = models.CharField(max_length=32, help_text="Code of the first error.")
    field = models.TextField(blank=True, help_text="Field of the first error.")
    payload = JsonTextField()
    errors = JsonTextField()

    class Meta:
        indexes = [
            models.Index(fields=["environment", "id"], name="quarantine_by_id"),
            models.Index(fields=["environment", "entity", "code", "id"], name="quarantine_by_cause"),
        ]

    def __str__(self) -> str:
        return f"{self.entity} {self.key}: {self.code}"
