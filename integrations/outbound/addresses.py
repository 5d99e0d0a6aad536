"""Which addresses may be called, by HTTP or as a database: public ones, and what `OUTBOUND_ALLOWED` opens."""

from __future__ import annotations

import ipaddress
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx
from django.conf import settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NO_ADDRESS = "This is no address that can be called; write one like https://example.com/path."
HOST = re.compile(r"[0-9A-Za-z._:-]+")

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


class OutboundUntrusted(OutboundFailed):
    """Whoever answers cannot show to be the one that was asked for: its certificate is not in order."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a call goes, as its address says it; the host in ASCII."""

    url: httpx.URL
    host: str
    port: int


def place_of(text: str) -> Place:
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii")
    except (httpx.InvalidURL, UnicodeError, ValueError, TypeError):
        raise OutboundRefused(NO_ADDRESS) from None
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


def checked_addresses(place: Place, *, deadline: float) -> list[Address]:
    """All addresses of the host, each of which may be called."""
    addresses = _look_up(place.host, place.port, deadline)
    _require_allowed(place, addresses)
    return addresses


def database_addresses(host: str, port: int, *, deadline: float) -> tuple[list[Address], bool]:
    """All addresses of a database's host, and whether OUTBOUND_ALLOWED opens them, so that TLS may be missing.

    Any port goes: databases stand behind poolers and providers that number as they like. What is sent there first is a
    database's own greeting and nothing that the partner wrote, so no other service can be made to do anything by it.
    """
    if not HOST.fullmatch(host) or len(host) > 253:
        raise OutboundRefused("This is no host of a database; write its name alone, like db.example.com.")
    if not 0 < port < 65536:
        raise OutboundRefused("The port must be a number from 1 to 65535.")
    addresses = _look_up(host, port, deadline)
    if _are_opened(addresses, port):
        return addresses, True
    _require_public(host, addresses)
    return addresses, False


def _look_up(host: str, port: int, deadline: float) -> list[Address]:
    try:
        return _resolvers.submit(resolved, host, port).result(timeout=max(deadline - time.monotonic(), 0))
    except TimeoutError:
        raise OutboundFailed(f"{host} could not be looked up in time.") from None
    except (OSError, UnicodeError):
        raise OutboundFailed(f"{host} could not be found: its name does not resolve.") from None


def resolved(host: str, port: int, flags: int = 0) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return list(dict.fromkeys(ipaddress.ip_address(str(entry[4][0]).partition("%")[0]) for entry in found))


def _require_allowed(place: Place, addresses: list[Address]) -> None:
    if not _are_opened(addresses, place.port):
        _require_https(place)
        _require_public(place.host, addresses)


def _require_public(host: str, addresses: list[Address]) -> None:
    """One that is not public is enough for a refusal: which of them is connected to is chance."""
    if not addresses or not all(is_public(address) for address in addresses):
        # Which address it is stays unsaid: our resolver may know names that the partner must not.
        raise OutboundRefused(f"{host} does not lead to a public address.")


def _are_opened(addresses: list[Address], port: int) -> bool:
    return bool(addresses) and all(_is_opened(address, port) for address in addresses)


def require_callable(place: Place) -> None:
    """Refuse what is wrong whatever the network says: names are not resolved."""
    try:
        _require_allowed(place, resolved(place.host, place.port, socket.AI_NUMERICHOST))
    except OSError:  # a name, not an address in any of its spellings
        return
    except UnicodeError:
        raise OutboundRefused(NO_ADDRESS) from None


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
