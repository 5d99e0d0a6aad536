"""Opens what a feed reads from: an API or a database."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from integrations.models import Connection, Feed
from integrations.outbound import Session
from integrations.pull.rest import RestSource
from integrations.pull.source import Note, Source
from integrations.pull.sql import SqlSource


@contextmanager
def open_source(feed: Feed, *, note: Note, budget_seconds: float) -> Iterator[Source]:
    """The feed's source; `budget_seconds` is how long the caller has, which no single wait exceeds.

    Raises SourceError, also while it is read.
    """
    if feed.connection.kind == Connection.Kind.REST:
        with Session() as session:
            yield RestSource(feed, session, note, budget_seconds=budget_seconds)
    else:
        source = SqlSource(feed, note, budget_seconds=budget_seconds)
        try:
            yield source
        finally:
            source.close()
