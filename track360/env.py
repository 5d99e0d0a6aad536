"""The environment variables, read once and checked: a bad value stops the start with a sentence that says what to write."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

BASE_DIR = Path(__file__).resolve().parent.parent


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    value = text(name, "true" if default else "false").lower()
    if value not in {"true", "false"}:
        raise ImproperlyConfigured(f"{name} is {value!r}; write true or false.")
    return value == "true"


VAR = Path(text("TRACK360_VAR", str(BASE_DIR / "var"))).resolve()


def secret(name: str, *, debug: bool) -> str:
    if value := text(name):
        return value
    if not debug:
        raise ImproperlyConfigured(f"{name} is missing; set it in the environment.")
    path = VAR / name.lower()
    if not path.exists():
        VAR.mkdir(parents=True, exist_ok=True)
        path.write_text(secrets.token_urlsafe(48))
        path.chmod(0o600)
    return path.read_text()


def signing_key(*, debug: bool) -> str:
    if value := text("OAUTH_SIGNING_KEY"):
        return value
    if not debug:
        raise ImproperlyConfigured("OAUTH_SIGNING_KEY is missing; set it to an RSA private key in PEM.")
    path = VAR / "oauth_signing_key.pem"
    if not path.exists():
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric import rsa

        VAR.mkdir(parents=True, exist_ok=True)
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        path.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        path.chmod(0o600)
    return path.read_text()
