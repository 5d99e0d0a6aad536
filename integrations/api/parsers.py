"""From a request to its parsed body: what may be sent, how long, in which encoding (contract, section 5)."""

from __future__ import annotations

import re
import zlib

from django.conf import settings
from django.http import HttpRequest, UnreadablePostError

from entities.pipeline import InvalidJson, Parsed, parse
from track360.problems import Problem

GZIP = 16 + zlib.MAX_WBITS
CHUNK = 64 * 1024


def read_json(request: HttpRequest) -> Parsed:
    """The parsed body. Raises Problem.

    Where the body is not JSON, the exception has the InvalidJson as its cause; `request.raw_body` is what was parsed.
    """
    length = _declared_length(request)
    if length > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        raise _too_large()
    encoding = request.META.get("HTTP_CONTENT_ENCODING", "identity").strip().lower()
    if encoding not in {"gzip", "identity"}:
        raise Problem(
            "unsupported_encoding",
            "Send the body as it is, or with Content-Encoding: gzip.",
            headers={"Accept-Encoding": "gzip, identity"},
        )
    if length:
        _refuse_other_media(request)
    try:
        raw = request.body
    except UnreadablePostError:
        raise Problem("bad_request", "The body ended before its Content-Length.") from None
    if len(raw) < length:
        raise Problem("bad_request", "The body ended before its Content-Length.")
    if encoding == "gzip":
        raw = _unpacked(raw)
    request.raw_body = raw  # type: ignore[attr-defined]
    try:
        return parse(raw)
    except InvalidJson as error:
        place = "" if error.offset is None else f" (at byte {error.offset})"
        raise Problem("invalid_json", f"The body is not valid JSON: {error}{place}.") from error


def _declared_length(request: HttpRequest) -> int:
    declared = request.META.get("CONTENT_LENGTH") or ""
    if "HTTP_TRANSFER_ENCODING" in request.META or not re.fullmatch(r"[0-9]{1,18}", declared, re.ASCII):
        raise Problem("length_required", "Send the body with a Content-Length header, not in chunks.")
    return int(declared)


def _refuse_other_media(request: HttpRequest) -> None:
    charset = (request.content_params or {}).get("charset", "utf-8")
    if request.content_type != "application/json" or charset.lower() not in {"utf-8", "utf8"}:
        raise Problem("unsupported_media_type", "Send Content-Type: application/json, in UTF-8.")


def _unpacked(packed: bytes) -> bytes:
    """Undo gzip, at most to the limit: ten megabytes of zeros fit in ten kilobytes."""
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    parts: list[bytes] = []
    size = 0
    try:
        while packed:  # RFC 1952: a body may have several members
            member = zlib.decompressobj(GZIP)
            while packed and not member.eof:
                part = member.decompress(packed, CHUNK)
                size += len(part)
                if size > limit:
                    raise _too_large()
                parts.append(part)
                packed = member.unconsumed_tail
            if not member.eof:
                raise zlib.error("it ends too early")
            packed = member.unused_data
    except zlib.error as error:
        raise Problem("invalid_json", f"The body is not valid gzip: {error}.") from None
    return b"".join(parts)


def _too_large() -> Problem:
    limit = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20
    return Problem("payload_too_large", f"A body has at most {limit} MB, unpacked. Send smaller batches.")
