"""Samples: what a partner tried before he built."""

from __future__ import annotations

import uuid

from django.db import models
from django.utils import timezone

from entities.models import Entity, JsonTextField
from track360.models import Environment, Partner, User


class Sample(models.Model):
    """One payload tried in a dry run: as it came, and what the pipeline said of it.

    It is checked in chunks of up to 1,000 records; a small one at once, a large one by the worker.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        CHECKING = "checking"
        DONE = "done"
        UNREADABLE = "unreadable", "Could not be read"

    class Format(models.TextChoices):
        JSON = "json", "JSON"
        LINES = "lines", "JSON lines"
        CSV = "csv", "CSV"

    class Origin(models.TextChoices):
        PASTE = "paste", "Pasted"
        UPLOAD = "upload", "Uploaded"
        API = "api", "Sent over the API"
        LESSON = "lesson", "“Break it” lesson"
        MENDED = "mended", "Mended here"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+", db_index=False)
    entity = models.CharField(max_length=16, choices=Entity)
    origin = models.CharField(max_length=8, choices=Origin)
    mends = models.ForeignKey("self", null=True, on_delete=models.SET_NULL, related_name="+")
    name = models.CharField(max_length=200, blank=True, help_text="The file's name.")
    format = models.CharField(max_length=8, choices=Format)
    size = models.IntegerField(help_text="Bytes, as sent.")
    body = models.BinaryField(help_text="As sent, zlib-compressed; empty once its personal data was erased.")
    columns = models.JSONField(default=dict, help_text="CSV: header -> field, as used for this sample.")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    problem = models.TextField(blank=True, help_text="Unreadable: the sentence that says why.")
    notices = models.JSONField(default=list, help_text="Sentences on how it was read, such as a delimiter found.")
    total = models.IntegerField(default=0, help_text="Records in it.")
    checked = models.IntegerField(default=0)
    invalid = models.IntegerField(default=0, help_text="Records with errors.")
    error_count = models.IntegerField(default=0)
    warning_count = models.IntegerField(default=0)
    groups = models.JSONField(default=list, help_text="Errors grouped: [{code, field, count, first, message}, …].")

    class Meta:
        indexes = [models.Index(fields=["environment", "entity", "-created_at"], name="sample_newest")]

    def __str__(self) -> str:
        return f"sample of {self.entity}, {self.created_at:%Y-%m-%d %H:%M}"

    @property
    def is_valid(self) -> bool:
        return self.state == self.State.DONE and self.total > 0 and self.invalid == 0


class SampleChunk(models.Model):
    """Up to 1,000 records of a sample, in order, with what was found in them."""

    sample = models.ForeignKey(Sample, on_delete=models.CASCADE, related_name="chunks")
    number = models.IntegerField(help_text="From 0.")
    first = models.IntegerField(help_text="Position of its first record in the sample, from 0.")
    records = JsonTextField()
    lines = models.JSONField(default=list, help_text="The line of the payload on which each record begins, from 1.")
    errors = JsonTextField()
    warnings = JsonTextField()
    invalid = models.IntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["sample", "number"], name="sample_chunk_key")]

    def __str__(self) -> str:
        return f"{self.sample} from {self.first}"


class ColumnMapping(models.Model):
    """Which column of a partner's CSV holds which field: remembered for the next sample of the entity."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    entity = models.CharField(max_length=16, choices=Entity)
    columns = models.JSONField(default=dict, help_text="Header -> field; a header that is left out is absent.")
    updated_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "entity"], name="column_mapping_key")]

    def __str__(self) -> str:
        return f"columns of {self.partner}'s {self.entity}"
