"""Who did what: append-only rows, written by the actions themselves, in the action's own transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from track360.models import AuditEvent, Environment, Partner, User


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something, and from where: a person, a program (the id of its OAuth client), or the system itself."""

    user: User | None = None
    client_id: str = ""
    ip: str | None = None

    def __str__(self) -> str:
        if self.user is not None:
            return self.user.get_full_name()
        return f"client {self.client_id}" if self.client_id else "the system"


def record(
    action: str,
    *,
    actor: Actor | User | None,
    partner: Partner | None = None,
    environment: Environment | None = None,
    target: str = "",
    ip: str | None = None,
    **detail: Any,
) -> None:
    """Write one row. `action` is `noun.verb` (`client.created`); `detail` is JSON and never holds a secret."""
    if not isinstance(actor, Actor):
        actor = Actor(user=actor, ip=ip)
    if environment is not None and partner is None:
        partner = environment.partner
    AuditEvent.objects.create(
        action=action,
        actor=actor.user,
        client_id=actor.client_id,
        partner=partner,
        environment=environment,
        target=target[:200],
        ip=actor.ip,
        detail=detail,
    )
