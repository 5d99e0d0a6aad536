"""Exchange rates."""

from __future__ import annotations

from django.db import models


class FxRate(models.Model):
    """US dollars for one unit of a currency on a day, to 10 significant digits.

    `ecb`: the European Central Bank's reference rates, crossed through EUR. `manual`: entered by the integrations
    team; of two rates of the same day it wins. 16 places hold 10 digits of the smallest unit there was (the old
    Turkish lira). Under 10, as the rate of every money in circulation is, the largest amount still fits its column.
    """

    class Source(models.TextChoices):
        ECB = "ecb"
        MANUAL = "manual"

    currency = models.CharField(max_length=3)
    day = models.DateField()
    source = models.CharField(max_length=8, choices=Source, default=Source.MANUAL)
    usd_rate = models.DecimalField(max_digits=24, decimal_places=16)

    class Meta:
        verbose_name = "FX rate"
        constraints = [
            models.UniqueConstraint(fields=["currency", "day", "source"], name="fx_rate_key"),
            models.CheckConstraint(
                condition=models.Q(usd_rate__gt=0, usd_rate__lt=10), name="fx_rate_between_0_and_10"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.currency} {self.day} {self.usd_rate}"
