"""The one way out: nothing private is called, however its address is spelled, and nobody holds a call up."""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from typing import Any

import httpcore
import httpx
import pytest

from integrations import outbound
from integrations.outbound import OutboundFailed, OutboundRefused, is_public, send
from tests.partner_server import PartnerServer, answers, certificate, drips, floods, hangs, partner_server

LOOPBACK = [(ipaddress.ip_network("127.0.0.0/8"), None)]
METADATA = "169.254.169.254"

Connects = list[tuple[str, int]]


@pytest.fixture
def connects(monkeypatch: pytest.MonkeyPatch) -> Connects:
    """Every address that a connection is tried to; none is made but to loopback."""
    seen: Connects = []
    really = socket.socket.connect

    def connect(self: socket.socket, address: Any) -> None:
        if self.family != socket.AF_UNIX:
            seen.append(address[:2])
            if address[0] != "127.0.0.1":
                raise ConnectionRefusedError
        really(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    return seen


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[list[str]]]:
    """Name -> what it resolves to at the first, second … look-up; the last one stays."""
    known: dict[str, list[list[str]]] = {}
    really = socket.getaddrinfo

    def getaddrinfo(host: str, port: int, *args: Any, **kwargs: Any) -> Any:
        turns = known.get(host)
        if not turns:
            return really(host, port, *args, **{**kwargs, "flags": socket.AI_NUMERICHOST})
        found = turns.pop(0) if len(turns) > 1 else turns[0]
        return [(socket.AF_INET6 if ":" in ip else socket.AF_INET, 1, 6, "", (ip, port)) for ip in found]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return known


@pytest.fixture
def server() -> Iterator[PartnerServer]:
    with partner_server() as server:
        yield server


@pytest.fixture
def loopback(settings: Any) -> None:
    settings.OUTBOUND_ALLOWED = LOOPBACK


def get(url: str, *, seconds: float = 5, max_bytes: int = 10_000, **options: Any) -> outbound.Answer:
    return send("GET", url, deadline_seconds=seconds, max_bytes=max_bytes, **options)


# -- Where it goes ------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "0x7f000001",
        "0x7f.1",
        "017700000001",
        "2130706433",
        "0",
        "0.0.0.0",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",  # CGNAT
        "100.100.100.200",  # metadata of Alibaba
        "168.63.129.16",  # Azure's inner service
        METADATA,
        "0xa9fea9fe",
        "192.0.0.192",  # metadata of Oracle
        "198.18.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:a9fe:a9fe]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[64:ff9b::169.254.169.254]",
        "[64:ff9b:1::a9fe:a9fe]",
        "[2002:7f00:1::]",
        "[2002:a9fe:a9fe::1]",
        "[2001:0:7f00:1::]",  # Teredo
        "[fd00:ec2::254]",
        "[fe80::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[2001:db8::1]",
        "private.example",
        "mixed.example",
        "mapped.example",
        "scoped.example",
    ],
)
def test_nothing_private_is_called_however_it_is_spelled(
    connects: Connects, names: dict[str, list[list[str]]], host: str
):
    names |= {
        "private.example": [["10.0.0.5"]],
        "mixed.example": [["93.184.216.34", "127.0.0.1"]],
        "mapped.example": [["::ffff:10.0.0.5"]],
        "scoped.example": [["fe80::1%eth0"]],
    }
    with pytest.raises(OutboundRefused, match="does not lead to a public address"):
        get(f"https://{host}/")
    assert connects == []


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("http://93.184.216.34/", "must begin with https"),
        ("ftp://93.184.216.34/", "must begin with https"),
        ("file:///etc/passwd", "must begin with https"),
        ("gopher://127.0.0.1:6379/_INFO", "must begin with https"),
        ("https:///path", "name a host"),
        ("//93.184.216.34/", "must begin with https"),
        ("", "must begin with https"),
        ("https://user:secret@93.184.216.34/", "must not hold a user name"),
        ("https://93.184.216.34@127.0.0.1/", "must not hold a user name"),
        ("https://93.184.216.34:6379/", "Port 6379 is not open"),
        ("https://93.184.216.34:80/", "Port 80 is not open"),
        ("https://93.184.216.34:99999/", "no address"),
        ("https://exa mple.com/", "no address"),
        ("https://example.com/\x00", "no address"),
        ("https://[::1/", "no address"),
    ],
)
def test_what_is_no_public_https_address_is_refused_with_a_sentence(connects: Connects, url: str, sentence: str):
    for refuse in (get, outbound.check):
        with pytest.raises(OutboundRefused, match=sentence):
            refuse(url)
    assert connects == []


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "0x7f000001", "2130706433", "[::1]", "[64:ff9b::7f00:1]"])
def test_a_private_address_is_refused_when_it_is_written_down_already(host: str):
    with pytest.raises(OutboundRefused):
        outbound.check(f"https://{host}/hook")
    outbound.check("https://hooks.example.com/hook")
    with pytest.raises(OutboundRefused, match="no address"):
        outbound.check(f"https://{'a' * 64}.example.com/")


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1111", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"])
def test_public_addresses_are_public_wrapped_or_not(address: str):
    assert is_public(ipaddress.ip_address(address))


def test_the_connection_goes_to_the_checked_address_though_the_name_has_moved(
    connects: Connects, names: dict[str, list[list[str]]]
):
    names["rebinding.example"] = [["93.184.216.34"], ["127.0.0.1"]]
    with pytest.raises(OutboundFailed, match=r"rebinding\.example could not be connected to"):
        get("https://rebinding.example/")
    assert connects == [("93.184.216.34", 443)]


def test_each_address_of_a_name_is_tried_in_turn(connects: Connects, names: dict[str, list[list[str]]]):
    names["two.example"] = [["93.184.216.34", "93.184.216.35"]]
    with pytest.raises(OutboundFailed):
        get("https://two.example/")
    assert connects == [("93.184.216.34", 443), ("93.184.216.35", 443)]


def test_a_name_that_does_not_resolve_is_said_to(connects: Connects, names: dict[str, list[list[str]]]):
    for name in ("nowhere.invalid", "a" * 64 + ".example"):
        with pytest.raises(OutboundFailed, match="does not resolve"):
            get(f"https://{name}/")
    assert connects == []


def test_a_resolver_that_hangs_ends_with_the_call(monkeypatch: pytest.MonkeyPatch):
    never = Event()
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: never.wait(20))
    with pytest.raises(OutboundFailed, match="could not be looked up in time"):
        get("https://slow.example/", seconds=0.1)
    never.set()


def test_a_proxy_of_the_environment_is_not_used(
    connects: Connects, names: dict[str, list[list[str]]], server: PartnerServer, monkeypatch: pytest.MonkeyPatch
):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, server.url)
    names["partner.example"] = [["93.184.216.34"]]
    with pytest.raises(OutboundFailed):
        get("https://partner.example/")
    assert connects == [("93.184.216.34", 443)]
    assert server.calls == []


def test_a_port_that_is_opened_for_a_host_opens_nothing_else(
    connects: Connects, names: dict[str, list[list[str]]], settings: Any
):
    settings.OUTBOUND_ALLOWED = [("partner.example", 8443)]
    names["partner.example"] = [["93.184.216.34"], ["127.0.0.1"]]
    with pytest.raises(OutboundFailed):
        get("https://partner.example:8443/")
    assert connects == [("93.184.216.34", 8443)]
    with pytest.raises(OutboundRefused, match="does not lead to a public address"):
        get("https://partner.example:8443/")
    with pytest.raises(OutboundRefused, match="Port 8443"):
        get("https://other.example:8443/")
    with pytest.raises(OutboundRefused, match="https"):
        get("http://partner.example:8443/")


def test_an_address_opened_at_one_port_is_closed_at_others(server: PartnerServer, settings: Any):
    port = httpx.URL(server.url).port
    assert port is not None
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.1"), port)]
    assert get(server.url).status == 204
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.1"), port + 1)]
    with pytest.raises(OutboundRefused):
        get(server.url)


def test_the_pool_that_connects_to_checked_addresses_is_the_one_that_httpx_uses():
    """It stands in a private place of httpx, so an upgrade has to be looked at."""
    place = outbound._place("https://93.184.216.34/")
    transport = outbound._Transport(outbound._PinnedBackend(place, [], 0))
    assert isinstance(transport._pool, httpcore.ConnectionPool)
    assert isinstance(transport._pool._network_backend, outbound._PinnedBackend)
    assert httpx.HTTPTransport()._pool.__class__ is httpcore.ConnectionPool
    with pytest.raises(OutboundRefused):
        transport._pool._network_backend.connect_tcp("other.example", 443)
    with pytest.raises(OutboundRefused):
        transport._pool._network_backend.connect_unix_socket("/run/docker.sock")


# -- Redirects ----------------------------------------------------------------


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("target", [f"https://{METADATA}/latest/", "https://[::ffff:10.0.0.1]/", "http://10.0.0.1/"])
def test_a_redirect_to_something_private_is_refused(connects: Connects, server: PartnerServer, target: str):
    server.replies = [answers(302, Location=target)]
    with pytest.raises(OutboundRefused):
        get(server.url)
    assert {host for host, _ in connects} == {"127.0.0.1"}


@pytest.mark.usefixtures("loopback")
def test_a_redirect_to_another_origin_takes_no_secret_along(server: PartnerServer):
    with partner_server() as other:
        server.replies = [answers(302, Location="/next"), answers(307, Location=f"{other.url}/there")]
        other.replies = [answers(200, b"here")]
        answer = get(f"{server.url}/first", headers={"Authorization": "Bearer secret", "X-Api-Key": "secret"})
    assert (answer.status, answer.body, answer.url) == (200, b"here", f"{other.url}/there")
    assert [call.path for call in server.calls] == ["/first", "/next"]
    assert all(call.headers["x-api-key"] == "secret" for call in server.calls)
    assert "secret" not in str(other.calls)


@pytest.mark.usefixtures("loopback")
def test_after_three_redirects_it_is_enough(server: PartnerServer):
    server.replies = [answers(302, Location="/again")]
    with pytest.raises(OutboundFailed, match="more than 3 times"):
        get(server.url)
    assert len(server.calls) == 4


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("location", ["http://[", "javascript:alert(1)", "https://user:pw@example.com/"])
def test_a_redirect_to_nonsense_is_a_sentence(server: PartnerServer, location: str):
    server.replies = [answers(302, Location=location)]
    with pytest.raises(outbound.OutboundError):
        get(server.url)


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("location", [f"https://{METADATA}/", "javascript:alert(1)"])
def test_what_is_posted_follows_no_redirect(server: PartnerServer, status: int, location: str):
    server.replies = [answers(status, Location=location)]
    answer = send("POST", server.url, body=b"{}", deadline_seconds=5, max_bytes=100)
    assert answer.status == status
    assert [call.body for call in server.calls] == [b"{}"]


# -- How long, how much, and who answers --------------------------------------


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize("reply", [drips, hangs])
def test_whoever_drips_or_hangs_is_left_at_the_deadline(server: PartnerServer, reply: Callable[[Any], None]):
    server.replies = [reply]
    with pytest.raises(OutboundFailed, match="did not answer in time"):
        get(server.url, seconds=0.4)


@pytest.mark.usefixtures("loopback")
def test_a_body_over_the_limit_is_not_read_to_its_end(server: PartnerServer):
    server.replies = [floods]
    with pytest.raises(OutboundFailed, match="more than 10,000 bytes"):
        get(server.url)
    server.replies = [answers(200, b"x" * 10_000)]
    assert len(get(server.url).body) == 10_000


@pytest.mark.usefixtures("loopback")
def test_nothing_packed_is_asked_for_and_nothing_is_unpacked(server: PartnerServer):
    server.replies = [answers(200, b"\x1f\x8b", **{"Content-Encoding": "gzip"})]
    assert get(server.url).body == b"\x1f\x8b"
    assert server.calls[0].headers["accept-encoding"] == "identity"


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(
    "speech", [b"220 mail.example ESMTP\r\n", b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx"]
)
def test_who_does_not_speak_http_or_breaks_off_is_a_sentence(server: PartnerServer, speech: bytes):
    def reply(handler: Any) -> None:
        handler.wfile.write(speech)

    server.replies = [reply]
    with pytest.raises(OutboundFailed, match="does not speak HTTP|broke off"):
        get(server.url)


@pytest.mark.usefixtures("loopback")
def test_nobody_there_is_a_sentence(server: PartnerServer):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(OutboundFailed, match="could not be connected to"):
            get(f"http://127.0.0.1:{taken.getsockname()[1]}/")


@pytest.mark.usefixtures("loopback")
@pytest.mark.parametrize(
    ("name", "days", "is_known", "sentence"),
    [
        ("localhost", 1, False, "cannot be trusted: self-signed certificate"),
        ("localhost", -1, True, "cannot be trusted: certificate has expired"),
        ("elsewhere.example", 1, True, "cannot be trusted: Hostname mismatch"),
    ],
)
def test_a_certificate_that_is_not_in_order_ends_the_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, days: int, is_known: bool, sentence: str
):
    file = certificate(tmp_path, name=name, days=days)
    if is_known:
        trust(file, monkeypatch)
    with partner_server(file) as server, pytest.raises(OutboundFailed, match=sentence):
        get(server.url)
    assert server.calls == []


@pytest.mark.usefixtures("loopback")
def test_a_certificate_in_order_lets_the_call_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = certificate(tmp_path)
    trust(file, monkeypatch)
    with partner_server(file) as server:
        server.replies = [answers(200, b"hello")]
        assert get(server.url).body == b"hello"


@pytest.mark.usefixtures("loopback")
def test_who_does_not_speak_tls_is_a_sentence(server: PartnerServer):
    with pytest.raises(OutboundFailed, match="does not speak TLS"):
        get(server.url.replace("http:", "https:"))


def trust(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if its issuer were among those that browsers trust."""
    context = ssl.create_default_context(cafile=str(file))
    monkeypatch.setattr(outbound, "tls_context", lambda: context)
