"""Connections and feeds for tests of fetching, ready to run."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from entities.models import Entity
from integrations.connections import put_secret
from integrations.models import Connection, Feed, default_overlap
from track360.models import Environment


def make_connection(environment: Environment, *, secret: str = "", **values: Any) -> Connection:
    """A REST connection unless `values` say otherwise; tested and switched on."""
    given = {
        "name": f"connection {Connection.objects.count() + 1}",
        "kind": "rest",
        "base_url": "https://api.example.com",
    }
    connection = Connection(environment=environment, is_on=True, passed_at=timezone.now(), **given | values)
    put_secret(connection, secret)
    connection.save(force_insert=True)
    return connection


def make_feed(connection: Connection, entity: str = "transactions", **values: Any) -> Feed:
    """Every 15 minutes, due now; tested and switched on."""
    now = timezone.now()
    given: dict[str, Any] = {
        "overlap": default_overlap(Entity(entity)),
        "every_minutes": 15,
        "next_run_at": now,
        "passed_at": now,
        "is_on": True,
    }
    return Feed.objects.create(
        connection=connection, environment=connection.environment, entity=entity, **given | values
    )


def unsaved_feed(entity: str = "transactions", *, connection: dict[str, Any], secret: str = "", **values: Any) -> Feed:
    """For a source alone, which reads no row of ours."""
    made = Connection(**connection)
    put_secret(made, secret)
    return Feed(connection=made, entity=entity, **values)
