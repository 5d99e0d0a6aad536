"""Customers whose personal data was taken out."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from track360.models import Environment, User


class Erasure(models.Model):
    """A customer's personal data was erased: the certificate, and from then on the reason to drop what is re-sent.

    `counts` says in how many rows of each store something was taken out; never what.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="+", db_index=False)
    customer_id = models.TextField()
    erased_at = models.DateTimeField(default=timezone.now)
    by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    reason = models.TextField(blank=True)
    counts = models.JSONField(default=dict)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "customer_id"], name="erasure_key")]

    def __str__(self) -> str:
        return f"erasure of {self.customer_id}"
