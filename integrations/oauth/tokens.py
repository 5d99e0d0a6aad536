"""Access tokens: RS256 JWTs as RFC 9068 has them, and the rows that decide whether one still counts."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterable
from datetime import timedelta
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from django.conf import settings
from django.utils import timezone
from jwcrypto import jwk
from oauth2_provider.models import AccessToken, set_token_value
from oauth2_provider.settings import oauth2_settings

from integrations.models import Client, ClientSecret, TokenOrigin

ALGORITHM = "RS256"
TYPE = "at+jwt"


@cache
def _key(pem: str) -> tuple[RSAPrivateKey, dict[str, Any]]:
    """The signing key and its public half as a JWK (RFC 7517) whose `kid` is its thumbprint (RFC 7638)."""
    key = serialization.load_pem_private_key(pem.encode(), password=None)
    assert isinstance(key, RSAPrivateKey)
    public = jwk.JWK.from_pyca(key.public_key())
    fields = public.export_public(as_dict=True)
    return key, {**fields, "kid": public.thumbprint(), "use": "sig", "alg": ALGORITHM}


def public_keys() -> list[dict[str, Any]]:
    return [_key(settings.OAUTH_SIGNING_KEY)[1]]


def audience() -> str:
    return f"{settings.BASE_URL}/api"


def sign(client: Client, *, scopes: Iterable[str]) -> str:
    """A new token for this client. `jti` keeps two tokens of the same second apart."""
    key, public = _key(settings.OAUTH_SIGNING_KEY)
    now = int(time.time())
    claims = {
        "iss": settings.BASE_URL,
        "sub": client.client_id,
        "client_id": client.client_id,
        "aud": audience(),
        "iat": now,
        "exp": now + oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS,
        "jti": uuid.uuid4().hex,
        "scope": " ".join(scopes),
    }
    return jwt.encode(claims, key, algorithm=ALGORITHM, headers={"typ": TYPE, "kid": public["kid"]})


def signed_token(request: Any, refresh_token: bool = False) -> str:
    """django-oauth-toolkit's ACCESS_TOKEN_GENERATOR."""
    return sign(request.client, scopes=request.scopes)


def store(token: str, *, secret: ClientSecret, scopes: Iterable[str]) -> None:
    """Make the token count: its checksum and the secret that fetched it. To be called in a transaction."""
    now = timezone.now()
    row = AccessToken(
        application=secret.client,
        scope=" ".join(scopes),
        expires=now + timedelta(seconds=oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS),
    )
    set_token_value(row, token)
    row.save()
    TokenOrigin.objects.create(token=row, secret=secret)
    secret.last_used_at = now
    secret.save(update_fields=["last_used_at"])


def was_ours_and_expired(token: str) -> bool:
    """Whether a token of which no row is left was issued here and has run out: expired rows are deleted every hour."""
    key, _ = _key(settings.OAUTH_SIGNING_KEY)
    try:
        jwt.decode(token, key.public_key(), algorithms=[ALGORITHM], audience=audience(), issuer=settings.BASE_URL)
    except jwt.ExpiredSignatureError:
        return True
    except jwt.InvalidTokenError:
        return False
    return False
