"""The eight steps of a partner: how they stand, what people added, and what was agreed."""

from __future__ import annotations

from typing import Any, ClassVar

from django.db import models
from django.utils import timezone

from track360.models import Partner, User


class Side(models.TextChoices):
    """Who acts next."""

    PARTNER = "partner", "the partner"
    TEAM = "team", "the integrations team"
    NOBODY = "nobody", "nobody"


class Pattern(models.TextChoices):
    """How an entity's records come (the guide's three patterns)."""

    PUSH = "push", "Push: you send"
    PULL = "pull", "Pull: we fetch"
    HYBRID = "hybrid", "Hybrid: you send, we fetch to reconcile"


class Onboarding(models.Model):
    """A partner's walk: when it began, when its steps were last computed, and the figures of the team's board.

    The figures are those of `computed_at`; what they are counted from stands elsewhere.
    """

    partner = models.OneToOneField(Partner, primary_key=True, on_delete=models.CASCADE, related_name="onboarding")
    started_at = models.DateTimeField(default=timezone.now)
    computed_at = models.DateTimeField(null=True, help_text="Null: never, or to be computed at the next look.")
    compute_by = models.DateTimeField(null=True, help_text="When time alone may change a step.")
    figures = models.JSONField(default=dict)

    class Meta:
        indexes = [models.Index(fields=["computed_at"], name="onboarding_by_computed")]

    def __str__(self) -> str:
        return f"onboarding of {self.partner}"


class Scope(models.Model):
    """What was agreed with a partner, in one version; the newest counts. Accepted by both sides, or not yet.

    `patterns` maps each entity in scope to a `Pattern`; `contacts` is a list of {name, email, role}; `history_from`
    is the first day of the history to load (null: none). The day boundary of reconciliation is `time_zone`'s (IANA).
    """

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="scopes")
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    patterns = models.JSONField(default=dict)
    contacts = models.JSONField(default=list)
    time_zone = models.CharField(max_length=64, default="UTC")
    history_from = models.DateField(null=True, blank=True)
    partner_accepted_at = models.DateTimeField(null=True)
    partner_accepted_by = models.CharField(max_length=254, blank=True, help_text="Email, or the client's id.")
    team_accepted_at = models.DateTimeField(null=True)
    team_accepted_by = models.CharField(max_length=254, blank=True)

    class Meta:
        indexes = [models.Index(fields=["partner", "-id"], name="scope_newest")]

    def __str__(self) -> str:
        return f"scope of {self.partner}, {self.created_at:%Y-%m-%d}"

    @property
    def is_agreed(self) -> bool:
        return self.partner_accepted_at is not None and self.team_accepted_at is not None

    @property
    def version(self) -> int:
        """Its number among the partner's own, from 1."""
        return Scope.objects.filter(partner=self.partner_id, pk__lte=self.pk).count()


class StepState(models.Model):
    """How one step of a partner stood at `Onboarding.computed_at`. Written by `checklist.compute` alone."""

    class State(models.TextChoices):
        MET = "met", "Done"
        OVERRIDDEN = "overridden", "Overridden"
        OPEN = "open", "Open"

    GREEN: ClassVar[frozenset[Any]] = frozenset({State.MET, State.OVERRIDDEN})

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="steps")
    number = models.SmallIntegerField(help_text="1 to 8.")
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    waiting_for = models.CharField(max_length=8, choices=Side, default=Side.PARTNER)
    evidence = models.JSONField(default=list, help_text="The checks: `steps.Check` as objects.")
    changed_at = models.DateTimeField(default=timezone.now, help_text="When `state` became what it is.")
    first_met_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["partner", "number"], name="step_state_key")]

    def __str__(self) -> str:
        return f"{self.partner} step {self.number}: {self.state}"


class StepChange(models.Model):
    """A step of a partner turned green or back: never altered."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    number = models.SmallIntegerField()
    at = models.DateTimeField(default=timezone.now)
    before = models.CharField(max_length=16, choices=StepState.State)
    after = models.CharField(max_length=16, choices=StepState.State)
    reason = models.TextField(blank=True, help_text="What was not met any more, or what was met last.")

    class Meta:
        indexes = [models.Index(fields=["partner", "-at"], name="step_change_by_time")]

    def __str__(self) -> str:
        return f"{self.partner} step {self.number}: {self.before} -> {self.after}"


class StepNote(models.Model):
    """Something said about a step, by the partner or the team."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    number = models.SmallIntegerField()
    at = models.DateTimeField(default=timezone.now)
    author = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    text = models.TextField()
    mentioned: Any = models.ManyToManyField(User, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["partner", "number", "at"], name="step_note_by_step")]

    def __str__(self) -> str:
        return f"note on step {self.number} of {self.partner}"


class StepOverride(models.Model):
    """A named member of the team counts a step as done, with a reason, until it is withdrawn."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    number = models.SmallIntegerField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    reason = models.TextField()
    at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "number"], condition=models.Q(withdrawn_at=None), name="step_override_once"
            )
        ]

    def __str__(self) -> str:
        return f"step {self.number} of {self.partner} overridden"


class SignOff(models.Model):
    """One side says that the partner may go live (step 8), until it is withdrawn."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    side = models.CharField(max_length=8, choices=[(Side.PARTNER, "the partner"), (Side.TEAM, "the team")])
    by = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["partner", "side"], condition=models.Q(withdrawn_at=None), name="sign_off_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.side} of {self.partner} signed off"


class RehearsalWindow(models.Model):
    """From when a partner rehearses in his sandbox (step 6). The newest counts; earned, it stays so."""

    partner = models.ForeignKey(Partner, on_delete=models.CASCADE, related_name="+")
    opened_at = models.DateTimeField(default=timezone.now)
    opened_by = models.ForeignKey(User, null=True, on_delete=models.PROTECT, related_name="+")
    client_id = models.CharField(max_length=100, blank=True)
    closes_at = models.DateTimeField()
    earned_at = models.DateTimeField(null=True)
    result = models.JSONField(default=dict, help_text="The figures that earned it, by entity.")

    class Meta:
        indexes = [models.Index(fields=["partner", "-opened_at"], name="rehearsal_newest")]

    def __str__(self) -> str:
        return f"rehearsal of {self.partner}, {self.opened_at:%Y-%m-%d}"
