"""What people and programs do with runs, where the engine's own actions leave a choice."""

from __future__ import annotations

import datetime as dt

from django.core.exceptions import ValidationError

from integrations.models import Feed, SyncRun
from integrations.pull import schedule
from track360.audit import Actor


def fetch(feed: Feed, *, first_day: dt.date | None, last_day: dt.date | None, actor: Actor) -> SyncRun:
    """Now, or the days beside the schedule where they are given. Raises ValidationError, also where one day is."""
    if first_day is None and last_day is None:
        return schedule.request_run(feed, actor=actor)
    if first_day is None or last_day is None:
        missing = "last_day" if first_day else "first_day"
        raise ValidationError("Give both days, or none to fetch what is new.", code=missing)
    return schedule.request_backfill(feed, first_day=first_day, last_day=last_day, actor=actor)


def go_on(run: SyncRun, *, actor: Actor) -> SyncRun:
    """Resume it; where its whole feed is paused, the feed, and with it each of its paused runs. Raises
    ValidationError: `closed`, `not_paused`."""
    if run.feed.paused_at is None or run.state != SyncRun.State.PAUSED:
        return schedule.resume_run(run, actor=actor)
    schedule.resume_feed(run.feed, actor=actor)
    run.refresh_from_db()
    return run
