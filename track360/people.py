"""Who belongs to a partner: invitations, roles, leaving. Each action writes its audit row in its own transaction."""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta
from hashlib import sha256

from allauth.account.models import EmailAddress
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.urls import reverse
from django.utils import timezone

from track360 import audit, limits, mail
from track360.models import Invitation, Membership, Partner, User

VALID_FOR = timedelta(days=7)
MAILS_A_MINUTE = limits.Limit("invitation mails", 20)  # for one partner: nobody's mailbox is filled from here
OPEN_AT_MOST = 200  # invitations of one partner
EMAIL_LENGTH = 254

LAST_OWNER = "{name} is the last owner. Make somebody else an owner first, or ask the integrations team."
ACCOUNT_EXISTS = "There is an account with this address. Sign in with it, then open the link again."
CLOSED = {
    "accepted": "This invitation was used already. Each link works once; if it was you, sign in.",
    "revoked": "This invitation was taken back. Ask whoever invited you for a new one.",
    "expired": "This invitation has expired: a link works for 7 days. Ask whoever invited you to send it again.",
    "closed": "This partner is closed. Nobody can join it any more.",
}


# -- Invitations --------------------------------------------------------------


def invite(partner: Partner, *, email: str, role: str, actor: audit.Actor) -> tuple[Invitation, str]:
    """Ask somebody to join. The token, 256 bits, stands in the mailed link and in the answer, and nowhere else;
    the answer is for nobody but the integrations team to see.

    Raises ValidationError: `email`, `role`, `member`, `open` (asked already), `too_many`.
    """
    email = _checked_email(email)
    _check_role(role)
    _take_mail(partner)
    try:
        with transaction.atomic():
            if Membership.objects.filter(partner=partner, user__email__iexact=email).exists():
                raise ValidationError(f"{email} belongs to this team already.", code="member")
            if open_invitations(partner).count() >= OPEN_AT_MOST:
                raise ValidationError("Too many invitations are open. Revoke some of them first.", code="too_many")
            token, digest = _new_token()
            invitation = Invitation.objects.create(
                partner=partner,
                email=email,
                role=role,
                digest=digest,
                invited_by=_person(actor),
                expires_at=timezone.now() + VALID_FOR,
            )
            audit.record("invitation.created", actor=actor, partner=partner, target=email, role=role)
            _mail_after_commit(invitation, token)
    except IntegrityError:
        raise ValidationError(
            f"{email} is invited already. Send that invitation again, or revoke it.", code="open"
        ) from None
    return invitation, token


def send_invitation_again(invitation: Invitation, *, actor: audit.Actor) -> tuple[Invitation, str]:
    """A new link for another 7 days; the one before it ends. Raises ValidationError where it is no longer open."""
    _take_mail(invitation.partner)
    with transaction.atomic():
        invitation = _locked(invitation)
        _check_open(invitation, but="expired")
        token, invitation.digest = _new_token()
        invitation.expires_at = timezone.now() + VALID_FOR
        invitation.mailed_at = None
        invitation.save(update_fields=["digest", "expires_at", "mailed_at"])
        audit.record("invitation.sent_again", actor=actor, partner=invitation.partner, target=invitation.email)
        _mail_after_commit(invitation, token)
    return invitation, token


@transaction.atomic
def revoke_invitation(invitation: Invitation, *, actor: audit.Actor) -> None:
    """The link ends at once. Raises ValidationError where somebody has used it."""
    invitation = _locked(invitation)
    _check_open(invitation, but="expired")
    invitation.revoked_at = timezone.now()
    invitation.save(update_fields=["revoked_at"])
    audit.record("invitation.revoked", actor=actor, partner=invitation.partner, target=invitation.email)


@transaction.atomic
def accept_invitation(invitation: Invitation, *, actor: audit.Actor) -> Membership:
    """The signed-in person joins. Raises ValidationError: a code of `CLOSED`, or `somebody_else`."""
    user = _person(actor)
    invitation = _locked(invitation)
    _check_open(invitation)
    if invitation.email.lower() != user.email.lower():
        raise ValidationError(f"This invitation is for {invitation.email}.", code="somebody_else")
    return _join(invitation, user, actor=actor)


@transaction.atomic
def accept_as_new_person(invitation: Invitation, *, name: str, password: str, ip: str | None) -> User:
    """Make the account and join. Raises ValidationError: a code of `CLOSED`, `account`, or what a password lacks."""
    invitation = _locked(invitation)
    _check_open(invitation)
    user = User(email=invitation.email, name=name)
    validate_password(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            user.save()
    except IntegrityError:
        raise ValidationError(ACCOUNT_EXISTS, code="account") from None
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    actor = audit.Actor(user=user, ip=ip)
    audit.record("user.created", actor=actor, partner=invitation.partner, target=user.email, through="invitation")
    _join(invitation, user, actor=actor)
    return user


def invitation_for(token: str) -> Invitation | None:
    """The invitation whose link this is, open or not."""
    found = Invitation.objects.select_related("partner", "invited_by", "accepted_by")
    return found.filter(digest=_digest(token)).first()


def open_invitations(partner: Partner) -> QuerySet[Invitation]:
    """Neither accepted nor revoked; expired ones too, since they wait to be sent again or taken back."""
    return Invitation.objects.filter(partner=partner, accepted_at=None, revoked_at=None)


def why_closed(invitation: Invitation, *, now: datetime) -> str:
    """`accepted`, `revoked`, `closed` (the partner is), `expired`, or an empty string for an open one."""
    if invitation.accepted_at:
        return "accepted"
    if invitation.revoked_at:
        return "revoked"
    if invitation.partner.status == Partner.Status.CLOSED:
        return "closed"
    return "expired" if invitation.expires_at <= now else ""


def invitation_link(token: str) -> str:
    return f"{settings.BASE_URL}{reverse('invitation', args=[token])}"


# -- Members ------------------------------------------------------------------


@transaction.atomic
def change_role(membership: Membership, *, role: str, actor: audit.Actor) -> None:
    """Raises ValidationError: `role`, `last_owner` (staff may), `gone` where the person has left meanwhile."""
    _check_role(role)
    membership = _locked_member(membership)
    before = membership.role
    if role == before:
        return
    _check_not_last_owner(membership, actor=actor)
    membership.role = role
    membership.save(update_fields=["role"])
    audit.record(
        "member.role_changed",
        actor=actor,
        partner=membership.partner,
        target=membership.user.email,
        before=before,
        after=role,
    )


@transaction.atomic
def remove_member(membership: Membership, *, actor: audit.Actor) -> None:
    """The account stays; this partner is shut to it from the next click. Raises as `change_role`."""
    membership = _locked_member(membership)
    _check_not_last_owner(membership, actor=actor)
    audit.record(
        "member.removed",
        actor=actor,
        partner=membership.partner,
        target=membership.user.email,
        role=membership.role,
    )
    membership.delete()


# -- What the actions stand on --------------------------------------------------


def _join(invitation: Invitation, user: User, *, actor: audit.Actor) -> Membership:
    membership, _ = Membership.objects.get_or_create(
        user=user, partner=invitation.partner, defaults={"role": invitation.role}
    )
    invitation.accepted_at = timezone.now()
    invitation.accepted_by = user
    invitation.save(update_fields=["accepted_at", "accepted_by"])
    audit.record(
        "invitation.accepted",
        actor=actor,
        partner=invitation.partner,
        target=user.email,
        role=membership.role,
        invited_by=invitation.invited_by.email,
    )
    return membership


def _mail_after_commit(invitation: Invitation, token: str) -> None:
    """By this process: the token must not lie in a queue. The page says so where `mailed_at` stays empty."""

    def deliver() -> None:
        sent = mail.send_template(
            "track360/email/invitation.txt",
            to=[invitation.email],
            subject=f"Join {invitation.partner.name} on Track360",
            invitation=invitation,
            link=invitation_link(token),
        )
        if sent:
            Invitation.objects.filter(pk=invitation.pk, digest=invitation.digest).update(mailed_at=timezone.now())

    transaction.on_commit(deliver, robust=True)


def _locked(invitation: Invitation) -> Invitation:
    """As it is now, and as nobody else can change it until the transaction ends."""
    return (
        Invitation.objects.select_related("partner", "invited_by").select_for_update(of=("self",)).get(pk=invitation.pk)
    )


def _locked_member(membership: Membership) -> Membership:
    """The team as a whole is locked: of two owners who leave at once the second one sees that he is the last."""
    Partner.objects.select_for_update(no_key=True).get(pk=membership.partner_id)
    found = Membership.objects.select_related("partner", "user").filter(pk=membership.pk).first()
    if found is None:
        raise ValidationError("This person has left the team already.", code="gone")
    return found


def _check_open(invitation: Invitation, *, but: str = "") -> None:
    reason = why_closed(invitation, now=timezone.now())
    if reason and reason != but:
        raise ValidationError(CLOSED[reason], code=reason)


def _check_not_last_owner(membership: Membership, *, actor: audit.Actor) -> None:
    if membership.role != Membership.Role.OWNER or (actor.user is not None and actor.user.is_staff):
        return
    owners = Membership.objects.filter(partner=membership.partner, role=Membership.Role.OWNER, user__is_active=True)
    if not owners.exclude(pk=membership.pk).exists():
        raise ValidationError(LAST_OWNER.format(name=membership.user.get_full_name()), code="last_owner")


def _check_role(role: str) -> None:
    if role not in Membership.Role.values:
        raise ValidationError(f"Choose a role: {', '.join(Membership.Role.values)}.", code="role")


def _checked_email(email: str) -> str:
    email = email.strip().lower()
    try:
        validate_email(email)
    except ValidationError:
        raise ValidationError("Write an email address, such as name@example.com.", code="email") from None
    if len(email) > EMAIL_LENGTH:
        raise ValidationError(f"An email address has at most {EMAIL_LENGTH} characters.", code="email")
    return email


def _take_mail(partner: Partner) -> None:
    state = limits.take_or_count(MAILS_A_MINUTE, str(partner.pk))
    if not state.allowed:
        raise ValidationError(
            f"Many invitations were sent just now. Try again in {state.reset_seconds} s.", code="too_many"
        )


def _person(actor: audit.Actor) -> User:
    if actor.user is None:
        raise ValidationError("Only a person can do this.", code="person")
    return actor.user


def _new_token() -> tuple[str, str]:
    token = secrets.token_urlsafe(32)
    return token, _digest(token)


def _digest(token: str) -> str:
    return sha256(token.encode(errors="replace")).hexdigest()
