"""What a partner's status values mean."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from track360.models import Environment, Partner, User


class StatusField(models.TextChoices):
    KYC_STATUS = "kyc_status_id", "KYC status"
    SALES_STATUS = "sales_status_id", "sales status"
    TRANSACTION_STATUS = "status", "transaction status"


CANONICAL_VALUES: dict[str, tuple[str, ...]] = {
    StatusField.KYC_STATUS: ("not_started", "pending", "approved", "rejected", "expired"),
    StatusField.SALES_STATUS: ("new", "contacted", "qualified", "converted", "lost"),
    StatusField.TRANSACTION_STATUS: ("pending", "approved", "declined", "reversed"),
}


CANONICAL: dict[str, str] = {
    StatusField.KYC_STATUS: "kyc_status",
    StatusField.SALES_STATUS: "sales_status",
    StatusField.TRANSACTION_STATUS: "canonical_status",
}
"""By status field: the attribute of a record for what the field means."""


class CanonicalValue(models.Model):
    """A canonical value that the integrations team added to those of `CANONICAL_VALUES`; the same for all partners."""

    field = models.CharField(max_length=32, choices=StatusField)
    value = models.CharField(max_length=64)
    added_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    added_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["field", "value"], name="canonical_value_key")]

    def __str__(self) -> str:
        return f"{self.field} {self.value}"


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


class MappingChange(models.Model):
    """One save of a partner's mapping: who, when, and in its lines what was before. Never altered."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    undoes = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="undone_by", help_text="The change taken back."
    )

    class Meta:
        indexes = [models.Index(fields=["partner", "-at"], name="mapping_change_by_time")]

    def __str__(self) -> str:
        return f"mapping of {self.partner} at {self.at:%Y-%m-%d %H:%M}"


class MappingChangeLine(models.Model):
    """One raw value in a change. `…_declared` false: there was, or is, no row; a null value: declared only."""

    change = models.ForeignKey(MappingChange, on_delete=models.CASCADE, related_name="lines")
    field = models.CharField(max_length=32, choices=StatusField)
    raw_value = models.TextField()
    before_declared = models.BooleanField()
    before_value = models.CharField(max_length=64, null=True)
    after_declared = models.BooleanField()
    after_value = models.CharField(max_length=64, null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["change", "field", "raw_value"], name="mapping_line_key")]

    def __str__(self) -> str:
        return f"{self.field} {self.raw_value}: {self.before_value} -> {self.after_value}"


class SeenStatus(models.Model):
    """A raw value that has arrived in a status field of an environment, once."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+", db_index=False)
    field = models.CharField(max_length=32, choices=StatusField)
    raw_value = models.TextField()
    first_seen_at = models.DateTimeField(default=timezone.now)
    last_seen_at = models.DateTimeField(
        default=timezone.now, help_text="To a few minutes: a row that each batch wrote would hold up all writers."
    )

    class Meta:
        verbose_name_plural = "seen statuses"
        constraints = [models.UniqueConstraint(fields=["environment", "field", "raw_value"], name="seen_status_key")]

    def __str__(self) -> str:
        return f"{self.field} {self.raw_value}"
