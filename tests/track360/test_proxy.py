"""Forwarded headers count from trusted proxies alone."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory

from track360.proxy import TrustedProxyMiddleware, client_ip, in_ranges


@pytest.fixture(autouse=True)
def _proxies(settings: Any) -> None:
    settings.TRUSTED_PROXIES = [ipaddress.ip_network("10.0.0.0/8")]


def seen(peer: str, *, secure: bool = False, **headers: str) -> tuple[str | None, bool]:
    """The address and whether it is https, as the views see them."""
    requests: list[HttpRequest] = []

    def view(request: HttpRequest) -> HttpResponse:
        requests.append(request)
        return HttpResponse()

    TrustedProxyMiddleware(view)(RequestFactory().get("/", headers=headers, REMOTE_ADDR=peer, secure=secure))
    return client_ip(requests[0]), requests[0].is_secure()


@pytest.mark.parametrize(
    ("forwarded_for", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("6.6.6.6, 192.0.2.7", "192.0.2.7"),
        ("192.0.2.7, 10.1.1.1", "192.0.2.7"),
        ("6.6.6.6, junk", "10.0.0.1"),
        ("", "10.0.0.1"),
        ("10.2.2.2", "10.0.0.1"),
        ("2001:db8::1", "2001:db8::1"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
    ],
)
def test_behind_a_trusted_proxy_the_nearest_other_address_is_the_caller(forwarded_for: str, address: str) -> None:
    assert seen("10.0.0.1", x_forwarded_for=forwarded_for)[0] == address


def test_from_anybody_else_forwarded_headers_count_for_nothing() -> None:
    assert seen("192.0.2.9", x_forwarded_for="192.0.2.7", x_forwarded_proto="https") == ("192.0.2.9", False)


@pytest.mark.parametrize("header", ["x_forwarded_proto", "x_forwarded_protocol", "x_forwarded_ssl"])
def test_a_web_server_that_believed_anybody_is_corrected(header: str) -> None:
    assert seen("192.0.2.9", secure=True, **{header: "https"}) == ("192.0.2.9", False)
    assert seen("192.0.2.9", secure=True) == ("192.0.2.9", True)


@pytest.mark.parametrize(
    ("proto", "secure"), [("https", True), ("HTTPS", True), ("http, https", True), ("https, http", False), ("", False)]
)
def test_a_trusted_proxy_says_whether_it_is_https(proto: str, secure: bool) -> None:
    assert seen("10.0.0.1", x_forwarded_proto=proto)[1] is secure


def test_a_unix_socket_has_no_address() -> None:
    assert seen("", x_forwarded_for="192.0.2.7") == (None, False)
    assert not in_ranges(None, ["0.0.0.0/0"])
