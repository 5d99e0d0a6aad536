"""Where we fetch: a partner's API or database, and which of our entities is where in it."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.db import models
from django.utils import timezone

from entities.models import Entity, JsonTextField
from track360.models import Environment, User


class Connection(models.Model):
    """One API or database of a partner. Its secret is sealed and bound to this row; it is never shown again.

    It fetches only while `is_on`, which takes a test that passed. Changing where it leads or how it signs in takes
    `passed_at` away and switches it off.
    """

    class Kind(models.TextChoices):
        REST = "rest", "REST API"
        POSTGRESQL = "postgresql", "PostgreSQL"
        MYSQL = "mysql", "MySQL or MariaDB"

    class Auth(models.TextChoices):
        """How a REST API is signed in to; `secret` is the key, the password, the token or the client secret."""

        NONE = "none", "None"
        HEADER = "header", "Key in a header"
        BASIC = "basic", "Basic: user and password"
        BEARER = "bearer", "Bearer token"
        OAUTH = "oauth", "OAuth 2.0 client credentials"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="connections")
    name = models.CharField(max_length=100)
    kind = models.CharField(max_length=12, choices=Kind)
    # REST
    base_url = models.CharField(max_length=500, blank=True)
    auth = models.CharField(max_length=8, choices=Auth, default=Auth.NONE)
    auth_header = models.CharField(max_length=100, blank=True, help_text="The header's name, such as X-Api-Key.")
    token_url = models.CharField(max_length=500, blank=True)
    scope = models.CharField(max_length=500, blank=True)
    # SQL
    host = models.CharField(max_length=253, blank=True)
    port = models.IntegerField(null=True)
    database = models.CharField(max_length=100, blank=True)
    ca_certificate = models.TextField(blank=True, help_text="PEM; for a database whose certificate is its own CA's.")
    # Both
    user = models.CharField(max_length=200, blank=True, help_text="User name, or OAuth client id.")
    sealed_secret = models.TextField(blank=True)
    secret_set_at = models.DateTimeField(null=True)
    is_on = models.BooleanField(default=False)
    passed_at = models.DateTimeField(null=True, help_text="The last test that passed with what stands here now.")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "name"], condition=models.Q(removed_at=None), name="connection_name_once"
            )
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def is_sql(self) -> bool:
        return self.kind != self.Kind.REST


def default_overlap(entity: str) -> dt.timedelta:
    return dt.timedelta(days=3) if entity == Entity.ACTIVITY else dt.timedelta(minutes=15)


class Feed(models.Model):
    """How one entity of an environment is fetched, when, and how far that has come. At most one an entity.

    The schedule is `every_minutes` or `daily_at`, never both; without either it runs only when somebody asks.
    `cursor` is how far the fetched data reaches, as text by `cursor_kind`: a run starts `overlap` before it, moves it
    at its end, and never back. A person may set it, also back.
    """

    class Pattern(models.TextChoices):
        """As `onboarding` agrees it; what is pushed alone has no feed."""

        PULL = "pull", "Pull: what we fetch stands"
        HYBRID = "hybrid", "Hybrid: what was pushed stands, differences are shown"

    class Paging(models.TextChoices):
        NONE = "none", "None: one answer holds all"
        PAGE = "page", "Page number"
        OFFSET = "offset", "Offset"
        CURSOR = "cursor", "Cursor in the body"
        NEXT = "next", "Address of the next page in the body"
        LINK = "link", "Link header"

    class CursorKind(models.TextChoices):
        MOMENT = "moment", "Date and time"
        DAY = "day", "Date"
        NUMBER = "number", "Number"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.PROTECT, related_name="feeds")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="feeds")
    entity = models.CharField(max_length=16, choices=Entity)
    pattern = models.CharField(max_length=8, choices=Pattern, default=Pattern.PULL)
    pull_wins = models.BooleanField(default=False, help_text="Hybrid only: a pulled version replaces a pushed one.")
    # REST: the address and how its answer is read
    path = models.CharField(max_length=500, blank=True, help_text="Below the connection's base URL.")
    query = models.JSONField(
        default=dict,
        help_text="Parameter -> value; {since} and {until} as RFC 3339, {since:date}, {since:unix}, "
        "{since:ms} and the same of until in other forms.",
    )
    records_at = models.CharField(
        max_length=200,
        blank=True,
        help_text="JSON pointer (RFC 6901) to the array of records; empty: the answer itself.",
    )
    paging = models.CharField(max_length=8, choices=Paging, default=Paging.NONE)
    paging_options = models.JSONField(
        default=dict,
        help_text="page: page_parameter, first_page, size_parameter. offset: offset_parameter, size_parameter. cursor: "
        "cursor_parameter, cursor_at (JSON pointer), size_parameter. next: next_at (JSON pointer), size_parameter. "
        "link: size_parameter. `size_parameter` may be left out.",
    )
    # SQL: a table or view, or a SELECT
    relation = models.CharField(max_length=200, blank=True, help_text="Table or view, with its schema where needed.")
    select = models.TextField(blank=True, help_text="A SELECT instead of a relation.")
    cursor_column = models.CharField(
        max_length=100, blank=True, help_text="Column that rises with each change; empty: all is read each time."
    )
    # Both
    fields = models.JSONField(
        default=dict,
        help_text="The guide's field -> its name at the source; for JSON also a pointer. Empty: the same names.",
    )
    time_zone = models.CharField(max_length=64, default="UTC", help_text="IANA; for times that bear no offset.")
    page_size = models.IntegerField(default=1000)
    every_minutes = models.IntegerField(null=True)
    daily_at = models.TimeField(null=True, help_text="UTC.")
    overlap = models.DurationField(default=dt.timedelta(minutes=15))
    cursor_kind = models.CharField(max_length=8, choices=CursorKind, default=CursorKind.MOMENT)
    cursor = models.CharField(max_length=64, blank=True, help_text="Empty: from the beginning.")
    cursor_moved_at = models.DateTimeField(null=True)
    is_on = models.BooleanField(default=False)
    passed_at = models.DateTimeField(null=True, help_text="As of the connection.")
    next_run_at = models.DateTimeField(null=True)
    paused_at = models.DateTimeField(null=True)
    pause_reason = models.TextField(blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    removed_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["environment", "entity"], condition=models.Q(removed_at=None), name="feed_once_an_entity"
            )
        ]
        indexes = [
            models.Index(fields=["next_run_at"], condition=models.Q(is_on=True, paused_at=None), name="feed_due")
        ]

    def __str__(self) -> str:
        return f"{self.entity} from {self.connection}"


class ConnectionTest(models.Model):
    """One test of a connection and its feeds, made by a worker.

    `steps`: [{"name", "ok", "detail", "ms"}, …] in order, such as reached, signed in. `feeds`: entity ->
    {"ok", "steps", "cursor_kind"}. `rows`: entity -> up to ten of {"record", "errors", "warnings"}, as they would be
    stored; they may hold personal data and go with retention and erasure.
    """

    class State(models.TextChoices):
        WAITING = "waiting"
        RUNNING = "running"
        PASSED = "passed"
        FAILED = "failed"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="tests")
    environment = models.ForeignKey(Environment, on_delete=models.CASCADE, related_name="+")
    state = models.CharField(max_length=8, choices=State, default=State.WAITING)
    requested_at = models.DateTimeField(default=timezone.now)
    requested_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    steps = models.JSONField(default=list)
    feeds = models.JSONField(default=dict)
    rows: Any = JsonTextField(null=True)

    class Meta:
        indexes = [models.Index(fields=["connection", "-requested_at"], name="connection_test_newest")]

    def __str__(self) -> str:
        return f"test of {self.connection}, {self.requested_at:%Y-%m-%d %H:%M}"
