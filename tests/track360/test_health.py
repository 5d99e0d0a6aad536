from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.db import OperationalError
from django.db.migrations.recorder import MigrationRecorder
from django.test import Client
from pytest_django.fixtures import Settings

from track360 import health

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def fresh_client() -> Iterator[None]:
    """Other settings, another client; and nobody has shown that they live."""
    health._valkey.cache_clear()
    health._valkey().delete("alive:worker", "alive:scheduler")
    yield
    health._valkey.cache_clear()


@pytest.fixture
def workers() -> None:
    health.show_alive("worker")
    health.show_alive("puller")
    health.show_alive("scheduler")


def use_valkey(settings: Settings, url: str) -> None:
    settings.REDIS_URL = url
    health._valkey.cache_clear()


def test_healthz_answers_any_host_over_http(client: Client, settings: Settings) -> None:
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    settings.SECURE_SSL_REDIRECT = True
    response = client.get("/healthz", headers={"host": "10.0.0.1:8000"})
    assert response.status_code == 200


def test_ready_when_all_is_well(client: Client, workers: None) -> None:
    response = client.get("/readyz?strict=1")
    assert response.status_code == 200
    assert response.json() == {"status": "ready", "failed": [], "degraded": []}
    assert response["Cache-Control"] == "no-store"


def test_missing_worker_degrades_and_is_an_error_when_strict(client: Client) -> None:
    health.show_alive("scheduler")
    assert client.get("/readyz").status_code == 200
    strict = client.get("/readyz?strict=1")
    assert strict.status_code == 503
    assert strict.json() == {"status": "degraded", "failed": [], "degraded": ["worker"]}


def test_valkey_away_degrades(client: Client, settings: Settings, tmp_path: Path) -> None:
    use_valkey(settings, f"unix://{tmp_path}/nobody.sock")
    response = client.get("/readyz")
    assert response.status_code == 200
    assert response.json()["degraded"] == ["valkey"]


def test_hanging_valkey_degrades(client: Client, settings: Settings) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        use_valkey(settings, f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        assert client.get("/readyz").json()["degraded"] == ["valkey"]


def test_missing_migration_is_not_ready(client: Client, workers: None) -> None:
    MigrationRecorder.Migration.objects.filter(app="track360").delete()
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json() == {"status": "unavailable", "failed": ["migrations"], "degraded": []}


def test_database_away_is_not_ready_but_alive(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: MigrationRecorder) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(MigrationRecorder, "applied_migrations", refuse)
    response = client.get("/readyz")
    assert response.status_code == 503
    assert response.json()["failed"] == ["database"]
    assert client.get("/healthz").status_code == 200


def test_only_reading_is_allowed(client: Client) -> None:
    assert client.post("/readyz").status_code == 405


def test_a_process_that_stops_showing_itself_runs_out(settings: Settings) -> None:
    health.show_alive("worker")
    seconds = redis.Redis.from_url(settings.REDIS_URL).ttl("alive:worker")
    assert seconds in range(1, health.ALIVE_SECONDS + 1)
