"""One examination: what was read of a source, and what the checks ask of it together."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from entities.models import Entity
from integrations.conformance.axis import Axis
from integrations.conformance.reading import OutOfBudget, Reader, Reading
from integrations.models import Feed

PASS, WARN, FAIL, SKIP = "pass", "warn", "fail", "skip"

WALK_PAGES = 20
WALK_SECONDS = 60.0
Span = tuple[Any, Any, Any]


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a check, and why, as a sentence that the partner's engineer can act on."""

    verdict: str
    detail: str


@dataclass
class Examination:
    """`walk` is what came from the beginning on, page after page, up to `WALK_PAGES`."""

    feed: Feed
    reader: Reader
    walk: Reading = field(repr=False)

    @property
    def axis(self) -> Axis:
        return self.reader.axis

    @property
    def noun(self) -> str:
        return "rows" if self.feed.entity == Entity.ACTIVITY else str(self.feed.entity)

    @cached_property
    def marks(self) -> list[Any]:
        """The places on the axis that were seen, in order, each an edge that the source can be sent."""
        axis = self.axis
        if axis.field or not self.feed.connection.is_sql:
            seen = (item.mark for item in self.walk.items if item.mark is not None)
        else:
            seen = (axis.mark(part.reached) for part in self.walk.parts if part.reached)
        return sorted({axis.floor(mark) for mark in seen})

    @cached_property
    def future(self) -> Reading:
        """What is in a window where nothing can be yet. Raises OutOfBudget."""
        highest = self.marks[-1] if self.marks else None
        reading = self.reader.read_on(self.axis.beyond(highest), pages=1)
        if isinstance(reading.error, OutOfBudget):
            raise reading.error
        return reading

    def spans(self) -> Iterator[Span]:
        """Windows around the middle, each narrower than the one before: from, edge, to. None: open on that side."""
        marks, middle = self.marks, len(self.marks) // 2
        width = self._width()
        for reach in dict.fromkeys(max(width // part, 1) for part in (1, 4, 16)):
            begin = marks[middle - reach] if middle >= reach else None
            end = marks[min(middle + reach, len(marks) - 1)]
            yield begin, marks[middle], end if end > marks[middle] else None

    def _width(self) -> int:
        """How many marks to each side hold about a page of what was seen."""
        if not self.axis.field:
            return 1  # of a database one mark a page was seen
        page = max((len(part.items) for part in self.walk.parts), default=1)
        return max(len(self.marks) * page // (2 * max(len(self.walk.items), 1)), 1)


def count(number: int, noun: str) -> str:
    """`1 record`, `1,204 records`."""
    return f"{number:,} {noun}{'s' * (number != 1)}"
