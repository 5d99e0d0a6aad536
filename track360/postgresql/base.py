"""Django's backend for PostgreSQL, which asks whether a connection is still there without a round trip."""

from __future__ import annotations

import select

from django.db.backends.postgresql import base


class DatabaseWrapper(base.DatabaseWrapper):
    """Where a server ends, restarts or is killed, the socket has something to read, be it the end. A question to it
    would take each request a fifth of the time that it takes to store a record."""

    def is_usable(self) -> bool:
        return self._is_quiet() or super().is_usable()

    def _is_quiet(self) -> bool:
        if self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)
