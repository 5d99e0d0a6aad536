"""The product's table as an unmanaged model, and the upsert that both Django peers share."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from typing import Any

from django.db import models
from django.utils import timezone

ENVIRONMENT = int(os.environ["PEER_ENVIRONMENT"])


class Transaction(models.Model):
    id = models.BigAutoField(primary_key=True)
    environment_id = models.BigIntegerField()
    received_at = models.DateTimeField()
    updated_at = models.DateTimeField()
    source = models.CharField(max_length=8)
    batch_id = models.UUIDField()
    transaction_id = models.TextField()
    customer_id = models.TextField()
    transaction_type = models.TextField()
    transaction_subtype = models.TextField(null=True)
    amount_currency = models.DecimalField(max_digits=18, decimal_places=2)
    amount_usd = models.DecimalField(max_digits=18, decimal_places=2, null=True)
    currency = models.TextField()
    transaction_date = models.DateTimeField()
    status = models.TextField()
    note = models.TextField(null=True)
    fx_source = models.CharField(max_length=8, null=True)
    fx_rate = models.DecimalField(max_digits=24, decimal_places=16, null=True)
    fx_rate_date = models.DateField(null=True)

    class Meta:
        app_label = "peers"
        managed = False
        db_table = "entities_transaction"

    def __str__(self) -> str:
        return self.transaction_id


KEY = ["environment_id", "transaction_id"]
UPDATED = [field.name for field in Transaction._meta.fields if field.name not in {"id", "received_at", *KEY}]


def upsert(records: Iterable[dict[str, Any]]) -> int:
    """Store the records, dicts of the fields that were sent; returns how many."""
    now, batch_id = timezone.now(), uuid.uuid4()
    stored = Transaction.objects.bulk_create(
        [
            Transaction(
                environment_id=ENVIRONMENT,
                received_at=now,
                updated_at=now,
                source="push",
                batch_id=batch_id,
                fx_source="partner" if record.get("amount_usd") is not None else None,
                **record,
            )
            for record in records
        ],
        update_conflicts=True,
        unique_fields=KEY,
        update_fields=UPDATED,
    )
    return len(stored)
