"""Daily play."""

from __future__ import annotations

from django.db import models

from entities.models.base import Record


class GgrSource(models.TextChoices):
    PARTNER = "partner"
    COMPUTED = "computed"


class Activity(Record):
    """One player's day in one game type and currency.

    `ggr` is the partner's where `ggr_source` is `partner`, else `total_bets - wins`; null where either is missing.
    """

    date = models.DateField()
    customer_id = models.TextField()
    game_type = models.TextField()
    currency = models.TextField()
    bets_count = models.IntegerField(null=True)
    total_bets = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    wins = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    ggr = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    ggr_source = models.CharField(max_length=8, choices=GgrSource, null=True)
    ngr = models.DecimalField(max_digits=18, decimal_places=2, null=True)

    customer_number: int | None = None  # internal id of the customer, found by portal_lists

    class Meta:
        verbose_name_plural = "activity"
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "date", "customer_id", "game_type", "currency"],
                name="activity_key",
            )
        ]
        indexes = [
            models.Index(fields=["environment", "date", "id"], name="activity_by_date"),
            models.Index(fields=["environment", "updated_at", "id"], name="activity_by_update"),
            models.Index(fields=["environment", "customer_id", "id"], name="activity_by_customer"),
            models.Index(fields=["environment", "game_type", "id"], name="activity_by_game_type"),
            models.Index(fields=["environment", "currency", "id"], name="activity_by_currency"),
        ]

    def __str__(self) -> str:
        return f"{self.date} {self.customer_id} {self.game_type} {self.currency}"
