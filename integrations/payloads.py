"""What the request log keeps of a refused body: without names and addresses of people, and not too much of it."""

from __future__ import annotations

import re
from typing import Any

from entities.pipeline.erased import plain_fields
from entities.pipeline.report import PII_FIELDS

MASK = "***"
EXCERPT_BYTES = 200
RECORD_LENGTH = 20_000
# A member of an object, also where its quotes are wrong: that may be why the body could not be parsed.
_MEMBER = re.compile(
    rb"""(?P<lead>(?P<quote>["']?)(?P<name>[A-Za-z_][\w-]*)(?P=quote)\s*[:=]\s*)"""
    rb"""(?P<value>"(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|[^\s"',}\]\[{][^"',}\]\[{]*)(?P<rest>[^,}\]\[{]*)"""
)
_EMAIL = re.compile(rb"[^\s\"'<>@,:;{}\[\]]+@[^\s\"'<>@,:;{}\[\]]+")
_SECRET = re.compile(r"(?i)\b((?:access_|id_|refresh_)?token|(?:client_)?secret|password|authorization)=[^&]*")
_AROUND = 2000


def _masked_member(member: re.Match[bytes]) -> bytes:
    """The member as long as it was: a plain field as sent, PII in stars, of what we do not know its texts in stars."""
    name, value, rest = member["name"].decode(), member["value"], member["rest"]
    if name in plain_fields():
        return member[0]
    if name in PII_FIELDS:
        return member["lead"] + _stars(value) + _stars(rest)
    return member["lead"] + (_stars(value) if value[:1] in {b'"', b"'"} else value) + rest


def _stars(text: bytes) -> bytes:
    return re.sub(rb"""[^\s"']""", b"*", text)


def masked_query(query: str) -> str:
    """A query string without what does not belong there, but is seen there."""
    return _SECRET.sub(rf"\1={MASK}", query)


def masked_record(record: Any) -> Any:
    """The record with its plain fields as sent; all else is masked, as what is no object is: it may hold a person.

    What cannot be a record of ours for its size is cut.
    """
    if not isinstance(record, dict):
        return MASK
    plain = plain_fields()
    shown = {
        name: value if value is None or (name in plain and not isinstance(value, dict | list)) else MASK
        for name, value in list(record.items())[:50]
    }
    if _length(shown) > RECORD_LENGTH:
        return f"{str(shown)[:1000]}…"
    return shown


def _length(value: Any) -> int:
    """About the length of its JSON."""
    if isinstance(value, dict):
        return sum(len(name) + _length(item) for name, item in value.items())
    if isinstance(value, list):
        return sum(map(_length, value))
    return len(value) if isinstance(value, str) else 8


def excerpt(raw: bytes, offset: int | None) -> dict[str, Any]:
    """About 200 bytes around the fault, as text. `offset` is the fault's place in the body, in bytes, if known.

    `fault` is its place in the excerpt, in characters.
    """
    place = min(offset or 0, len(raw))
    window_start = max(0, place - _AROUND)
    window = raw[window_start : place + _AROUND]
    window = _MEMBER.sub(_masked_member, window)
    window = _EMAIL.sub(lambda address: b"*" * len(address[0]), window)
    place -= window_start
    start = max(0, place - EXCERPT_BYTES // 2)
    while start < place and window[start] & 0xC0 == 0x80:  # not in the middle of a character
        start += 1
    return {
        "excerpt": window[start : start + EXCERPT_BYTES].decode("utf-8", "replace"),
        "offset": offset,
        "fault": len(window[start:place].decode("utf-8", "replace")),
    }
