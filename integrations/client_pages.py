"""What the credentials pages say about clients: which secrets live, when each was last used, what may safely go."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from datetime import timedelta

from django.db.models import QuerySet
from django.utils import timezone
from oauth2_provider.models import AccessToken

from entities.paging import Page, Position, keyset_page
from integrations.clients import LIVE_SECRETS
from integrations.models import Client, ClientSecret
from track360.models import Environment

# An old secret that nothing has used for so long while a newer one was used is taken to be replaced everywhere.
UNUSED_FOR = timedelta(hours=6)


@dataclass(frozen=True)
class SecretState:
    """One secret as a row. `state` is live, ending (a rotation gave it an end), expired or revoked."""

    secret: ClientSecret
    state: str
    safe_to_revoke: bool

    @property
    def is_live(self) -> bool:
        return self.state in {"live", "ending"}


@dataclass(frozen=True)
class ClientState:
    """One client as a row, its secrets newest first."""

    client: Client
    secrets: list[SecretState]
    last_used_at: dt.datetime | None

    @property
    def live(self) -> list[SecretState]:
        return [secret for secret in self.secrets if secret.is_live]

    @property
    def may_rotate(self) -> bool:
        return self.client.revoked_at is None and len(self.live) < LIVE_SECRETS

    @property
    def safe_to_revoke(self) -> SecretState | None:
        return next((secret for secret in self.live if secret.safe_to_revoke), None)


def clients_for(environment: Environment) -> QuerySet[Client]:
    return Client.objects.filter(environment=environment).prefetch_related("secrets")


def newest_clients(
    environment: Environment, *, revoked: bool = False, before: str = "", after: str = ""
) -> Page[Client]:
    """A page of the live clients, or of the revoked ones, newest first."""
    clients = clients_for(environment).filter(revoked_at__isnull=not revoked)

    def fetch(position: Position | None, upwards: bool) -> list[Client]:
        found = clients.order_by("id" if upwards else "-id")
        if position:
            found = found.filter(id__gt=position[0]) if upwards else found.filter(id__lt=position[0])
        return list(found[:51])

    return keyset_page(fetch, model=Client, before=before, after=after)


def client_state(client: Client) -> ClientState:
    """From a client whose secrets are prefetched: no query."""
    now = timezone.now()
    secrets = sorted(client.secrets.all(), key=lambda secret: secret.created_at, reverse=True)
    newer_used: dt.datetime | None = None
    states = []
    for secret in secrets:
        state = _state_of(secret, now=now)
        states.append(SecretState(secret, state, state in {"live", "ending"} and _is_replaced(secret, newer_used, now)))
        newer_used = max(filter(None, (newer_used, secret.last_used_at)), default=None)
    return ClientState(client, states, newer_used)


def _state_of(secret: ClientSecret, *, now: dt.datetime) -> str:
    if secret.revoked_at:
        return "revoked"
    if secret.expires_at is None:
        return "live"
    return "ending" if secret.expires_at > now else "expired"


def _is_replaced(secret: ClientSecret, newer_used: dt.datetime | None, now: dt.datetime) -> bool:
    """Whether a newer secret has been used, and this one not for six hours."""
    last_sign = secret.last_used_at or secret.created_at
    return newer_used is not None and now - last_sign >= UNUSED_FOR


def live_token_count(client: Client, *, secret: ClientSecret | None = None) -> int:
    """How many unexpired access tokens would end with this client, or with this one of its secrets."""
    tokens = AccessToken.objects.filter(application=client, expires__gt=timezone.now())
    return (tokens.filter(origin__secret=secret) if secret else tokens).count()


def sentence_for_list(states: list[ClientState]) -> str:
    """The sentence on top: what is there, and what asks for attention first."""
    if not states:
        return "Programs that send or read data need a client each."
    replaced = [entry for state in states for entry in state.live if entry.safe_to_revoke]
    if replaced:
        return f"{len(replaced)} old secret{'s' * (len(replaced) > 1)} can go: replaced, and unused for 6 hours."
    unused = sum(state.last_used_at is None for state in states)
    if unused == len(states):
        return "No client has fetched a token yet. Next: fetch one with curl."
    return f"{len(states)} live client{'s' * (len(states) > 1)}" + (
        f", {unused} never used." if unused else ", all in use."
    )


def sentence_for(state: ClientState) -> str:
    """What is with this client, and what to do next."""
    if state.client.revoked_at:
        return "Revoked: it fetches no tokens, and those it had have ended."
    if state.safe_to_revoke:
        return "The old secret can go: the new one is in use, and nothing has used the old one for 6 hours."
    if not state.live:
        return "It has no live secret. Rotate to make one."
    if state.last_used_at is None:
        return "Never used. Next: fetch a token with the command below."
    return "Two secrets work until the older one ends." if len(state.live) > 1 else "In use, with one live secret."
