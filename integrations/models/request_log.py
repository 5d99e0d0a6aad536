"""What partners sent."""

from __future__ import annotations

from django.db import models

from entities.models import Entity, JsonTextField
from track360.models import Environment


class ApiRequest(models.Model):
    """One call to the API. Partitioned by day on `at`, kept 90 days; no foreign keys in the database.

    `detail` of a refused request: {"records": [{"index", "record", "errors"}] (at most 100, PII masked)} or, where
    the body could not be parsed, {"excerpt", "offset"} (200 bytes around the fault).
    """

    id = models.UUIDField(primary_key=True, help_text="The X-Request-ID.")
    at = models.DateTimeField()
    environment = models.ForeignKey(
        Environment, null=True, on_delete=models.DO_NOTHING, related_name="+", db_constraint=False
    )
    client_id = models.CharField(max_length=100, blank=True)
    token_last_four = models.CharField(max_length=4, blank=True)
    method = models.CharField(max_length=10)
    path = models.TextField()
    query = models.TextField(blank=True)
    entity = models.CharField(max_length=16, choices=Entity, blank=True)
    status = models.SmallIntegerField()
    duration_ms = models.IntegerField()
    request_bytes = models.BigIntegerField(default=0)
    ip = models.GenericIPAddressField(null=True)
    user_agent = models.TextField(blank=True)
    received = models.IntegerField(null=True)
    created = models.IntegerField(null=True)
    updated = models.IntegerField(null=True)
    unchanged = models.IntegerField(null=True)
    stale = models.IntegerField(null=True)
    rejected = models.IntegerField(null=True)
    error_code = models.CharField(max_length=32, blank=True)
    error_summary = models.TextField(blank=True)
    detail = JsonTextField(null=True)

    class Meta:
        managed = False
        db_table = "integrations_apirequest"
        verbose_name = "request"

    def __str__(self) -> str:
        return f"{self.method} {self.path} {self.status}"
