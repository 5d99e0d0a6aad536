"""Connections and feeds for tests of fetching, ready to run."""

from __future__ import annotations

from typing import Any

from django.utils import timezone

from integrations.connections import put_secret
from integrations.models import Connection, Feed
from tests.factories import ConnectionFactory, FeedFactory
from tests.partner_sources import Database
from track360.models import Environment


def make_connection(environment: Environment, *, secret: str = "", **values: Any) -> Connection:
    """A REST connection without authentication unless `values` say otherwise; tested and switched on."""
    plain: dict[str, Any] = {"base_url": "https://api.example.com", "auth": Connection.Auth.NONE, "auth_header": ""}
    return ConnectionFactory(environment=environment, secret=secret, **plain | values)


def connect_to(database: Database, environment: Environment) -> Connection:
    return make_connection(
        environment,
        kind=database.kind,
        base_url="",
        host=database.host,
        port=database.port,
        database=database.database,
        user=database.user,
        ca_certificate=database.ca_certificate,
        secret=database.password,
    )


def make_feed(connection: Connection, entity: str = "transactions", **values: Any) -> Feed:
    """Every 15 minutes, due now and from the beginning; how it is read, `values` say."""
    plain: dict[str, Any] = {
        "path": "",
        "query": {},
        "records_at": "",
        "paging": Feed.Paging.NONE,
        "paging_options": {},
        "cursor": "",
        "cursor_moved_at": None,
        "next_run_at": timezone.now(),
    }
    return FeedFactory(connection=connection, entity=entity, **plain | values)


def unsaved_feed(entity: str = "transactions", *, connection: dict[str, Any], secret: str = "", **values: Any) -> Feed:
    """For a source alone, which reads no row of ours."""
    made = Connection(**connection)
    put_secret(made, secret)
    return Feed(connection=made, entity=entity, **values)
