"""Where a partner wants to be told."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from track360.models import Partner, User


class WebhookEndpoint(models.Model):
    """One address of a partner that gets his notifications, signed as Standard Webhooks has it.

    The secret is sealed (`track360.sealed`) and bound to this row; it is shown once, when made. After a rotation the
    old one signs too until `old_secret_ends_at`.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="+")
    url = models.URLField(max_length=500)
    sealed_secret = models.TextField()
    sealed_old_secret = models.TextField(blank=True)
    old_secret_ends_at = models.DateTimeField(null=True)
    is_active = models.BooleanField(default=True)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    last_success_at = models.DateTimeField(null=True)
    last_error_at = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "url"], name="webhook_endpoint_key")]

    def __str__(self) -> str:
        return self.url
