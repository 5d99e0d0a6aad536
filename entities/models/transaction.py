"""Money."""

from __future__ import annotations

from django.db import models

from entities.models.base import Record


class FxSource(models.TextChoices):
    PARTNER = "partner"
    ECB = "ecb"
    MANUAL = "manual"


class Transaction(Record):
    """One movement of money of one environment, by the partner's `transaction_id`.

    `amount_usd` is the partner's where `fx_source` is `partner`, else computed with `fx_rate` of `fx_rate_date`;
    null while no rate is known.
    """

    transaction_id = models.TextField()
    customer_id = models.TextField()
    transaction_type = models.TextField()
    transaction_subtype = models.TextField(null=True)
    amount_currency = models.DecimalField(max_digits=18, decimal_places=2)
    currency = models.TextField()
    transaction_date = models.DateTimeField()
    status = models.TextField()
    note = models.TextField(null=True)
    amount_usd = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    fx_source = models.CharField(max_length=8, choices=FxSource, null=True)
    fx_rate = models.DecimalField(max_digits=24, decimal_places=16, null=True)
    fx_rate_date = models.DateField(null=True)

    canonical_status: str | None = None  # found by the selectors
    customer_number: int | None = None  # internal id of the customer, found by portal_lists

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "transaction_id"], name="transaction_key")]
        indexes = [
            models.Index(fields=["environment", "transaction_date", "id"], name="transaction_by_date"),
            models.Index(fields=["environment", "updated_at", "id"], name="transaction_by_update"),
            models.Index(fields=["environment", "customer_id", "id"], name="transaction_by_customer"),
            models.Index(fields=["environment", "transaction_type", "id"], name="transaction_by_type"),
            models.Index(fields=["environment", "status", "id"], name="transaction_by_status"),
            models.Index(fields=["environment", "currency", "id"], name="transaction_by_currency"),
            models.Index(
                fields=["environment", "transaction_date"],
                name="transaction_without_rate",
                condition=models.Q(amount_usd__isnull=True),
            ),
        ]

    def __str__(self) -> str:
        return self.transaction_id
