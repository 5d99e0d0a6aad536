"""One run from its claim to its end: fetch a page, store it and how far that is in one transaction, and so on.

No transaction is open while a partner is waited for. A worker that dies leaves the last page that was stored; whoever
takes the run next goes on behind it.
"""

from __future__ import annotations

import datetime as dt
import logging
import random
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.db import DatabaseError, connection, transaction
from django.db.models import F
from django.utils import timezone

from entities.models import Batch
from entities.pipeline import Door, Policy, Prepared, Report, prepare, store
from integrations.models import Feed, SyncEvent, SyncRun
from integrations.pull.ahead import work_ahead
from integrations.pull.cursors import believed, furthest, spelled, start_of
from integrations.pull.lease import LEASE, LeaseLost, claim, give_up, write
from integrations.pull.opening import open_source
from integrations.pull.schedule import hold_feed
from integrations.pull.source import Call, Page, Source, SourceError, Window, storable
from track360.problems import Problem

SLICE_SECONDS = 60.0  # then others have a turn
RENEWED_EVERY = LEASE.total_seconds() / 3  # while a page is waited for, which may take several requests
MOST_ATTEMPTS = 8  # in a row without a page, about two hours
FIRST_DELAY = 30.0
LONGEST_DELAY = 30 * 60.0
LONGEST_WAIT = 60 * 60.0  # that a partner may ask for by Retry-After
OURS = "Something went wrong on our side. It is tried again by itself."

Kind, State, Party = SyncRun.Kind, SyncRun.State, SyncRun.Party
COUNTS = ("created", "updated", "unchanged", "stale", "rejected")

logger = logging.getLogger(__name__)


def work_next(*, seconds: float = SLICE_SECONDS) -> bool:
    """Take the run that has been due longest and work on it for so long; False where none is due."""
    run = claim()
    if run is None:
        return False
    Pull(run, ends_at=time.monotonic() + seconds).work()
    return True


@dataclass
class Pull:
    """A run that this worker holds. What is set on it here has been written; `calls` waits for the next write."""

    run: SyncRun
    ends_at: float
    calls: list[Call] = field(default_factory=list)
    logged: int = 0
    begun: float = field(default_factory=time.monotonic)

    @property
    def feed(self) -> Feed:
        return self.run.feed

    @property
    def is_backfill(self) -> bool:
        return self.run.kind == Kind.BACKFILL

    def work(self) -> None:
        try:
            if self.run.attempts > MOST_ATTEMPTS:  # each try killed its worker
                raise SourceError("It broke off again and again.", party=Party.US, is_final=True)
            self._begin()
            if self.run.pages and self.run.position is None:  # whoever stored the last page got no further
                self._finish()
                return
            with open_source(self.feed, note=self.calls.append, budget_seconds=self._left()) as source:
                self._fetch(source)
        except LeaseLost:
            logger.info("%s was taken over or stopped", self.run)
        except SourceError as problem:
            self._end_badly(problem)
        except DatabaseError:
            # Our own database: what it did not take is not there. The run goes on once the lease ends.
            logger.exception("%s broke off", self.run)
            connection.close()
        except (Problem, SoftTimeLimitExceeded) as problem:
            logger.warning("%s could not go on: %s", self.run, problem)
            self._end_badly(SourceError(OURS, party=Party.US))
        except Exception:
            logger.exception("%s broke off", self.run)
            self._end_badly(SourceError(OURS, party=Party.US))

    def _end_badly(self, problem: SourceError) -> None:
        try:
            self._fail(problem)
        except LeaseLost:
            logger.info("%s was taken over or stopped", self.run)

    def _left(self) -> float:
        return max(self.ends_at - time.monotonic(), 1.0)

    # -- Begin and end --------------------------------------------------------

    def _begin(self) -> None:
        """Say what is asked for, once: who takes the run over asks for the same."""
        run, feed = self.run, self.feed
        if run.pages or run.position is not None or run.until or run.cursor_after:
            return
        if not self.is_backfill:
            now = timezone.now()
            run.since, run.cursor_before = start_of(feed, now=now), feed.cursor
            if not feed.connection.is_sql:
                run.until = spelled(now, Feed.CursorKind.MOMENT)
            run.cursor_after = feed.cursor
            write(run, since=run.since, until=run.until, cursor_before=run.cursor_before, cursor_after=run.cursor_after)

    def _fetch(self, source: Source) -> None:
        run = self.run
        window = Window(since=run.since or None, until=run.until or None)
        if run.expected is None and not run.pages:
            run.expected = source.expected(window)
            write(run, expected=run.expected)
        pages_ahead = work_ahead(self._checked(source, window), every=RENEWED_EVERY, meanwhile=lambda: write(run))
        is_over = True
        with closing(pages_ahead) as pages:
            for page, prepared in pages:
                self._store(page, prepared)
                is_over = page.position is None
        if is_over:
            self._finish()
        else:
            self._rest()

    def _checked(self, source: Source, window: Window) -> Iterator[tuple[Page, Prepared | None]]:
        """Each page, and what there is to be stored of it, until the time is up: nothing is asked for in vain."""
        policy = self._policy()
        for page in source.pages(window, self.run.position):
            yield page, self._prepared(page, replace(policy, fields=source.fields)) if page.records else None
            if page.position is not None and time.monotonic() > self.ends_at:
                return

    def _prepared(self, page: Page, policy: Policy) -> Prepared:
        return prepare(
            self.run.environment,
            self.run.entity,
            page.records,
            shape="array",
            door=Batch.Door.BACKFILL if self.is_backfill else Batch.Door.PULL,
            lenient=True,
            policy=policy,
        )

    def _policy(self) -> Policy:
        feed, run = self.feed, self.run
        compares = feed.pattern == Feed.Pattern.HYBRID and not feed.pull_wins
        before = SyncRun.objects.filter(feed=feed, state=State.DONE).exclude(kind=Kind.BACKFILL)
        return Policy(
            door=Door.COMPARE if compares else Door.PULL,
            run_id=run.pk,
            fetched_since=(run.started_at or timezone.now()) - feed.overlap,
            looked_at=before.order_by("-due_at").values_list("started_at", flat=True).first(),
        )

    def _rest(self) -> None:
        """Time is up: others have a turn, then it goes on."""
        give_up(self.run, state=State.DUE, due_at=timezone.now(), attempts=0, **self._busy())

    def _finish(self) -> None:
        run = self.run
        if not self.is_backfill and not self.feed.connection.is_sql:
            run.cursor_after = run.until
        with transaction.atomic():
            if not self.is_backfill:
                self._move_cursor(run.cursor_after)  # the feed before its run: everybody locks in this order
            give_up(
                run,
                state=State.DONE,
                finished_at=timezone.now(),
                position=None,
                attempts=0,
                problem="",
                problem_party="",
                cursor_after=run.cursor_after,
                **self._busy(),
            )
            self._log()

    def _move_cursor(self, reached: str) -> None:
        """Forward only, and not where a person has set it since the run began, however many workers were at it."""
        feed, before = self.feed, self.run.cursor_before
        if furthest(before, reached, feed.cursor_kind) == before:
            return
        still = Feed.objects.filter(pk=feed.pk, cursor=before)
        if still.update(cursor=reached, cursor_moved_at=timezone.now()):
            feed.cursor = reached

    # -- A page ---------------------------------------------------------------

    def _store(self, page: Page, prepared: Prepared | None) -> None:
        """The page, the position behind it and the check of the lease: all or nothing."""
        if prepared is None:
            with transaction.atomic():
                self._keep(page, None)
        else:
            store(prepared, also=lambda report: self._keep(page, report))
        del self.calls[: self.logged]
        self.run.position, self.run.attempts = page.position, 0
        self.run.pages += 1
        self.begun = time.monotonic()
        self.run.cursor_after = self._reached(page)

    def _reached(self, page: Page) -> str:
        """The run's cursor with this page."""
        run, kind = self.run, self.feed.cursor_kind
        if not page.reached or self.is_backfill:
            return run.cursor_after
        now = timezone.now()
        return furthest(run.cursor_after, believed(page.reached, kind, begun=run.started_at or now, now=now), kind)

    def _keep(self, page: Page, report: Report | None) -> None:
        with connection.cursor() as cursor:
            # A crash of our server takes page and position back together: it is fetched again.
            cursor.execute("SET LOCAL synchronous_commit = off")
        counts = report.counts() if report else {}
        changes: dict[str, Any] = {name: F(name) + counts.get(name, 0) for name in COUNTS}
        write(
            self.run,
            position=page.position,
            pages=F("pages") + 1,
            read=F("read") + len(page.records),
            differing=F("differing") + (report.differing if report else 0),
            attempts=0,
            problem="",
            problem_party="",
            cursor_after=self._reached(page),
            **changes,
            **self._busy(),
        )
        self._log()

    def _busy(self) -> dict[str, Any]:
        """The time since the last write."""
        return {"busy_seconds": F("busy_seconds") + (time.monotonic() - self.begun)}

    def _log(self) -> None:
        """Write the calls that were made since the last write; the caller forgets them once it has committed.

        Meanwhile the next page's may be added to them.
        """
        self.logged = len(self.calls)
        SyncEvent.objects.bulk_create(
            SyncEvent(
                run=self.run,
                at=call.at,
                kind=SyncEvent.Kind.CALL,
                text=storable(call.problem),
                url=call.url,
                status=call.status,
                duration_ms=call.duration_ms,
                size=call.size,
                records=call.records,
            )
            for call in self.calls[: self.logged]
        )

    # -- When it goes wrong ---------------------------------------------------

    @transaction.atomic
    def _fail(self, error: SourceError) -> None:
        """Try again later; where that changes nothing, or has not for long, pause and say why."""
        run, sentence = self.run, str(error)
        said = {"problem": sentence, "problem_party": error.party, **self._busy()}
        if error.is_final or run.attempts >= MOST_ATTEMPTS:
            if not self.is_backfill:
                tried = "" if error.is_final else f" It was tried {MOST_ATTEMPTS} times in a row."
                hold_feed(self.feed, reason=sentence + tried)
            give_up(run, state=State.PAUSED, **said)
        else:
            wait = delay_after(run.attempts, error.retry_after)
            give_up(run, state=State.DUE, due_at=timezone.now() + dt.timedelta(seconds=wait), **said)
        self._log()
        SyncEvent.objects.create(run=run, kind=SyncEvent.Kind.PROBLEM, text=sentence)


def delay_after(attempts: int, retry_after: float | None) -> float:
    """Seconds until the next try: doubled each time, never in step with others; at least what the partner asks for."""
    doubled = min(FIRST_DELAY * 2 ** max(attempts - 1, 0), LONGEST_DELAY)
    return max(random.uniform(doubled / 2, doubled), min(retry_after or 0.0, LONGEST_WAIT))
