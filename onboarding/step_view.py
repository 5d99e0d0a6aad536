"""What one step's page shows beside its checks: notes, sign-off, the rehearsal."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q
from django.utils import timezone

from entities.batch_selectors import Window
from entities.models import Entity
from onboarding.models import RehearsalWindow, SignOff, StepNote
from onboarding.models.checklist import Side
from track360.access import STAFF_ROLE
from track360.models import Membership, Partner, User

NOTES = 50
LONGEST_ID = 18  # digits


# -- Notes --------------------------------------------------------------------


def notes_before(partner: Partner, number: int, before: str) -> tuple[Sequence[StepNote], int | None]:
    """The newest notes of a step, the newest first, or those before the note `before`; and before which there are more.

    Each has `emails`, of who was mentioned.
    """
    found = StepNote.objects.filter(partner=partner, number=number).select_related("author")
    if before.isascii() and before.isdigit() and len(before) <= LONGEST_ID:
        found = found.filter(pk__lt=int(before))
    mentioned = ArrayAgg("mentioned__email", filter=Q(mentioned__isnull=False), default=[], order_by="mentioned__email")
    notes = list(found.annotate(emails=mentioned).order_by("-pk")[: NOTES + 1])
    shown = notes[:NOTES]
    return shown, shown[-1].pk if len(notes) > NOTES else None


# -- Sign-off -----------------------------------------------------------------


@dataclass(frozen=True)
class Signature:
    side: str
    name: str
    given: SignOff | None
    is_mine: bool  # whether the reader gives and withdraws it


def signatures_for(partner: Partner, role: str) -> list[Signature]:
    """Both sides' sign-off, the partner's first."""
    standing = SignOff.objects.filter(partner=partner, withdrawn_at=None).select_related("by")
    given = {signed.side: signed for signed in standing}
    speakers = (
        (Side.PARTNER.value, partner.name, Membership.Role.OWNER),
        (Side.TEAM.value, "The integrations team", STAFF_ROLE),
    )
    return [Signature(side, name, given.get(side), role == speaker) for side, name, speaker in speakers]


# -- Rehearsal ----------------------------------------------------------------


@dataclass(frozen=True)
class RehearsalState:
    """The newest window. `result` is what earned it: (entity, what came)."""

    opened_at: dt.datetime
    opened_by: User | None
    client_id: str
    closes_at: dt.datetime
    earned_at: dt.datetime | None
    result: list[tuple[Entity, Window]]
    is_open: bool

    @property
    def look(self) -> tuple[str, str]:
        """Of its badge: tone and word."""
        if self.earned_at:
            return "success", "Earned"
        return ("info", "Open") if self.is_open else ("warning", "Closed, not earned")


def rehearsal_of(partner: Partner) -> RehearsalState | None:
    windows = RehearsalWindow.objects.filter(partner=partner).select_related("opened_by")
    window = windows.order_by("-opened_at", "-id").first()
    if window is None:
        return None
    return RehearsalState(
        opened_at=window.opened_at,
        opened_by=window.opened_by,
        client_id=window.client_id,
        closes_at=window.closes_at,
        earned_at=window.earned_at,
        result=_result(window.result),
        is_open=window.earned_at is None and timezone.now() < window.closes_at,
    )


def _result(stored: Mapping[str, Mapping[str, int]]) -> list[tuple[Entity, Window]]:
    return [(entity, Window(**stored[entity.value])) for entity in Entity if entity.value in stored]
