"""Taking a lost second factor off an account: one member of the team asks, another one does it.

Neither may be the person whose it is, so a member of the team who lost his needs two others. The database holds the
same rules.
"""

from __future__ import annotations

from allauth.mfa.models import Authenticator
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from track360 import audit, mail
from track360.models import SecondFactorReset, User
from track360.second_factor import has_second_factor
from track360.sessions import end_sessions

REASON_LENGTH = 2000


def request_reset(user: User, *, reason: str, actor: audit.Actor) -> SecondFactorReset:
    """Raises ValidationError: `own`, `reason`, `none` (nothing to take off), `open` (asked already), `staff`."""
    team = _member_of_the_team(actor)
    reason = reason.strip()
    if user.pk == team.pk:
        raise ValidationError("Nobody asks for a reset of his own: it takes two colleagues.", code="own")
    if not reason or len(reason) > REASON_LENGTH:
        raise ValidationError(f"Give the reason, in at most {REASON_LENGTH} characters.", code="reason")
    if not has_second_factor(user):
        raise ValidationError(f"{user.email} has no second factor.", code="none")
    try:
        with transaction.atomic():
            reset = SecondFactorReset.objects.create(user=user, reason=reason, requested_by=team)
            audit.record("second_factor.reset_requested", actor=actor, target=user.email, reason=reason)
            return reset
    except IntegrityError:
        raise ValidationError(f"A reset for {user.email} waits already.", code="open") from None


@transaction.atomic
def approve_reset(reset: SecondFactorReset, *, actor: audit.Actor) -> None:
    """Take off all authenticators, end all sessions, tell the person and the team. Raises as `_decide`."""
    reset = _decide(reset, actor=actor, approved=True)
    types = list(Authenticator.objects.filter(user=reset.user).values_list("type", flat=True))
    Authenticator.objects.filter(user=reset.user).delete()
    end_sessions(reset.user, actor=actor)
    audit.record(
        "second_factor.reset",
        actor=actor,
        target=reset.user.email,
        requested_by=reset.requested_by.email,
        reason=reset.reason,
        types=types,
    )
    _tell_after_commit(reset)


@transaction.atomic
def refuse_reset(reset: SecondFactorReset, *, actor: audit.Actor) -> None:
    """Everything stays as it is. Raises as `_decide`."""
    reset = _decide(reset, actor=actor, approved=False)
    audit.record(
        "second_factor.reset_refused",
        actor=actor,
        target=reset.user.email,
        requested_by=reset.requested_by.email,
    )


def _decide(reset: SecondFactorReset, *, actor: audit.Actor, approved: bool) -> SecondFactorReset:
    """Raises ValidationError: `decided` (somebody was faster), `same`, `own`, `staff`."""
    team = _member_of_the_team(actor)
    locked = SecondFactorReset.objects.select_related("user", "requested_by").select_for_update(of=("self",))
    reset = locked.get(pk=reset.pk)
    if reset.decided_at is not None:
        raise ValidationError("A colleague has decided this already.", code="decided")
    if reset.requested_by_id == team.pk:
        raise ValidationError("You asked for this reset: a colleague decides it.", code="same")
    if reset.user_id == team.pk:
        raise ValidationError("This is your own second factor: a colleague decides it.", code="own")
    reset.decided_by, reset.decided_at, reset.approved = team, timezone.now(), approved
    reset.save(update_fields=["decided_by", "decided_at", "approved"])
    return reset


def _tell_after_commit(reset: SecondFactorReset) -> None:
    team = User.objects.filter(is_staff=True, is_active=True).exclude(pk=reset.user_id)
    addresses = [reset.user.email, *team.order_by("email").values_list("email", flat=True)]

    def tell() -> None:
        mail.send_template(
            "track360/email/second_factor_reset.txt",
            to=addresses,
            subject=f"Track360: The second factor of {reset.user.email} was taken off",
            reset=reset,
        )

    transaction.on_commit(tell, robust=True)


def _member_of_the_team(actor: audit.Actor) -> User:
    user = actor.user
    if user is None or not user.is_staff or not user.is_active:
        raise ValidationError("Only the integrations team resets a second factor.", code="staff")
    return user
