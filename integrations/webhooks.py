"""A partner's webhooks: where he wants to be told, and calls to there, signed as Standard Webhooks has it.

The rules are those of https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import json
import secrets
from dataclasses import dataclass
from typing import Any

import httpx
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations import outbound
from integrations.models import WebhookEndpoint
from track360 import audit
from track360.models import Partner
from track360.sealed import seal, unseal

SECRET_PREFIX = "whsec_"
SECRET_BYTES = 32  # the specification asks for 24 to 64
OVERLAP = dt.timedelta(hours=24)  # for which a rotated secret signs too
MOST = 10  # endpoints of a partner
URL_LENGTH = 500
DEADLINE_SECONDS = 10
ANSWER_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint with its secret in clear: the one time that it can be read."""

    endpoint: WebhookEndpoint
    secret: str

    def __repr__(self) -> str:
        return f"<NewEndpoint {self.endpoint.pk}>"


@dataclass(frozen=True, slots=True)
class SignedCall:
    """What goes over the wire."""

    url: str
    headers: dict[str, str]
    body: bytes


# -- Actions ------------------------------------------------------------------


def create_endpoint(partner: Partner, *, url: str, actor: audit.Actor) -> NewEndpoint:
    """Refused: an address that is never called (code `url`), one that is there already, or one too many."""
    url = checked_url(url)
    endpoint = WebhookEndpoint(partner=partner, url=url, created_by=actor.user)
    secret = _seal_new_secret(endpoint)
    with transaction.atomic():
        Partner.objects.select_for_update().get(pk=partner.pk)  # two at once must not pass the limit
        if WebhookEndpoint.objects.filter(partner=partner).count() >= MOST:
            raise ValidationError(f"There are {MOST} webhooks already. Remove one of them first.", code="too_many")
        try:
            with transaction.atomic():
                endpoint.save(force_insert=True)
        except IntegrityError:
            raise ValidationError("There is a webhook with this address already.", code="url") from None
        _record("webhook.created", endpoint, actor)
    return NewEndpoint(endpoint, secret)


def rotate_secret(endpoint: WebhookEndpoint, *, actor: audit.Actor) -> NewEndpoint:
    """A new secret; for a day the old one signs too, so that the receiver can change over without losing a call."""
    with transaction.atomic():
        endpoint = WebhookEndpoint.objects.select_for_update().get(pk=endpoint.pk)
        endpoint.sealed_old_secret = endpoint.sealed_secret
        endpoint.old_secret_ends_at = timezone.now() + OVERLAP
        secret = _seal_new_secret(endpoint)
        endpoint.save(update_fields=["sealed_secret", "sealed_old_secret", "old_secret_ends_at"])
        _record("webhook.rotated", endpoint, actor)
    return NewEndpoint(endpoint, secret)


def remove_endpoint(endpoint: WebhookEndpoint, *, actor: audit.Actor) -> None:
    with transaction.atomic():
        _record("webhook.removed", endpoint, actor)
        endpoint.delete()


def switch_endpoint(endpoint: WebhookEndpoint, *, on: bool, actor: audit.Actor, reason: str = "") -> bool:
    """Whether that changed anything: of two at once one does."""
    with transaction.atomic():
        changed = WebhookEndpoint.objects.filter(pk=endpoint.pk, is_active=not on).update(is_active=on)
        if changed:
            _record("webhook.switched_on" if on else "webhook.switched_off", endpoint, actor, reason=reason)
    return bool(changed)


def checked_url(url: str) -> str:
    url = url.strip()
    if len(url) > URL_LENGTH:
        raise ValidationError(f"The address has more than {URL_LENGTH} characters.", code="url")
    try:
        outbound.check(url)
    except outbound.OutboundRefused as refusal:
        raise ValidationError(str(refusal), code="url") from None
    return url


def host_of(endpoint: WebhookEndpoint) -> str:
    """What may stand in lists and mails: path and query of such an address are often a secret."""
    return httpx.URL(endpoint.url).host


def _record(action: str, endpoint: WebhookEndpoint, actor: audit.Actor, **detail: Any) -> None:
    audit.record(
        action, actor=actor, partner=endpoint.partner, target=str(endpoint.pk), host=host_of(endpoint), **detail
    )


# -- Secrets and signatures ---------------------------------------------------


def secret_purpose(endpoint: WebhookEndpoint) -> str:
    """Binds a sealed secret to its row, the old one too."""
    return f"webhook secret:{endpoint.pk}"


def _seal_new_secret(endpoint: WebhookEndpoint) -> str:
    secret = SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()
    endpoint.sealed_secret = seal(secret, purpose=secret_purpose(endpoint))
    return secret


def signing_secrets(endpoint: WebhookEndpoint, *, now: dt.datetime) -> list[str]:
    """The one that counts first, and after a rotation the old one until its end."""
    sealed = [endpoint.sealed_secret]
    if endpoint.old_secret_ends_at and endpoint.old_secret_ends_at > now:
        sealed.append(endpoint.sealed_old_secret)
    return [unseal(text, purpose=secret_purpose(endpoint)) for text in sealed]


def signature(secret: str, *, message_id: str, timestamp: int, body: bytes) -> str:
    """`v1,` and the HMAC-SHA256 of id, time and body under the secret's bytes, in base64."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = b".".join((message_id.encode(), str(timestamp).encode(), body))
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()


def signed_call(
    endpoint: WebhookEndpoint, *, message_id: str, kind: str, at: dt.datetime, data: dict[str, Any]
) -> SignedCall:
    """One event as a call: `{"type", "timestamp", "data"}`. Each try signs anew, under the same `message_id`."""
    now = timezone.now()
    timestamp = int(now.timestamp())
    payload = {"type": kind, "timestamp": at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"), "data": data}
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    signatures = [
        signature(secret, message_id=message_id, timestamp=timestamp, body=body)
        for secret in signing_secrets(endpoint, now=now)
    ]
    headers = {
        "content-type": "application/json",
        "user-agent": "Track360-Webhooks/1",
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }
    return SignedCall(endpoint.url, headers, body)


def make_call(call: SignedCall) -> outbound.Answer:
    """Touches no database, so that many can wait side by side. Raises OutboundError."""
    return outbound.send(
        "POST",
        call.url,
        headers=call.headers,
        body=call.body,
        deadline_seconds=DEADLINE_SECONDS,
        max_bytes=ANSWER_BYTES,
    )
