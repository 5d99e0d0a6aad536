"""One process at a time at a piece of work, without a lease: the lock ends with the database transaction that holds it.

That transaction does nothing else, on a connection of its own, so it holds back neither VACUUM nor the work's commits.
A lock of the session would not do: a pooler in transaction mode gives the session to somebody else after each commit.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress

from django.db import Error, connection


@contextmanager
def alone(key: uuid.UUID) -> Iterator[bool]:
    """Whether nobody else is at it; until the end, or until this process dies, nobody else gets a yes."""
    with closing(connection.copy()) as holder:
        holder.set_autocommit(False)
        with holder.cursor() as cursor:
            cursor.execute(
                "SET LOCAL idle_in_transaction_session_timeout = 0; SELECT pg_try_advisory_xact_lock(%s)",
                [key.int >> 65],
            )
            (mine,) = cursor.fetchone()
        try:
            yield mine
        finally:
            with suppress(Error):  # of a connection that was cut the lock is gone already
                holder.rollback()  # to close alone would let go a moment later
