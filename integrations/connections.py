"""Connections to partners' APIs and databases: what people do with them."""

from __future__ import annotations

from django.utils import timezone

from integrations.models import Connection
from track360.sealed import seal, unseal

# -- Secrets ------------------------------------------------------------------


def _purpose(connection: Connection) -> str:
    return f"connection secret:{connection.pk}"


def put_secret(connection: Connection, clear: str) -> None:
    """Seal it into the row, which the caller saves; empty: there is none."""
    connection.sealed_secret = seal(clear, purpose=_purpose(connection)) if clear else ""
    connection.secret_set_at = timezone.now() if clear else None


def secret_of(connection: Connection) -> str:
    """In clear, for the one who signs in with it; never for a page, a log or a task's argument."""
    return unseal(connection.sealed_secret, purpose=_purpose(connection)) if connection.sealed_secret else ""
