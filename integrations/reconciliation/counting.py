"""Control totals counted at the partner's database, where a feed reads from one. A worker does it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from integrations.models import Connection, DayTotals, Feed
from integrations.pull.opening import open_source
from integrations.pull.source import SourceError
from integrations.pull.sql import SqlSource
from integrations.reconciliation.control import put_control_totals
from integrations.reconciliation.days import FIRST_DAY, day_of, read_line
from track360 import audit
from track360.audit import Actor
from track360.models import AuditEvent, Environment, Partner

MOST_DAYS = 62  # at once
BUDGET_SECONDS = 200
REQUESTED, DONE, FAILED = "control_totals.count_requested", "control_totals.counted", "control_totals.count_failed"
REMEMBERED = dt.timedelta(hours=1)
GIVEN_UP = dt.timedelta(minutes=10)  # a worker that has not answered by then does not any more


@dataclass(frozen=True)
class Counting:
    """The last request of an environment: under way, done, or failed with a sentence that says why."""

    entity: str
    at: dt.datetime
    is_running: bool
    problem: str


def countable_feed(environment: Environment, entity: str) -> Feed | None:
    """The feed whose database can be asked."""
    feeds = Feed.objects.filter(environment=environment, entity=entity, removed_at=None, connection__removed_at=None)
    return feeds.exclude(connection__kind=Connection.Kind.REST).select_related("connection", "environment").first()


@transaction.atomic
def request_count(
    environment: Environment, entity: str, *, first: dt.date, last: dt.date, time_zone: str, actor: Actor
) -> Feed:
    """Ask for a count of these days, the caller rings the worker. Raises ValidationError: `feed`, `days`."""
    feed = countable_feed(environment, entity)
    if feed is None:
        raise ValidationError("These are not fetched from a database, so that nothing can be counted.", code="feed")
    yesterday = day_of(timezone.now(), time_zone) - dt.timedelta(days=1)
    if not (FIRST_DAY <= first <= last <= yesterday and (last - first).days < MOST_DAYS):
        raise ValidationError(f"Choose 1 to {MOST_DAYS} days that are over, the first one first.", code="days")
    _note(REQUESTED, environment, entity, actor, first=str(first), last=str(last))
    return feed


def count_at_source(feed: Feed, *, first: dt.date, last: dt.date, time_zone: str, actor: Actor) -> None:
    """Count each day at the feed's database, and keep what it says as control totals; or say why that failed."""
    environment = feed.environment
    try:
        if environment.partner.status != Partner.Status.ACTIVE:
            raise SourceError("The partner is suspended or closed: nothing of theirs is called.", is_final=True)
        with open_source(feed, note=lambda call: None, budget_seconds=BUDGET_SECONDS) as source:
            if not isinstance(source, SqlSource):
                raise SourceError("Only a database can be asked how much it has of a day.", is_final=True)
            counted = source.count_days(first, last, time_zone=time_zone)
        with transaction.atomic():
            for day, lines in sorted(counted.items()):
                put_control_totals(
                    environment,
                    feed.entity,
                    day,
                    [read_line(line) for line in lines],
                    origin=DayTotals.Origin.COUNTED,
                    time_zone=time_zone,
                    actor=actor,
                )
            _note(DONE, environment, feed.entity, actor, first=str(first), last=str(last))
    except SourceError as error:
        _note(FAILED, environment, feed.entity, actor, problem=str(error))
    except ValidationError as refusal:
        problem = f"The database has what cannot be a control total: {refusal.messages[0]}"
        _note(FAILED, environment, feed.entity, actor, problem=problem)


def _note(action: str, environment: Environment, entity: str, actor: Actor, **detail: Any) -> None:
    audit.record(action, actor=actor, environment=environment, target=entity, **detail)


def last_counting(environment: Environment, *, now: dt.datetime) -> Counting | None:
    """Of the last hour."""
    events = AuditEvent.objects.filter(
        partner=environment.partner_id, environment=environment, action__in=(REQUESTED, DONE, FAILED)
    )
    event = events.filter(at__gte=now - REMEMBERED).order_by("-at", "-pk").first()
    if event is None:
        return None
    is_running = event.action == REQUESTED and now - event.at < GIVEN_UP
    problem = event.detail.get("problem", "") if event.action == FAILED else ""
    if event.action == REQUESTED and not is_running:
        problem = "No worker has answered. Ask again."
    return Counting(event.target, event.at, is_running, problem)
