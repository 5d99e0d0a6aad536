"""What was agreed, in words: of each version of a scope what it says, and what it changes."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import QuerySet

from entities.models import Entity
from onboarding.models import Pattern, Scope
from onboarding.models.checklist import Side
from track360.models import Partner

VERSIONS = 20
NOTHING = "nothing"


@dataclass(frozen=True)
class Version:
    """One version, and what it changes about the one before: (label, before, after)."""

    scope: Scope
    number: int  # among those of the partner that are shown, the oldest is 1
    changes: list[tuple[str, str, str]]

    @property
    def state(self) -> tuple[str, str]:
        """Of its badge: tone and word."""
        if self.scope.is_agreed:
            return "success", "Agreed"
        return "warning", "Waits for both sides" if not self.accepted else "Waits for the other side"

    @property
    def accepted(self) -> bool:
        return self.scope.partner_accepted_at is not None or self.scope.team_accepted_at is not None


def versions_of(partner: Partner) -> list[Version]:
    """The newest first."""
    found: QuerySet[Scope] = Scope.objects.filter(partner=partner).select_related("created_by").order_by("-id")
    scopes = list(found[: VERSIONS + 1])
    shown = []
    for place, scope in enumerate(scopes[:VERSIONS]):
        before = scopes[place + 1] if place + 1 < len(scopes) else None
        shown.append(Version(scope, len(scopes) - place, differences(before, scope) if before else []))
    return shown


def differences(before: Scope, after: Scope) -> list[tuple[str, str, str]]:
    facts = zip(facts_of(before), facts_of(after), strict=True)
    return [(label, old, new) for (label, old), (_, new) in facts if old != new]


def facts_of(scope: Scope) -> list[tuple[str, str]]:
    """Everything that a version says, as (label, value)."""
    patterns = [(entity.label, pattern_words(scope, entity)) for entity in Entity]
    people = "; ".join(_person(contact) for contact in scope.contacts) or NOTHING
    history = scope.history_from.isoformat() if scope.history_from else "no history"
    return [*patterns, ("Contacts", people), ("Time zone", scope.time_zone), ("History from", history)]


def pattern_words(scope: Scope, entity: Entity) -> str:
    pattern = scope.patterns.get(entity.value)
    return str(Pattern(pattern).label) if pattern else "Not sent"


def _person(contact: dict[str, str]) -> str:
    role = f", {contact['role']}" if contact.get("role") else ""
    return f"{contact['name']} <{contact['email']}>{role}"


def state_of(scope: Scope | None, *, side: str, may_speak: bool, partner: Partner) -> str:
    """The page's sentence, for somebody of `side`."""
    if scope is None:
        return f"Nothing is proposed yet. Next: {'say what is sent' if may_speak else 'an owner proposes it'}."
    if scope.is_agreed:
        return "Agreed by both sides. A change has to be accepted again by the other side."
    missing = Side.TEAM if scope.team_accepted_at is None else Side.PARTNER
    if missing != side:
        return f"Proposed. Next: {'the integrations team' if missing == Side.TEAM else partner.name} accepts it."
    return f"Proposed by the other side. Next: {'read and accept it' if may_speak else 'an owner accepts it'}."
