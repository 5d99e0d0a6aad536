"""Bringing notifications to where they belong: by email, and by signed calls to webhooks.

What is due stands in the database. A delivery is taken before it is tried: its next try moves ahead by a lease, so that
a worker that is killed loses nothing, and two workers do not try the same at once. Killed after the mail server took an
email and before that was written down, the email goes out twice: at least once is what mail allows. A webhook may be
called twice for the same reason; its `webhook-id` stays, so the receiver can tell.
"""

from __future__ import annotations

import datetime as dt
import http
import logging
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from django.conf import settings
from django.core.mail import EmailMessage
from django.db import transaction
from django.db.models import F, Q
from django.urls import reverse
from django.utils import timezone

from integrations import webhooks
from integrations.models import WebhookEndpoint
from integrations.outbound import OutboundError
from integrations.webhooks import SignedCall
from onboarding.models import Delivery, Notification
from onboarding.notifications import end, tell
from track360 import audit
from track360.models import Environment, Partner, User

Channel = Delivery.Channel

# After the first try, the second, …; the sum is just under three days.
DELAYS = [dt.timedelta(minutes=m) for m in (1, 5, 30, 2 * 60, 6 * 60, 12 * 60, 24 * 60, 24 * 60)]
JITTER = 0.2
LEASE = dt.timedelta(minutes=2)  # longer than any one try takes
REST = dt.timedelta(minutes=1)  # a webhook that failed is left alone for so long, whatever else waits for it
AT_ONCE = {Channel.EMAIL: 1, Channel.WEBHOOK: 16}
RUN_SECONDS = 8  # the next run is rung 10 s after this one
OPEN = (Partner.Status.ACTIVE, Partner.Status.SUSPENDED)
SAID = 200  # characters of a webhook's answer that are kept

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one try went. Without an error it arrived; `is_final`: trying again would change nothing."""

    error: str = ""
    status: int | None = None
    is_final: bool = False
    switches_off: bool = False


def send_due(channel: Channel) -> int:
    """Try what is due until nothing is, or time is up. Returns the number of tries."""
    tries = 0
    started = time.monotonic()
    while time.monotonic() - started < RUN_SECONDS and (taken := _take(channel, AT_ONCE[channel])):
        tries += len(taken)
        for delivery, outcome in _tried(taken):
            _settle(delivery, outcome)
    return tries


# -- Taking -------------------------------------------------------------------


def _take(channel: Channel, most: int) -> list[Delivery]:
    """Those longest due, taken by counting the try and moving the next one ahead by the lease."""
    now = timezone.now()
    may_be_called = (
        Q(notification__kind=Notification.Kind.TEST)
        | Q(endpoint__last_error_at=None)
        | Q(endpoint__last_error_at__lte=now - REST)
        | Q(endpoint__last_success_at__gte=F("endpoint__last_error_at"))
    )
    with transaction.atomic():
        due = list(
            Delivery.objects.select_for_update(skip_locked=True, of=("self",))
            .select_related("notification__partner", "notification__environment", "endpoint")
            .filter(may_be_called, channel=channel, next_try_at__lte=now)
            .order_by("next_try_at")[:most]
        )
        Delivery.objects.filter(pk__in=[delivery.pk for delivery in due]).update(
            attempts=F("attempts") + 1, next_try_at=now + LEASE
        )
    for delivery in due:
        delivery.attempts += 1
    return due


# -- Trying -------------------------------------------------------------------


def _tried(deliveries: list[Delivery]) -> list[tuple[Delivery, Outcome]]:
    """Each with its outcome. Webhooks wait side by side, in threads that do not touch the database."""
    outcomes: list[tuple[Delivery, Outcome]] = []
    calls: list[tuple[Delivery, SignedCall]] = []
    for delivery in deliveries:
        if refusal := _not_to_be_sent(delivery):
            outcomes.append((delivery, Outcome(refusal, is_final=True)))
        elif delivery.channel == Channel.EMAIL:
            outcomes.append((delivery, _try_email(delivery)))
        else:
            try:
                calls.append((delivery, _call_of(delivery)))
            except (KeyError, ValueError, InvalidTag):  # FIELD_KEYS has lost the key
                logger.exception("Webhook %s cannot be signed", delivery.endpoint_id)
                outcomes.append((delivery, Outcome("Its secret cannot be opened on our side; we look into it.")))
    if calls:
        with ThreadPoolExecutor(max_workers=len(calls)) as pool:
            answers = pool.map(_try_webhook, [call for _, call in calls])
            outcomes += zip([delivery for delivery, _ in calls], answers, strict=True)
    return outcomes


def _not_to_be_sent(delivery: Delivery) -> str:
    """Why not any more: much may have happened since it was written."""
    notification = delivery.notification
    partner = notification.partner
    if delivery.attempts > len(DELAYS) + 1:
        return "Given up: no try came to an end."
    if delivery.endpoint is not None:
        if partner.status == Partner.Status.CLOSED:
            return f"{partner.name} is closed."
        if not delivery.endpoint.is_active and notification.kind != Notification.Kind.TEST:
            return "The webhook is switched off."
        return ""
    members = Q(memberships__partner=partner, memberships__partner__status__in=OPEN)
    if not User.objects.filter(Q(is_staff=True) | members, email=delivery.email, is_active=True).exists():
        return "Nobody with this address belongs to the partner any more."
    return ""


def link_to(notification: Notification) -> str:
    path = notification.path
    if not path:
        kind = notification.environment.kind if notification.environment else Environment.Kind.SANDBOX
        path = reverse("notification-list", args=[notification.partner.slug, kind])
    return settings.BASE_URL + path


def _try_email(delivery: Delivery) -> Outcome:
    notification = delivery.notification
    where = f" ({notification.environment.kind})" if notification.environment else ""
    message = EmailMessage(
        subject=" ".join(f"{notification.partner.name}: {notification.title}".split()),
        body=f"{notification.text}\n\n{link_to(notification)}\n\n"
        f"-- \nTrack360 partner portal, {notification.partner.name}{where}\n",
        to=[delivery.email],
        # The same at each try: a mail server may notice that it has it already.
        headers={"Message-ID": f"<{delivery.pk}@{settings.HOST}>", "Auto-Submitted": "auto-generated"},
    )
    try:
        message.send()
    except Exception as error:  # whatever the backend raises, the others are still to be sent
        logger.warning("Email %s not sent: %s", delivery.pk, type(error).__name__)
        return Outcome(f"The mail server did not take it: {type(error).__name__}.")
    return Outcome()


def _call_of(delivery: Delivery) -> SignedCall:
    notification, endpoint = delivery.notification, delivery.endpoint
    assert endpoint is not None
    data = {
        "partner": notification.partner.slug,
        "environment": notification.environment.kind if notification.environment else None,
        "subject": notification.subject,
        "title": notification.title,
        "text": notification.text,
        "url": link_to(notification),
    }
    message_id = f"msg_{notification.pk.hex}"
    return webhooks.signed_call(endpoint, message_id=message_id, kind=notification.kind, at=notification.at, data=data)


def _try_webhook(call: SignedCall) -> Outcome:
    try:
        answer = webhooks.make_call(call)
    except OutboundError as error:
        return Outcome(str(error))
    except Exception:
        logger.exception("A webhook could not be called")
        return Outcome("The call failed on our side; we look into it.")
    if 200 <= answer.status < 300:
        return Outcome(status=answer.status)
    said = " ".join("".join(c if c.isprintable() else " " for c in answer.body.decode(errors="replace")).split())
    words = f"It answered {answer.status} {_phrase(answer.status)}".strip()
    if 300 <= answer.status < 400:
        words += "; redirects are not followed, so write the address that it redirects to"
    is_gone = answer.status == http.HTTPStatus.GONE
    sentence = f"{words}: {said[:SAID]}" if said else f"{words}."
    return Outcome(sentence, status=answer.status, is_final=is_gone, switches_off=is_gone)


def _phrase(status: int) -> str:
    try:
        return http.HTTPStatus(status).phrase
    except ValueError:
        return ""


# -- Afterwards ---------------------------------------------------------------


@transaction.atomic
def _settle(delivery: Delivery, outcome: Outcome) -> None:
    """Write down how it went, unless somebody else has taken it since: then his try counts."""
    now = timezone.now()
    notification = delivery.notification
    is_test = notification.kind == Notification.Kind.TEST
    is_last = outcome.is_final or is_test or delivery.attempts > len(DELAYS)
    next_try_at = None if not outcome.error or is_last else now + _delay(delivery.attempts)
    settled = Delivery.objects.filter(pk=delivery.pk, attempts=delivery.attempts, delivered_at=None).update(
        tried_at=now,
        delivered_at=None if outcome.error else now,
        next_try_at=next_try_at,
        status=outcome.status,
        last_error=outcome.error,
    )
    if settled and delivery.endpoint is not None:
        _judge_endpoint(delivery, delivery.endpoint, outcome, now=now)


def _judge_endpoint(delivery: Delivery, endpoint: WebhookEndpoint, outcome: Outcome, *, now: dt.datetime) -> None:
    """What a try says about its webhook; after days without one that arrived it is switched off."""
    row = WebhookEndpoint.objects.filter(pk=endpoint.pk)
    if not outcome.error:
        row.update(last_success_at=now)
        return
    if outcome.is_final and not outcome.switches_off:  # not even tried
        return
    row.update(last_error_at=now, last_error=outcome.error)
    if outcome.switches_off:
        switch_off(endpoint, reason="It answered 410 Gone.")
    elif delivery.attempts > len(DELAYS) and not row.filter(last_success_at__gte=delivery.notification.at).exists():
        switch_off(endpoint, reason=f"Nothing has arrived there for days. The last error: {outcome.error}")


def _delay(attempts: int) -> dt.timedelta:
    return DELAYS[attempts - 1] * random.uniform(1 - JITTER, 1 + JITTER)


def switch_off(endpoint: WebhookEndpoint, *, reason: str) -> None:
    """By itself: what waits is given up, and the partner's people are told by email."""
    if not webhooks.switch_endpoint(endpoint, on=False, actor=audit.Actor(), reason=reason):
        return
    Delivery.objects.filter(endpoint=endpoint).exclude(next_try_at=None).update(
        next_try_at=None, last_error="The webhook was switched off."
    )
    host = webhooks.host_of(endpoint)
    tell(
        endpoint.partner,
        kind=Notification.Kind.WEBHOOK_OFF,
        subject=str(endpoint.pk),
        title=f"The webhook at {host} was switched off",
        text=f"{reason}\n\nWhat is told from now on does not go there. Mend it, send a test, and switch it on again.",
        path=reverse("settings-webhook", args=[endpoint.partner.slug, Environment.Kind.SANDBOX, endpoint.pk]),
        lasting=True,
    )


@transaction.atomic
def switch_on(endpoint: WebhookEndpoint, *, actor: audit.Actor) -> None:
    if webhooks.switch_endpoint(endpoint, on=True, actor=actor):
        end(endpoint.partner, kind=Notification.Kind.WEBHOOK_OFF, subject=str(endpoint.pk))


@transaction.atomic
def send_test(endpoint: WebhookEndpoint, *, actor: audit.Actor) -> Delivery:
    """One call of type webhook.test to this endpoint, tried once, by the worker."""
    now = timezone.now()
    notification = Notification.objects.create(
        partner=endpoint.partner,
        kind=Notification.Kind.TEST,
        subject=str(endpoint.pk),
        title="A test of your webhook",
        text="Somebody pressed “Send a test” in the portal.",
        at=now,
        over_at=now,
    )
    audit.record("webhook.tested", actor=actor, partner=endpoint.partner, target=str(endpoint.pk))
    return Delivery.objects.create(notification=notification, channel=Channel.WEBHOOK, endpoint=endpoint)


def test_is_on_its_way(endpoint: WebhookEndpoint) -> bool:
    return (
        Delivery.objects.filter(endpoint=endpoint, notification__kind=Notification.Kind.TEST)
        .exclude(next_try_at=None)
        .exists()
    )


@transaction.atomic
def remove_endpoint(endpoint: WebhookEndpoint, *, actor: audit.Actor) -> None:
    """With it goes what was sent there; that it was switched off is over."""
    end(endpoint.partner, kind=Notification.Kind.WEBHOOK_OFF, subject=str(endpoint.pk))
    webhooks.remove_endpoint(endpoint, actor=actor)
