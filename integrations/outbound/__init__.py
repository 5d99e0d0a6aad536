"""The one way out: HTTP to hosts that partners name, to their databases, and to no others that hide behind such a name.

The name is resolved once, each of its addresses must be public, and the connection goes to an address that was checked:
a name that resolves differently a moment later changes nothing. Proxies, .netrc and certificates that the environment
names are not used. All of a call, redirects included, ends by one deadline, however slowly the other side drips.

`addresses` says what may be called, `databases` connects to databases; HTTP is here. `OUTBOUND_ALLOWED` opens
more, for development and tests: see `track360.env.outbound_allowed`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from types import TracebackType
from typing import Any, Self

import certifi
import httpcore
import httpx

from integrations.outbound.addresses import (
    Address,
    OutboundError,
    OutboundFailed,
    OutboundRefused,
    OutboundUntrusted,
    Place,
    checked_addresses,
    is_public,
    place_of,
    require_callable,
)

__all__ = [
    "Answer",
    "OutboundError",
    "OutboundFailed",
    "OutboundRefused",
    "OutboundUntrusted",
    "Session",
    "check",
    "is_public",
    "send",
]

_place = place_of

MAX_REDIRECTS = 3
REDIRECTS = frozenset({301, 302, 303, 307, 308})
# What goes along to another origin: nothing that could be a secret.
HARMLESS_HEADERS = frozenset({"accept", "accept-encoding", "user-agent"})
KEPT_SECONDS = 15  # less than most servers keep a connection that is not used
WRITE_BYTES = 4096  # between two looks at the clock


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: body as sent, at most `max_bytes`; `url` is where it came from, after redirects."""

    status: int
    headers: httpx.Headers
    body: bytes
    url: str


def send(
    method: str,
    url: str,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    deadline_seconds: float,
    max_bytes: int,
) -> Answer:
    """Make one call, as a session of its own does."""
    with Session() as session:
        return session.send(
            method, url, headers=headers, body=body, deadline_seconds=deadline_seconds, max_bytes=max_bytes
        )


def check(url: str) -> None:
    """Raise OutboundRefused for an address that could never be called. Asks no network: names are not resolved."""
    require_callable(_place(url))


class Session:
    """Calls that keep their connections: many to one host cost one look-up and one handshake.

    A kept connection leads to the address that was checked when it was made; after a failure the host is looked up and
    checked anew. One thread at a time.
    """

    def __init__(self) -> None:
        self._transports: dict[tuple[str, str, int], _Transport] = {}
        self.connect_seconds = self.tls_seconds = 0.0  # of the connections made so far

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for origin in list(self._transports):
            self._drop(origin)

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        deadline_seconds: float,
        max_bytes: int,
    ) -> Answer:
        """Make one call. Raises OutboundRefused before anything is sent, OutboundFailed where no usable answer comes.

        GET and HEAD follow up to three redirects, each checked as the first address is; what else redirects is the
        answer.
        """
        deadline = time.monotonic() + deadline_seconds
        sent = {"user-agent": "Track360", **{name.lower(): value for name, value in (headers or {}).items()}}
        sent["accept-encoding"] = "identity"  # what is packed cannot be measured against `max_bytes`
        follows = method in ("GET", "HEAD")
        for hop in range(MAX_REDIRECTS + 1):
            try:
                answer = self._call(_place(url), method, sent, body, deadline, max_bytes)
            except OutboundRefused as refusal:
                raise OutboundRefused(
                    f"It redirects, and that is refused: {refusal}" if hop else str(refusal)
                ) from None
            if not follows or answer.status not in REDIRECTS or "location" not in answer.headers:
                return answer
            here = httpx.URL(url)
            url = _join(here, answer.headers["location"])
            if not _same_origin(here, url):
                sent = {name: value for name, value in sent.items() if name in HARMLESS_HEADERS}
                body = b""
        raise OutboundFailed(f"It redirects more than {MAX_REDIRECTS} times.")

    def _call(
        self, place: Place, method: str, headers: Mapping[str, str], body: bytes, deadline: float, max_bytes: int
    ) -> Answer:
        origin = (place.url.scheme, place.host, place.port)
        request = httpx.Request(method, place.url, headers=headers, content=body or None)
        for _ in range(2):
            is_kept = origin in self._transports
            if not is_kept:
                self._transports[origin] = self._transport(place, deadline)
            try:
                return self._transports[origin].exchange(request, deadline=deadline, max_bytes=max_bytes)
            except (httpx.HTTPError, OutboundError) as error:
                self._drop(origin)
                if not isinstance(error, httpx.HTTPError):
                    raise
                # The other side may close a kept connection at the very moment in which we ask by it.
                is_closed = isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError)
                if not (is_kept and is_closed and method in ("GET", "HEAD")):
                    raise _failure(error, place) from error
        raise AssertionError("a new connection is not a kept one")

    def _transport(self, place: Place, deadline: float) -> _Transport:
        started = time.monotonic()
        addresses = checked_addresses(place, deadline=deadline)
        self.connect_seconds += time.monotonic() - started
        return _Transport(_PinnedBackend(place, addresses, deadline, self))

    def _drop(self, origin: tuple[str, str, int]) -> None:
        self._transports.pop(origin).close()


def _join(base: httpx.URL, location: str) -> str:
    try:
        return str(base.join(location))
    except (httpx.InvalidURL, UnicodeError, ValueError):
        raise OutboundFailed("It redirects to something that is no address.") from None


def _same_origin(first: httpx.URL, second: str) -> bool:
    other = httpx.URL(second)
    return (first.scheme, first.raw_host, first.port) == (other.scheme, other.raw_host, other.port)


# -- The call -----------------------------------------------------------------


def _failure(error: httpx.HTTPError, place: Place) -> OutboundFailed:
    """What happened, in words for a person."""
    if isinstance(error, httpx.TimeoutException):
        return OutboundFailed(f"{place.host} did not answer in time.")
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return OutboundUntrusted(f"The certificate of {place.host} cannot be trusted: {cause.verify_message}.")
        if isinstance(cause, ssl.SSLError):
            return OutboundFailed(f"{place.host} does not speak TLS as it should.")
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ConnectError):
        return OutboundFailed(f"{place.host} could not be connected to.")
    if isinstance(error, httpx.RemoteProtocolError | httpx.LocalProtocolError):
        return OutboundFailed(f"{place.host} does not speak HTTP as it should, or broke off.")
    return OutboundFailed(f"The connection to {place.host} broke off.")


class _Transport(httpx.HTTPTransport):
    """httpx's own, with a pool whose every connection is the backend's. Were httpx to keep its pool under another name,
    calls would fail, not leak."""

    def __init__(self, backend: _PinnedBackend) -> None:
        self._backend = backend
        self._pool = httpcore.ConnectionPool(
            ssl_context=tls_context(), network_backend=backend, max_connections=1, keepalive_expiry=KEPT_SECONDS
        )

    def exchange(self, request: httpx.Request, *, deadline: float, max_bytes: int) -> Answer:
        """Without httpx.Client: no cookies, no proxies, no .netrc, and nothing that reads a Location before we do."""
        self._backend.deadline = deadline
        response = self.handle_request(request)
        received = bytearray()
        try:
            for chunk in response.iter_raw():
                received += chunk
                if len(received) > max_bytes:
                    raise OutboundFailed(f"It answered with more than {max_bytes:,} bytes.")
        finally:
            response.close()
        return Answer(response.status_code, response.headers, bytes(received), str(request.url))


@cache
def tls_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=certifi.where())


class _PinnedBackend(httpcore.SyncBackend):
    """Connects to the addresses that were checked, in turn, whatever the name resolves to by now."""

    def __init__(self, place: Place, addresses: list[Address], deadline: float, session: Session | None = None) -> None:
        super().__init__()
        self.place, self.addresses, self.deadline = place, addresses, deadline
        self.session = session or Session()

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
        started = time.monotonic()
        for address in self.addresses:
            try:
                left = _left(self.deadline, httpcore.ConnectTimeout)
                stream = super().connect_tcp(str(address), port, left, local_address, socket_options)
                self.session.connect_seconds += time.monotonic() - started
                return _TimedStream(stream, self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    def connect_unix_socket(self, *args: Any, **kwargs: Any) -> httpcore.NetworkStream:
        raise OutboundRefused("Sockets of this machine are not called.")


class _TimedStream(httpcore.NetworkStream):
    """A connection whose every wait ends at the deadline of the call, not a fixed time after the last byte."""

    def __init__(self, stream: httpcore.NetworkStream, backend: _PinnedBackend) -> None:
        self.stream, self.backend = stream, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self.stream.read(max_bytes, _left(self.backend.deadline, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), WRITE_BYTES):
            self.stream.write(buffer[start : start + WRITE_BYTES], _left(self.backend.deadline, httpcore.WriteTimeout))

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        started = time.monotonic()
        secured = self.stream.start_tls(
            ssl_context, server_hostname, _left(self.backend.deadline, httpcore.ConnectTimeout)
        )
        self.backend.session.tls_seconds += time.monotonic() - started
        return _TimedStream(secured, self.backend)

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
