"""Reading a source to judge it: within a budget, politely, and remembering of a record only what is compared."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from entities.pipeline.duplicates import KEYS
from integrations.conformance.axis import Axis
from integrations.pull.source import Call, Page, Position, Source, SourceError, Window

MOST_CALLS = 60
SECONDS = 180.0
LONGEST_WAIT = 30.0  # for a partner who says when to come back
WAIT = 5.0  # where he does not say it
PAUSE = 1.0  # between calls, once he has asked for patience
MOST_WAITS = 3  # for one page
TOO_MANY = 429


class OutOfBudget(Exception):
    """A whole examination makes so many calls, and takes so long, and no more."""


@dataclass(frozen=True, slots=True)
class Item:
    """A record as it is compared: what it is, what it says, and where on the axis it lies (None: it does not show)."""

    key: bytes
    content: bytes
    mark: Any


@dataclass(frozen=True, slots=True)
class Part:
    """One page. `ms` is how long its requests took, None where it came with the page before it; `sizes` is how many
    records came by each of them."""

    items: list[Item]
    position: Position | None  # of the next page
    reached: str | None
    ms: int | None
    sizes: list[int]


@dataclass(slots=True)
class Reading:
    """What a window gave, in order, but for an empty page at its end. `is_whole`: nothing more is behind it. `error` is
    what ended it too early."""

    window: Window
    parts: list[Part] = field(default_factory=list)
    is_whole: bool = False
    error: SourceError | OutOfBudget | None = None

    @property
    def items(self) -> list[Item]:
        return [item for part in self.parts for item in part.items]

    @property
    def keys(self) -> set[bytes]:
        return {item.key for item in self.items}


class Reader:
    """Reads an opened source; `calls` is where the source notes what it asks. `first` keeps the first records seen,
    `keep` at most."""

    def __init__(self, source: Source, *, entity: str, axis: Axis, calls: list[Call], keep: int) -> None:
        self.source, self.entity, self.axis, self.calls, self.keep = source, entity, axis, calls, keep
        self.first: list[Any] = []
        self.waits: list[float | None] = []  # what was said at each 429 of when to come back
        self.pause = 0.0
        self.ends_at = time.monotonic() + SECONDS
        self.turned_away: OutOfBudget | None = None

    def read(self, window: Window, *, pages: int, position: Position | None = None) -> Reading:
        """Raises SourceError, OutOfBudget."""
        reading = self.read_on(window, pages=pages, position=position)
        if reading.error is not None:
            raise reading.error
        return reading

    def read_on(
        self, window: Window, *, pages: int, position: Position | None = None, seconds: float = SECONDS
    ) -> Reading:
        """What came before it failed, or before the time was over, counts too."""
        reading, where, waited = Reading(window), position, 0
        until = time.monotonic() + seconds
        found = self.source.pages(window, where)
        while len(reading.parts) < pages and time.monotonic() < until:
            made = len(self.calls)
            try:
                self._check_budget()
                page = next(found, None)
            except SourceError as error:
                waited += 1
                reading.error = self._after(error, made, waited)
                if reading.error is not None:
                    break
                found = self.source.pages(window, where)
                continue
            except OutOfBudget as problem:
                reading.error = problem
                break
            if page is not None:
                if page.records or not reading.parts:
                    reading.parts.append(self._part(page, made))
                where = page.position
            if page is None or page.position is None:
                reading.is_whole = True
                break
        _leave(found)
        return reading

    def _check_budget(self) -> None:
        if self.turned_away is not None:
            raise self.turned_away
        if len(self.calls) >= MOST_CALLS:
            raise OutOfBudget(f"the {MOST_CALLS} calls of one examination were used up")
        if time.monotonic() + self.pause > self.ends_at:
            raise OutOfBudget(f"the {SECONDS:.0f} seconds of one examination were used up")
        time.sleep(self.pause)

    def _after(self, error: SourceError, made: int, waited: int) -> SourceError | OutOfBudget | None:
        """None: we were asked for patience, had it, and may try again."""
        if not self._is_limited(error, made) or waited > MOST_WAITS:
            return error
        try:
            self._wait(error)
        except OutOfBudget as problem:
            return problem
        return None

    def _is_limited(self, error: SourceError, made: int) -> bool:
        was_429 = any(call.status == TOO_MANY for call in self.calls[made:])
        if was_429:
            self.waits.append(error.retry_after)
        return was_429 or error.retry_after is not None

    def _wait(self, error: SourceError) -> None:
        seconds = WAIT if error.retry_after is None else error.retry_after
        if seconds > LONGEST_WAIT or time.monotonic() + seconds > self.ends_at:
            self.turned_away = OutOfBudget(f"the source asked us to wait {seconds:,.0f} seconds, longer than we may")
            raise self.turned_away
        self.pause = PAUSE
        time.sleep(seconds)

    def _part(self, page: Page, made: int) -> Part:
        self.first += page.records[: max(self.keep - len(self.first), 0)]
        calls = self.calls[made:]
        return Part(
            items=[self._item(record) for record in page.records],
            position=page.position,
            reached=page.reached,
            ms=sum(call.duration_ms for call in calls) if calls else None,
            sizes=[call.records for call in calls if call.records is not None],
        )

    def _item(self, record: Any) -> Item:
        content = _digest(record)
        named = record if isinstance(record, dict) else {}
        key = [named.get(name) for name in KEYS[self.entity]]
        return Item(content if None in key else _digest(key), content, self.axis.mark_of(named))


def _digest(value: Any) -> bytes:
    return blake2b(json.dumps(value, sort_keys=True, default=str).encode(), digest_size=16).digest()


def _leave(found: Iterator[Page]) -> None:
    """A database holds a cursor open for whoever may still read on."""
    if isinstance(found, Generator):
        found.close()
