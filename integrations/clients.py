"""What people do with OAuth clients: create, rotate, revoke. Each writes its audit row in its own transaction.

A clear secret is returned once, in `NewSecret.clear`, and stored nowhere.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from hashlib import sha256
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone
from django.utils.crypto import get_random_string
from django.utils.module_loading import import_string

from integrations.models import Client, ClientSecret
from integrations.models.client import SCOPES
from integrations.oauth import tokens
from track360 import audit
from track360.audit import Actor
from track360.models import Environment, Partner, User

DEFAULT_SCOPES = ("read", "write")
SECRET_LENGTH = 48  # of 62 characters: 285 bits. Alphanumeric, so that HTTP Basic means the same encoded and raw
LIVE_SECRETS = 2
DEFAULT_OVERLAP = timedelta(hours=24)
LONGEST_OVERLAP = timedelta(days=7)
NOT_READY = "Production credentials exist only"


@dataclass(frozen=True, slots=True)
class NewSecret:
    """A secret just made. `clear` is the only copy there will ever be."""

    client: Client
    secret: ClientSecret
    clear: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Override:
    """A named member of the integrations team lets production credentials exist before steps 1 to 7 are green."""

    by: User
    reason: str


def digest_of(clear: str) -> str:
    return sha256(clear.encode()).hexdigest()


@transaction.atomic
def create_client(
    environment: Environment,
    *,
    name: str,
    actor: Actor | User | None,
    scopes: Iterable[str] = DEFAULT_SCOPES,
    ip_ranges: Iterable[str] = (),
    override: Override | None = None,
    ip: str | None = None,
) -> NewSecret:
    """A client with its first secret. `ip` is the actor's address, for the audit row.

    Raises ValidationError for a bad name, scope or range, and with code `not_ready` for production credentials before
    the partner has earned them (contract, section 7).
    """
    detail = checked_override(environment, override, what=NOT_READY)
    client = Client(
        environment=environment,
        name=_checked_name(name),
        allowed_scopes=" ".join(checked_scopes(scopes)),
        allowed_ip_ranges=checked_ip_ranges(ip_ranges),
        created_by=actor.user if isinstance(actor, Actor) else actor,
        client_type=Client.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Client.GRANT_CLIENT_CREDENTIALS,
        client_secret="",
        hash_client_secret=False,
    )
    client.save()
    new = _new_secret(client)
    _audit("client.created", client, actor, ip, name=client.name, scope=client.allowed_scopes, **detail)
    return new


@transaction.atomic
def rotate_secret(
    client: Client, *, actor: Actor | User | None, overlap: timedelta = DEFAULT_OVERLAP, ip: str | None = None
) -> NewSecret:
    """A second secret; the first one ends after `overlap` (0 to 7 days), and the tokens it fetched live on.

    Raises ValidationError: `revoked`, `overlap`, or `two_live_secrets` while an earlier rotation still overlaps.
    """
    if not timedelta(0) <= overlap <= LONGEST_OVERLAP:
        raise ValidationError("Choose an overlap of at most 7 days.", code="overlap")
    client = _locked(client)
    live = list(client.secrets.live())
    if len(live) >= LIVE_SECRETS:
        raise ValidationError(
            "This client already has two live secrets. Revoke one, or wait until the older one ends.",
            code="two_live_secrets",
        )
    end = timezone.now() + overlap
    for old in live:
        old.expires_at = min(old.expires_at or end, end)
        old.save(update_fields=["expires_at"])
    new = _new_secret(client)
    _audit("client.secret_rotated", client, actor, ip, secret=str(new.secret), overlap_seconds=overlap.total_seconds())
    return new


@transaction.atomic
def revoke_secret(secret: ClientSecret, *, actor: Actor | User | None, ip: str | None = None) -> None:
    """End a secret and, with it, every token it fetched. Revoking it again changes nothing."""
    client = _locked(secret.client, revoked=True)
    if client.secrets.filter(pk=secret.pk, revoked_at=None).update(revoked_at=timezone.now()):
        _audit("client.secret_revoked", client, actor, ip, secret=str(secret))


@transaction.atomic
def revoke_client(client: Client, *, actor: Actor | User | None, ip: str | None = None) -> None:
    """End a client, its secrets and its tokens. Revoking it again changes nothing."""
    client = _locked(client, revoked=True)
    if client.revoked_at is None:
        client.revoked_at = timezone.now()
        client.save(update_fields=["revoked_at"])
        _audit("client.revoked", client, actor, ip)


@transaction.atomic
def issue_token(client: Client, *, actor: User, ip: str | None = None) -> str:
    """An access token for a person who tries the sandbox from a page, as if fetched with the newest live secret.

    Raises ValidationError: `revoked`, `sandbox_only`, or `no_live_secret`.
    """
    client = _locked(client)
    if client.environment.kind != Environment.Kind.SANDBOX:
        raise ValidationError("Tokens are given out on a page for the sandbox only.", code="sandbox_only")
    secret = client.secrets.live().order_by("-created_at").first()
    if secret is None:
        raise ValidationError("This client has no live secret. Rotate it first.", code="no_live_secret")
    secret.client = client
    token = tokens.sign(client, scopes=client.scopes)
    tokens.store(token, secret=secret, scopes=client.scopes)
    _audit("client.token_issued", client, actor, ip, secret=str(secret))
    return token


def checked_scopes(scopes: Iterable[str]) -> list[str]:
    """The scopes in the order of `SCOPES`, each once. Raises ValidationError for none and for an unknown one."""
    wanted = set(scopes)
    if not wanted or wanted - set(SCOPES):
        raise ValidationError(f"Choose one or more of the scopes {', '.join(SCOPES)}.", code="scope")
    return [scope for scope in SCOPES if scope in wanted]


def checked_ip_ranges(ranges: Iterable[str]) -> list[str]:
    """Addresses and CIDR ranges in their canonical form, `192.0.2.7` as `192.0.2.7/32`."""
    try:
        return [str(ipaddress.ip_network(text.strip(), strict=False)) for text in ranges]
    except ValueError as error:
        raise ValidationError(
            f"{error}. Write addresses or ranges like 192.0.2.7 or 192.0.2.0/24.", code="ip_range"
        ) from None


def _checked_name(name: str) -> str:
    name = name.strip()
    if not 1 <= len(name) <= 100 or not name.isprintable():
        raise ValidationError("Give the client a name of 1 to 100 printable characters.", code="name")
    return name


def checked_override(environment: Environment, override: Override | None, *, what: str) -> dict[str, str]:
    """The override as audit detail; without one, production waits for the steps (contract, section 7).

    `what` begins the sentence that says what does not happen before that.
    """
    if environment.kind != Environment.Kind.PRODUCTION:
        return {}
    if override is None:
        _check_steps(environment.partner, what=what)
        return {}
    if not (override.by.is_staff and override.by.is_active):
        raise ValidationError("Only a member of the integrations team may override this.", code="override")
    reason = override.reason.strip()
    if not reason or "\x00" in reason:
        raise ValidationError("An override needs a reason.", code="override")
    return {"override_by": override.by.email, "override_reason": reason}


def _check_steps(partner: Partner, *, what: str) -> None:
    """The steps stand in an app above this one, which is asked by its name in the settings."""
    open_steps: list[int] = import_string(settings.PRODUCTION_GATE)(partner)
    if open_steps:
        numbers = ", ".join(map(str, open_steps))
        raise ValidationError(
            f"{what} once steps 1 to 7 are green. Still open: "
            f"{'step' if len(open_steps) == 1 else 'steps'} {numbers}. "
            "A member of the integrations team may override this with a reason.",
            code="not_ready",
        )


def _locked(client: Client, *, revoked: bool = False) -> Client:
    """The client's row for this transaction alone, so that two rotations at once cannot make three live secrets."""
    locked = (
        Client.objects.select_for_update(of=("self",), no_key=True)
        .select_related("environment__partner")
        .get(pk=client.pk)
    )
    if locked.revoked_at is not None and not revoked:
        raise ValidationError("This client is revoked.", code="revoked")
    return locked


def _new_secret(client: Client) -> NewSecret:
    clear = get_random_string(SECRET_LENGTH)
    secret = ClientSecret.objects.create(client=client, digest=digest_of(clear), last_four=clear[-4:])
    return NewSecret(client=client, secret=secret, clear=clear)


def _audit(action: str, client: Client, actor: Actor | User | None, ip: str | None, **detail: Any) -> None:
    audit.record(action, actor=actor, environment=client.environment, target=client.client_id, ip=ip, **detail)
