"""django-oauth-toolkit, cut down to what exists here: client credentials, two live secrets a client, revocation."""

from __future__ import annotations

import re
from hashlib import sha256
from hmac import compare_digest
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest
from oauth2_provider.models import AccessToken
from oauth2_provider.oauth2_backends import OAuthLibCore
from oauth2_provider.oauth2_validators import OAuth2Validator
from oauthlib.oauth2 import BearerToken, ClientCredentialsGrant, RevocationEndpoint, TokenEndpoint
from oauthlib.oauth2.rfc6749.errors import (
    InvalidClientError,
    InvalidScopeError,
    OAuth2Error,
    UnsupportedGrantTypeError,
)

from integrations.models import ClientSecret
from integrations.oauth import tokens
from track360.limits import Limit, State, take_or_count
from track360.models import Partner
from track360.proxy import in_ranges

CLIENT_ID = re.compile(r"[\x21-\x7e]{1,255}")
NO_DIGEST = "0" * 64


class RateLimited(OAuth2Error):
    """Not an error of RFC 6749, which has none for it; the shape is, and the status is HTTP's own."""

    error = "rate_limited"
    status_code = 429

    def __init__(self, state: State, *, of: str) -> None:
        super().__init__(f"More than {state.limit} {of} in a minute. Try again in {state.reset_seconds} s.")
        self.retry_after_seconds = state.reset_seconds

    @property
    def headers(self) -> dict[str, str]:
        return {**super().headers, "Retry-After": str(self.retry_after_seconds)}


class IpNotAllowed(OAuth2Error):
    error = "ip_not_allowed"
    description = "The address is not among those allowed for this client."
    status_code = 403


class SecretValidator(OAuth2Validator):
    """Authenticates a client by any of its live `ClientSecret` rows and remembers which one it was."""

    def authenticate_client(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        """Raises InvalidClientError, the same for an unknown client, a wrong secret and one that is not live."""
        secret = _matching_secret(request.client_id or "", request.client_secret or "")
        if secret is None:
            raise InvalidClientError("The client is unknown, not active, or its secret is wrong.")
        ranges = secret.client.allowed_ip_ranges
        if ranges and not in_ranges(request.headers.get("REMOTE_ADDR"), ranges):
            raise IpNotAllowed()
        request.client, request.secret = secret.client, secret
        return True

    def client_authentication_required(self, request: Any, *args: Any, **kwargs: Any) -> bool:
        return True

    def authenticate_client_id(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> bool:
        return False  # there are no public clients

    def get_default_scopes(self, client_id: str, request: Any, *args: Any, **kwargs: Any) -> list[str]:
        return request.client.scopes

    def validate_scopes(
        self, client_id: str, scopes: list[str], client: Any, request: Any, *args: Any, **kwargs: Any
    ) -> bool:
        if not set(scopes) <= set(client.scopes):
            raise InvalidScopeError(f"This client may ask for: {client.allowed_scopes}.")
        request.scopes = [scope for scope in client.scopes if scope in scopes]
        return True

    def limit_issue(self, request: Any) -> None:
        """Raises RateLimited: without this cap a client would multiply the limit of one token."""
        state = take_or_count(Limit("token-issue", settings.TOKEN_ISSUE_LIMIT), str(request.client.pk))
        if not state.allowed:
            raise RateLimited(state, of="access tokens for this client")

    def _create_access_token(self, expires: Any, request: Any, token: Any, source_refresh_token: Any = None) -> None:
        with connection.cursor() as cursor:
            # No wait for the disk: a token lost in a crash is refused, and its client fetches another.
            cursor.execute("SET LOCAL synchronous_commit = off")
        tokens.store(token["access_token"], secret=request.secret, scopes=request.scopes)

    def revoke_token(self, token: str, token_type_hint: str, request: Any, *args: Any, **kwargs: Any) -> None:
        """Of this client only; anything else is no error (RFC 7009, section 2.2)."""
        checksum = sha256(token.encode()).hexdigest()
        AccessToken.objects.filter(token_checksum=checksum, application=request.client).delete()


class ClientCredentialsServer(TokenEndpoint, RevocationEndpoint):
    """The two endpoints, and the one grant."""

    def __init__(
        self, validator: SecretValidator, token_generator: Any = None, token_expires_in: Any = None, **kwargs: Any
    ) -> None:
        TokenEndpoint.__init__(
            self,
            default_grant_type="client_credentials",
            default_token_type=BearerToken(validator, token_generator, token_expires_in),
            grant_types={
                "client_credentials": ClientCredentialsGrant(
                    validator, pre_token=[_refuse_other_grants], post_token=[validator.limit_issue]
                )
            },
        )
        RevocationEndpoint.__init__(self, validator)


class FormBackend(OAuthLibCore):
    """Hands oauthlib what `read_form` made of the request: one place for the credentials, no unknown parameters."""

    def extract_body(self, request: HttpRequest) -> list[tuple[str, str]]:
        form = request.oauth_form  # type: ignore[attr-defined]
        known = ("grant_type", "scope", "token", "token_type_hint")
        credentials = [("client_id", form.client_id), ("client_secret", form.client_secret)]
        return credentials + [(name, form.fields[name]) for name in known if name in form.fields]


def _refuse_other_grants(request: Any) -> None:
    if request.grant_type and request.grant_type != "client_credentials":
        raise UnsupportedGrantTypeError("The only grant_type here is client_credentials.")


def _matching_secret(client_id: str, clear: str) -> ClientSecret | None:
    """The live secret of an active client that this is. The same work is done whether the client exists or not."""
    known_shape = CLIENT_ID.fullmatch(client_id) is not None
    candidates = (
        ClientSecret.objects.live()
        .filter(
            client__client_id=client_id if known_shape else "",
            client__revoked_at=None,
            client__environment__partner__status=Partner.Status.ACTIVE,
        )
        .select_related("client__environment__partner")
    )
    digest = sha256(clear.encode()).hexdigest()
    found = None
    for secret in candidates:
        if compare_digest(secret.digest, digest):
            found = secret
    compare_digest(NO_DIGEST, digest)
    return found
