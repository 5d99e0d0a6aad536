"""Reading a page ahead: while one is stored, which waits for our database, the next one is fetched."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor

from integrations.pull.source import Page


def read_ahead(pages: Iterator[Page]) -> Generator[Page]:
    """The same pages, each begun when the one before it is given out. Raises what they raise.

    The source is used by one thread, another than the caller's; closing this waits for the page that is under way.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fetch") as reader:
        coming = reader.submit(next, pages, None)
        while (page := coming.result()) is not None:
            if page.position is None:
                yield page
                return
            coming = reader.submit(next, pages, None)
            yield page
