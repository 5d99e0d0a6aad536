"""Making a partner."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils.text import slugify

from track360 import audit
from track360.models import Environment, Partner, User


def create_partner(*, name: str, slug: str = "", actor: User | None = None) -> Partner:
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
