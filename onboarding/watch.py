"""What somebody must be told that nobody did: secrets that end, refusals, lateness, silence, paused feeds. Each minute.

Each condition is found for all partners at once, in a few statements. What is found is told unless it is open, and what
is open and not found any more is over.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.db.models import Exists, OuterRef, Subquery
from django.utils import timezone

from entities.arrivals import (
    Late,
    Refusals,
    last_arrivals,
    late_since,
    refusals_since,
    usual_gaps,
    without_activity_of,
)
from entities.freshness import WANTED_SHARE
from entities.models import Entity
from integrations.models import ClientSecret, Feed, SyncRun
from onboarding.models import Notification, Pattern, RehearsalWindow, Scope
from onboarding.notifications import Kind, tell
from onboarding.watch_totals import differing_days, doubled
from onboarding.watched import Finding, page_of_environment
from track360.models import Environment, Partner
from track360.templatetags.ui import duration
from track360.templatetags.ui import share as share_of

EXPIRES_WITHIN = dt.timedelta(days=7)

REFUSED_FOR = dt.timedelta(hours=1)
REFUSED_SHARE = 0.05
REFUSED_OF = 20  # of fewer records one bad one is over the share

LATE_FOR = dt.timedelta(hours=1)
LATE_OF = 20
# A day of activity that is late has been told of as silence.
EVENTS = (Entity.CUSTOMERS.value, Entity.TRANSACTIONS.value)

# Of customers and transactions: three times the longest pause of the two days before, but at least and at most so long.
# The most is over a day, so that who sends once a day is not told for being late by minutes.
PAUSES = 3
PAUSE_HOURS = 48
SILENT_AT_LEAST = dt.timedelta(hours=2)
SILENT_AT_MOST = dt.timedelta(hours=26)
# Of activity: a day is to be there by 06:00 UTC of the next one (the guide's freshness target).
DAY_IS_DUE = dt.timedelta(hours=24 + 6)

Scopes = dict[int, dict[str, str]]  # partner id -> the patterns of his newest scope

# Where to look, by whether it is we who fetch.
CAME_BY = {False: "request-list", True: "sync-run-list"}
LOOK = {
    False: "Look at the requests whether your calls reach us, and what they were answered.",
    True: "Look at the runs whether we reach your system, and what it answered.",
}

PRODUCTION = Environment.Kind.PRODUCTION


def watch(*, now: dt.datetime) -> None:
    """Tell what is found, end what is not any more."""
    environments = list(Environment.objects.filter(partner__status=Partner.Status.ACTIVE).select_related("partner"))
    _reconcile(Kind.SECRET_EXPIRES, expiring_secrets(now=now))
    _reconcile(Kind.FEED_PAUSED, paused_feeds())
    _reconcile(Kind.REFUSALS, refusals(environments, now=now))
    scopes = _scopes(environments)
    _reconcile(Kind.LATE, lateness(environments, scopes, now=now))
    _reconcile(Kind.TOTALS_DIFFER, differing_days(environments, now=now))
    _reconcile(Kind.DAY_DOUBLED, doubled(environments))
    _reconcile(Kind.SILENCE, silences([row for row in environments if row.kind == PRODUCTION], scopes, now=now))


def _reconcile(kind: Kind, findings: Iterable[Finding]) -> None:
    found = {(finding.environment.partner_id, finding.subject): finding for finding in findings}
    is_open = {
        (partner, subject): pk
        for pk, partner, subject in Notification.objects.filter(kind=kind, over_at=None).values_list(
            "pk", "partner_id", "subject"
        )
    }
    over = [pk for place, pk in is_open.items() if place not in found]
    if over:
        Notification.objects.filter(pk__in=over, over_at=None).update(over_at=timezone.now())
    for place, finding in found.items():
        if place not in is_open:
            tell(
                finding.environment.partner,
                kind=kind,
                subject=finding.subject,
                title=finding.title,
                text=finding.text,
                path=finding.path,
                environment=finding.environment,
                lasting=True,
            )


# -- Secrets ------------------------------------------------------------------


def expiring_secrets(*, now: dt.datetime) -> list[Finding]:
    """Those that end within 7 days while no newer one of the same client has fetched a token."""
    newer = ClientSecret.objects.live().filter(
        client=OuterRef("client"), created_at__gt=OuterRef("created_at"), last_used_at__isnull=False
    )
    ending = (
        ClientSecret.objects.filter(expires_at__gt=now, expires_at__lte=now + EXPIRES_WITHIN, revoked_at=None)
        .filter(client__revoked_at=None, client__environment__partner__status=Partner.Status.ACTIVE)
        .exclude(Exists(newer))
        .select_related("client__environment__partner")
    )
    return [_ending(secret) for secret in ending]


def _ending(secret: ClientSecret) -> Finding:
    client, environment = secret.client, secret.client.environment
    assert secret.expires_at is not None
    return Finding(
        environment=environment,
        subject=f"secret {secret.pk}",
        title=f"The secret …{secret.last_four} of {client.name} ends on {_moment(secret.expires_at)}",
        text="No newer secret of this client has fetched a token yet. Put the new one where the old one is in use, or "
        "rotate to make one: from its end on the old one fetches no tokens.",
        path=page_of_environment("client-detail", environment, client.client_id),
    )


# -- Paused feeds -------------------------------------------------------------

# Who acts on what paused a feed; what a person paused bears its name.
ACTS = {
    SyncRun.Party.PARTNER.value: "It is on the partner's side. Mend it there and resume the feed: nothing is lost.",
    SyncRun.Party.MAPPING.value: "It is in how the feed is set up. Mend it, test the connection and resume the feed: "
    "nothing is lost.",
    SyncRun.Party.US.value: "It is on our side: the integrations team looks at it. Nothing is lost.",
    "": "Resume it on the page of its connection: it goes on from where it was.",
}


def paused_feeds() -> list[Finding]:
    """Feeds that are switched on and fetch nothing until somebody resumes them."""
    newest = SyncRun.objects.filter(feed=OuterRef("pk"), state=SyncRun.State.PAUSED).order_by("-due_at")
    feeds = Feed.objects.filter(
        paused_at__isnull=False,
        is_on=True,
        removed_at=None,
        connection__removed_at=None,
        environment__partner__status=Partner.Status.ACTIVE,
    ).select_related("environment__partner")
    feeds = feeds.annotate(
        problem=Subquery(newest.values("problem")[:1]), party=Subquery(newest.values("problem_party")[:1])
    )
    return [_paused(feed, problem=feed.problem, party=feed.party) for feed in feeds]


def _paused(feed: Feed, *, problem: str | None, party: str | None) -> Finding:
    assert feed.paused_at is not None
    # A run may bear an older problem than what the feed was paused for.
    acts = party if problem and feed.pause_reason.startswith(problem) else ""
    return Finding(
        environment=feed.environment,
        subject=f"feed {feed.pk}",
        title=f"The feed of {feed.entity} in {feed.environment.kind} is paused since {_moment(feed.paused_at)}",
        text=f"{feed.pause_reason} {ACTS[acts or '']}".strip(),
        path=page_of_environment("connection-detail", feed.environment, str(feed.connection_id)),
    )


# -- Refusals -----------------------------------------------------------------


def refusals(environments: list[Environment], *, now: dt.datetime) -> list[Finding]:
    """Where over 5 % of the last hour's records of an entity were refused."""
    by_id = {environment.pk: environment for environment in environments}
    found = refusals_since(list(by_id), now - REFUSED_FOR, at_least=REFUSED_OF, share=REFUSED_SHARE)
    return [_refused(by_id[row.environment_id], row) for row in found]


def _refused(environment: Environment, row: Refusals) -> Finding:
    entity = Entity(row.entity)
    share = 100 * row.rejected / row.received
    why = (
        f"The commonest reason is {row.cause}."
        if row.cause
        else "They were refused as whole batches; the answers to those calls say why."
    )
    return Finding(
        environment=environment,
        subject=f"{environment.kind} {entity.value}",
        title=f"{share:.0f} % of the {entity.label.lower()} of the last hour were refused in {environment.kind}",
        text=f"{row.rejected:,} of {row.received:,} records were refused. {why}",
        path=page_of_environment("quarantine-list", environment) + f"?entity={entity.value}",
    )


# -- Lateness -----------------------------------------------------------------


def lateness(environments: list[Environment], scopes: Scopes, *, now: dt.datetime) -> list[Finding]:
    """Where under 95 % of the last hour's new customers or transactions came within 5 minutes, of those in scope.

    In production, and in the sandbox while a rehearsal is open: only then is it to be as in production.
    """
    rehearsing = set(
        RehearsalWindow.objects.filter(opened_at__lte=now, closes_at__gt=now, earned_at=None).values_list(
            "partner_id", flat=True
        )
    )
    by_id = {row.pk: row for row in environments if row.kind == PRODUCTION or row.partner_id in rehearsing}
    found = late_since(list(by_id), now - LATE_FOR, entities=EVENTS, at_least=LATE_OF, share=WANTED_SHARE)
    return [
        _late(by_id[row.environment_id], row)
        for row in found
        if row.entity in scopes.get(by_id[row.environment_id].partner_id, Entity.values)
    ]


def _late(environment: Environment, row: Late) -> Finding:
    entity = Entity(row.entity)
    in_time = row.created - row.late
    whose = "fetching and storing, which is our part" if row.is_ours else "the way to us, before our part begins"
    return Finding(
        environment=environment,
        subject=f"{environment.kind} {entity.value}",
        title=f"{share_of(in_time / row.created)} of the {entity.label.lower()} of the last hour came in time in "
        f"{environment.kind}",
        text=f"{in_time:,} of {row.created:,} new records were here within 5 minutes; it should be 95 %. Most of the "
        f"time went into {whose}.",
        path=page_of_environment("freshness", environment),
    )


# -- Silence ------------------------------------------------------------------


def silences(environments: list[Environment], scopes: Scopes, *, now: dt.datetime) -> list[Finding]:
    """Entities in scope that have been received before, and now for too long have not."""
    by_id = {environment.pk: environment for environment in environments}
    lasts = {
        (environment, entity): last
        for (environment, entity), last in last_arrivals(list(by_id)).items()
        if entity in scopes.get(by_id[environment].partner_id, Entity.values)
    }
    quiet = {
        place: last for place, last in lasts.items() if place[1] != Entity.ACTIVITY and now - last > SILENT_AT_LEAST
    }
    gaps = usual_gaps({place: last for place, last in quiet.items() if now - last <= SILENT_AT_MOST}, hours=PAUSE_HOURS)
    found = []
    for (environment, entity), last in quiet.items():
        gap = gaps.get((environment, entity), PAUSE_HOURS)
        if now - last > silent_after(gap):
            pulled = _is_pulled(scopes, by_id[environment], entity)
            found.append(_silent(by_id[environment], Entity(entity), last, now=now, gap=gap, is_pulled=pulled))
    day = (now.astimezone(dt.UTC) - DAY_IS_DUE).date()
    senders = [environment for environment, entity in lasts if entity == Entity.ACTIVITY]
    for pk in without_activity_of(senders, day):
        pulled = _is_pulled(scopes, by_id[pk], Entity.ACTIVITY)
        found.append(_day_missing(by_id[pk], day, lasts[pk, Entity.ACTIVITY.value], is_pulled=pulled))
    return found


def silent_after(gap_hours: int) -> dt.timedelta:
    """How long a pause is too long for somebody whose longest one was so many full hours."""
    return min(max(PAUSES * dt.timedelta(hours=gap_hours + 1), SILENT_AT_LEAST), SILENT_AT_MOST)


def _scopes(environments: list[Environment]) -> Scopes:
    """A partner without a scope is not there."""
    newest = (
        Scope.objects.filter(partner__in=[environment.partner_id for environment in environments])
        .order_by("partner_id", "-id")
        .distinct("partner_id")
    )
    return {scope.partner_id: scope.patterns for scope in newest if scope.patterns}


def _is_pulled(scopes: Scopes, environment: Environment, entity: str) -> bool:
    return scopes.get(environment.partner_id, {}).get(entity) == Pattern.PULL


def _silent(
    environment: Environment, entity: Entity, last: dt.datetime, *, now: dt.datetime, gap: int, is_pulled: bool
) -> Finding:
    usual = "" if gap >= PAUSE_HOURS else f" In the two days before, no pause was longer than {gap + 1} h."
    return Finding(
        environment=environment,
        subject=f"{environment.kind} {entity.value}",
        title=f"No {entity.label.lower()} since {_moment(last)}",
        text=f"Production has received none for {duration((now - last).total_seconds())}.{usual} {LOOK[is_pulled]}",
        path=page_of_environment(CAME_BY[is_pulled], environment) + f"?entity={entity.value}",
    )


def _day_missing(environment: Environment, day: dt.date, last: dt.datetime, *, is_pulled: bool) -> Finding:
    return Finding(
        environment=environment,
        subject=f"{environment.kind} {Entity.ACTIVITY.value}",
        title=f"No activity of {day:%d %B %Y}".replace(" 0", " "),
        text=f"It should have arrived by 06:00 UTC of the day after. The last activity, of whichever day, came on "
        f"{_moment(last)}.",
        path=page_of_environment(CAME_BY[is_pulled], environment) + f"?entity={Entity.ACTIVITY.value}",
    )


# -- Words --------------------------------------------------------------------


def _moment(at: dt.datetime) -> str:
    at = at.astimezone(dt.UTC)
    return f"{at.day} {at:%B %Y, %H:%M} UTC"
