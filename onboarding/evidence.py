"""What the eight steps are judged by, gathered from rows in few queries whose cost does not grow with the records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, Q

from entities.batch_selectors import Arrived, Window, arrivals_in, environments_with_last_batch, window_for
from entities.mapping_selectors import Coverage, status_coverage, unknown_affiliates
from entities.models import Affiliate, Batch, Entity
from integrations.reconciliation.compare import EntityDay
from onboarding.days import NO_SCOPE_ZONE, days_reconciled
from onboarding.models import Pattern, RehearsalWindow, Sample, Scope, SignOff
from track360.models import Environment, Partner

EXPIRES_WITHIN = dt.timedelta(days=7)
UNKNOWN_COUNTED = 1000
# A partner has hundreds of affiliates, seldom thousands; each one costs a look into an index.
AFFILIATES_LOOKED_AT = 50_000
# What we fetched came by one of these.
FETCHING = (Batch.Door.PULL.value, Batch.Door.BACKFILL.value)


@dataclass(frozen=True)
class Clients:
    """The live OAuth clients of an environment; `expiring`: how many of their live secrets end within the week."""

    number: int = 0
    token_fetched_at: dt.datetime | None = None
    expiring: int = 0


@dataclass(frozen=True)
class Connections:
    """The connections of an environment that were not removed: how many, how many passed their test, how many fetch."""

    number: int = 0
    passed: int = 0
    on: int = 0


@dataclass(frozen=True)
class Rehearsal:
    """The newest rehearsal window, with what came in it; nothing is counted once it was earned."""

    pk: int
    opened_at: dt.datetime
    closes_at: dt.datetime
    earned_at: dt.datetime | None
    windows: Mapping[str, Window]


@dataclass(frozen=True)
class Facts:
    """All that the steps of one partner are judged by, as of `now`."""

    now: dt.datetime
    environments: tuple[Environment, ...] = ()  # the sandbox first
    last_batch_at: dt.datetime | None = None  # of both
    proposed: Scope | None = None  # the newest version
    agreed: Scope | None = None  # the newest version that both sides accepted
    clients: Mapping[str, Clients] = field(default_factory=dict)  # environment kind -> clients
    connections: Mapping[str, Connections] = field(default_factory=dict)  # environment kind -> connections
    statuses: Mapping[str, Coverage] = field(default_factory=dict)
    affiliates: int = 0
    unknown_affiliates: tuple[str, ...] = ()  # of both environments, at most UNKNOWN_COUNTED of each
    samples: Mapping[str, Sample] = field(default_factory=dict)  # entity -> the newest that was checked
    arrived: frozenset[tuple[str, str, str]] = frozenset()  # (environment kind, entity, door)
    rehearsal: Rehearsal | None = None
    reconciled: tuple[tuple[EntityDay, ...], ...] = ()  # the three days that step 7 goes by, each by entity in scope
    signed_off: frozenset[str] = frozenset()  # sides

    @property
    def patterns(self) -> Mapping[str, str]:
        """Entity in scope -> pattern: as agreed last, else as proposed, else all of them pushed.

        In the order of `Entity`, which the database does not keep.
        """
        return _patterns(self.agreed or self.proposed)

    @property
    def is_pulled(self) -> bool:
        """Whether every entity in scope is pulled: then nobody calls us, and nobody needs a client."""
        return all(pattern == Pattern.PULL for pattern in self.patterns.values())

    @property
    def is_fetched(self) -> bool:
        """Whether we fetch something, be it beside what is pushed."""
        return any(pattern != Pattern.PUSH for pattern in self.patterns.values())

    def was_fetched(self, entity: str) -> bool:
        """Whether something of it was taken in by a feed of the sandbox, ever."""
        return any(("sandbox", entity, door) in self.arrived for door in FETCHING)


def _patterns(scope: Scope | None) -> dict[str, str]:
    patterns = scope.patterns if scope else {entity.value: Pattern.PUSH.value for entity in Entity}
    return {entity.value: patterns[entity.value] for entity in Entity if entity.value in patterns}


def patterns_of(partner: Partner) -> dict[str, str]:
    """As `Facts.patterns`, where nothing else of the facts is needed."""
    agreed = Q(partner_accepted_at__isnull=False, team_accepted_at__isnull=False)
    scopes = Scope.objects.filter(partner=partner).annotate(agreed=ExpressionWrapper(agreed, BooleanField()))
    return _patterns(scopes.order_by("-agreed", "-id").first())


def gather(partner: Partner, *, now: dt.datetime) -> Facts:
    seen = environments_with_last_batch([partner])
    environments = tuple(environment for environment, _ in seen)
    sandbox = environments[0]
    scopes = Scope.objects.filter(partner=partner).order_by("-id")
    proposed = scopes.first()
    accepted = scopes.filter(partner_accepted_at__isnull=False, team_accepted_at__isnull=False)
    agreed = proposed if proposed is None or proposed.is_agreed else accepted.first()
    kinds = {environment.pk: environment.kind for environment in environments}
    clients, connections = _ways_in(partner, now=now)
    registered = Affiliate.objects.filter(partner=partner).count()
    return Facts(
        now=now,
        environments=environments,
        last_batch_at=max((at for _, at in seen if at), default=None),
        proposed=proposed,
        agreed=agreed,
        clients=clients,
        connections=connections,
        statuses=status_coverage(partner),
        affiliates=registered,
        unknown_affiliates=tuple(_unknown_affiliates(environments)) if registered else (),
        samples=_newest_samples(sandbox),
        arrived=frozenset(_arrived(arrival, kinds) for arrival in arrivals_in(environments)),
        rehearsal=_rehearsal(partner, sandbox),
        reconciled=days_reconciled(
            sandbox,
            entities=tuple(_patterns(agreed or proposed)),
            time_zone=agreed.time_zone if agreed else NO_SCOPE_ZONE,
            now=now,
        ),
        signed_off=frozenset(SignOff.objects.filter(partner=partner, withdrawn_at=None).values_list("side", flat=True)),
    )


def _arrived(arrival: Arrived, kinds: Mapping[int, str]) -> tuple[str, str, str]:
    return (kinds[arrival.environment_id], arrival.entity, arrival.door)


# Written out, as the next one: the framework takes longer to make such statements than PostgreSQL to answer them.
_WAYS_IN_SQL = """
SELECT environment.kind, clients.*, connections.*
  FROM track360_environment environment,
       LATERAL (SELECT count(DISTINCT client.id), max(secret.last_used_at),
                       count(*) FILTER (WHERE secret.revoked_at IS NULL
                                          AND secret.expires_at > %(now)s AND secret.expires_at <= %(soon)s)
                  FROM integrations_client client
                  LEFT JOIN integrations_clientsecret secret ON secret.client_id = client.id
                 WHERE client.environment_id = environment.id AND client.revoked_at IS NULL) AS clients,
       LATERAL (SELECT count(*), count(passed_at), count(*) FILTER (WHERE is_on)
                  FROM integrations_connection
                 WHERE environment_id = environment.id AND removed_at IS NULL) AS connections
 WHERE environment.partner_id = %(partner)s
"""


def _ways_in(partner: Partner, *, now: dt.datetime) -> tuple[dict[str, Clients], dict[str, Connections]]:
    """The live clients and the standing connections, by the kind of the environment."""
    with connection.cursor() as cursor:
        cursor.execute(_WAYS_IN_SQL, {"partner": partner.pk, "now": now, "soon": now + EXPIRES_WITHIN})
        rows = cursor.fetchall()
    return {row[0]: Clients(*row[1:4]) for row in rows}, {row[0]: Connections(*row[4:]) for row in rows}


def _unknown_affiliates(environments: Iterable[Environment]) -> list[str]:
    """Each id once, in the order of first sight; those of the sandbox first."""
    found = (
        affiliate
        for environment in environments
        for affiliate in unknown_affiliates(environment, limit=UNKNOWN_COUNTED, probes=AFFILIATES_LOOKED_AT)
    )
    return list(dict.fromkeys(found))


# One for each entity: the newest of all of them at once would have all samples sorted.
_NEWEST_SAMPLES_SQL = f"""
SELECT sample.*
  FROM unnest(%s::text[]) AS wanted (entity),
       LATERAL (SELECT {", ".join(field.attname for field in Sample._meta.concrete_fields if field.name != "body")}
                  FROM onboarding_sample
                 WHERE environment_id = %s AND entity = wanted.entity
                   AND state IN ('{Sample.State.DONE}', '{Sample.State.UNREADABLE}')
                   AND origin <> '{Sample.Origin.LESSON}'
                 ORDER BY created_at DESC LIMIT 1) AS sample
"""


def _newest_samples(sandbox: Environment) -> dict[str, Sample]:
    """Entity -> the newest sample that was checked, or could not be read. A lesson is no sample of the partner's."""
    return {sample.entity: sample for sample in Sample.objects.raw(_NEWEST_SAMPLES_SQL, [Entity.values, sandbox.pk])}


def _rehearsal(partner: Partner, sandbox: Environment) -> Rehearsal | None:
    window = RehearsalWindow.objects.filter(partner=partner).order_by("-opened_at", "-id").first()
    if window is None:
        return None
    windows = {} if window.earned_at else window_for(sandbox, start=window.opened_at, end=window.closes_at)
    return Rehearsal(window.pk, window.opened_at, window.closes_at, window.earned_at, windows)
