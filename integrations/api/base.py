"""What every call of the API goes through: token, limit, method, Accept, rights, parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.views import APIView

from entities.pipeline import Parsed, Report, ingest
from integrations.api import throttle
from integrations.api.answers import JSON, PROBLEM_JSON
from integrations.api.authentication import BearerAuthentication, Caller, ReadOrWrite
from integrations.api.exceptions import handle
from integrations.api.parameters import Parameter, read_parameters
from track360.models import Environment
from track360.problems import Problem

METHODS = ("get", "post", "put", "delete")
ACCEPTED = {JSON, PROBLEM_JSON, "application/*", "*/*"}


class ApiView(APIView):
    """One address of the API. `parameters` are the query parameters it knows, by method.

    Views answer with an HttpResponse of their own, so no parser or renderer of the framework is involved.
    """

    authentication_classes = [BearerAuthentication]
    permission_classes = [ReadOrWrite]
    parser_classes: list[Any] = []
    parameters: Mapping[str, Mapping[str, Parameter]] = {}
    entity: str = ""

    allowed: list[str]
    query: dict[str, Any]
    rate_headers: dict[str, str]

    def __init_subclass__(cls) -> None:
        names = [name.upper() for name in METHODS if hasattr(cls, name)]
        cls.allowed = sorted([*names, "OPTIONS", *(["HEAD"] if "GET" in names else [])])

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """The order in which a call is refused. The limit's headers go on every answer to a valid token."""
        self.rate_headers = {}
        plain = request._request
        plain.entity = self.entity  # type: ignore[attr-defined]  # for the request log
        refusal = self.refusal(plain)
        try:
            self.count(request)
        except Problem as problem:
            raise (refusal if refusal and problem.type.status == 401 else problem) from None
        if refusal:
            raise refusal
        self.check_permissions(request)
        self.query = read_parameters(plain, self.parameters.get(self.documented_method(plain), {}))

    def count(self, request: Request) -> None:
        """Find the caller, and count the call. Raises Problem."""
        if self.authentication_classes:
            self.perform_authentication(request)
            self.rate_headers = throttle.check(self.caller(request)).headers()

    def perform_authentication(self, request: Any) -> None:
        """The framework would ask on first use, and be ready for several ways to authenticate."""
        (authentication,) = request.authenticators
        request.user, request.auth = authentication.authenticate(request)

    def refusal(self, request: HttpRequest) -> Problem | None:
        """What is wrong with the call whoever makes it."""
        if request.method not in self.allowed_methods:
            names = ", ".join(self.allowed_methods)
            return Problem("method_not_allowed", f"Allowed here: {names}.", headers={"Allow": names})
        if not accepts_json(request):
            return Problem("not_acceptable", "Answers are application/json; the Accept header excludes that.")
        return None

    @property
    def allowed_methods(self) -> list[str]:
        return self.allowed

    @staticmethod
    def documented_method(request: HttpRequest) -> str:
        return "GET" if request.method == "HEAD" else request.method or ""

    def dispatch(self, request: Any, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.method == "OPTIONS":
            response = HttpResponse(status=204, headers={"Allow": ", ".join(self.allowed_methods)})
            del response["Content-Type"]
            return response
        response = cast(HttpResponse, super().dispatch(request, *args, **kwargs))
        # The framework's request refers to itself: with it the body would stay until the garbage collector comes by.
        self.request.parser_context.clear()
        return response

    def head(self, request: Request, *args: Any, **kwargs: Any) -> HttpResponse:
        """As GET. Django would put that method of the view into the view itself, which refers to it: such a ring would
        stay until the garbage collector comes by."""
        return cast(HttpResponse, self.get(request, *args, **kwargs))  # type: ignore[attr-defined]

    def perform_content_negotiation(self, request: Request, force: bool = False) -> Any:
        return None, JSON

    def get_exception_handler(self) -> Any:
        return handle

    def finalize_response(self, request: Any, response: Any, *args: Any, **kwargs: Any) -> Any:
        for name, value in getattr(self, "rate_headers", {}).items():
            response[name] = value
        return response

    def caller(self, request: Request) -> Caller:
        return cast(Caller, request.auth)

    def environment(self, request: Request) -> Environment:
        return self.caller(request).environment

    def ingest(self, request: Request, body: Parsed, **arguments: Any) -> Report:
        """Give the body to the pipeline, and leave for the request log what came of it."""
        plain: Any = request._request
        report = ingest(
            self.environment(request),
            self.entity,
            body.value,
            parsed=body,
            is_fresh=True,
            request_id=plain.request_id,
            **arguments,
        )
        plain.report = report
        plain.refused_body = body.value if report.errors else None
        return report


def accepts_json(request: HttpRequest) -> bool:
    """Whether the Accept header lets through what we send. Parameters as in `application/json; charset=utf-8` do not
    matter, though Django has them rule JSON out; an empty header is none."""
    if request.META.get("HTTP_ACCEPT", "").strip() in {"", JSON, "*/*"}:
        return True
    return any(f"{accepted.main_type}/{accepted.sub_type}" in ACCEPTED for accepted in request.accepted_types)
