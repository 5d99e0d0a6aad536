"""What people and programs are told: each thing once, until it is over.

`tell` writes the notification, and a `Delivery` for each address, in the caller's transaction: what is rolled back was
never told, what is committed will be sent by the worker (`onboarding.delivery`).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection

from django.db import IntegrityError, transaction
from django.db.models import Q, QuerySet
from django.utils import timezone

from integrations.models import WebhookEndpoint
from onboarding.models import Delivery, Notification, StepState
from onboarding.models.checklist import Side
from track360.models import Environment, Membership, Partner, User

Kind = Notification.Kind
STEPS = frozenset({Kind.STEP_GREEN, Kind.STEP_BACK})
TELLS = (Membership.Role.OWNER, Membership.Role.DEVELOPER)  # viewers read; these can mend it


def tell(
    partner: Partner,
    *,
    kind: str,
    subject: str,
    title: str,
    text: str,
    path: str = "",
    environment: Environment | None = None,
    lasting: bool = False,
    to: Collection[User] | None = None,
) -> Notification | None:
    """Tell the partner's people and webhooks; None where the same kind and subject is open already.

    A lasting one is open, and not told again, until `end`; another is an event, over at once. `to` names the people
    instead of the usual ones, and then no webhook is called: a note to somebody is no affair of programs.
    """
    now = timezone.now()
    notification = Notification(
        partner=partner,
        environment=environment,
        kind=kind,
        subject=subject[:200],
        title=" ".join(title.split())[:200],  # becomes the subject of an email, which is one line
        text=text,
        path=path,
        at=now,
        over_at=None if lasting else now,
    )
    try:
        with transaction.atomic():
            notification.save(force_insert=True)
    except IntegrityError:
        if lasting and open_for(partner).filter(kind=kind, subject=notification.subject).exists():
            return None
        raise
    people = _usual_people(partner, kind) if to is None else to
    emails = {person.email.lower() for person in people if person.is_active}
    deliveries = [
        Delivery(notification=notification, channel=Delivery.Channel.EMAIL, email=email) for email in sorted(emails)
    ]
    if to is None:
        deliveries += [
            Delivery(notification=notification, channel=Delivery.Channel.WEBHOOK, endpoint=endpoint)
            for endpoint in WebhookEndpoint.objects.filter(partner=partner, is_active=True)
        ]
    Delivery.objects.bulk_create(deliveries)
    return notification


def end(partner: Partner, *, kind: str, subject: str) -> None:
    """It is over: what was told may be told again when it comes back. Ending what is not open does nothing."""
    open_for(partner).filter(kind=kind, subject=subject[:200]).update(over_at=timezone.now())


def open_for(partner: Partner) -> QuerySet[Notification]:
    return Notification.objects.filter(partner=partner, over_at=None)


def _usual_people(partner: Partner, kind: str) -> QuerySet[User]:
    """The partner's owners and developers; of a step also the integrations team, where the next open one is theirs."""
    people = Q(memberships__partner=partner, memberships__role__in=TELLS)
    if kind in STEPS:
        following = StepState.objects.filter(partner=partner, state=StepState.State.OPEN).order_by("number").first()
        if following is not None and following.waiting_for == Side.TEAM:
            people |= Q(is_staff=True)
    return User.objects.filter(people, is_active=True).distinct()


def history_for(partner: Partner, *, before: dt.datetime | None) -> QuerySet[Notification]:
    """What is over, newest first; tests of webhooks are nobody's history."""
    over = Notification.objects.filter(partner=partner).exclude(over_at=None).exclude(kind=Kind.TEST)
    if before is not None:
        over = over.filter(at__lt=before)
    return over.select_related("environment").order_by("-at")
