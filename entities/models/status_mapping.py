"""What a partner's status values mean."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from track360.models import Environment, Partner


class StatusField(models.TextChoices):
    KYC_STATUS = "kyc_status_id", "KYC status"
    SALES_STATUS = "sales_status_id", "sales status"
    TRANSACTION_STATUS = "status", "transaction status"


CANONICAL_VALUES: dict[str, tuple[str, ...]] = {
    StatusField.KYC_STATUS: ("not_started", "pending", "approved", "rejected", "expired"),
    StatusField.SALES_STATUS: ("new", "contacted", "qualified", "converted", "lost"),
    StatusField.TRANSACTION_STATUS: ("pending", "approved", "declined", "reversed"),
}


class StatusMapping(models.Model):
    """One raw value of one status field of one partner and the canonical value it stands for (null: declared only)."""

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="+")
    field = models.CharField(max_length=32, choices=StatusField)
    raw_value = models.TextField()
    canonical_value = models.CharField(max_length=64, null=True, blank=True)
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "field", "raw_value"], name="status_mapping_key")]

    def __str__(self) -> str:
        return f"{self.field} {self.raw_value} -> {self.canonical_value}"


class SeenStatus(models.Model):
    """A raw value that has arrived in a status field of an environment, once."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+", db_index=False)
    field = models.CharField(max_length=32, choices=StatusField)
    raw_value = models.TextField()
    first_seen_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "seen statuses"
        constraints = [models.UniqueConstraint(fields=["environment", "field", "raw_value"], name="seen_status_key")]

    def __str__(self) -> str:
        return f"{self.field} {self.raw_value}"
