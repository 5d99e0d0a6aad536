"""Reads of the runs: what is under way, what will run, what ran, and a run's log. Each starts from the environment."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from entities.models import Entity
from entities.paging import PER_PAGE, Fetch, Page, Position, keyset_page
from integrations.models import Feed, SyncEvent, SyncRun
from integrations.selectors import LogPage, page_by_id
from integrations.selectors import page_by_time as log_by_time
from integrations.time_paging import page_by_time
from track360.models import Environment

Filters = dict[str, Any]

SEARCHED = 10_000  # runs looked through for a page by filters without an index
OPEN_SHOWN = 50
ENTITIES = list(Entity.values)  # in the order in which they are fetched


def runs_for(environment: Environment, *, filters: Filters | None = None) -> QuerySet[SyncRun]:
    """The runs, the latest first. Filters: `feed`, `entity`, `state`, `kind`, `from`, `to` (when they were due)."""
    filters = filters or {}
    return SyncRun.objects.filter(_indexed(filters), _unindexed(filters), environment=environment).order_by(
        "-due_at", "-id"
    )


def _indexed(filters: Filters) -> Q:
    names = {"feed": "feed_id", "from": "due_at__gte", "to": "due_at__lt"}
    return Q(**{column: filters[name] for name, column in names.items() if filters.get(name)})


def _unindexed(filters: Filters) -> Q:
    return Q(**{name: filters[name] for name in ("entity", "state", "kind") if filters.get(name)})


def run_page(environment: Environment, *, filters: Filters, **place: Any) -> LogPage[SyncRun]:
    """A page of `runs_for`, as the API's logs page; `place` is `page`, `per_page`, `cursor`. Raises Problem.

    An index for each filter finds and counts the runs, at most 10,001 of them.
    """
    rows = runs_for(environment, filters=filters).select_related("requested_by")
    return log_by_time(rows, column="due_at", salt=f"runs {environment.pk} {sorted(filters.items())}", **place)


def newest_runs(
    environment: Environment, *, filters: Filters | None, before: str = "", after: str = ""
) -> Page[SyncRun]:
    """A page of runs for people. `filters` are the cleaned data of `RunFilterForm`; None finds nothing."""
    if filters is None:
        return Page(rows=[], older=None, newer=None, is_first=True)
    near = SyncRun.objects.filter(_indexed(filters), environment=environment)
    return page_by_time(
        near, column="due_at", condition=_unindexed(filters), searched=SEARCHED, before=before, after=after
    )


def run_for(environment: Environment, run_id: uuid.UUID) -> SyncRun | None:
    found = SyncRun.objects.filter(environment=environment, pk=run_id)
    return found.select_related("feed__connection", "requested_by").first()


def open_runs(environment: Environment) -> list[SyncRun]:
    """What is under way, waits or is paused: what runs first, then the longest due."""
    found = SyncRun.objects.filter(environment=environment, state__in=SyncRun.OPEN)
    runs = list(found.select_related("feed__connection").order_by("due_at", "id")[:OPEN_SHOWN])
    order = [SyncRun.State.RUNNING, SyncRun.State.DUE, SyncRun.State.PAUSED]
    return sorted(runs, key=lambda run: order.index(SyncRun.State(run.state)))


def feeds_for(environment: Environment) -> QuerySet[Feed]:
    """The feeds of connections that are there, those of removed connections left out."""
    return Feed.objects.filter(environment=environment, removed_at=None, connection__removed_at=None).select_related(
        "connection"
    )


def may_fetch(feed: Feed) -> bool:
    """Whether a run can be asked for now; its connection is loaded."""
    is_there = feed.removed_at is None and feed.connection.removed_at is None
    return is_there and feed.is_on and feed.connection.is_on and feed.paused_at is None


def feeds_with_last_runs(environment: Environment) -> list[tuple[Feed, SyncRun | None]]:
    """Each feed in the order of fetching, and its latest run: one look into the feed's index each."""
    latest = SyncRun.objects.filter(feed=OuterRef("pk")).order_by("-due_at").values("pk")[:1]
    feeds = list(feeds_for(environment).annotate(last_run_id=Subquery(latest)))
    runs = SyncRun.objects.filter(environment=environment).in_bulk([feed.last_run_id for feed in feeds])
    feeds.sort(key=_place)
    return [(feed, runs.get(feed.last_run_id)) for feed in feeds]


@dataclass(frozen=True, slots=True)
class Pulls:
    """The feeds of an environment at a glance."""

    last_run_at: dt.datetime | None
    last_state: str
    next_run_at: dt.datetime | None
    paused: list[str]  # entities

    @property
    def paused_words(self) -> str:
        return ", ".join(self.paused)


def pulls_of(environment: Environment) -> Pulls | None:
    """In one query; None where nothing is fetched."""
    latest = SyncRun.objects.filter(feed=OuterRef("pk")).order_by("-due_at")
    feeds = list(
        feeds_for(environment).annotate(
            last_run_at=Subquery(latest.values(began=Coalesce("started_at", "due_at"))[:1]),
            last_state=Subquery(latest.values("state")[:1]),
        )
    )
    if not feeds:
        return None
    last = max((feed for feed in feeds if feed.last_run_at), key=lambda feed: feed.last_run_at, default=None)
    return Pulls(
        last_run_at=last.last_run_at if last else None,
        last_state=last.last_state if last else "",
        next_run_at=min((feed.next_run_at for feed in feeds if feed.next_run_at and may_fetch(feed)), default=None),
        paused=[feed.entity for feed in sorted(feeds, key=_place) if feed.paused_at is not None],
    )


def _place(feed: Feed) -> int:
    return ENTITIES.index(feed.entity)


# -- One run's log ------------------------------------------------------------


def newest_events(run: SyncRun, *, before: str = "", after: str = "") -> Page[SyncEvent]:
    """A page of the run's log for people, newest first."""
    return keyset_page(_events_after(run), model=SyncEvent, before=before, after=after)


def _events_after(run: SyncRun) -> Fetch[SyncEvent]:
    def fetch(position: Position | None, upwards: bool) -> list[SyncEvent]:
        events = SyncEvent.objects.filter(run=run)
        if position:
            events = events.filter(id__gt=position[0]) if upwards else events.filter(id__lt=position[0])
        return list(events.order_by("id" if upwards else "-id")[: PER_PAGE + 1])

    return fetch


def event_page(run: SyncRun, **place: Any) -> LogPage[SyncEvent]:
    """A page of the run's log from its beginning, as the API's lists page. Raises Problem."""
    return page_by_id(SyncEvent.objects.filter(run=run), salt=f"events {run.pk}", **place)


# -- How fast, and until when -------------------------------------------------


def rows_a_second(run: SyncRun) -> float | None:
    """Over the time in which a worker was at it; None until a page was stored."""
    return run.read / run.busy_seconds if run.read and run.busy_seconds > 0 else None


def seconds_left(run: SyncRun) -> float | None:
    """As long as the rows that are left take at that rate; None where that would be a guess: nobody is at it, nothing
    was read, the source cannot be counted, or held more than it had said."""
    rate = rows_a_second(run)
    if run.state != SyncRun.State.RUNNING or rate is None or run.expected is None or run.expected <= run.read:
        return None
    return (run.expected - run.read) / rate


def estimated_end(run: SyncRun, *, now: dt.datetime) -> dt.datetime | None:
    left = seconds_left(run)
    try:
        return None if left is None else now + dt.timedelta(seconds=left)
    except OverflowError:  # a source may count what no clock can
        return None
