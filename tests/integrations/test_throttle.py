"""The API's rate limits on a real Valkey: exact under concurrency, and out of the way when Valkey is."""

from __future__ import annotations

import logging
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any
from unittest.mock import Mock

import pytest
import redis
from django.conf import settings
from django.utils import timezone

from integrations.api.authentication import Caller
from integrations.api.throttle import check
from track360 import limits
from track360.models import Environment, Partner
from track360.problems import Problem

numbers = count(1_000_000)


def caller(client_id: int | None = None) -> Caller:
    """A caller that no other test counts for."""
    return Caller(
        token_id=next(numbers),
        token_last_four="abcd",
        expires=timezone.now(),
        client_id=client_id or next(numbers),
        client_identifier="c",
        client_name="c",
        environment=Environment(partner=Partner(slug="aurora")),
        scopes=frozenset({"read"}),
        ip_ranges=(),
    )


def outcome(who: Caller) -> str:
    try:
        check(who)
    except Problem as problem:
        return problem.type.code
    return "allowed"


def test_each_answer_says_how_the_limit_stands() -> None:
    who = caller()

    first, second = check(who).headers(), check(who).headers()

    assert first == {"RateLimit-Limit": "1000", "RateLimit-Remaining": "999", "RateLimit-Reset": "60"}
    assert second["RateLimit-Remaining"] == "998"


def test_over_the_limit_of_a_token_is_429_with_retry_after(settings: Any) -> None:
    settings.API_TOKEN_LIMIT = 2
    who = caller()
    check(who)
    last = check(who)

    with pytest.raises(Problem) as caught:
        check(who)

    problem = caught.value
    assert (problem.type.code, problem.type.status) == ("rate_limited", 429)
    assert last.headers()["RateLimit-Remaining"] == problem.headers["RateLimit-Remaining"] == "0"
    assert 1 <= int(problem.headers["Retry-After"]) <= 60
    assert outcome(caller(who.client_id)) == "allowed"


def test_over_the_limit_of_a_client_is_429_whatever_the_token(settings: Any) -> None:
    settings.API_CLIENT_LIMIT = 2
    client_id = next(numbers)

    outcomes = [outcome(caller(client_id)) for _ in range(3)]

    assert outcomes == ["allowed", "allowed", "rate_limited"]


def test_a_call_beyond_one_of_the_limits_uses_nothing_of_the_other(settings: Any) -> None:
    settings.API_TOKEN_LIMIT = 3
    settings.API_CLIENT_LIMIT = 1
    who = caller()

    outcomes = [outcome(who), outcome(who)]
    settings.API_CLIENT_LIMIT = 2

    assert outcomes == ["allowed", "rate_limited"]
    assert check(who).headers()["RateLimit-Remaining"] == "1"


def let_pass(who: Caller, seconds: float) -> None:
    """As if the caller's calls had come so much earlier."""
    valkey = redis.Redis.from_url(settings.REDIS_URL)
    key = f"limit:api-token:{who.token_id}"
    for place, moment in enumerate(valkey.lrange(key, 0, -1)):
        valkey.lset(key, place, int(moment) - int(seconds * 1_000_000))


def test_the_window_moves(settings: Any) -> None:
    settings.API_TOKEN_LIMIT = 2
    who = caller()
    check(who)
    let_pass(who, 50)
    check(who)

    with pytest.raises(Problem) as caught:
        check(who)
    let_pass(who, 10)
    outcomes = [outcome(who), outcome(who)]

    assert caught.value.headers["Retry-After"] in {"9", "10"}
    assert outcomes == ["allowed", "rate_limited"]


def test_the_limit_is_exact_under_concurrency(settings: Any) -> None:
    settings.API_TOKEN_LIMIT = 100
    who = caller()

    with ThreadPoolExecutor(20) as pool:
        outcomes = Counter(pool.map(lambda _: outcome(who), range(400)))

    assert outcomes == {"allowed": 100, "rate_limited": 300}


@pytest.fixture
def hung() -> Iterator[str]:
    """A server that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.fixture
def away() -> str:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return f"redis://127.0.0.1:{server.getsockname()[1]}/0"


@pytest.mark.parametrize("how", ["hung", "away"])
def test_without_valkey_nothing_is_limited_and_it_is_left_alone_for_a_while(
    how: str, request: pytest.FixtureRequest, settings: Any, caplog: pytest.LogCaptureFixture
) -> None:
    settings.API_TOKEN_LIMIT = 1
    settings.REDIS_URL = request.getfixturevalue(how)
    who = caller()

    with caplog.at_level(logging.ERROR):
        states = [check(who) for _ in range(50)]

    assert [state.headers() for state in states] == [{}] * 50
    assert len(caplog.records) == 1


def test_a_valkey_that_hangs_is_waited_for_once(hung: str, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = hung
    asked = Mock(wraps=limits._line)
    monkeypatch.setattr(limits, "_line", asked)
    who = caller()

    for _ in range(50):
        check(who)

    assert asked.call_count == 1
