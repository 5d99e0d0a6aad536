"""What each side says of a day, and what people said where they differ."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from entities.models import Entity
from track360.models import Environment, User


class DayTotals(models.Model):
    """Counts and sums of one day of an entity, as one side has them: a new row only where they changed.

    The day is the partner's, in the time zone of the agreed scope, by signup_date, transaction_date or date.
    `lines`: [{"currency", "type", "count", "sum"}, …]; `sum` is a decimal as text: amount_currency of transactions, ggr
    of activity, null of customers; `type` is the transaction_type, else empty; `currency` is empty for customers. No
    lines: the day is empty. The newest row of a day and side counts; the earlier ones are its versions. What is
    computed here before a day has settled (`reconciliation.days.settles_at`) is written over, since it changes all
    the time: from then on each change is a version.
    """

    class Side(models.TextChoices):
        PUSHED = "pushed", "Pushed"
        PULLED = "pulled", "Pulled"
        STORED = "stored", "Stored"  # what stands here, by whichever door
        PARTNER = "partner", "Partner's control total"

    class Origin(models.TextChoices):
        COMPUTED = "computed", "Computed here"
        API = "api", "Sent over the API"
        TYPED = "typed", "Typed in"
        COUNTED = "counted", "Counted at the source"

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    entity = models.CharField(max_length=16, choices=Entity)
    day = models.DateField()
    side = models.CharField(max_length=8, choices=Side)
    at = models.DateTimeField(default=timezone.now)
    origin = models.CharField(max_length=8, choices=Origin, default=Origin.COMPUTED)
    time_zone = models.CharField(max_length=64, default="UTC")
    lines = models.JSONField(default=list)
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)

    class Meta:
        indexes = [
            models.Index(fields=["environment", "entity", "day", "side", "-id"], name="day_totals_newest"),
            models.Index(fields=["environment", "day"], name="day_totals_by_day"),
            models.Index(fields=["environment", "day"], condition=models.Q(side="partner"), name="day_totals_said"),
        ]

    def __str__(self) -> str:
        return f"{self.entity} of {self.day}, {self.side}"


class TotalsWatermark(models.Model):
    """Up to which `updated_at` the day totals of an entity reflect its records, but for the days that are pending."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    entity = models.CharField(max_length=16, choices=Entity)
    upto = models.DateTimeField()
    time_zone = models.CharField(max_length=64, default="UTC")
    pending = models.JSONField(default=list, help_text="Days that changed before `upto` and are not computed yet.")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "entity"], name="totals_watermark_key")]

    def __str__(self) -> str:
        return f"totals of {self.entity} up to {self.upto}"


class DoubledDay(models.Model):
    """A day whose total came again after it was due and is twice an earlier one: flagged until a person says which is
    right, never held."""

    class Verdict(models.TextChoices):
        EARLIER = "earlier", "The earlier total is right"
        LATER = "later", "The later total is right"

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    earlier = models.ForeignKey(DayTotals, on_delete=models.CASCADE, related_name="+")
    later = models.ForeignKey(DayTotals, on_delete=models.CASCADE, related_name="+")
    entity = models.CharField(max_length=16, choices=Entity)
    day = models.DateField()
    currency = models.CharField(max_length=3, blank=True)
    type = models.CharField(max_length=16, blank=True)
    found_at = models.DateTimeField(default=timezone.now)
    verdict = models.CharField(max_length=8, choices=Verdict, blank=True)
    reason = models.TextField(blank=True)
    said_at = models.DateTimeField(null=True)
    said_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "entity", "day", "currency", "type", "later"], name="doubled_day_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.entity} of {self.day} doubled"


class Waiver(models.Model):
    """A difference of a day that somebody accepted with a reason; it holds for just that difference."""

    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    entity = models.CharField(max_length=16, choices=Entity)
    day = models.DateField()
    currency = models.CharField(max_length=3, blank=True)
    type = models.CharField(max_length=16, blank=True)
    count_difference = models.BigIntegerField()
    sum_difference = models.DecimalField(max_digits=24, decimal_places=2, null=True)
    reason = models.TextField()
    at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "entity", "day", "currency", "type"],
                condition=models.Q(withdrawn_at=None),
                name="waiver_once",
            )
        ]

    def __str__(self) -> str:
        return f"waiver for {self.entity} of {self.day}"
