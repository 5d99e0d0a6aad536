"""What partner and team agree on the walk: scope, overrides, sign-off, rehearsals, and what they say to each other.

Each action locks the partner's walk, so that two people at once are served one after the other, and writes its audit
row in its own transaction. Refusals are ValidationErrors whose code is the field.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from typing import Any
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower
from django.utils import timezone

from entities.models import Entity
from onboarding.checks import page_of
from onboarding.models import Notification, Onboarding, Pattern, RehearsalWindow, Scope, SignOff, StepNote, StepOverride
from onboarding.models.checklist import Side
from onboarding.notifications import tell
from onboarding.steps import BY_NUMBER
from track360 import audit
from track360.audit import Actor
from track360.models import Membership, Partner, User

REHEARSAL_LENGTH = dt.timedelta(hours=24)
OVERRIDABLE = range(1, 8)  # contract, section 7: the team overrides what stands before production, not going live
MOST_CONTACTS = 20
LONGEST_TEXT = 4000
EARLIEST_HISTORY = dt.date(1900, 1, 1)  # the earliest that a record's date may be
# The domain ends in a letter or digit, so that the full stop of a sentence is none of it.
MENTION = re.compile(r"(?<![\w.])@([\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+)")
MOST_MENTIONS = 20


def lock_walk(partner: Partner) -> Onboarding:
    """The partner's walk, made where there is none yet, for this transaction alone."""
    walks = Onboarding.objects.select_for_update(no_key=True).filter(pk=partner.pk)
    if walk := walks.first():
        return walk
    Onboarding.objects.bulk_create([Onboarding(partner=partner, started_at=partner.created_at)], ignore_conflicts=True)
    return walks.get()


def side_of(actor: Actor) -> Side:
    """For whom somebody acts. A program acts for the partner."""
    return Side.TEAM if actor.user is not None and actor.user.is_staff else Side.PARTNER


# -- Scope --------------------------------------------------------------------


def newest_scope(partner: Partner) -> Scope | None:
    return Scope.objects.filter(partner=partner).order_by("-id").first()


@transaction.atomic
def propose_scope(
    partner: Partner,
    *,
    patterns: Mapping[str, str],
    contacts: Iterable[Mapping[str, Any]],
    time_zone: str,
    history_from: dt.date | None,
    actor: Actor,
) -> Scope:
    """A new version, which the side that proposes it accepts with it; the other side has to.

    Proposing what stands already accepts it. Raises ValidationError with the code `patterns`, `contacts`,
    `time_zone` or `history_from`: one for each that is wrong.
    """
    agreed = _checked_scope(patterns, contacts, time_zone, history_from)
    lock_walk(partner)
    scope = newest_scope(partner)
    if scope is None or any(getattr(scope, name) != value for name, value in agreed.items()):
        scope = Scope.objects.create(partner=partner, created_by=actor.user, **agreed)
        detail = {**agreed, "history_from": history_from.isoformat() if history_from else None}
        audit.record("scope.proposed", actor=actor, partner=partner, target=f"version {scope.version}", **detail)
    _accept(scope, side_of(actor), actor)
    return scope


@transaction.atomic
def accept_scope(scope: Scope, *, side: str, actor: Actor) -> Scope:
    """One side accepts the newest version; accepting it again changes nothing.

    Raises ValidationError: `scope` where a newer version has been proposed, `side` for somebody of the other side.
    """
    _check_side(side, actor)
    lock_walk(scope.partner)
    newest = newest_scope(scope.partner)
    if newest is None or newest.pk != scope.pk:
        raise ValidationError(
            "A newer version has been proposed meanwhile. Read that one, and accept it.", code="scope"
        )
    _accept(newest, Side(side), actor)
    return newest


def _accept(scope: Scope, side: Side, actor: Actor) -> None:
    if getattr(scope, f"{side}_accepted_at") is not None:
        return
    setattr(scope, f"{side}_accepted_at", timezone.now())
    setattr(scope, f"{side}_accepted_by", actor.user.email if actor.user else actor.client_id)
    scope.save(update_fields=[f"{side}_accepted_at", f"{side}_accepted_by"])
    audit.record("scope.accepted", actor=actor, partner=scope.partner, target=f"version {scope.version}", side=side)


def _checked_scope(
    patterns: Mapping[str, str], contacts: Iterable[Mapping[str, Any]], time_zone: str, history_from: dt.date | None
) -> dict[str, Any]:
    errors = []
    if not patterns:
        errors.append(ValidationError("Choose at least one entity to send.", code="patterns"))
    elif not (set(patterns) <= set(Entity.values) and set(patterns.values()) <= set(Pattern.values)):
        text = f"Choose for {', '.join(Entity.values)} one of {', '.join(Pattern.values)} each."
        errors.append(ValidationError(text, code="patterns"))
    try:
        people = _checked_contacts(contacts)
    except ValidationError as error:
        errors.append(error)
    zone_is_real = time_zone in available_timezones()
    if not zone_is_real:
        errors.append(ValidationError("Choose a time zone by its IANA name, such as Europe/Malta.", code="time_zone"))
    if history_from is not None:
        today = timezone.now().astimezone(ZoneInfo(time_zone) if zone_is_real else dt.UTC).date()
        if not EARLIEST_HISTORY <= history_from <= today:
            text = "The first day of the history must be from 1900 on, and not in the future."
            errors.append(ValidationError(text, code="history_from"))
    if errors:
        raise ValidationError(errors)
    in_order = {entity.value: patterns[entity.value] for entity in Entity if entity.value in patterns}
    return {"patterns": in_order, "contacts": people, "time_zone": time_zone, "history_from": history_from}


def _checked_contacts(contacts: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Each as {name, email, role}; raises ValidationError for the first that is none."""
    people = []
    for number, contact in enumerate(contacts, start=1):
        name, email, role = (str(contact.get(member) or "").strip() for member in ("name", "email", "role"))
        if not (1 <= len(name) <= 200 and name.isprintable() and len(role) <= 100 and (role + "-").isprintable()):
            raise ValidationError(f"Contact {number} needs a name of 1 to 200 printable characters.", code="contacts")
        try:
            validate_email(email)
        except ValidationError:
            raise ValidationError(f"The email address of contact {number} ({name}) is none.", code="contacts") from None
        people.append({"name": name, "email": email, "role": role})
    if not 1 <= len(people) <= MOST_CONTACTS:
        raise ValidationError(f"Name 1 to {MOST_CONTACTS} people to turn to.", code="contacts")
    return people


# -- Overrides and sign-off ---------------------------------------------------


@transaction.atomic
def override_step(partner: Partner, number: int, *, reason: str, actor: Actor) -> StepOverride:
    """A member of the team counts one of the steps 1 to 7 as done.

    Raises ValidationError: `side`, `number`, `reason`, or `override` where it is overridden already.
    """
    by = _team_member(actor)
    if number not in OVERRIDABLE:
        raise ValidationError("Only the steps 1 to 7 can be overridden.", code="number")
    reason = _checked_text(reason, field="reason", missing="An override needs a reason.")
    lock_walk(partner)
    standing = _standing_override(partner, number)
    if standing is not None:
        raise ValidationError(f"Step {number} is overridden already, by {standing.by}.", code="override")
    override = StepOverride.objects.create(partner=partner, number=number, by=by, reason=reason)
    audit.record("step.overridden", actor=actor, partner=partner, target=f"step {number}", reason=reason)
    return override


@transaction.atomic
def withdraw_override(partner: Partner, number: int, *, actor: Actor) -> None:
    """The evidence alone counts again. Raises ValidationError: `side`, or `override` where there is none."""
    by = _team_member(actor)
    lock_walk(partner)
    override = _standing_override(partner, number)
    if override is None:
        raise ValidationError(f"Step {number} is not overridden.", code="override")
    override.withdrawn_at, override.withdrawn_by = timezone.now(), by
    override.save(update_fields=["withdrawn_at", "withdrawn_by"])
    audit.record("step.override_withdrawn", actor=actor, partner=partner, target=f"step {number}")


@transaction.atomic
def sign_off(partner: Partner, *, side: str, actor: Actor) -> SignOff:
    """One side says that the partner may go live: an owner of the partner, or a member of the team.

    Doing it again changes nothing. Raises ValidationError `side` for anybody else.
    """
    by = _signer(partner, side, actor)
    lock_walk(partner)
    standing = SignOff.objects.filter(partner=partner, side=side, withdrawn_at=None).first()
    if standing is not None:
        return standing
    signed = SignOff.objects.create(partner=partner, side=side, by=by)
    audit.record("sign_off.given", actor=actor, partner=partner, target="step 8", side=side)
    return signed


@transaction.atomic
def withdraw_sign_off(partner: Partner, *, side: str, actor: Actor) -> None:
    """Raises ValidationError: `side`, or `sign_off` where that side has not signed off."""
    _signer(partner, side, actor)
    lock_walk(partner)
    standing = SignOff.objects.filter(partner=partner, side=side, withdrawn_at=None)
    if not standing.update(withdrawn_at=timezone.now()):
        raise ValidationError("There is no sign-off to withdraw.", code="sign_off")
    audit.record("sign_off.withdrawn", actor=actor, partner=partner, target="step 8", side=side)


def _standing_override(partner: Partner, number: int) -> StepOverride | None:
    standing = StepOverride.objects.filter(partner=partner, number=number, withdrawn_at=None)
    return standing.select_related("by").first()


def _signer(partner: Partner, side: str, actor: Actor) -> User:
    _check_side(side, actor)
    if side == Side.TEAM:
        return _team_member(actor)
    owners = Membership.objects.filter(partner=partner, user=actor.user, role=Membership.Role.OWNER)
    if actor.user is None or not owners.exists():
        raise ValidationError("Only an owner of the partner signs off for it.", code="side")
    return actor.user


def _team_member(actor: Actor) -> User:
    if actor.user is None or not (actor.user.is_staff and actor.user.is_active):
        raise ValidationError("Only a member of the integrations team may do this.", code="side")
    return actor.user


def _check_side(side: str, actor: Actor) -> None:
    if side not in {Side.PARTNER, Side.TEAM} or side != side_of(actor):
        raise ValidationError("You can speak for your own side only.", code="side")


# -- Rehearsal and notes ------------------------------------------------------


@transaction.atomic
def open_rehearsal(partner: Partner, *, actor: Actor) -> RehearsalWindow:
    """For 24 hours from now, what arrives in the sandbox is the rehearsal. What an earlier one earned is given up."""
    lock_walk(partner)
    now = timezone.now()
    window = RehearsalWindow.objects.create(
        partner=partner,
        opened_at=now,
        opened_by=actor.user,
        client_id=actor.client_id,
        closes_at=now + REHEARSAL_LENGTH,
    )
    audit.record("rehearsal.opened", actor=actor, partner=partner, target="step 6", closes_at=str(window.closes_at))
    return window


@transaction.atomic
def add_note(partner: Partner, number: int, *, text: str, actor: Actor) -> StepNote:
    """Say something about a step. `@name@example.com` mentions somebody of the partner or of the team, who
    is told.

    Raises ValidationError: `number`, or `text` for none and for more than 4,000 characters.
    """
    if number not in BY_NUMBER:
        raise ValidationError("There are the steps 1 to 8.", code="number")
    text = _checked_text(text, field="text", missing="Write something first.")
    note = StepNote.objects.create(
        partner=partner, number=number, author=actor.user, client_id=actor.client_id, text=text
    )
    people = mentioned_in(text, partner)
    note.mentioned.set(people)
    emails = [user.email for user in people]
    if people:
        tell(
            partner,
            kind=Notification.Kind.MENTION,
            subject=f"note {note.pk}",
            title=f"{actor} mentions you on step {number} of {partner.name}: {BY_NUMBER[number].name}",
            text=text,
            path=page_of(number, partner),
            to=people,
        )
    audit.record("note.added", actor=actor, partner=partner, target=f"step {number}", mentioned=emails)
    return note


def mentioned_in(text: str, partner: Partner) -> list[User]:
    """Who of the partner and of the team is mentioned; others are not told, nor told of."""
    emails = list(dict.fromkeys(email.lower() for email in MENTION.findall(text)))[:MOST_MENTIONS]
    if not emails:
        return []
    known = User.objects.filter(Q(is_staff=True) | Q(memberships__partner=partner), is_active=True)
    return list(known.annotate(lower=Lower("email")).filter(lower__in=emails).distinct().order_by("email"))


def _checked_text(text: str, *, field: str, missing: str) -> str:
    text = text.strip()
    if not text:
        raise ValidationError(missing, code=field)
    if len(text) > LONGEST_TEXT:
        raise ValidationError(f"Use at most {LONGEST_TEXT:,} characters.", code=field)
    if "\x00" in text:
        raise ValidationError("It holds a NUL character, which cannot be kept.", code=field)
    return text
