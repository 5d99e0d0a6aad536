"""Working ahead: while a page is stored, which waits for our database, the next one is fetched and checked."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def work_ahead(items: Iterator[T], *, every: float, meanwhile: Callable[[], None]) -> Generator[T]:
    """The same items, each begun when the one before it is given out. Raises what they raise.

    While the caller waits for one, `meanwhile` is called `every` so many seconds; what that raises ends it.

    They are made by one thread, another than the caller's, with a database connection of its own; closing this waits
    for the one that is under way.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as worker:
        try:
            coming = worker.submit(next, items, None)
            while (item := _awaited(coming, every, meanwhile)) is not None:
                coming = worker.submit(next, items, None)
                yield item
        finally:
            worker.submit(connections.close_all)


def _awaited(coming: Future[T], every: float, meanwhile: Callable[[], None]) -> T:
    while not wait([coming], every).done:
        meanwhile()
    return coming.result()
