"""The affiliates a partner has registered."""

from __future__ import annotations

from django.db import models
from django.utils import timezone

from track360.models import Partner


class Affiliate(models.Model):
    """One affiliate that a partner's customers may be attributed to, by the id the partner sends."""

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="+")
    affiliate_id = models.TextField()
    name = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "affiliate_id"], name="affiliate_key")]

    def __str__(self) -> str:
        return self.affiliate_id
