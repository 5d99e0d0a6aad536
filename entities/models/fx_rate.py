"""Exchange rates."""

from __future__ import annotations

from django.db import models


class FxRate(models.Model):
    """US dollars for one unit of a currency on a day, to 10 significant digits.

    `ecb`: the European Central Bank's reference rates, crossed through EUR. `manual`: entered by the integrations
    team; of two rates of the same day it wins.
    """

    class Source(models.TextChoices):
        ECB = "ecb"
        MANUAL = "manual"

    currency = models.CharField(max_length=3)
    day = models.DateField()
    source = models.CharField(max_length=8, choices=Source, default=Source.MANUAL)
    usd_rate = models.DecimalField(max_digits=24, decimal_places=14)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["currency", "day", "source"], name="fx_rate_key")
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.day} {self.usd_rate}"
