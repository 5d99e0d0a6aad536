"""What a partner is told, once until it is over."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from integrations.models import WebhookEndpoint
from track360.models import Environment, Partner


class Notification(models.Model):
    """Something that somebody should know. Of one `kind` and `subject` at most one is open for a partner."""

    class Kind(models.TextChoices):
        STEP_GREEN = "step.green", "A step turned green"
        STEP_BACK = "step.back", "A step turned back"
        SECRET_EXPIRES = "secret.expires", "A secret expires within 7 days"
        REFUSALS = "records.refused", "More than 5 % refused for an hour"
        SILENCE = "records.silent", "Nothing received past the freshness target"
        LATE = "records.late", "Under 95 % within the freshness target for an hour"
        FEED_PAUSED = "feed.paused", "A feed is paused"
        TOTALS_DIFFER = "totals.differ", "A day does not agree with the control totals"
        DAY_DOUBLED = "day.doubled", "A day's total came again, doubled"
        MENTION = "note.mention", "Somebody is mentioned in a note"
        TEST = "webhook.test", "A test of the webhook"
        WEBHOOK_OFF = "webhook.off", "A webhook was switched off"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="notifications")
    environment = models.ForeignKey(Environment, null=True, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=32, choices=Kind)
    subject = models.CharField(max_length=200, help_text="What it is about, such as a secret's id or `step 3`.")
    title = models.CharField(max_length=200)
    text = models.TextField()
    path = models.CharField(max_length=300, blank=True, help_text="The page where it is mended.")
    at = models.DateTimeField(default=timezone.now)
    over_at = models.DateTimeField(null=True, help_text="Null while it lasts; a mere event is over at once.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "kind", "subject"], condition=models.Q(over_at=None), name="notification_open_once"
            )
        ]
        indexes = [models.Index(fields=["partner", "-at"], name="notification_by_time")]

    def __str__(self) -> str:
        return self.title


class Delivery(models.Model):
    """A notification on its way to one address: an email, or a call to a webhook. Tried again until it is given up.

    Who tries it takes it first: `attempts` goes up and `next_try_at` ahead, so that a try that is killed comes again.
    """

    class Channel(models.TextChoices):
        EMAIL = "email"
        WEBHOOK = "webhook"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    notification = models.ForeignKey(Notification, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=8, choices=Channel)
    email = models.EmailField(blank=True)
    endpoint = models.ForeignKey(WebhookEndpoint, null=True, on_delete=models.CASCADE, related_name="+")
    attempts = models.SmallIntegerField(default=0)
    next_try_at = models.DateTimeField(null=True, default=timezone.now, help_text="Null: delivered, or given up.")
    tried_at = models.DateTimeField(null=True, help_text="The last try that came to an end.")
    delivered_at = models.DateTimeField(null=True)
    status = models.SmallIntegerField(null=True, help_text="The HTTP status that a webhook answered last.")
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["notification", "channel", "email", "endpoint"],
                name="delivery_once",
                nulls_distinct=False,
            )
        ]
        indexes = [
            models.Index(fields=["next_try_at"], condition=models.Q(next_try_at__isnull=False), name="delivery_due")
        ]

    def __str__(self) -> str:
        return f"{self.channel} of {self.notification}"
