"""The body of a request to the token and revocation endpoints, read strictly, before oauthlib sees it.

The libraries below take the last of two equal parameters, let broken percent-encoding through as text or crash on it,
and fall back from HTTP Basic to the body. RFC 6749 allows none of this.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote_plus

from django.http import HttpRequest
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidRequestError, OAuth2Error

MAX_BYTES = 16 * 1024
MEDIA_TYPE = "application/x-www-form-urlencoded"
PERCENT_ENCODED = re.compile(r"(?:[^%]|%[0-9A-Fa-f]{2})*")


@dataclass(frozen=True, slots=True)
class Form:
    """The parameters that have a value, and the client's credentials from wherever they came."""

    fields: dict[str, str]
    client_id: str
    client_secret: str


def read_form(request: HttpRequest) -> Form:
    """Raises OAuth2Error: `invalid_request`, or `invalid_client` for broken or doubled credentials."""
    if request.META.get("QUERY_STRING"):
        raise InvalidRequestError("Send all parameters in the body, none in the URL.")
    _check_media_type(request)
    fields = _fields(request)
    body_id, body_secret = fields.pop("client_id", ""), fields.pop("client_secret", "")
    authorization = request.META.get("HTTP_AUTHORIZATION", "").strip()
    if not authorization:
        return Form(fields, body_id, body_secret)
    client_id, client_secret = _basic(authorization)
    if body_secret or (body_id and body_id != client_id):
        raise InvalidClientError("Send the client's credentials by HTTP Basic or in the body, not both.")
    return Form(fields, client_id, client_secret)


def _check_media_type(request: HttpRequest) -> None:
    charset = request.content_params.get("charset", "utf-8") if request.content_params else "utf-8"
    if request.content_type != MEDIA_TYPE or charset.lower() not in {"utf-8", "us-ascii"}:
        raise InvalidRequestError(f"Send the parameters form-encoded in UTF-8, as Content-Type {MEDIA_TYPE}.")


def _fields(request: HttpRequest) -> dict[str, str]:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MAX_BYTES:
        raise OAuth2TooLarge(f"Send at most {MAX_BYTES} bytes.")
    try:
        text = request.body.decode("ascii")
        if not text.isprintable() or not PERCENT_ENCODED.fullmatch(text):
            raise ValueError("not form-encoded")
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidRequestError("The body is not form-encoded UTF-8.") from None
    if len(pairs) != len({name for name, _ in pairs}):
        raise InvalidRequestError("Send each parameter once.")
    return {name: value for name, value in pairs if value}


def _basic(authorization: str) -> tuple[str, str]:
    """Client id and secret of an HTTP Basic header (RFC 7617; schemes are case-insensitive).

    RFC 6749 wants both form-encoded inside, most libraries do not encode. Ours are alphanumeric: decoding changes
    nothing in what was sent raw.
    """
    scheme, _, encoded = authorization.partition(" ")
    try:
        if scheme.lower() != "basic":
            raise ValueError("another scheme")
        client_id, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
        if not colon:
            raise ValueError("no colon")
    except ValueError:
        raise InvalidClientError("The Authorization header is not HTTP Basic with client id and secret.") from None
    return unquote_plus(client_id), unquote_plus(secret)


class OAuth2TooLarge(OAuth2Error):
    error = "invalid_request"
    status_code = 413
