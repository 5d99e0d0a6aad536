"""OAuth clients of partners, their secrets, and which secret fetched which token."""

from __future__ import annotations

import uuid
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from oauth2_provider.models import AbstractApplication

from track360.models import Environment

SCOPES = ("read", "write", "manage")


class Client(AbstractApplication):
    """One OAuth client of one environment. Its secrets are `ClientSecret` rows; `client_secret` stays unused."""

    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="clients")
    allowed_scopes = models.CharField(max_length=64, default="read write")
    allowed_ip_ranges = models.JSONField(default=list, blank=True, help_text="CIDR ranges; empty allows every address.")
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        ordering = ["-created"]

    def __str__(self) -> str:
        return self.name

    @property
    def scopes(self) -> list[str]:
        return self.allowed_scopes.split()


class ClientSecretQuerySet(models.QuerySet["ClientSecret"]):
    def live(self) -> ClientSecretQuerySet:
        """Those that fetch tokens now: neither revoked nor past the end that a rotation gave them."""
        unended = Q(expires_at=None) | Q(expires_at__gt=timezone.now())
        return self.filter(unended, revoked_at=None)


class ClientSecret(models.Model):
    """One secret of a client, as its SHA-256 digest: secrets are machine-made with 256 bits and more. At most two live.

    Past `expires_at` it fetches no more tokens, and those it fetched live on; from `revoked_at` on they are refused.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="secrets")
    digest = models.CharField(max_length=64)
    last_four = models.CharField(max_length=4)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)

    objects = ClientSecretQuerySet.as_manager()

    def __str__(self) -> str:
        return f"…{self.last_four}"

    def __repr__(self) -> str:
        return f"<ClientSecret {self}>"


class TokenOrigin(models.Model):
    """The secret that fetched an access token. The token's own row is the toolkit's."""

    token: Any = models.OneToOneField(
        settings.OAUTH2_PROVIDER_ACCESS_TOKEN_MODEL,
        primary_key=True,
        on_delete=models.CASCADE,
        related_name="origin",
    )
    secret = models.ForeignKey(ClientSecret, on_delete=models.CASCADE, related_name="+")

    def __str__(self) -> str:
        return f"token {self.pk} from {self.secret}"
