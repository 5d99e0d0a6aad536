"""Who did what: append-only rows, written by the actions themselves, in the action's own transaction."""

from __future__ import annotations

from typing import Any

from track360.models import AuditEvent, Environment, Partner, User


def record(
    action: str,
    *,
    actor: User | None,
    partner: Partner | None = None,
    environment: Environment | None = None,
    target: str = "",
    ip: str | None = None,
    **detail: Any,
) -> None:
    """Write one row. `action` is `noun.verb` (`client.created`); `detail` is JSON and never holds a secret."""
    if environment is not None and partner is None:
        partner = environment.partner
    AuditEvent.objects.create(
        action=action,
        actor=actor,
        partner=partner,
        environment=environment,
        target=target[:200],
        ip=ip,
        detail=detail,
    )
