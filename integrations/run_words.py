"""How a run stands, in sentences."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from django.utils.dateparse import parse_datetime

from integrations.models import Feed, SyncRun
from integrations.run_selectors import rows_a_second, seconds_left
from track360.templatetags.ui import duration, number, relative

State, Party = SyncRun.State, SyncRun.Party

WHAT_TO_DO = {
    Party.PARTNER: "Show this and the requests below to whoever runs that API or database.",
    Party.MAPPING: "Mend the connection or the feed, and test it.",
    Party.US: "There is nothing for you to do: we are told of it too.",
}


def sentence_for(run: SyncRun, *, now: dt.datetime) -> str:
    """How it stands and what comes next. The run's feed and connection are loaded."""
    match run.state:
        case State.DUE:
            return _waiting(run, now)
        case State.RUNNING:
            return _running(run, now)
        case State.PAUSED:
            return _paused(run)
        case State.DONE:
            return _done(run)
        case State.STOPPED:
            return f"Stopped. {_stored(run)}"
        case _:
            return f"Failed. {_stored(run)}"


def _waiting(run: SyncRun, now: dt.datetime) -> str:
    if not (run.feed.is_on and run.feed.connection.is_on):
        return "Waits: its connection or feed is switched off."
    if run.problem:
        tries = "once" if run.attempts == 1 else f"{run.attempts} times in a row"
        again = "is due" if run.due_at <= now else f"comes {relative(run.due_at, now=now)}"
        return f"It failed {tries}. The next try {again}."
    return "Waits for a worker." if run.due_at <= now else f"Begins {relative(run.due_at, now=now)}."


def _running(run: SyncRun, now: dt.datetime) -> str:
    if run.lease_until is not None and run.lease_until < now:
        return "The worker that was at it went silent. Another goes on from the last page."
    if not run.read:
        return "Running. No rows have come yet."
    return f"Running: {pace_of(run)}."


def pace_of(run: SyncRun) -> str:
    """`12,000 of 60,000 rows, 5,300 rows a second, 9 s to go`."""
    of = f" of {number(run.expected)}" if run.expected is not None and run.expected >= run.read else ""
    parts = [f"{number(run.read)}{of} {_rows(run.expected if of else run.read)}"]
    rate, left = rows_a_second(run), seconds_left(run)
    if rate is not None:
        parts.append(f"{number(round(rate))} rows a second")
    if left is not None:
        parts.append(f"{duration(max(round(left), 1))} to go")
    return ", ".join(parts)


def _paused(run: SyncRun) -> str:
    if run.feed.paused_at is not None:
        return f"Paused with its feed. {run.feed.pause_reason or run.problem} Next: resume the feed.".replace("  ", " ")
    return f"Paused{': it could not go on' if run.problem else ''}. It goes on from where it was once it is resumed."


def _done(run: SyncRun) -> str:
    if not run.read:
        return "Done. There was nothing new."
    if not run.rejected:
        return f"Done. {_stored(run)} Nothing was refused."
    return f"Done. {_stored(run)} Next: look at the {number(run.rejected)} refused."


def _stored(run: SyncRun) -> str:
    if not run.read:
        return "Nothing had been read."
    changed = run.created + run.updated
    return f"{number(run.read)} {_rows(run.read)} read, {number(changed)} new or changed."


def _rows(count: int | None) -> str:
    return "row" if count == 1 else "rows"


def schedule_of(feed: Feed) -> str:
    if feed.daily_at is not None:
        return f"daily at {feed.daily_at:%H:%M} UTC"
    if feed.every_minutes is None:
        return "only when asked"
    return "every minute" if feed.every_minutes == 1 else f"every {feed.every_minutes} minutes"


def cursors_of(run: SyncRun) -> str:
    """`15 Mar 12:00 → 15 Mar 12:15`; of a backfill, which moves none, the days: `1 Mar 00:00 to 1 Apr 00:00`."""
    if run.kind == SyncRun.Kind.BACKFILL:
        return f"{short_cursor(run.since)} to {short_cursor(run.until)}"
    if not (run.cursor_before or run.cursor_after):
        return ""
    return f"{short_cursor(run.cursor_before) or '–'} → {short_cursor(run.cursor_after) or '–'}"


def short_cursor(text: str) -> str:
    """A moment to the minute; a day or a number as it is."""
    try:
        moment = parse_datetime(text)
    except ValueError:
        return text
    return f"{moment.day} {moment:%b %H:%M}" if moment and "T" in text else text


def sentence_of_list(feeds: Iterable[Feed], runs: Iterable[SyncRun]) -> str:
    """For the page of all runs; a paused feed comes before what goes well."""
    feeds, runs = list(feeds), list(runs)
    if not feeds:
        return "Nothing is fetched here yet."
    paused = [feed.get_entity_display().lower() for feed in feeds if feed.paused_at is not None]
    if paused:
        return (
            f"The feed{'s' * (len(paused) > 1)} of {_listed(paused)} {_be(paused)} paused. Next: see why, and resume."
        )
    if not any(feed.is_on and feed.connection.is_on for feed in feeds):
        return "Every feed is switched off. Next: test its connection and switch it on."
    failing = [run.get_entity_display().lower() for run in runs if run.state == State.DUE and run.problem]
    if failing:
        return f"The last try for {_listed(failing)} failed; it is tried again by itself."
    running = [run.get_entity_display().lower() for run in runs if run.state == State.RUNNING]
    if running:
        return f"{_listed(running).capitalize()} {_be(running)} being fetched."
    on = sum(feed.is_on and feed.connection.is_on for feed in feeds)
    so_many = "All feeds are" if on == len(feeds) else f"{on} of {len(feeds)} feeds {'is' if on == 1 else 'are'}"
    return f"{so_many} on. Nothing is being fetched at the moment."


def _listed(names: list[str]) -> str:
    names = list(dict.fromkeys(names))
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _be(names: list[str]) -> str:
    """`Customers are`, whatever the number of feeds; activity is one thing."""
    return "is" if set(names) == {"activity"} else "are"
