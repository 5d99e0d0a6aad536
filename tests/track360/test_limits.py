"""Limits that must hold: in Valkey, and in a table while it is away."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection

from track360.limits import Limit, forget_old_counts, peek_or_count, take_or_count
from track360.models import Attempt

LIMIT = Limit("test", 3)


@pytest.fixture(params=["valkey", "table"])
def key(request: pytest.FixtureRequest, settings: Any, db: None) -> str:
    if request.param == "table":
        settings.REDIS_URL = "redis://127.0.0.1:1/0"
    return uuid4().hex


def test_peeking_uses_nothing_and_taking_one(key: str) -> None:
    assert [peek_or_count(LIMIT, key).remaining for _ in range(3)] == [3, 3, 3]

    assert [take_or_count(LIMIT, key).allowed for _ in range(4)] == [True, True, True, False]

    state = peek_or_count(LIMIT, key)
    assert (state.allowed, state.remaining) == (False, 0)
    assert 1 <= state.reset_seconds <= 60


def test_keys_and_names_are_counted_apart(key: str) -> None:
    for _ in range(3):
        take_or_count(LIMIT, key)

    assert take_or_count(LIMIT, f"{key}'\x00 other").allowed
    assert take_or_count(Limit("another", 3), key).allowed


@pytest.mark.django_db(transaction=True)
def test_the_table_is_exact_under_concurrency(settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    key, limit = uuid4().hex, Limit("test", 10)

    def take(_: int) -> bool:
        try:
            return take_or_count(limit, key).allowed
        finally:
            connection.close()

    with ThreadPoolExecutor(8) as pool:
        allowed = sum(pool.map(take, range(40)))

    counts = Attempt.objects.values_list("count", flat=True)  # two windows where a full minute fell between
    assert sum(counts) == 40
    assert allowed == sum(min(count, 10) for count in counts)


def test_old_windows_are_forgotten(key: str) -> None:
    take_or_count(LIMIT, key)
    Attempt.objects.update(window_start="2026-01-01T00:00:00Z")

    forget_old_counts()

    assert Attempt.objects.count() == 0
