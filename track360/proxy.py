"""Where a request comes from. `X-Forwarded-For` and `X-Forwarded-Proto` count only from TRUSTED_PROXIES."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable
from functools import cache, lru_cache

from django.conf import settings
from django.http import HttpRequest, HttpResponse

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
CLAIMS_OF_HTTPS = ("HTTP_X_FORWARDED_PROTO", "HTTP_X_FORWARDED_PROTOCOL", "HTTP_X_FORWARDED_SSL")

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def client_ip(request: HttpRequest) -> str | None:
    """The caller's address, behind trusted proxies too; None where there is none (a unix socket)."""
    address = _address(request.META.get("REMOTE_ADDR"))
    return None if address is None else str(address)


def in_ranges(address: str | None, ranges: Iterable[str | Network]) -> bool:
    """Whether the address is in one of the networks. `::ffff:192.0.2.7` is 192.0.2.7."""
    parsed = _address(address)
    return parsed is not None and any(parsed in _network(network) for network in ranges)


class TrustedProxyMiddleware:
    """Rewrites REMOTE_ADDR and the scheme from the forwarded headers where the peer is a trusted proxy.

    From anybody else a header that claims https makes the request plain http, also where the web server believed it.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        peer = request.META.get("REMOTE_ADDR")
        if settings.TRUSTED_PROXIES and in_ranges(peer, settings.TRUSTED_PROXIES):
            request.META["REMOTE_ADDR"] = _forwarded_for(request) or peer
            # Proxies in a row append; the last word is that of the one we trust.
            scheme = request.META.get("HTTP_X_FORWARDED_PROTO", "").rpartition(",")[2].strip().lower()
            request.META["wsgi.url_scheme"] = "https" if scheme == "https" else "http"
        elif any(header in request.META for header in CLAIMS_OF_HTTPS):
            request.META["wsgi.url_scheme"] = "http"
        return self.get_response(request)


def _forwarded_for(request: HttpRequest) -> str | None:
    """The nearest address that is no trusted proxy; what a caller wrote himself stands further left."""
    for text in reversed(request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")):
        address = _address(text)
        if address is None:
            return None
        if not in_ranges(str(address), settings.TRUSTED_PROXIES):
            return str(address)
    return None


@lru_cache(maxsize=1024)
def _address(text: str | None) -> Address | None:
    try:
        address = ipaddress.ip_address((text or "").strip())
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


@cache
def _network(network: str | Network) -> Network:
    return ipaddress.ip_network(network)
