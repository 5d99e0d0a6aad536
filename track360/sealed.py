"""Secrets at rest: encrypted in the database with FIELD_KEYS, by AES-256 in GCM."""

from __future__ import annotations

import base64
import secrets
from typing import Any

from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

NONCE_BYTES = 12


def seal(text: str, *, purpose: str) -> str:
    """`NAME:` and base64, under the first key. Opens with the same purpose alone: no field stands in for another."""
    name, key = next(iter(settings.FIELD_KEYS.items()))
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = nonce + AESGCM(key).encrypt(nonce, text.encode(), purpose.encode())
    return f"{name}:{base64.b64encode(sealed).decode()}"


def unseal(sealed: str, *, purpose: str) -> str:
    """Raises KeyError where the key is no longer in FIELD_KEYS, InvalidTag where text or purpose is another."""
    name, _, body = sealed.partition(":")
    raw = base64.b64decode(body)
    opened = AESGCM(settings.FIELD_KEYS[name]).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], purpose.encode())
    return opened.decode()


def is_current(sealed: str) -> bool:
    """Whether it was sealed under the key that seals now."""
    return sealed.partition(":")[0] == next(iter(settings.FIELD_KEYS))


class MfaAdapter(DefaultMFAAdapter):
    """Who reads the database, or a backup, has nobody's second factor. Of a passkey only the public half is here."""

    PURPOSE = "second factor"

    def encrypt(self, text: str) -> str:
        return seal(text, purpose=self.PURPOSE)

    def decrypt(self, encrypted_text: str) -> str:
        return unseal(encrypted_text, purpose=self.PURPOSE)

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        number = Authenticator.objects.filter(user_id=user.pk, type=type).count()
        return f"Passkey {number + 1}" if number else "Passkey"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        """Under this server's public name, and as the device shows it."""
        return {**super().get_public_key_credential_rp_entity(), "name": settings.MFA_TOTP_ISSUER}
