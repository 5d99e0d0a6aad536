"""Moving-window limits in Valkey, exact under concurrency, and what happens while Valkey is away.

A caller chooses: `take` answers None then (the API goes on without limit), `take_or_count` and `peek_or_count` fall
back to a table with fixed windows (sign-in, failed token requests). A Valkey that hangs costs a caller a fraction of a
second; then it is left alone for some seconds, and the log says so once a minute at most.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from hashlib import sha256

import redis
from django.conf import settings
from django.db import connection
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.backoff import NoBackoff
from redis.retry import Retry

logger = logging.getLogger(__name__)

TIMEOUT_SECONDS = 0.25  # a busy machine takes 0.1 s at times, and then nothing would be limited
LEFT_ALONE_SECONDS = 5.0
ALARM_EVERY_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class State:
    """How a limit stands. `reset_seconds`: whole seconds, at least 1, until the window has room again."""

    allowed: bool
    limit: int
    remaining: int
    reset_seconds: int


def per_minute(name: str, amount: int) -> RateLimitItem:
    """`amount` in any 60 s. The name keeps the counts of different limits apart."""
    return RateLimitItemPerSecond(amount, 60, namespace=name)


def take(limit: RateLimitItem, key: str) -> State | None:
    """Use one of the limit, unless none is left. None while Valkey is away."""

    def hit(limiter: MovingWindowRateLimiter) -> State:
        allowed = limiter.hit(limit, key)
        state = _state(limiter, limit, key)
        return state if allowed else replace(state, allowed=False, remaining=0)

    return _in_valkey(hit)


def take_or_tell(limit: RateLimitItem, key: str) -> State | None:
    """Use one of the limit, and say how it stands only where none is left: that is another question to Valkey."""

    def hit(limiter: MovingWindowRateLimiter) -> State | None:
        if limiter.hit(limit, key):
            return None
        return replace(_state(limiter, limit, key), allowed=False, remaining=0)

    return _in_valkey(hit)


def take_or_count(limit: RateLimitItem, key: str) -> State:
    """As `take`; while Valkey is away counted in a table."""
    return take(limit, key) or _counted(limit, key, add=1)


def peek_or_count(limit: RateLimitItem, key: str) -> State:
    """As `take_or_count`, but using nothing: `allowed` says whether there is room."""
    state = _in_valkey(lambda limiter: _state(limiter, limit, key)) or _counted(limit, key, add=0)
    return replace(state, allowed=state.remaining > 0)


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


@cache
def _limiter(url: str) -> MovingWindowRateLimiter:
    pool = redis.ConnectionPool.from_url(
        url,
        socket_timeout=TIMEOUT_SECONDS,
        socket_connect_timeout=TIMEOUT_SECONDS,
        # Once more on a connection that a restarted Valkey has dropped; never on one that hangs.
        retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    )
    return MovingWindowRateLimiter(RedisStorage("redis://", connection_pool=pool, key_prefix="limit"))


def _in_valkey(ask: Callable[[MovingWindowRateLimiter], State | None]) -> State | None:
    circuit = _circuit(settings.REDIS_URL)
    if time.monotonic() < circuit.skip_until:
        return None
    try:
        return ask(_limiter(settings.REDIS_URL))
    except redis.RedisError as error:
        circuit.failed(error)
        return None


def _state(limiter: MovingWindowRateLimiter, limit: RateLimitItem, key: str) -> State:
    stats = limiter.get_window_stats(limit, key)
    seconds = math.ceil(stats.reset_time - time.time())
    return State(
        allowed=True,
        limit=limit.amount,
        remaining=max(stats.remaining, 0),
        reset_seconds=min(max(seconds, 1), limit.get_expiry()),
    )


def _counted(limit: RateLimitItem, key: str, *, add: int) -> State:
    digest = sha256(limit.key_for(key).encode()).hexdigest()
    seconds = limit.get_expiry()
    with connection.cursor() as cursor:
        cursor.execute(
            """
            INSERT INTO track360_attempt AS attempt (digest, window_start, count)
            VALUES (%(digest)s, to_timestamp(floor(extract(epoch FROM now()) / %(seconds)s) * %(seconds)s), %(add)s)
            ON CONFLICT (digest, window_start) DO UPDATE SET count = attempt.count + %(add)s
            RETURNING count, ceil(extract(epoch FROM window_start - now()) + %(seconds)s)
            """,
            {"digest": digest, "seconds": seconds, "add": add},
        )
        count, left = cursor.fetchone()
    return State(
        allowed=count <= limit.amount,
        limit=limit.amount,
        remaining=max(limit.amount - count, 0),
        reset_seconds=min(max(int(left), 1), seconds),
    )
