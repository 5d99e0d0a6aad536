"""Moving-window limits in Valkey, exact under concurrency, and what happens while Valkey is away.

A caller chooses: `take` answers None then (the API goes on without limit), `take_or_count` and `peek_or_count` fall
back to a table with fixed windows (sign-in, failed token requests). A Valkey that hangs costs a caller a fraction of a
second; then it is left alone for some seconds, and the log says so once a minute at most.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from functools import cache
from hashlib import sha1, sha256
from typing import Any, NamedTuple

import redis
from django.conf import settings
from django.db import connection
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

WINDOW_SECONDS = 60
TIMEOUT_SECONDS = 0.25  # a busy machine takes 0.1 s at times, and then nothing would be limited
LEFT_ALONE_SECONDS = 5.0
ALARM_EVERY_SECONDS = 60.0


class State(NamedTuple):
    """How a limit stands. `reset_seconds`: whole seconds, at least 1, until the window has room again."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int


class Limit(NamedTuple):
    """`amount` in any 60 s. The name keeps the counts of different limits apart."""

    name: str
    amount: int


def take(*windows: tuple[Limit, str]) -> list[State] | None:
    """Use one of each limit under its key, unless one of them has none left: then nothing is used.

    How each stands afterwards, in one question to Valkey. None while Valkey is away.
    """
    return _ask(windows, use=True)


def take_or_count(limit: Limit, key: str) -> State:
    """As `take` of one; while Valkey is away counted in a table."""
    states = take((limit, key))
    return states[0] if states else _counted(limit, key, add=1)


def peek_or_count(limit: Limit, key: str) -> State:
    """As `take_or_count`, but using nothing: `allowed` says whether there is room."""
    states = _ask([(limit, key)], use=False)
    state = states[0] if states else _counted(limit, key, add=0)
    return state._replace(allowed=state.remaining > 0)


def forget_old_counts() -> None:
    """Delete the table's windows of more than an hour ago."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM track360_attempt WHERE window_start < now() - interval '1 hour'")


class _Circuit:
    """Whether Valkey is worth asking. Threads may race here: the worst is one more try or one more line in the log."""

    def __init__(self) -> None:
        self.skip_until = 0.0
        self.next_alarm = 0.0

    def failed(self, error: redis.RedisError) -> None:
        now = time.monotonic()
        self.skip_until = now + LEFT_ALONE_SECONDS
        if now >= self.next_alarm:
            self.next_alarm = now + ALARM_EVERY_SECONDS
            logger.error("Valkey is away: API rate limits are not enforced (%s)", type(error).__name__)


@cache
def _circuit(url: str) -> _Circuit:
    return _Circuit()


# Each key is a list of the moments at which one was used, in microseconds, the newest first.
_WINDOWS = """
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local window = tonumber(ARGV[1])
local used, room_at, is_free = {}, {}, true
for i, key in ipairs(KEYS) do
    local oldest = redis.call('LINDEX', key, -1)
    while oldest and tonumber(oldest) <= now - window do
        redis.call('RPOP', key)
        oldest = redis.call('LINDEX', key, -1)
    end
    used[i] = redis.call('LLEN', key)
    room_at[i] = (oldest and tonumber(oldest) or now) + window - now
    is_free = is_free and used[i] < tonumber(ARGV[2 + i])
end
if is_free and ARGV[2] == '1' then
    for _, key in ipairs(KEYS) do
        redis.call('LPUSH', key, string.format('%.0f', now))
        redis.call('PEXPIRE', key, window / 1000)
    end
end
return {is_free and 1 or 0, used, room_at}
"""


_SHA = sha1(_WINDOWS.encode(), usedforsecurity=False).hexdigest()


class _Line(threading.local):
    """A connection to Valkey for each thread. A client with its pool takes twice as long, and every call asks."""

    def __init__(self, url: str) -> None:
        pool = redis.ConnectionPool.from_url(
            url,
            socket_timeout=TIMEOUT_SECONDS,
            socket_connect_timeout=TIMEOUT_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        self.connection: Any = pool.make_connection()  # of which most is without types

    def run_windows(self, *arguments: str | int) -> Any:
        """Raises RedisError."""
        try:
            return self._answer_to("EVALSHA", _SHA, *arguments)
        except (redis.ConnectionError, redis.exceptions.NoScriptError):  # a restart; never where it hangs
            return self._answer_to("EVAL", _WINDOWS, *arguments)

    def _answer_to(self, *command: str | int) -> Any:
        try:
            self.connection.send_command(*command)
            return self.connection.read_response()
        except Exception:
            self.connection.disconnect()  # or the next question would read the answer to this one
            raise


@cache
def _line(url: str) -> _Line:
    return _Line(url)


def _ask(windows: Sequence[tuple[Limit, str]], *, use: bool) -> list[State] | None:
    circuit = _circuit(settings.REDIS_URL)
    if time.monotonic() < circuit.skip_until:
        return None
    keys = [f"limit:{limit.name}:{key}" for limit, key in windows]
    arguments = [WINDOW_SECONDS * 1_000_000, int(use), *(limit.amount for limit, _ in windows)]
    try:
        is_free, used, room_at = _line(settings.REDIS_URL).run_windows(len(keys), *keys, *arguments)
    except redis.RedisError as error:
        circuit.failed(error)
        return None
    return [
        State(
            allowed=count < limit.amount,
            limit=limit.amount,
            remaining=max(limit.amount - count - (is_free and use), 0),
            reset_seconds=max(math.ceil(microseconds / 1_000_000), 1),
        )
        for (limit, _), count, microseconds in zip(windows, used, room_at, strict=True)
    ]


def _counted(limit: Limit, key: str, *, add: int) -> State:
    digest = sha256(f"{limit.name}:{key}".encode()).hexdigest()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO track360_attempt AS attempt (digest, window_start, count)
            VALUES (%(digest)s, to_timestamp(floor(extract(epoch FROM now()) / %(seconds)s) * %(seconds)s), %(add)s)
            ON CONFLICT (digest, window_start) DO UPDATE SET count = attempt.count + %(add)s
            RETURNING count, ceil(extract(epoch FROM window_start - now()) + %(seconds)s)
            """,
            {"digest": digest, "seconds": WINDOW_SECONDS, "add": add},
        )
        count, left = cursor.fetchone()
    return State(
        allowed=count <= limit.amount,
        limit=limit.amount,
        remaining=max(limit.amount - count, 0),
        reset_seconds=min(max(int(left), 1), WINDOW_SECONDS),
    )
