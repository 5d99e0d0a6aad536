"""Who is calling: from the bearer token to the client and its environment, in one statement (contract, section 5)."""

from __future__ import annotations

import datetime as dt
import json
import re
from functools import lru_cache
from hashlib import sha256
from typing import Any, NamedTuple, cast

from django.contrib.auth.models import AnonymousUser
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from integrations.oauth import tokens
from track360.models import Environment
from track360.problems import Problem
from track360.proxy import client_ip, in_ranges

REALM = 'Bearer realm="track360"'
LONGEST_TOKEN = 4096
JWT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
METHOD_SCOPES = {"GET": "read", "HEAD": "read", "POST": "write", "PUT": "write"}


class Caller(NamedTuple):
    """The client behind a valid token: `request.auth`. It is so until `expires`, while the environment's
    `facts_changed_at` stays."""

    token_id: int
    token_last_four: str
    expires: dt.datetime
    client_id: int
    client_identifier: str
    client_name: str
    environment: Environment
    scopes: frozenset[str]
    ip_ranges: tuple[str, ...]

    def anew(self) -> Caller:
        """The same for another call: what is asked of an environment stays with it."""
        values = [getattr(self.environment, name) for name in _ENVIRONMENT]
        return self._replace(environment=Environment.from_db("default", _ENVIRONMENT, values))


class BearerAuthentication(BaseAuthentication):
    """RFC 6750, by the header alone: a token in the query string is no token.

    Raises Problem `missing_token`, `invalid_token` or `token_expired`. The caller also stands at
    `HttpRequest.caller`, for what outlives the view.
    """

    def authenticate(self, request: Request) -> tuple[AnonymousUser, Caller]:
        caller = caller_for(bearer_token(request.META.get("HTTP_AUTHORIZATION", "")))
        request._request.caller = caller  # type: ignore[attr-defined]
        return AnonymousUser(), caller

    def authenticate_header(self, request: Request) -> str:
        return REALM


class _ScopePermission(BasePermission):
    def scope_for(self, request: Request) -> str | None:
        raise NotImplementedError

    def has_permission(self, request: Request, view: Any) -> bool:
        caller = cast(Caller, request.auth)
        check_ip(caller, request._request)
        scope = self.scope_for(request)
        if scope is not None and scope not in caller.scopes:
            raise Problem(
                "insufficient_scope",
                f"This needs the scope {scope}; the token has {' '.join(sorted(caller.scopes))}.",
                headers={"WWW-Authenticate": f'{REALM}, error="insufficient_scope", scope="{scope}"'},
            )
        return True


class ReadOrWrite(_ScopePermission):
    """`read` for GET and HEAD, `write` for POST and PUT. Other methods pass, to be refused as such."""

    def scope_for(self, request: Request) -> str | None:
        return METHOD_SCOPES.get(request.method or "")


def require_scope(scope: str) -> type[BasePermission]:
    """A permission class for views whose scope does not follow from the method."""

    class RequireScope(_ScopePermission):
        def scope_for(self, request: Request) -> str | None:
            return scope

    return RequireScope


def check_ip(caller: Caller, request: HttpRequest) -> None:
    """Raises Problem `ip_not_allowed` where the client has a list of ranges and the address is in none of them."""
    if not caller.ip_ranges:
        return
    address = client_ip(request)
    if not in_ranges(address, caller.ip_ranges):
        raise Problem("ip_not_allowed", f"The address {address} is not among those allowed for this client.")


def bearer_token(header: str) -> str:
    """The token of an Authorization header. Raises Problem; what cannot be one of ours never reaches the database."""
    scheme, _, token = header.strip().partition(" ")
    token = token.lstrip(" ")  # RFC 9110 allows several
    if scheme.lower() != "bearer" or not token:
        raise Problem(
            "missing_token",
            "Send an access token in the header: Authorization: Bearer <token>.",
            headers={"WWW-Authenticate": REALM},
        )
    if len(token) > LONGEST_TOKEN or not JWT.fullmatch(token):
        raise _invalid("invalid_token", "This is not an access token of ours.")
    return token


def checksum_of(token: str) -> str:
    return sha256(token.encode()).hexdigest()


def caller_for(token: str) -> Caller:
    """Raises Problem `invalid_token` or `token_expired`."""
    row = _row_for(token)
    if row is None:
        if tokens.was_ours_and_expired(token):
            raise _invalid("token_expired", "The access token has expired. Fetch a new one.")
        raise _invalid("invalid_token", "This access token is unknown or was revoked. Fetch a new one.")
    token_id, expires, scope, client_id, identifier, name, ip_ranges, usable, *environment = row
    if not usable:
        raise _invalid("invalid_token", "The client, its secret or the partner behind this access token is not active.")
    if expires <= timezone.now():
        raise _invalid("token_expired", "The access token has expired. Fetch a new one.")
    return Caller(
        token_id=token_id,
        token_last_four=token[-4:],
        expires=expires,
        client_id=client_id,
        client_identifier=identifier,
        client_name=name,
        environment=Environment.from_db("default", _ENVIRONMENT, environment),
        scopes=_scopes(scope),
        ip_ranges=_ranges(ip_ranges),
    )


@lru_cache(maxsize=64)
def _scopes(text: str) -> frozenset[str]:
    return frozenset(text.split())


@lru_cache(maxsize=1024)
def _ranges(text: str) -> tuple[str, ...]:
    return tuple(json.loads(text))


def _invalid(code: str, detail: str) -> Problem:
    # RFC 6750 knows one error for both; the body's code tells them apart.
    challenge = f'{REALM}, error="invalid_token", error_description="{detail}"'
    return Problem(code, detail, headers={"WWW-Authenticate": challenge})


_ENVIRONMENT = [field.attname for field in Environment._meta.concrete_fields]

# The row that decides is the token's own: whatever was revoked in the meantime is seen by the very next request.
_LOOK_UP = f"""
    SELECT token_id, expires, scope, client_id, identifier, name, ip_ranges, usable,
           {", ".join(f"(environment).{name}" for name in _ENVIRONMENT)}
      FROM integrations_caller(%s)
"""


def _row_for(token: str) -> tuple[Any, ...] | None:
    with connection.cursor() as cursor:
        cursor.execute(_LOOK_UP, [checksum_of(token)])
        return cursor.fetchone()
