"""The environment variables, checked: a bad value stops the start with a sentence that says what to write.

Every variable stands in `.env.example`. With neither DEBUG nor DATABASE_URL set this is a developer's machine: DEBUG is
on, and keys that are missing are made and kept under `TRACK360_VAR`. With DATABASE_URL set DEBUG is off unless it says
otherwise, and the keys must be given.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import os
import secrets
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

BASE_DIR = Path(__file__).resolve().parent.parent


class Misconfigured(SystemExit):
    """A variable is missing or bad. As a SystemExit it ends the process with its sentence and no traceback."""


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, "").strip() or default


def flag(name: str, default: bool) -> bool:
    value = text(name, "true" if default else "false").lower()
    if value not in {"true", "false", "1", "0"}:
        raise Misconfigured(f"{name} is {value!r}; write true or false.")
    return value in {"true", "1"}


def port(name: str, default: int) -> int:
    value = text(name, str(default))
    if not (value.isascii() and value.isdigit() and 0 < int(value) < 65536):
        raise Misconfigured(f"{name} is {value!r}; write a port number from 1 to 65535.")
    return int(value)


VAR = Path(text("TRACK360_VAR", str(BASE_DIR / "var"))).resolve()
DEBUG = flag("DEBUG", not text("DATABASE_URL"))
PORT = port("PORT", 8000)


def base_url() -> str:
    """Where users and partners reach us, without a trailing slash."""
    value = text("TRACK360_BASE_URL", f"http://localhost:{PORT}").rstrip("/")
    parts = _split("TRACK360_BASE_URL", value, {"http", "https"}, "https://portal.example.com")
    if not parts.hostname or parts.path or parts.query or parts.fragment:
        raise Misconfigured(
            f"TRACK360_BASE_URL is {value!r}; write scheme and host only, like https://portal.example.com."
        )
    return value


def database_url(default: str) -> str:
    value = text("DATABASE_URL", default)
    example = "postgresql://user:password@host:5432/database"
    parts = _split("DATABASE_URL", value, {"postgres", "postgresql"}, example)
    if not parts.path.strip("/"):
        raise Misconfigured(f"DATABASE_URL names no database; write {example}.")
    return value


def redis_url(default: str) -> str:
    value = text("REDIS_URL", default)
    _split("REDIS_URL", value, {"redis", "rediss", "unix"}, "redis://host:6379/0")
    return value


def broker_url(redis_url: str) -> str:
    """The same place in the words of Celery, which spells unix sockets in its own way."""
    parts = urlsplit(redis_url)
    if parts.scheme != "unix":
        return redis_url
    return f"redis+socket://{parts.path}?virtual_host={parse_qs(parts.query).get('db', ['0'])[0]}"


def networks(name: str) -> list[Network]:
    """Comma-separated addresses or networks; none by default."""
    try:
        return [ipaddress.ip_network(part.strip()) for part in text(name).split(",") if part.strip()]
    except ValueError as error:
        raise Misconfigured(f"{name}: {error}; write addresses or networks, like 10.0.0.0/8,192.0.2.7.") from None


def outbound_allowed() -> list[tuple[Network | str, int | None]]:
    """What `integrations.outbound` may call beyond public addresses by https at port 443; nothing by default.

    An address or network (`127.0.0.0/8`), or one address at one port (`127.0.0.1:5050`), may be called though it is
    private, and by plain http: for development and tests. A name with a port (`api.example.com:8443`) opens that port
    of that host, which must be public and speak https all the same.
    """
    allowed: list[tuple[Network | str, int | None]] = []
    for part in filter(None, (part.strip() for part in text("OUTBOUND_ALLOWED").split(","))):
        try:
            allowed.append((ipaddress.ip_network(part), None))
        except ValueError:
            allowed.append(_host_and_port(part))
    return allowed


def _host_and_port(part: str) -> tuple[Network | str, int]:
    try:
        parts = urlsplit(f"//{part}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if not host or not port or parts.netloc != part or parts.username is not None:
        raise Misconfigured(
            f"OUTBOUND_ALLOWED: {part!r} is neither an address, a network nor a host with a port; "
            "write them like 127.0.0.0/8,127.0.0.1:5050,api.example.com:8443."
        )
    try:
        return ipaddress.ip_network(host), port
    except ValueError:
        return host, port


def email() -> dict[str, Any]:
    """Django's settings for outgoing mail. Without EMAIL_URL mail is written to the log."""
    value = text("EMAIL_URL")
    if not value:
        return {"EMAIL_BACKEND": "django.core.mail.backends.console.EmailBackend"}
    parts = _split("EMAIL_URL", value, {"smtp", "smtps"}, "smtp://user:password@host:587")
    tls = parts.scheme == "smtps"
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": parts.hostname,
        "EMAIL_PORT": parts.port or (465 if tls else 587),
        "EMAIL_HOST_USER": unquote(parts.username or ""),
        "EMAIL_HOST_PASSWORD": unquote(parts.password or ""),
        "EMAIL_USE_SSL": tls,
        "EMAIL_USE_TLS": not tls and parts.hostname not in {"localhost", "127.0.0.1"},
        "EMAIL_TIMEOUT": 10,
    }


def secret_key() -> str:
    value = _key("SECRET_KEY", lambda: secrets.token_urlsafe(48), "at least 50 random characters")
    if len(value) < 50:
        raise Misconfigured("SECRET_KEY is too short; write at least 50 random characters.")
    return value


def signing_key() -> str:
    """The RSA private key, in PEM, that signs access tokens (RFC 9068)."""
    wanted = "an RSA private key of at least 2048 bits in PEM, as `openssl genrsa 2048` prints it"
    value = _key("OAUTH_SIGNING_KEY", _new_signing_key, wanted).replace("\\n", "\n")
    try:
        key = serialization.load_pem_private_key(value.encode(), password=None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, rsa.RSAPrivateKey) or key.key_size < 2048:
        raise Misconfigured(f"OAUTH_SIGNING_KEY cannot be used; write {wanted}.")
    return value


def field_keys() -> dict[str, bytes]:
    """Name to 32-byte key for secrets at rest. The first one encrypts; the others still decrypt what they encrypted."""
    wanted = "NAME:KEY[,NAME:KEY], each KEY 32 random bytes in base64; the first one encrypts"
    value = _key("FIELD_KEYS", lambda: f"dev:{base64.b64encode(secrets.token_bytes(32)).decode()}", wanted)
    try:
        pairs = [part.strip().split(":") for part in value.split(",")]
        keys = {name: base64.b64decode(key, validate=True) for name, key in pairs}
    except (ValueError, binascii.Error):
        keys = {}
    if not keys or any(not name or len(key) != 32 for name, key in keys.items()):
        raise Misconfigured(f"FIELD_KEYS cannot be used; write {wanted}.")
    return keys


def _split(name: str, value: str, schemes: set[str], example: str) -> SplitResult:
    try:
        parts = urlsplit(value)
        parts.port  # noqa: B018 - raises ValueError where it is no number
    except ValueError:
        parts = SplitResult("", "", "", "", "")
    if parts.scheme not in schemes:
        # The value is not shown: it may hold a password.
        raise Misconfigured(f"{name} is no address that can be used; write {example}.")
    return parts


def _key(name: str, make: Callable[[], str], wanted: str) -> str:
    """From NAME, from the file that NAME_FILE names, or in development made once and kept."""
    if value := text(name):
        return value
    if path := text(f"{name}_FILE"):
        try:
            return Path(path).read_text().strip()
        except (OSError, ValueError) as error:
            raise Misconfigured(f"{name}_FILE cannot be read ({error}); write the path of a text file.") from None
    if not DEBUG:
        raise Misconfigured(f"{name} is missing; write into it, or into a file that {name}_FILE names: {wanted}.")
    return _kept(VAR / "keys" / name.lower(), make)


def _kept(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that is made once. Of two processes that make it at once the first wins; both read its."""
    if not path.exists():
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise Misconfigured(
                f"{path.parent} cannot be made ({error.strerror}); write a folder into TRACK360_VAR."
            ) from None
        descriptor, new = tempfile.mkstemp(dir=path.parent)  # with mode 0600
        with open(descriptor, "w") as file:
            file.write(make())
        with suppress(FileExistsError):
            os.link(new, path)
        os.unlink(new)
    return path.read_text()


def _new_signing_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return pem.decode()
