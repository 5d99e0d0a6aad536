"""/oauth/token, /oauth/revoke and the two documents that describe them. Errors are JSON as RFC 6749, section 5.2."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from oauth2_provider.oauth2_backends import get_oauthlib_core
from oauthlib.oauth2.rfc6749.errors import OAuth2Error

from integrations.models.client import SCOPES
from integrations.oauth import tokens
from integrations.oauth.form import read_form
from integrations.oauth.server import RateLimited
from track360.limits import Limit, peek_or_count, take_or_count
from track360.proxy import client_ip

logger = logging.getLogger(__name__)

BASIC = 'Basic realm="track360", charset="UTF-8"'
UNAVAILABLE_SECONDS = 5

Endpoint = Callable[[HttpRequest], tuple[Any, dict[str, str], str, int]]


@csrf_exempt
def token(request: HttpRequest) -> HttpResponse:
    return _answer(request, get_oauthlib_core().create_token_response)


@csrf_exempt
def revoke(request: HttpRequest) -> HttpResponse:
    return _answer(request, get_oauthlib_core().create_revocation_response)


@csrf_exempt
def metadata(request: HttpRequest) -> HttpResponse:
    """RFC 8414."""
    if request.method not in {"GET", "HEAD"}:
        return _wrong_method("GET, HEAD")
    methods = ["client_secret_basic", "client_secret_post"]
    return _document(
        {
            "issuer": settings.BASE_URL,
            "token_endpoint": f"{settings.BASE_URL}/oauth/token",
            "revocation_endpoint": f"{settings.BASE_URL}/oauth/revoke",
            "jwks_uri": f"{settings.BASE_URL}/.well-known/jwks.json",
            "scopes_supported": list(SCOPES),
            "response_types_supported": [],
            "grant_types_supported": ["client_credentials"],
            "token_endpoint_auth_methods_supported": methods,
            "revocation_endpoint_auth_methods_supported": methods,
            "service_documentation": f"{settings.BASE_URL}/docs/",
        }
    )


@csrf_exempt
def jwks(request: HttpRequest) -> HttpResponse:
    """RFC 7517: the keys that access tokens are signed with."""
    if request.method not in {"GET", "HEAD"}:
        return _wrong_method("GET, HEAD")
    return _document({"keys": tokens.public_keys()})


@csrf_exempt
def unknown(request: HttpRequest) -> HttpResponse:
    return _error(404, "not_found", "There is nothing at this address.")


def _answer(request: HttpRequest, endpoint: Endpoint) -> HttpResponse:
    if request.method != "POST":
        return _wrong_method("POST")
    try:
        status, body, headers = _limited(request, endpoint)
    except OAuth2Error as error:
        status, body, headers = error.status_code, error.json, error.headers
    except (OperationalError, InterfaceError):
        logger.exception("The database is away")
        unavailable = _error(503, "temporarily_unavailable", "The service is unavailable. Try again soon.")
        unavailable["Retry-After"] = str(UNAVAILABLE_SECONDS)
        return unavailable
    response = HttpResponse(body or "{}", status=status, content_type="application/json")
    if "Retry-After" in headers:
        response["Retry-After"] = headers["Retry-After"]
    if status == 401 and request.META.get("HTTP_AUTHORIZATION"):
        response["WWW-Authenticate"] = BASIC  # in the scheme that the client tried, not oauthlib's Bearer
    return _unstored(response)


def _limited(request: HttpRequest, endpoint: Endpoint) -> tuple[int, str, dict[str, str]]:
    """Status, body and headers, unless this client id failed too often from this address. Raises OAuth2Error."""
    form = read_form(request)
    failures = Limit("token-failure", settings.TOKEN_FAILURE_LIMIT)
    key = f"{client_ip(request)} {form.client_id}"
    state = peek_or_count(failures, key)
    if not state.allowed:
        raise RateLimited(state, of="failed requests for this client")
    request.oauth_form = form  # type: ignore[attr-defined]
    _, headers, body, status = endpoint(request)
    if status == 401:
        take_or_count(failures, key)
    return status, body, headers


def _wrong_method(allowed: str) -> HttpResponse:
    response = _error(405, "invalid_request", f"Use {allowed}.")
    response["Allow"] = allowed
    return response


def _error(status: int, code: str, description: str) -> HttpResponse:
    return _unstored(JsonResponse({"error": code, "error_description": description}, status=status))


def _unstored(response: HttpResponse) -> HttpResponse:
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response


def _document(fields: dict[str, Any]) -> HttpResponse:
    response = JsonResponse(fields)
    response["Cache-Control"] = "public, max-age=3600"
    return response
