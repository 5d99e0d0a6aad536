"""OAuth clients of partners and their secrets."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.db import models
from django.utils import timezone
from oauth2_provider.models import AbstractApplication

from track360.models import Environment


class Client(AbstractApplication):
    """One OAuth client of one environment. Its secrets are `ClientSecret` rows; `client_secret` stays unused."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="clients")
    allowed_scopes = models.CharField(max_length=64, default="read write")
    allowed_ip_ranges = models.JSONField(
        default=list, blank=True, help_text="CIDR ranges; empty allows every address."
    )
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name


class ClientSecret(models.Model):
    """One secret of a client, as its SHA-256 digest: secrets are machine-made with 256 bits and more. At most two live."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="secrets")
    digest = models.CharField(max_length=64)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"…{self.last_four}"
