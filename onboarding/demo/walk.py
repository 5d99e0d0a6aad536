"""The demo's walk: what partner and team have agreed and tried so far, in the middle of the second week."""

from __future__ import annotations

import datetime as dt

from entities.generator import sample
from entities.models import Entity
from onboarding import agreements, checklist
from onboarding.demo import people
from onboarding.models import Delivery, Onboarding, Sample, StepChange, StepState
from onboarding.sample_checks import check_sample
from onboarding.samples import create_sample
from track360 import exact_json
from track360.audit import Actor
from track360.models import Environment, Partner, User

DAY = dt.timedelta(days=1)
CONTACTS = [
    {"name": "Ingrid Solberg", "email": "owner@aurora-casino.example", "role": "Head of affiliates"},
    {"name": "Rafael Costa", "email": "dev@aurora-casino.example", "role": "Platform engineer"},
]
PUSHED = {entity.value: "push" for entity in Entity}
STARTED = {"aurora-casino": 12, "borealis-sports": 24, "cobalt-poker": 3, "delta-bingo": 0}  # days ago
DONE = {1: 11.5, 2: 11.2, 5: 0.4}  # step -> days ago
SAMPLE_RECORDS = 40


def walk(partners: dict[str, Partner], *, now: dt.datetime) -> None:
    """Aurora is half-way, Borealis is over its plan, Cobalt has a scope to accept, Delta begins today."""
    aurora = partners["aurora-casino"]
    by_owner, by_developer = (Actor(user=User.objects.get(email=email)) for email, _, _ in people.COLLEAGUES[:2])
    by_team = Actor(user=people.team_member())
    for slug, days in STARTED.items():
        Partner.objects.filter(slug=slug).update(created_at=now - days * DAY)
        Onboarding.objects.update_or_create(partner=partners[slug], defaults={"started_at": now - days * DAY})
    _agree(aurora, patterns=PUSHED | {"transactions": "hybrid"}, proposes=by_owner, accepts=by_team)
    _agree(partners["borealis-sports"], patterns=PUSHED, proposes=by_team, accepts=by_team)
    agreements.propose_scope(
        partners["cobalt-poker"],
        patterns={"customers": "push", "transactions": "hybrid", "activity": "pull"},
        contacts=[{"name": "Noor de Vries", "email": "noor@cobalt-poker.example", "role": "Data engineer"}],
        time_zone="Europe/Amsterdam",
        history_from=None,
        actor=by_team,
    )
    _try_samples(aurora.environments.get(kind=Environment.Kind.SANDBOX), actor=by_developer, today=now.date())
    agreements.add_note(
        aurora,
        3,
        text="manual_review and doc_requested are of our fraud team, @team@track360.example: pending, to us.",
        actor=by_developer,
    )
    for partner in partners.values():
        checklist.compute(partner, now=now)
    for number, age in DONE.items():
        at = now - age * DAY
        StepState.objects.filter(partner=aurora, number=number).update(changed_at=at, first_met_at=at)
        StepChange.objects.filter(partner=aurora, number=number).update(at=at)
    # It is told in the portal; nobody is mailed about days that have passed.
    Delivery.objects.filter(notification__partner__in=partners.values()).update(next_try_at=None)


def _agree(partner: Partner, *, patterns: dict[str, str], proposes: Actor, accepts: Actor) -> None:
    scope = agreements.propose_scope(
        partner,
        patterns=patterns,
        contacts=CONTACTS,
        time_zone="Europe/Malta",
        history_from=dt.date(2026, 1, 1),
        actor=proposes,
    )
    if agreements.side_of(proposes) != agreements.side_of(accepts):
        agreements.accept_scope(scope, side=agreements.side_of(accepts), actor=accepts)


def _try_samples(sandbox: Environment, *, actor: Actor, today: dt.date) -> None:
    """A valid one of players; of payments one with faults and then a mended one; of play one that is still wrong."""
    for entity, faults in (("customers", 0), ("transactions", 3), ("transactions", 0), ("activity", 2)):
        records = sample(entity, SAMPLE_RECORDS, today=today)
        for record in records[:faults]:
            record["currency"] = "EUX"
        tried = create_sample(
            sandbox,
            entity=entity,
            payload=exact_json.dumps(records).encode(),
            origin=Sample.Origin.UPLOAD,
            actor=actor,
            name=f"{entity}.json",
        )
        check_sample(tried.pk)
