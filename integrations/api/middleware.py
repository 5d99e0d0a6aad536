"""What holds for each call whatever its view: the id, JSON also where something fails before a view, the log."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable
from functools import lru_cache
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import DisallowedHost
from django.core.handlers.exception import convert_exception_to_response
from django.http import HttpRequest, HttpResponse
from django.middleware.security import SecurityMiddleware
from django.urls import ResolverMatch, resolve

from integrations import request_log
from integrations.api.answers import JSON, PROBLEM_JSON, problem_answer
from integrations.api.exceptions import problem_for_status, problem_of
from track360.problems import Problem

API = "/api/"
OAUTH = "/oauth/"
LOGGED = "/api/v1/"


def view_of(request: HttpRequest) -> HttpResponse:
    """The answer of the view at the address."""
    match = request.resolver_match = _match_of(request.path_info)
    return cast(HttpResponse, match.func(request, *match.args, **match.kwargs))


@lru_cache(maxsize=256)
def _match_of(path: str) -> ResolverMatch:
    """Most calls are for a few addresses, and to try the patterns takes as long as a question to Valkey."""
    return resolve(path)


class ApiMiddleware:
    """The outermost middleware.

    Every answer of the server bears an X-Request-ID, made here and never taken from outside. Under /api a trailing
    slash counts for nothing, no refusal leaves as HTML, and no middleware follows but Django's for security: a call has
    no session, no form and no page, and the others take as long as storing a record.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.call_view: Any = SecurityMiddleware(convert_exception_to_response(view_of))

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.request_id = uuid.uuid4()  # type: ignore[attr-defined]
        if request.path_info.startswith((API, OAUTH)) or request.path_info in {"/api", "/oauth"}:
            response = self.answer(request)
        else:
            response = self.get_response(request)
        response["X-Request-ID"] = str(request.request_id)  # type: ignore[attr-defined]
        return response

    def answer(self, request: HttpRequest) -> HttpResponse:
        started = time.perf_counter()
        path = request.sent_path = request.path_info  # type: ignore[attr-defined]
        response = self.refusal(request)
        if response is None and path.startswith(API):
            request.path_info = path.rstrip("/")
            response = self.call_view(request)
        elif response is None:
            response = self.get_response(request)
        if path.startswith("/api"):
            response = self.finished(request, response)
        if path.startswith(LOGGED):
            request_log.note(request, response, path=path, seconds=time.perf_counter() - started)
        return response

    def refusal(self, request: HttpRequest) -> HttpResponse | None:
        """What is refused before anything else looks at the request."""
        try:
            request.get_host()
            if settings.HTTPS and not request.is_secure():
                raise Problem("https_required", f"Call {settings.BASE_URL} by https.")
        except (DisallowedHost, Problem) as error:
            return problem_answer(problem_of(error), request_id=request.request_id)  # type: ignore[attr-defined]
        return None

    def finished(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        media = response.get("Content-Type", "").partition(";")[0]
        if response.status_code >= 400 and media != PROBLEM_JSON:
            problem = problem_for_status(response.status_code)
            response = problem_answer(problem, request_id=request.request_id)  # type: ignore[attr-defined]
        response["Cache-Control"] = "no-store"
        if media in {JSON, PROBLEM_JSON}:
            response["X-Content-Type-Options"] = "nosniff"
        if response.status_code != 204:
            response["Content-Length"] = str(len(response.content))
        if request.method == "HEAD":
            response.content = b""
        return response
