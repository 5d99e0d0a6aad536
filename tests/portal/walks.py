"""A partner in the middle of his walk, for the tests of its pages."""

from __future__ import annotations

import datetime as dt

from django.utils import timezone

from onboarding import agreements, checklist
from onboarding.models import Onboarding, StepState
from tests.factories import (
    AffiliateFactory,
    BatchFactory,
    ClientFactory,
    ClientSecretFactory,
    SampleFactory,
    SeenStatusFactory,
    StatusMappingFactory,
    UserFactory,
)
from track360.audit import Actor
from track360.models import Environment, User

CONTACTS = [{"name": "Ada Byron", "email": "ada@aurora.example", "role": "Head of data"}]
PATTERNS = {"customers": "push", "transactions": "push", "activity": "push"}
DAY = dt.timedelta(days=1)


def walk(sandbox: Environment, owner: User, team: User) -> None:
    """Six days in: steps 1 and 2 are done, step 3 was and turned back, a rehearsal is open, things were said."""
    partner, now = sandbox.partner, timezone.now()
    mine, theirs = Actor(user=owner), Actor(user=team)
    agreed = {"patterns": PATTERNS, "contacts": CONTACTS, "time_zone": "Europe/Malta", "history_from": None}
    agreements.propose_scope(partner, **agreed, actor=theirs)
    agreements.accept_scope(agreements.newest_scope(partner), side="partner", actor=mine)
    ClientSecretFactory(client=ClientFactory(environment=sandbox), last_used_at=now)
    for field, raw, canonical in (("kyc_status_id", "ok", "approved"), ("sales_status_id", "won", "converted")):
        StatusMappingFactory(partner=partner, field=field, raw_value=raw, canonical_value=canonical)
    StatusMappingFactory(partner=partner, field="status", raw_value="paid", canonical_value="approved")
    AffiliateFactory(partner=partner)
    checklist.compute(partner, now=now)
    Onboarding.objects.filter(partner=partner).update(started_at=now - 6 * DAY)
    for number, days in ((1, 4.6), (2, 4.5), (3, 2)):
        at = now - days * DAY
        StepState.objects.filter(partner=partner, number=number).update(first_met_at=at, changed_at=at)
    for raw in ("vip?", "half", "on hold"):
        SeenStatusFactory(environment=sandbox, raw_value=raw)
    SampleFactory(environment=sandbox, invalid=1)
    agreements.add_note(partner, 3, text=f"What does “on hold” mean?\n@{owner.email} please map it.", actor=theirs)
    agreements.add_note(partner, 3, text="Asked our payments team.", actor=mine)
    agreements.open_rehearsal(partner, actor=mine)
    BatchFactory(environment=sandbox, entity="customers", received=60, created=58, late=4, updated=1, rejected=1)
    checklist.compute(partner, now=timezone.now())


def team_member() -> User:
    return UserFactory(email="mia@track360.example", name="Mia Keller", is_staff=True)
