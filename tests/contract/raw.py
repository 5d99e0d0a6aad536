"""A client that sends exactly the bytes it is given, also those that no client library would send."""

from __future__ import annotations

import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import httpx

ANSWER_SECONDS = 30


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]  # names in lower case
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def send(base_url: str, request: bytes, *, end: bool = False) -> Answer:
    """Send the bytes (and, with `end`, that no more will come), and read one answer."""
    address = httpx.URL(base_url)
    with socket.create_connection((address.host, address.port or 80), ANSWER_SECONDS) as connected:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was read
            connected.sendall(request)
        if end:
            connected.shutdown(socket.SHUT_WR)
        return _read(connected)


def call(
    base_url: str, method: str, path: str, *, headers: Mapping[str, str | None], body: bytes | None = None
) -> Answer:
    """One request. A Content-Length is added where a body is given; a header that is None is left out."""
    lines = {"Host": httpx.URL(base_url).netloc.decode(), "Connection": "close"}
    if body is not None:
        lines["Content-Length"] = str(len(body))
    merged = lines | dict(headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in merged.items() if value is not None)
    return send(base_url, f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + (body or b""))


def _read(connected: socket.socket) -> Answer:
    received = b""
    while b"\r\n\r\n" not in received and (part := connected.recv(65536)):
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    status_line, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    is_head_only = length and not body
    if is_head_only:
        connected.settimeout(1)
    try:
        while len(body) < length and (part := connected.recv(65536)):
            body += part
    except TimeoutError:
        pass
    return Answer(int(status_line.split()[1]), headers, body)
