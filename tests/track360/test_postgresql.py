"""A connection that the server has ended is noticed without asking, and one that lives is not asked."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

import psycopg2
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from track360.postgresql.base import DatabaseWrapper


@pytest.fixture
def other(transactional_db: None) -> Iterator[DatabaseWrapper]:
    """A connection of its own to the test database."""
    wrapper = cast(DatabaseWrapper, connection.copy())
    wrapper.connect()
    yield wrapper
    wrapper.close()


def test_one_that_lives_is_usable_without_a_question(other: DatabaseWrapper) -> None:
    with CaptureQueriesContext(other) as asked:
        assert other.is_usable()

    assert len(asked) == 0


def test_one_that_the_server_ended_is_not_usable_and_makes_place_for_another(
    other: DatabaseWrapper, pytestconfig: pytest.Config
) -> None:
    if pytestconfig.getoption("--pgbouncer"):
        pytest.skip("What the server ends is PgBouncer's; that of its client stands.")
    ended = other.connection.info.backend_pid
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s)", [ended])
    deadline = time.monotonic() + 5
    while other.is_usable():
        assert time.monotonic() < deadline
        time.sleep(0.01)

    other.close_if_unusable_or_obsolete()  # as at the beginning of a request
    with other.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        assert cursor.fetchone()[0] != ended


def test_one_that_has_something_to_say_is_asked_whether_it_lives(other: DatabaseWrapper) -> None:
    with other.cursor() as cursor:
        cursor.execute("LISTEN here")
    with connection.cursor() as cursor:
        cursor.execute("NOTIFY here")
    time.sleep(0.1)

    assert other.is_usable()


def test_one_that_was_closed_is_not_usable(other: DatabaseWrapper) -> None:
    other.connection.close()

    assert not other.is_usable()
    with pytest.raises(psycopg2.InterfaceError):
        other.connection.cursor()
