"""What the three record tables have in common."""

from __future__ import annotations

import uuid
from typing import Any

from django.db import models

from track360 import exact_json
from track360.models import Environment


class Entity(models.TextChoices):
    CUSTOMERS = "customers"
    TRANSACTIONS = "transactions"
    ACTIVITY = "activity"


class Source(models.TextChoices):
    """The door through which the standing version of a record came."""

    PUSH = "push"
    PULL = "pull"
    REPLAY = "replay"


class JsonTextField(models.TextField):
    """JSON kept as text: unlike jsonb it holds a NUL escape and every digit, so that refused data is kept as sent.

    None is SQL's NULL where the column has it, and else JSON's null: a record that was sent as null.
    """

    _pyi_private_set_type: Any  # for django-stubs: text in the table, any JSON in Python
    _pyi_private_get_type: Any

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> Any:
        return None if value is None else exact_json.loads(value)

    def to_python(self, value: Any) -> Any:
        return exact_json.loads(value) if isinstance(value, str) else value

    def get_prep_value(self, value: Any) -> str | None:
        return None if value is None and self.null else exact_json.dumps(value)


class Record(models.Model):
    """A record of a partner as last sent, and when and how it came.

    In the database the primary key is `(environment_id, id)`: a distributed PostgreSQL wants the tenant in every
    unique key. `id` rises with insertion and is the cursor of unfiltered lists. The environment has no constraint in
    the database: checking it would cost every row a look-up and all writers a shared lock on one row, and only the
    pipeline writes here, for an environment it was given.
    """

    id = models.BigAutoField(primary_key=True)
    environment = models.ForeignKey(
        Environment,
        on_delete=models.PROTECT,
        related_name="+",
        db_index=False,
        db_constraint=False,
    )
    received_at = models.DateTimeField(help_text="UTC; when the record first came.")
    updated_at = models.DateTimeField(help_text="UTC; when the standing version was stored.")
    source = models.CharField(max_length=8, choices=Source)
    batch_id = models.UUIDField(default=uuid.uuid4, help_text="The batch that wrote the version.")

    class Meta:
        abstract = True
