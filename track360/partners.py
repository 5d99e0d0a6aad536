"""Making a partner, suspending one."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from track360 import audit
from track360.audit import Actor
from track360.models import Environment, Partner, User


def create_partner(*, name: str, slug: str = "", actor: Actor | User | None = None) -> Partner:
    """A partner with its two environments. Without a slug it is made from the name.

    Raises ValidationError for a bad name, and for a slug that is bad or taken.
    """
    name = name.strip()
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise ValidationError("Give the partner a name of 1 to 200 printable characters.", code="name")
    slug = slug or slugify(name)[:63].strip("-_")
    if not slug:
        raise ValidationError(f"No slug can be made from {name!r}. Give one.", code="slug")
    if slug != slugify(slug) or len(slug) > 63:
        raise ValidationError(
            f"The slug {slug!r} is not valid: write up to 63 lower-case letters, digits and hyphens.", code="slug"
        )
    try:
        with transaction.atomic():
            partner = Partner.objects.create(name=name, slug=slug)
            add_environments(partner)
            audit.record("partner.created", actor=actor, partner=partner, target=slug, name=name)
    except IntegrityError:
        raise ValidationError(f"The slug {slug!r} is taken. Give another one.", code="slug_taken") from None
    return partner


def add_environments(partner: Partner) -> None:
    """The two environments that a partner has from its first moment on."""
    Environment.objects.bulk_create(Environment(partner=partner, kind=kind) for kind in Environment.Kind)


@transaction.atomic
def suspend_partner(partner: Partner, *, reason: str, actor: Actor) -> None:
    """From the very next request on every call gets 401. Raises ValidationError `status` where it is not active."""
    if _locked(partner).status != Partner.Status.ACTIVE:
        raise ValidationError(f"{partner.name} is {partner.status} already.", code="status")
    _set_status(partner, Partner.Status.SUSPENDED)
    audit.record("partner.suspended", actor=actor, partner=partner, target=partner.slug, reason=reason)


@transaction.atomic
def lift_suspension(partner: Partner, *, reason: str, actor: Actor) -> None:
    """Its calls are answered again. Raises ValidationError `status` where it is not suspended."""
    if _locked(partner).status != Partner.Status.SUSPENDED:
        raise ValidationError(f"{partner.name} is not suspended: it is {partner.status}.", code="status")
    _set_status(partner, Partner.Status.ACTIVE)
    audit.record("partner.suspension_lifted", actor=actor, partner=partner, target=partner.slug, reason=reason)


def _locked(partner: Partner) -> Partner:
    partner.refresh_from_db(fields=["status"], from_queryset=Partner.objects.select_for_update(no_key=True))
    return partner


def _set_status(partner: Partner, status: Partner.Status) -> None:
    partner.status = status
    partner.save(update_fields=["status"])
