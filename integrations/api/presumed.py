"""A push by a caller who is taken for whom he was the last time.

To ask who calls takes a quarter of what it takes to store a record. So a push goes on with what was found of its token
before, and what it brings is stored on the condition that the environment's `facts_changed_at` has stayed: whatever
ends or changes a caller sets it. What else may become of the call, a refusal or a second version, comes only after the
database was asked who calls; where that is another than was presumed, the call begins again with nothing presumed. So
nothing is stored or said but what would be by asking first.
"""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import AnonymousUser
from django.db import Error as DatabaseIsAway
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from rest_framework.request import Request

from entities.pipeline import Parsed, Report
from integrations.api.authentication import Caller, bearer_token, caller_for, checksum_of
from integrations.api.base import ApiView
from track360.problems import Problem

REMEMBERED = 4000
"""Tokens whose callers a process remembers; then it begins anew. They take some 8 MB."""


class PushView(ApiView):
    """A view whose POST stores records."""

    presumed: Caller | None = None
    is_so: bool | None = None  # whether the caller is who he was presumed to be; null until that was asked
    counted: dict[str, str] = {}

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        self.presumed = _remembered(request) if request.method == "POST" else None
        response = super().dispatch(request, *args, **kwargs)
        if self.presumed and not self.holds(request):
            self.begin_again(request)
            response = super().dispatch(request, *args, **kwargs)
        return response

    def holds(self, request: HttpRequest) -> bool:
        """Whether the caller is who he was presumed to be: asked once."""
        presumed = cast(Caller, self.presumed)
        if self.is_so is None:
            try:
                caller = caller_for(_token(request))
            except (Problem, DatabaseIsAway):
                self.is_so = False
            else:
                stamps = {one.environment.facts_changed_at for one in (caller, presumed)}
                self.is_so = caller == presumed and len(stamps) == 1
        return self.is_so

    def begin_again(self, request: HttpRequest) -> None:
        """Only that the call was counted stays true. An ended token is not presumed again, or it would be counted."""
        _callers.pop(checksum_of(_token(request)), None)
        self.presumed = None
        self.counted = self.rate_headers
        for name in ("caller", "report", "refused_body"):
            request.__dict__.pop(name, None)

    def count(self, request: Request) -> None:
        if self.counted:
            self.perform_authentication(request)
            self.rate_headers = self.counted
        else:
            super().count(request)

    def perform_authentication(self, request: Any) -> None:
        if self.presumed:
            request.user, request.auth = AnonymousUser(), self.presumed
            request._request.caller = self.presumed
        else:
            super().perform_authentication(request)
            if request.method == "POST":
                _remember(request._request, self.caller(request))

    def ingest(self, request: Request, body: Parsed, **arguments: Any) -> Report:
        was_asked = False

        def before_writing() -> None:
            nonlocal was_asked
            was_asked = True
            if self.presumed and not self.holds(request._request):
                raise Problem("unavailable", "The caller has changed.")  # nobody is told: the call begins again

        report = super().ingest(request, body, before_writing=before_writing, **arguments)
        if report.stored and not was_asked:
            self.is_so = True  # or it would not have been stored
        return report


_callers: dict[str, Caller] = {}
"""By the checksum of the token. Threads race here: the worst is that a caller is asked for again."""


def _remember(request: HttpRequest, caller: Caller) -> None:
    if len(_callers) >= REMEMBERED:
        _callers.clear()
    _callers[checksum_of(_token(request))] = caller.anew()


def _remembered(request: HttpRequest) -> Caller | None:
    try:
        caller = _callers.get(checksum_of(_token(request)))
    except Problem:
        return None
    return caller.anew() if caller and caller.expires > timezone.now() else None


def _token(request: HttpRequest) -> str:
    return bearer_token(request.META.get("HTTP_AUTHORIZATION", ""))
