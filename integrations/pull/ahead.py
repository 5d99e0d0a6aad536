"""Working ahead: while a page is stored, which waits for our database, the next one is fetched and checked."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from django.db import connections

T = TypeVar("T")


def work_ahead(items: Iterator[T]) -> Generator[T]:
    """The same items, each begun when the one before it is given out. Raises what they raise.

    They are made by one thread, another than the caller's, with a database connection of its own; closing this waits
    for the one that is under way.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ahead") as worker:
        try:
            coming = worker.submit(next, items, None)
            while (item := coming.result()) is not None:
                coming = worker.submit(next, items, None)
                yield item
        finally:
            worker.submit(connections.close_all)
