"""Is it alive, is it ready: `/healthz` and `/readyz`, for load balancers and for `script/server`.

They answer in a middleware before all others: with the database down, from any host name, over plain http.
The worker and the scheduler show that they live by a key in Valkey that they renew and that runs out without them.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import cast

import redis
from django.conf import settings
from django.db import Error, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, JsonResponse
from redis.backoff import NoBackoff
from redis.retry import Retry

ALIVE_SECONDS = 15
"""A process that has not shown itself for so long is taken for away."""

VALKEY_TIMEOUT_SECONDS = 1


def middleware(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    views = {"/healthz": healthz, "/readyz": readyz}

    def handle(request: HttpRequest) -> HttpResponse:
        view = views.get(request.path_info)
        if view is None:
            return get_response(request)
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        response = view(request)
        response["Cache-Control"] = "no-store"
        return response

    return handle


def healthz(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"status": "alive"})


def readyz(request: HttpRequest) -> HttpResponse:
    """503 when nothing can be served; 200 with `degraded` when the API goes on with less, with `?strict=1` 503 too."""
    failed, degraded = _failed(), _degraded()
    status = "unavailable" if failed else "degraded" if degraded else "ready"
    ready = not failed and not (degraded and request.GET.get("strict") == "1")
    body = {"status": status, "failed": failed, "degraded": degraded}
    return JsonResponse(body, status=200 if ready else 503)


def show_alive(name: str) -> None:
    """Called every few seconds by the worker and the scheduler. Raises RedisError."""
    _valkey().set(_key(name), 1, ex=ALIVE_SECONDS)


def _failed() -> list[str]:
    try:
        applied = set(MigrationRecorder(connection).applied_migrations())
    except Error:
        return ["database"]
    return [] if _shipped_migrations() <= applied else ["migrations"]


def _degraded() -> list[str]:
    names = ["worker", "puller", "scheduler"]
    try:
        shown = cast("list[bytes | None]", _valkey().mget([_key(name) for name in names]))
    except redis.RedisError:
        return ["valkey"]
    return [name for name, value in zip(names, shown, strict=True) if value is None]


def _key(name: str) -> str:
    return f"alive:{name}"


@cache
def _valkey() -> redis.Redis:
    """A client that gives up at once: by default it would wait for seconds, and try again."""
    return redis.Redis.from_url(
        settings.REDIS_URL,
        socket_timeout=VALKEY_TIMEOUT_SECONDS,
        socket_connect_timeout=VALKEY_TIMEOUT_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


@cache
def _shipped_migrations() -> frozenset[tuple[str, str]]:
    """What this release brings: it does not change while the process lives."""
    return frozenset(MigrationLoader(None).disk_migrations or ())
