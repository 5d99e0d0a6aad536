"""When feeds are fetched, and what people ask for: now, a range of days, pause, resume, stop, another cursor."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.utils import timezone

from integrations.models import Connection, Feed, SyncEvent, SyncRun
from integrations.pull.cursors import checked_cursor
from track360 import audit
from track360.audit import Actor
from track360.models import Partner

Kind, State = SyncRun.Kind, SyncRun.State
EARLIEST = dt.date(1900, 1, 1)
PLANNED_AT_ONCE = 200
MOST_BACKFILLS = 20  # of a feed, open


# -- The schedule -------------------------------------------------------------


def next_run_after(feed: Feed, moment: dt.datetime) -> dt.datetime | None:
    """When the feed is due next; None: only when somebody asks. A missed time is not made up for: the next one reads
    from the cursor anyhow."""
    if feed.daily_at is not None:
        moment = moment.astimezone(dt.UTC)
        due = dt.datetime.combine(moment.date(), feed.daily_at, dt.UTC)
        return due if due > moment else due + dt.timedelta(days=1)
    if feed.every_minutes is None:
        return None
    step = dt.timedelta(minutes=feed.every_minutes)
    begin = feed.next_run_at or moment
    missed = max((moment - begin) // step, 0)
    return begin + (missed + 1) * step


def plan_next(feed: Feed, *, now: dt.datetime) -> None:
    """After it was switched or its schedule changed: a feed that goes by minutes begins at once."""
    feed.next_run_at = None
    if feed.is_on and feed.paused_at is None:
        feed.next_run_at = now if feed.every_minutes else next_run_after(feed, now)
    feed.save(update_fields=["next_run_at"])


def plan_due_runs(*, now: dt.datetime) -> int:
    """Make a run for each feed that is due, unless one of it is open still; gives how many. Any number may call it."""
    with transaction.atomic():
        due = Feed.objects.filter(is_on=True, removed_at=None, paused_at=None, next_run_at__lte=now)
        due = due.filter(
            connection__is_on=True,
            connection__removed_at=None,
            environment__partner__status=Partner.Status.ACTIVE,
        )
        feeds = list(due.select_for_update(skip_locked=True, of=("self",)).order_by("next_run_at")[:PLANNED_AT_ONCE])
        made = sum(_plan(feed, now) for feed in feeds)
        Feed.objects.bulk_update(feeds, ["next_run_at"])
    return made


def _plan(feed: Feed, now: dt.datetime) -> bool:
    feed.next_run_at = next_run_after(feed, now)
    return _new_run(feed, kind=Kind.SCHEDULED, requested_at=now, due_at=now) is not None


def _new_run(feed: Feed, **values: Any) -> SyncRun | None:
    """None where one that is no backfill is open already."""
    run = SyncRun(feed=feed, environment_id=feed.environment_id, entity=feed.entity, **values)
    try:
        with transaction.atomic():
            run.save(force_insert=True)
    except IntegrityError:
        return None
    return run


# -- What people ask for ------------------------------------------------------


@transaction.atomic
def request_run(feed: Feed, *, actor: Actor) -> SyncRun:
    """Fetch now: a new run, or the one that waits for its next try. Raises ValidationError: `off`, `paused`."""
    feed = _fetchable(feed)
    standing = SyncRun.objects.exclude(kind=Kind.BACKFILL).filter(feed=feed, state__in=SyncRun.OPEN)
    run = standing.select_for_update().first()
    if run is None:  # nobody else makes one while the feed is locked
        run = SyncRun.objects.create(
            feed=feed,
            environment_id=feed.environment_id,
            entity=feed.entity,
            kind=Kind.MANUAL,
            requested_by=actor.user,
            client_id=actor.client_id,
        )
    elif run.state == State.PAUSED:
        raise ValidationError("Its run is paused. Resume that, or stop it.", code="paused")
    elif run.state == State.DUE:
        run.due_at = timezone.now()
        run.save(update_fields=["due_at"])
    _record("run.requested", run, actor)
    return run


@transaction.atomic
def request_backfill(feed: Feed, *, first_day: dt.date, last_day: dt.date, actor: Actor) -> SyncRun:
    """Fetch the days (UTC, both included) beside the schedule; the feed's cursor stays where it is.

    Raises ValidationError: `off`, `paused`, `first_day`, `last_day`, `window` where the feed cannot be asked for days,
    `too_many`.
    """
    feed = _fetchable(feed)
    if not EARLIEST <= first_day <= timezone.now().date():
        raise ValidationError("The first day must be from 1900 on, and not in the future.", code="first_day")
    if not first_day <= last_day <= timezone.now().date():
        raise ValidationError("The last day must not be before the first, nor in the future.", code="last_day")
    if not has_window(feed):
        raise ValidationError(
            "This feed cannot be asked for certain days: its query names no {since}, or its cursor is no time. "
            "Set the cursor back instead.",
            code="window",
        )
    if SyncRun.objects.filter(feed=feed, kind=Kind.BACKFILL, state__in=SyncRun.OPEN).count() >= MOST_BACKFILLS:
        raise ValidationError(
            f"{MOST_BACKFILLS} backfills of this feed are open already. Wait for one of them, or stop it.",
            code="too_many",
        )
    since, until = first_day.isoformat(), (last_day + dt.timedelta(days=1)).isoformat()
    if feed.cursor_kind == Feed.CursorKind.MOMENT:
        since, until = f"{since}T00:00:00Z", f"{until}T00:00:00Z"
    run = SyncRun.objects.create(
        feed=feed,
        environment_id=feed.environment_id,
        entity=feed.entity,
        kind=Kind.BACKFILL,
        since=since,
        until=until,
        requested_by=actor.user,
        client_id=actor.client_id,
    )
    _record("run.backfill_requested", run, actor, first_day=first_day.isoformat(), last_day=last_day.isoformat())
    return run


def has_window(feed: Feed) -> bool:
    """Whether the feed can be asked for what lies between two times."""
    if feed.connection.is_sql:
        return bool(feed.cursor_column) and feed.cursor_kind != Feed.CursorKind.NUMBER
    return any("{since" in str(value) for value in feed.query.values()) or "{since" in feed.path


@transaction.atomic
def stop_run(run: SyncRun, *, actor: Actor) -> SyncRun:
    """End it. A worker that is at it writes nothing more; what it has stored stays. Raises ValidationError `closed`."""
    run = _open_run(run)
    run.state, run.finished_at = State.STOPPED, timezone.now()
    return _let_go(run, actor, "stopped", "Stopped")


@transaction.atomic
def pause_run(run: SyncRun, *, actor: Actor) -> SyncRun:
    """Hold a run where it is, to go on from there. Raises ValidationError: `closed`, `paused`."""
    run = _open_run(run)
    if run.state == State.PAUSED:
        raise ValidationError("It is paused already.", code="paused")
    run.state = State.PAUSED
    return _let_go(run, actor, "paused", "Paused")


@transaction.atomic
def resume_run(run: SyncRun, *, actor: Actor) -> SyncRun:
    """Go on from where it was paused. Raises ValidationError: `closed`, `not_paused`, `feed_paused`."""
    run = _open_run(run)
    if run.state != State.PAUSED:
        raise ValidationError("It is not paused.", code="not_paused")
    if run.feed.paused_at is not None:
        raise ValidationError("Its feed is paused. Resume the feed, and the run goes on.", code="feed_paused")
    _go_on(run)
    _note(run, f"Resumed by {actor}.")
    _record("run.resumed", run, actor)
    return run


@transaction.atomic
def pause_feed(feed: Feed, *, actor: Actor) -> Feed:
    """Fetch no more until somebody resumes it; a run that is under way is paused. Raises ValidationError `paused`."""
    feed = _locked(feed)
    if feed.paused_at is not None:
        raise ValidationError("It is paused already.", code="paused")
    hold_feed(feed, reason=f"Paused by {actor}.")
    SyncRun.objects.filter(feed=feed, state__in=(State.DUE, State.RUNNING)).update(
        state=State.PAUSED, lease_token=None, lease_until=None
    )
    _record_feed("feed.paused", feed, actor)
    return feed


def hold_feed(feed: Feed, *, reason: str) -> None:
    """Pause it, with a sentence that says why."""
    feed.paused_at, feed.pause_reason, feed.next_run_at = timezone.now(), reason, None
    feed.save(update_fields=["paused_at", "pause_reason", "next_run_at"])


@transaction.atomic
def resume_feed(feed: Feed, *, actor: Actor) -> Feed:
    """Go on: its paused runs from where they were, the schedule from now. Raises ValidationError `not_paused`."""
    feed = _locked(feed)
    if feed.paused_at is None:
        raise ValidationError("It is not paused.", code="not_paused")
    feed.paused_at, feed.pause_reason = None, ""
    feed.save(update_fields=["paused_at", "pause_reason"])
    plan_next(feed, now=timezone.now())
    for run in SyncRun.objects.select_for_update().filter(feed=feed, state=State.PAUSED):
        _go_on(run)
        _note(run, f"Resumed by {actor}.")
    _record_feed("feed.resumed", feed, actor)
    return feed


@transaction.atomic
def set_cursor(feed: Feed, *, cursor: str, actor: Actor) -> Feed:
    """From where the next run reads, less the overlap; empty: from the beginning. What is read again changes nothing
    that is the same. A run that is under way does not move it any more. Raises ValidationError `cursor`."""
    feed, now = _locked(feed), timezone.now()
    before, feed.cursor = feed.cursor, checked_cursor(cursor, feed.cursor_kind, now=now)
    feed.cursor_moved_at = now
    feed.save(update_fields=["cursor", "cursor_moved_at"])
    _record_feed("feed.cursor_set", feed, actor, before=before, after=feed.cursor)
    return feed


# -- Common -------------------------------------------------------------------


def _locked(feed: Feed) -> Feed:
    return (
        Feed.objects.select_for_update(of=("self",))
        .select_related("connection", "environment__partner")
        .get(pk=feed.pk)
    )


def _fetchable(feed: Feed) -> Feed:
    feed = _locked(feed)
    connection: Connection = feed.connection
    if not (feed.is_on and connection.is_on) or feed.removed_at or connection.removed_at:
        raise ValidationError("It is switched off. Test the connection and switch it on first.", code="off")
    if feed.paused_at is not None:
        raise ValidationError(f"It is paused: {feed.pause_reason} Resume it first.", code="paused")
    return feed


def _open_run(run: SyncRun) -> SyncRun:
    run = SyncRun.objects.select_for_update(of=("self",)).select_related("feed", "environment__partner").get(pk=run.pk)
    if not run.is_open:
        raise ValidationError(f"It has ended: {run.get_state_display().lower()}.", code="closed")
    return run


def _let_go(run: SyncRun, actor: Actor, verb: str, word: str) -> SyncRun:
    run.lease_token = run.lease_until = None
    run.save(update_fields=["state", "finished_at", "lease_token", "lease_until"])
    _note(run, f"{word} by {actor}.")
    _record(f"run.{verb}", run, actor)
    return run


def _go_on(run: SyncRun) -> None:
    run.state, run.due_at, run.attempts = State.DUE, timezone.now(), 0
    run.problem = run.problem_party = ""
    run.save(update_fields=["state", "due_at", "attempts", "problem", "problem_party"])


def _note(run: SyncRun, text: str) -> None:
    SyncEvent.objects.create(run=run, kind=SyncEvent.Kind.NOTE, text=text)


def _record(action: str, run: SyncRun, actor: Actor, **detail: Any) -> None:
    audit.record(action, actor=actor, environment=run.environment, target=str(run.pk), entity=run.entity, **detail)


def _record_feed(action: str, feed: Feed, actor: Actor, **detail: Any) -> None:
    audit.record(action, actor=actor, environment=feed.environment, target=str(feed.pk), entity=feed.entity, **detail)
