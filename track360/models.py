"""Who is who: people, partners, their two environments, and what people did."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from django.db.models.functions import Lower
from django.utils import timezone


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.get(email__iexact=username)


class User(AbstractBaseUser, PermissionsMixin):
    """One person; signs in by email. `is_staff` marks the integrations team."""

    email = models.EmailField(unique=True)
    name = models.CharField(max_length=200, blank=True)
    is_staff = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)
    date_joined = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        constraints = [models.UniqueConstraint(Lower("email"), name="user_email_unique")]

    def __str__(self) -> str:
        return self.email

    def get_full_name(self) -> str:
        return self.name or self.email


class Partner(models.Model):
    """One operator: a casino, sportsbook or poker room. Has exactly two environments."""

    class Status(models.TextChoices):
        ACTIVE = "active"
        SUSPENDED = "suspended"
        CLOSED = "closed"

    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=200)
    status = models.CharField(max_length=16, choices=Status, default=Status.ACTIVE)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Environment(models.Model):
    """The tenant: sandbox or production of one partner. Every record, client and request belongs to one."""

    class Kind(models.TextChoices):
        SANDBOX = "sandbox"
        PRODUCTION = "production"

    partner = models.ForeignKey(Partner, on_delete=models.PROTECT, related_name="environments")
    kind = models.CharField(max_length=16, choices=Kind)
    created_at = models.DateTimeField(default=timezone.now)
    facts_changed_at = models.DateTimeField(
        default=timezone.now,
        editable=False,
        help_text="What processes remember of mappings, affiliates, customers and callers is true while this stays.",
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "kind"], name="environment_partner_kind_unique")]

    def __str__(self) -> str:
        return f"{self.partner.slug} {self.kind}"


class Membership(models.Model):
    """A person's role at one partner, in both environments."""

    class Role(models.TextChoices):
        OWNER = "owner"
        DEVELOPER = "developer"
        VIEWER = "viewer"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "partner"], name="membership_user_partner_unique")]

    def __str__(self) -> str:
        return f"{self.user} {self.role}"


class Invitation(models.Model):
    """Somebody asked by email to join a partner in a role. The link's token is kept as its SHA-256 digest only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=16, choices=Membership.Role)
    digest = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()
    accepted_at = models.DateTimeField(null=True)
    accepted_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    revoked_at = models.DateTimeField(null=True)
    mailed_at = models.DateTimeField(null=True, help_text="When the mail server took the newest link; null: never.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                "partner",
                Lower("email"),
                condition=models.Q(accepted_at=None, revoked_at=None),
                name="invitation_open_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.email} as {self.role}"


class SecondFactorReset(models.Model):
    """One member of staff asks that a person's second factors be taken away, another one does it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    user = models.ForeignKey(User, on_delete=models.PROTECT, related_name="second_factor_resets")
    reason = models.TextField()
    requested_by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField(default=timezone.now)
    decided_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    decided_at = models.DateTimeField(null=True)
    approved = models.BooleanField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=models.Q(decided_at=None), name="second_factor_reset_open_once"
            ),
            models.CheckConstraint(
                condition=~models.Q(decided_by=models.F("requested_by")), name="second_factor_reset_takes_two"
            ),
            models.CheckConstraint(
                condition=~models.Q(requested_by=models.F("user")) & ~models.Q(decided_by=models.F("user")),
                name="second_factor_reset_by_others",
            ),
        ]

    def __str__(self) -> str:
        return f"second factors of {self.user}"


class AuditEvent(models.Model):
    """One thing somebody did. Append-only: the database itself refuses UPDATE and DELETE."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    at = models.DateTimeField(default=timezone.now)
    actor = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True, help_text="The OAuth client, where a program did it.")
    action = models.CharField(max_length=64)
    partner = models.ForeignKey(Partner, null=True, on_delete=models.PROTECT, related_name="+")
    environment = models.ForeignKey(Environment, null=True, on_delete=models.PROTECT, related_name="+")
    target = models.CharField(max_length=200, blank=True)
    detail = models.JSONField(default=dict)
    ip = models.GenericIPAddressField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["partner", "-at"], name="audit_partner_at"),
            models.Index(fields=["-at"], name="audit_at"),
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.target}"


class Attempt(models.Model):
    """How often something limited happened in one window, for the limits that must hold while Valkey is away."""

    digest = models.CharField(max_length=64, help_text="SHA-256 of the limit's name and key.")
    window_start = models.DateTimeField()
    count = models.IntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["digest", "window_start"], name="attempt_digest_window_unique")]

    def __str__(self) -> str:
        return f"{self.count} since {self.window_start:%H:%M:%S}"
