"""The one way out: HTTP to hosts that partners name, and to no others that hide behind such a name.

The name is resolved once, each of its addresses must be public, and the connection goes to an address that was checked:
a name that resolves differently a moment later changes nothing. Proxies, .netrc and certificates that the environment
names are not used. All of a call, redirects included, ends by one deadline, however slowly the other side drips.

`OUTBOUND_ALLOWED` opens more, for development and tests: see `track360.env.outbound_allowed`.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import ssl
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import certifi
import httpcore
import httpx
from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What goes along to another origin: nothing that could be a secret.
HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "user-agent"})
NO_ADDRESS = "This is no address that can be called; write one like https://example.com/path."
HOST = re.compile(r"[0-9A-Za-z._:-]+")
WRITE_BYTES = 4096  # between two looks at the clock

NAT64 = ipaddress.ip_network("64:ff9b::/96")
IPV6_UNICAST = ipaddress.ip_network("2000::/3")
# Neither private by the standard library's word, nor anybody's host: protocol assignments, the 6to4 relay, the inner
# service of Azure's machines; documentation and benchmarking of IPv6.
NOBODYS = [
    ipaddress.ip_network(network)
    for network in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "3fff::/20", "5f00::/16")
]

# Resolving knows no deadline of its own, so that another thread does it. A hung one ends with the resolver's patience.
_resolvers = ThreadPoolExecutor(max_workers=32, thread_name_prefix="resolve")


class OutboundError(Exception):
    """What went wrong, as a sentence for the person whose address it is."""


class OutboundRefused(OutboundError):
    """We do not go there: the address is not one that we may call. Nothing was sent."""


class OutboundFailed(OutboundError):
    """We went, and no answer came that can be used."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: body as sent, at most `max_bytes`; `url` is where it came from, after redirects."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call goes, as its address says it; the host in ASCII."""

    url: httpx.URL
    host: str
    port: int


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    deadline_seconds: float,
    max_bytes: int,
) -> Answer:
    """Make one call. Raises OutboundRefused before anything is sent, OutboundFailed where no usable answer comes.

    GET and HEAD follow up to three redirects, each checked as the first address is; what else redirects is the answer.
    """
    deadline = time.monotonic() + deadline_seconds
    sent = {"user-agent": "Track360", **{name.lower(): value for name, value in (headers or {}).items()}}
    sent["accept-encoding"] = "identity"  # what is packed cannot be measured against `max_bytes`
    for _ in range(MAX_REDIRECTS + 1):
        place = _place(url)
        addresses = _checked_addresses(place, deadline=deadline)
        answer = _exchange(method, place, addresses, sent, body, deadline=deadline, max_bytes=max_bytes)
        if method not in ("GET", "HEAD") or answer.status not in REDIRECTS or "location" not in answer.headers:
            return answer
        url = _join(place.url, answer.headers["location"])
        if not _same_origin(place.url, url):
            sent = {name: value for name, value in sent.items() if name in HARMLESS_HEADERS}
            body = b""
    raise OutboundFailed(f"It redirects more than {MAX_REDIRECTS} times.")


def check(url: str) -> None:
    """Raise OutboundRefused for an address that could never be called. Asks no network: names are not resolved."""
    place = _place(url)
    try:
        _require_allowed(place, _resolved(place, socket.AI_NUMERICHOST))
    except OSError:  # a name, not an address in any of its spellings
        return
    except UnicodeError:
        raise OutboundRefused(NO_ADDRESS) from None


# -- Where to -----------------------------------------------------------------


def _place(text: str) -> Place:
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        raise OutboundRefused(
            "This is no address that can be called; write one like https://example.com/path."
        ) from None
    if url.scheme not in ("https", "http") or not host:
        raise OutboundRefused("The address must begin with https:// and name a host.")
    if url.userinfo:
        raise OutboundRefused("The address must not hold a user name or a password.")
    place = Place(url, host, url.port or (443 if url.scheme == "https" else 80))
    if not HOST.fullmatch(host) or place.port > 65535:
        raise OutboundRefused(NO_ADDRESS)
    if all(isinstance(what, str) for what, _ in settings.OUTBOUND_ALLOWED):
        _require_https(place)  # otherwise the host may lead to an address that is opened
    return place


def _join(base: httpx.URL, location: str) -> str:
    try:
        return str(base.join(location))
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise OutboundFailed("It redirects to something that is no address.") from None


def _same_origin(first: httpx.URL, second: str) -> bool:
    other = httpx.URL(second)
    return (first.scheme, first.raw_host, first.port) == (other.scheme, other.raw_host, other.port)


def _checked_addresses(place: Place, *, deadline: float) -> list[Address]:
    """All addresses of the host, each of which may be called."""
    try:
        addresses = _resolvers.submit(_resolved, place).result(timeout=max(deadline - time.monotonic(), 0))
    except TimeoutError:
        raise OutboundFailed(f"{place.host} could not be looked up in time.") from None
    except (OSError, UnicodeError):
        raise OutboundFailed(f"{place.host} could not be found: its name does not resolve.") from None
    _require_allowed(place, addresses)
    return addresses


def _resolved(place: Place, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


def _require_allowed(place: Place, addresses: list[Address]) -> None:
    """One that is not public is enough for a refusal: which of them is connected to is chance."""
    if addresses and all(_is_opened(address, place.port) for address in addresses):
        return
    _require_https(place)
    if not addresses or not all(is_public(address) for address in addresses):
        # Which address it is stays unsaid: our resolver may know names that the partner must not.
        raise OutboundRefused(f"{place.host} does not lead to a public address.")


def _require_https(place: Place) -> None:
    if place.url.scheme != "https":
        raise OutboundRefused("The address must begin with https://.")
    if place.port != 443 and (place.host.lower(), place.port) not in settings.OUTBOUND_ALLOWED:
        raise OutboundRefused(f"Port {place.port} is not open to calls from here; use 443.")


def _is_opened(address: Address, port: int) -> bool:
    """Whether OUTBOUND_ALLOWED names the address or its network; `::ffff:127.0.0.1` is not named by 127.0.0.0/8."""
    return any(
        not isinstance(network, str) and address in network and opened_port in (None, port)
        for network, opened_port in settings.OUTBOUND_ALLOWED
    )


def is_public(address: Address) -> bool:
    """Whether the address is somebody's on the internet, once what wraps an IPv4 address is taken off."""
    if isinstance(address, ipaddress.IPv6Address):
        inner = address.ipv4_mapped or address.sixtofour
        if address in NAT64:
            inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(inner)
        if address not in IPV6_UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in NOBODYS)


# -- The call -----------------------------------------------------------------


def _exchange(
    method: str,
    place: Place,
    addresses: list[Address],
    headers: Mapping[str, str],
    body: bytes,
    *,
    deadline: float,
    max_bytes: int,
) -> Answer:
    request = httpx.Request(method, place.url, headers=headers, content=body or None)
    received = bytearray()
    try:
        # Without httpx.Client: no cookies, no proxies, no .netrc, and nothing that reads a Location before we do.
        with _Transport(_PinnedBackend(place, addresses, deadline)) as transport:
            response = transport.handle_request(request)
            for chunk in response.iter_raw():
                received += chunk
                if len(received) > max_bytes:
                    raise OutboundFailed(f"It answered with more than {max_bytes:,} bytes.")
            return Answer(response.status_code, response.headers, bytes(received), str(place.url))
    except httpx.HTTPError as error:
        raise OutboundFailed(_sentence(error, place)) from error


def _sentence(error: httpx.HTTPError, place: Place) -> str:
    """What happened, in words for a person."""
    if isinstance(error, httpx.TimeoutException):
        return f"{place.host} did not answer in time."
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"The certificate of {place.host} cannot be trusted: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return f"{place.host} does not speak TLS as it should."
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return f"{place.host} could not be connected to."
    if isinstance(error, httpx.RemoteProtocolError | httpx.LocalProtocolError):
        return f"{place.host} does not speak HTTP as it should, or broke off."
    return f"The connection to {place.host} broke off."


class _Transport(httpx.HTTPTransport):
    """httpx's own, with a pool whose every connection is the backend's. Were httpx to keep its pool under another name,
    calls would fail, not leak."""

    def __init__(self, backend: _PinnedBackend) -> None:
        self._pool = httpcore.ConnectionPool(ssl_context=tls_context(), network_backend=backend)


@cache
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


class _PinnedBackend(httpcore.SyncBackend):
    """Connects to the addresses that were checked, in turn, whatever the name resolves to by now."""

    def __init__(self, place: Place, addresses: list[Address], deadline: float) -> None:
        super().__init__()
        self.place, self.addresses, self.deadline = place, addresses, deadline

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        if (host, port) != (self.place.host, self.place.port):
            raise OutboundRefused(f"{host} was not checked.")
        failure: Exception = httpcore.ConnectError("no address")
        for address in self.addresses:
            try:
                left = _left(self.deadline, httpcore.ConnectTimeout)
                stream = super().connect_tcp(str(address), port, left, local_address, socket_options)
                return _TimedStream(stream, self.deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise OutboundRefused("Sockets of this machine are not called.")


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends at the call's deadline, not a fixed time after the last byte."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: float) -> None:
        self.stream, self.deadline = stream, deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            self.stream.write(buffer[start : start + WRITE_BYTES], _left(self.deadline, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = _left(self.deadline, httpcore.ConnectTimeout)
        return _TimedStream(self.stream.start_tls(ssl_context, server_hostname, left), self.deadline)

    def get_extra_info(self, info: str) -> Any:
        return self.stream.get_extra_info(info)

    def close(self) -> None:
        self.stream.close()


def _left(deadline: float, timeout: type[Exception]) -> float:
    """Seconds until the deadline; raises `timeout` once it is past."""
    left = deadline - time.monotonic()
    if left <= 0:
        raise timeout("deadline")
    return left
