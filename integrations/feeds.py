"""Feeds: what people do with how one entity is fetched. Each action writes its audit row itself."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations import feed_rules as rules
from integrations.connection_rules import Values
from integrations.connections import live_feeds, locked, stop_runs
from integrations.models import Connection, Feed
from integrations.pull import schedule
from track360 import audit

SCHEDULE = ("every_minutes", "daily_at")


@transaction.atomic
def create_feed(connection: Connection, *, entity: str, values: Values, actor: audit.Actor) -> Feed:
    """What `values` leaves out is as usual for the entity. Refused: a fault in a field, whose name is the code."""
    connection = locked(connection)
    fields = rules.checked_feed(connection, entity, values)
    feed = Feed(connection=connection, environment=connection.environment, entity=entity, **fields)
    try:
        with transaction.atomic():
            feed.save(force_insert=True)
    except IntegrityError:
        raise ValidationError(
            f"There is a feed of {entity} in this environment already. Remove it first, or change it.", code="entity"
        ) from None
    _audit("feed.created", feed, actor)
    return feed


@transaction.atomic
def change_feed(feed: Feed, *, values: Values, actor: audit.Actor) -> Feed:
    """What `values` leaves out stays. Is it read another way, it has to be tested again, and is off till then.

    Is it read from somewhere else, its cursor says nothing any more: the next run begins at the beginning.
    """
    feed = locked_feed(feed)
    before = {name: getattr(feed, name) for name in rules.FIELDS}
    fields = rules.checked_feed(feed.connection, feed.entity, before | _one_schedule(values))
    changed = [name for name in rules.FIELDS if fields[name] != before[name]]
    if not changed:
        return feed
    for name in changed:
        setattr(feed, name, fields[name])
    if set(changed) & set(rules.READ):
        feed.passed_at, feed.is_on, feed.next_run_at = None, False, None
        stop_runs(feed, actor=actor)
    if set(changed) & set(rules.SOURCE):
        feed.cursor, feed.cursor_moved_at = "", None
    feed.save()
    if feed.is_on and set(changed) & set(SCHEDULE):
        schedule.plan_next(feed, now=timezone.now())
    _audit("feed.changed", feed, actor, changed=changed)
    return feed


@transaction.atomic
def switch_feed(feed: Feed, *, on: bool, actor: audit.Actor) -> Feed:
    """On only once a test has passed (`not_passed`), and on a connection that is on (`connection_off`)."""
    feed = locked_feed(feed)
    if feed.is_on == on:
        return feed
    if on and feed.passed_at is None:
        raise ValidationError("It is switched on once a test has passed. Test the connection first.", code="not_passed")
    if on and not feed.connection.is_on:
        raise ValidationError("Its connection is off. Switch that on first.", code="connection_off")
    feed.is_on = on
    if not on:
        feed.next_run_at = None
    feed.save(update_fields=["is_on", "next_run_at"])
    if on and feed.paused_at is not None:
        feed = schedule.resume_feed(feed, actor=actor)
    elif on:
        schedule.plan_next(feed, now=timezone.now())
    _audit("feed.switched_on" if on else "feed.switched_off", feed, actor)
    return feed


@transaction.atomic
def switch_on_tested(connection: Connection, *, actor: audit.Actor) -> list[Feed]:
    """The feeds of a connection that is on, those that have passed."""
    return [
        switch_feed(feed, on=True, actor=actor)
        for feed in live_feeds(connection).filter(is_on=False).exclude(passed_at=None)
    ]


@transaction.atomic
def remove_feed(feed: Feed, *, actor: audit.Actor) -> None:
    """It fetches nothing more. What it fetched stays, and so do its runs. Removing it again changes nothing."""
    try:
        feed = locked_feed(feed)
    except ValidationError:
        return
    stop_runs(feed, actor=actor)
    feed.is_on, feed.next_run_at, feed.removed_at = False, None, timezone.now()
    feed.save(update_fields=["is_on", "next_run_at", "removed_at"])
    _audit("feed.removed", feed, actor)


def locked_feed(feed: Feed) -> Feed:
    """Connection and feed for this transaction alone, in this order. Raises ValidationError (`removed`)."""
    connection = locked(feed.connection)
    found = Feed.objects.select_for_update(of=("self",), no_key=True).get(pk=feed.pk)
    if found.removed_at is not None:
        raise ValidationError("This feed was removed.", code="removed")
    found.connection, found.environment = connection, connection.environment
    return found


def _one_schedule(values: Values) -> dict[str, Any]:
    """Who gives one of the two means that it stands instead of the other."""
    given = dict(values)
    for name, other in (SCHEDULE, SCHEDULE[::-1]):
        if given.get(name) is not None:
            given.setdefault(other, None)
    return given


def _audit(action: str, feed: Feed, actor: audit.Actor, **detail: Any) -> None:
    audit.record(
        action,
        actor=actor,
        environment=feed.environment,
        target=str(feed.pk),
        entity=feed.entity,
        connection=feed.connection.name,
        **detail,
    )
