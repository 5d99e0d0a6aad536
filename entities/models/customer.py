"""Players."""

from __future__ import annotations

from django.db import models

from entities.models.base import Record


class Customer(Record):
    """One player of one environment, by the partner's `customer_id`."""

    customer_id = models.TextField()
    signup_date = models.DateTimeField()
    last_modified_date = models.DateTimeField(null=True, help_text="As last sent.")
    version_guard = models.DateTimeField(null=True, help_text="Versions with an older last_modified_date are stale.")
    affiliate_id = models.TextField()
    campaign_id = models.TextField(null=True)
    click_id = models.TextField(null=True)
    lang_id = models.TextField(null=True)
    country_code = models.TextField(null=True)
    kyc_status_id = models.TextField(null=True)
    sales_status_id = models.TextField(null=True)
    first_name = models.TextField(null=True)
    last_name = models.TextField(null=True)
    email = models.TextField(null=True)

    kyc_status: str | None = None  # both canonical, found by the selectors
    sales_status: str | None = None

    class Meta:
        constraints = [models.UniqueConstraint(fields=["environment", "customer_id"], name="customer_key")]
        indexes = [
            models.Index(fields=["environment", "signup_date", "id"], name="customer_by_signup"),
            models.Index(fields=["environment", "updated_at", "id"], name="customer_by_update"),
            models.Index(fields=["environment", "affiliate_id", "id"], name="customer_by_affiliate"),
            models.Index(fields=["environment", "campaign_id", "id"], name="customer_by_campaign"),
            models.Index(fields=["environment", "country_code", "id"], name="customer_by_country"),
            models.Index(fields=["environment", "kyc_status_id", "id"], name="customer_by_kyc_status"),
        ]

    def __str__(self) -> str:
        return self.customer_id
