"""What may stand in a connection: where it leads, and how it is signed in to. No rule asks a network."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Any

import httpx
from cryptography import x509
from django.core.exceptions import ValidationError

from integrations import outbound
from integrations.models import Connection

Kind, Auth = Connection.Kind, Connection.Auth
Values = Mapping[str, Any]

NAME_LENGTH = 100
SECRET_LENGTH = 5000
CERTIFICATE_LENGTH = 50_000
REST_FIELDS = ("base_url", "auth", "auth_header", "token_url", "scope")
SQL_FIELDS = ("host", "port", "database", "ca_certificate")
# Where it leads and how it signs in: what a test that passed says nothing about any more once it changes.
TESTED = (*REST_FIELDS, *SQL_FIELDS, "user")
FIELDS = ("name", *TESTED)
PLACE = ("base_url", "host", "port", "database")
LENGTHS: dict[str, int] = {
    "name": NAME_LENGTH,
    "base_url": 500,
    "auth": 8,
    "auth_header": 100,
    "token_url": 500,
    "scope": 500,
    "host": 253,
    "port": 5,
    "database": 100,
    "ca_certificate": CERTIFICATE_LENGTH,
    "user": 200,
}
EMPTY: dict[str, Any] = {"auth": Auth.NONE, "port": None}
USED_BY: dict[str, frozenset[str]] = {
    "auth_header": frozenset({Auth.HEADER}),
    "token_url": frozenset({Auth.OAUTH}),
    "scope": frozenset({Auth.OAUTH}),
    "user": frozenset({Auth.BASIC, Auth.OAUTH}),
}
NEEDS_SECRET = frozenset({Auth.HEADER, Auth.BEARER, Auth.OAUTH})

# RFC 9110, section 5.6.2
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
# Those that say where a request goes, or where it ends; and what is said between two machines alone.
NOT_A_KEY = frozenset(
    [
        "host",
        "content-length",
        "content-type",
        "content-encoding",
        "transfer-encoding",
        "connection",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "expect",
        "accept",
        "accept-encoding",
        "range",
        "user-agent",
    ]
)
HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
LABEL = "[0-9A-Za-z_](?:[0-9A-Za-z_-]*[0-9A-Za-z_])?"
HOST_NAME = re.compile(rf"{LABEL}(?:\.{LABEL})*\.?")
DATABASE = re.compile(r"[\w$.-](?:[\w$. -]*[\w$.-])?")
PORTS = range(1, 65536)
DEFAULT_PORTS: dict[str, int] = {Kind.POSTGRESQL: 5432, Kind.MYSQL: 3306}


class Faults:
    """What is wrong first, by field; the code of each is the field's name, with the member's after a dot."""

    def __init__(self) -> None:
        self.found: list[ValidationError] = []

    def add(self, field: str, message: str) -> None:
        if all(fault.code != field for fault in self.found):
            self.found.append(ValidationError(message, code=field))

    def refuse(self) -> None:
        if self.found:
            raise ValidationError(self.found)


def checked_connection(kind: str, values: Values) -> dict[str, Any]:
    """The fields of a connection as they are stored, each that its kind does not use empty. Raises ValidationError."""
    faults = Faults()
    found = {name: _plain(values.get(name), name) for name in FIELDS}
    _check_text(found, faults)
    if not (found["name"] and found["name"].isprintable()):
        faults.add("name", f"Give the connection a name of 1 to {NAME_LENGTH} printable characters.")
    if kind == Kind.REST:
        _check_unused(found, SQL_FIELDS, "A REST API", faults)
        _check_rest(found, faults)
    else:
        _check_unused(found, REST_FIELDS, "A database", faults)
        _check_sql(found, faults, kind=kind)
    faults.refuse()
    return found


def _plain(value: Any, name: str) -> Any:
    if value is None:
        return EMPTY.get(name, "")
    return value.strip() if isinstance(value, str) else value


def _check_text(found: dict[str, Any], faults: Faults) -> None:
    for name, value in found.items():
        most = LENGTHS[name]
        if isinstance(value, str) and "\x00" in value:
            faults.add(name, "NUL stands nowhere.")
            found[name] = EMPTY.get(name, "")
        elif isinstance(value, str) and len(value) > most:
            faults.add(name, f"Write at most {most:,} characters.")


def _check_unused(found: Values, names: tuple[str, ...], what: str, faults: Faults) -> None:
    for name in names:
        if found[name] != EMPTY.get(name, ""):
            faults.add(name, f"{what} has no such setting; leave it out.")


# -- REST ---------------------------------------------------------------------


def _check_rest(found: dict[str, Any], faults: Faults) -> None:
    auth = found["auth"]
    _check_address("base_url", found["base_url"], faults)
    if auth not in Auth.values:
        faults.add("auth", f"Choose one of {', '.join(Auth.values)}.")
        return
    for name, users in USED_BY.items():
        if found[name] and auth not in users:
            faults.add(name, f"It is not used where the sign-in is {Auth(auth).label!r}; leave it out.")
    if auth == Auth.HEADER:
        _check_header(found["auth_header"], faults)
    if auth in USED_BY["user"]:
        _check_user(found["user"], faults, colon=auth == Auth.OAUTH)
    if auth == Auth.OAUTH:
        _check_address("token_url", found["token_url"], faults)
        if found["scope"] and not found["scope"].isprintable():
            faults.add("scope", "Write the scopes with blanks between them.")


def _check_address(name: str, url: str, faults: Faults) -> None:
    try:
        outbound.check(url)
    except outbound.OutboundRefused as refusal:
        faults.add(name, str(refusal))
        return
    address = httpx.URL(url)
    if address.query or address.fragment or "?" in url or "#" in url:
        faults.add(name, "Write it without ? and #; parameters belong to the feed.")


def _check_header(name: str, faults: Faults) -> None:
    if not TOKEN.fullmatch(name):
        faults.add("auth_header", "Write the header's name, such as X-Api-Key: letters, digits and hyphens.")
    elif name.lower() in NOT_A_KEY or name.lower().startswith(("proxy-", "sec-")):
        faults.add("auth_header", f"{name} says how a request is sent; a key cannot stand in it.")


def _check_user(user: str, faults: Faults, *, colon: bool) -> None:
    if not user or not user.isprintable():
        faults.add("user", "Write who signs in, in printable characters.")
    elif ":" in user and not colon:
        faults.add("user", "A user name for Basic holds no colon (RFC 7617).")


# -- SQL ----------------------------------------------------------------------


def _check_sql(found: dict[str, Any], faults: Faults, *, kind: str) -> None:
    if not is_host(found["host"]):
        faults.add(
            "host", "Write a plain host name or address, such as replica.example.com: no port, user, path or list."
        )
    port = found["port"]
    if port is None:
        found["port"] = DEFAULT_PORTS[kind]
    elif isinstance(port, bool) or not isinstance(port, int) or port not in PORTS:
        faults.add("port", "A port is a number from 1 to 65535.")
    if not DATABASE.fullmatch(found["database"]):
        faults.add("database", "Write the database's name alone: letters, digits, _ $ . - and blanks between them.")
    _check_user(found["user"], faults, colon=True)
    if found["ca_certificate"]:
        _check_certificate(found["ca_certificate"], faults)


def is_host(text: str) -> bool:
    try:
        return bool(ipaddress.ip_address(text)) and "%" not in text
    except ValueError:
        return bool(HOST_NAME.fullmatch(text))


def _check_certificate(text: str, faults: Faults) -> None:
    if "PRIVATE KEY" in text:
        faults.add("ca_certificate", "This holds a private key. Send the certificate alone, and replace that key.")
        return
    try:
        x509.load_pem_x509_certificates(text.encode())
    except ValueError:
        faults.add("ca_certificate", "This is no certificate in PEM: it begins with -----BEGIN CERTIFICATE-----.")


# -- Secrets ------------------------------------------------------------------


def check_secret(connection: Connection, clear: str) -> None:
    """Raises ValidationError (code `secret`) for what could never be sent."""
    if not connection.is_sql and connection.auth == Auth.NONE:
        raise ValidationError("This connection signs in with nothing; it has no secret.", code="secret")
    if len(clear) > SECRET_LENGTH:
        raise ValidationError(f"A secret has at most {SECRET_LENGTH:,} characters.", code="secret")
    if "\x00" in clear:
        raise ValidationError("NUL stands nowhere.", code="secret")
    if connection.auth in (Auth.HEADER, Auth.BEARER) and not HEADER_VALUE.fullmatch(clear):
        raise ValidationError(
            "It goes into a header: printable ASCII, without a line's end or blanks around it.", code="secret"
        )


def places(connection: Connection) -> set[tuple[str, str, int | None]]:
    """Where its secret is sent to."""
    if connection.is_sql:
        return {(connection.kind, connection.host.lower().rstrip("."), connection.port)}
    addresses = [httpx.URL(url) for url in (connection.base_url, connection.token_url) if url]
    return {(address.scheme, address.host, address.port) for address in addresses}
