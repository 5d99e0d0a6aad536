"""How the integrations team looks at a partner: every look is written down, and "view as" shows what he sees.

Both are remembered in the session of the person who looks.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from track360 import audit
from track360.audit import Actor
from track360.htmx import wants_fragment
from track360.models import AuditEvent, Environment, Membership, Partner, User

VISIT = dt.timedelta(minutes=15)  # looks that lie closer together are one
KEPT = dt.timedelta(days=1)  # in the session: so long may a page stand open and poll
LOOKED_AT = "partner.looked_at"
LOOKS, VIEWING = "looks", "viewing_as"  # keys in the session
READ_ONLY = (
    "You are viewing this partner as somebody else: everything can be read, nothing changed. Stop viewing first."
)


def viewed_role(request: HttpRequest, partner: Partner) -> str | None:
    """The role as which this member of the team views the partner: `owner`, `developer`, `viewer`; None for his own."""
    viewing = request.session.get(VIEWING)
    return viewing["role"] if viewing and viewing["partner"] == partner.pk else None


def start_viewing(request: HttpRequest, partner: Partner, *, role: Membership.Role, actor: Actor) -> None:
    """From now on this person sees the partner's pages as somebody with that role does."""
    with transaction.atomic():
        stop_viewing(request, actor=actor)
        audit.record("viewing.started", actor=actor, partner=partner, target=partner.slug, role=role.value)
    request.session[VIEWING] = {"partner": partner.pk, "role": role.value}


def stop_viewing(request: HttpRequest, *, actor: Actor) -> Partner | None:
    """The partner that was viewed; None where none was."""
    viewing = request.session.pop(VIEWING, None)
    partner = Partner.objects.filter(pk=viewing["partner"]).first() if viewing else None
    if partner is not None:
        audit.record("viewing.stopped", actor=actor, partner=partner, target=partner.slug, role=viewing["role"])
    return partner


def note_look(request: HttpRequest, environment: Environment, *, actor: Actor) -> None:
    """Write down that a member of the team looks at a partner: once a visit, person and environment.

    The session spares the pages of a visit the query. A fragment that follows a page (a list that polls) is no look;
    one that follows none is.
    """
    looks: dict[str, Any] = request.session.get(LOOKS, {})
    last = looks.get(str(environment.pk))
    now = timezone.now()
    if last is not None and (wants_fragment(request) or now - dt.datetime.fromisoformat(last) < VISIT):
        return
    at = _record_look(environment, path=request.path, actor=actor, now=now)
    kept = {key: moment for key, moment in looks.items() if now - dt.datetime.fromisoformat(moment) < KEPT}
    request.session[LOOKS] = {**kept, str(environment.pk): at.isoformat()}


def _record_look(environment: Environment, *, path: str, actor: Actor, now: dt.datetime) -> dt.datetime:
    """When the visit began: now, or up to 15 minutes ago in another session or tab of this person."""
    with transaction.atomic():
        if actor.user is not None:
            User.objects.select_for_update().get(pk=actor.user.pk)  # two tabs: one after the other
        looks = AuditEvent.objects.filter(
            partner=environment.partner, at__gt=now - VISIT, environment=environment, actor=actor.user, action=LOOKED_AT
        )
        begun = looks.order_by("-at").values_list("at", flat=True).first()
        if begun is not None:
            return begun
        if not Membership.objects.filter(user=actor.user, partner=environment.partner).exists():
            audit.record(LOOKED_AT, actor=actor, environment=environment, target=environment.partner.slug, path=path)
        return now
