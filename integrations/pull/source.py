"""What a run asks of a partner's API or database, and how either says what went wrong."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

from integrations.models import SyncRun

Party = SyncRun.Party
Position = dict[str, Any]  # JSON, the source's own
STEPS = ("reached", "tls", "signed_in", "read")  # in the order in which a source goes through them


@dataclass(frozen=True, slots=True)
class Window:
    """What is asked for: from `since` (inclusive; None: the beginning) to before `until` (None: the end).

    Text by the feed's `cursor_kind`: RFC 3339 in UTC with `Z`, a date, or a whole number.
    """

    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request, or one statement, as it may be shown: no secret stands in it."""

    url: str
    status: int | None = None
    duration_ms: int = 0
    size: int | None = None
    records: int | None = None
    problem: str = ""
    at: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))


@dataclass(frozen=True, slots=True)
class Page:
    """At most 1,000 records, named as the guide names them; what is missing at the source is missing here.

    `position` is where the next page begins, also for somebody who opens the source anew; None: this was the last one.
    `reached` is the highest cursor among the records and all before them (None where the source has no cursor column).
    """

    records: list[Any]
    position: Position | None
    reached: str | None = None


def storable(text: str) -> str:
    """What another says, as our database takes it."""
    return text.replace("\x00", "\N{REPLACEMENT CHARACTER}")


class SourceError(Exception):
    """The source could not be read: a sentence for people, who has to act, and whether another try may help.

    `retry_after`: seconds that the other side asks us to wait. `is_final`: trying again changes nothing until somebody
    has acted, so the feed is paused at once. `step`: what failed, of `STEPS`.
    """

    def __init__(
        self,
        message: str,
        *,
        party: str = Party.PARTNER,
        is_final: bool = False,
        retry_after: float | None = None,
        step: str = "read",
    ) -> None:
        super().__init__(storable(message))
        self.party, self.is_final, self.retry_after, self.step = party, is_final, retry_after, step


class Source(Protocol):
    """An opened API or database. Closing it ends its connections; one thread uses it at a time.

    `fields`: those of the guide that it has, as `Policy.fields` wants them; None: it may have any.
    """

    fields: frozenset[str] | None

    def pages(self, window: Window, position: Position | None = None) -> Iterator[Page]:
        """The records of the window, page by page, from the position on. Raises SourceError.

        An empty window gives no page, or one without records. Nothing is read ahead of what was asked for by more than
        a page; leaving the iterator early is fine.
        """
        ...

    def expected(self, window: Window) -> int | None:
        """How many records there are in the window, where the source can be asked cheaply; else None."""
        ...

    def close(self) -> None: ...


Note = Callable[[Call], None]
