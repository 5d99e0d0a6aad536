"""What tests that pull stand on."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest


@pytest.fixture
def loopback(settings: Any) -> None:
    """It may be called, and without TLS."""
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
