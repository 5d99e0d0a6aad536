"""Servers to pull from, one of each kind for all tests; a test is skipped where the machine has no such server."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from tests import partner_sources
from tests.partner_sources import Database, Missing


def or_skip(source: AbstractContextManager[Any]) -> Iterator[Any]:
    try:
        opened = source.__enter__()
    except Missing as missing:
        pytest.skip(str(missing))
    try:
        yield opened
    finally:
        source.__exit__(None, None, None)


@pytest.fixture(scope="session")
def postgres_source() -> Iterator[Database]:
    yield from or_skip(partner_sources.postgres_source())


@pytest.fixture(scope="session")
def mariadb_source() -> Iterator[Database]:
    yield from or_skip(partner_sources.mariadb_source())


@pytest.fixture
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
