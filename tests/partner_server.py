"""A partner's own server on loopback, real in every way: it keeps what it is sent, and answers what it is told to."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Reply = Callable[[BaseHTTPRequestHandler], None]


@dataclass
class Call:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PartnerServer:
    url: str
    calls: list[Call] = field(default_factory=list)
    replies: list[Reply] = field(default_factory=list)  # one a call, the last one for ever; 204 without any
    stopped: Event = field(default_factory=Event)
    connections: int = 0


def answers(status: int, body: bytes = b"", **headers: str) -> Reply:
    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return reply


def asks(decide: Callable[[Call], tuple[int, Any] | tuple[int, Any, dict[str, str]]]) -> Reply:
    """By what was called: status, a body (bytes, or anything that JSON can hold) and headers where they matter."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        status, body, *headers = decide(handler.server.partner.calls[-1])  # type: ignore[attr-defined]
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        answers(status, content, **(headers[0] if headers else {}))(handler)

    return reply


def drips(handler: BaseHTTPRequestHandler) -> None:
    """A byte of the headers now and then, never the last: every single wait is short."""
    server: PartnerServer = handler.server.partner  # type: ignore[attr-defined]
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Long: ")
    while not server.stopped.wait(0.05):
        handler.wfile.write(b"x")


def hangs(handler: BaseHTTPRequestHandler) -> None:
    handler.server.partner.stopped.wait(60)  # type: ignore[attr-defined]


def floods(handler: BaseHTTPRequestHandler) -> None:
    """A body without an end."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while not handler.server.partner.stopped.is_set():  # type: ignore[attr-defined]
        handler.wfile.write(b"x" * 65536)


class _Handler(BaseHTTPRequestHandler):
    def setup(self) -> None:
        super().setup()
        self.server.partner.connections += 1  # type: ignore[attr-defined]

    def handle_one_call(self) -> None:
        server: PartnerServer = self.server.partner  # type: ignore[attr-defined]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        server.calls.append(Call(self.command, self.path, headers, body))
        reply = answers(204)
        if server.replies:
            reply = server.replies.pop(0) if len(server.replies) > 1 else server.replies[0]
        with suppress(OSError):  # the other side hung up
            reply(self)

    do_GET = do_POST = do_PUT = do_HEAD = handle_one_call

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""


class _KeepingHandler(_Handler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # one segment an answer


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # of five calls at once the sixth would wait a second
    partner: PartnerServer

    def handle_error(self, request: object, client_address: object) -> None:
        """A connection that the other side ended, such as after a certificate that it does not trust."""


@contextmanager
def partner_server(certificate: Path | None = None, *, keeps: bool = False) -> Iterator[PartnerServer]:
    """Serves until the block ends; with a certificate (PEM, with its key) by https under the name `localhost`.

    `keeps`: connections stay open between calls.
    """
    httpd = _Server(("127.0.0.1", 0), _KeepingHandler if keeps else _Handler)
    scheme, host = ("https", "localhost") if certificate else ("http", "127.0.0.1")
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        httpd.socket = context.wrap_socket(httpd.socket, server_side=True, do_handshake_on_connect=False)
    httpd.partner = PartnerServer(f"{scheme}://{host}:{httpd.server_address[1]}")
    thread = Thread(target=httpd.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield httpd.partner
    finally:
        httpd.partner.stopped.set()
        httpd.shutdown()
        httpd.server_close()
        thread.join(5)


def certificate(folder: Path, *, name: str = "localhost", days: int = 1) -> Path:
    """A self-signed certificate and its key in one file; `days` below 0: it has expired."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    names: list[x509.GeneralName] = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=9))
        .not_valid_after(now + dt.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"{name}{days}.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    return path
