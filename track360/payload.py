"""A body as numbered lines, with each error on the line where it lies."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from track360 import exact_json


@dataclass(frozen=True)
class Line:
    number: int
    text: str
    messages: tuple[str, ...] = ()


def payload_lines(value: Any, errors: Iterable[tuple[str, str]] = ()) -> list[Line]:
    """Lay `value` out over lines; `errors` are (RFC 6901 pointer, message).

    An error on a field that is not there stands on the object that lacks it, and names the field.
    """
    laid_out = list(_lay_out(value))
    places = {pointer: index for index, (pointer, _) in reversed(list(enumerate(laid_out)))}
    messages: defaultdict[int, list[str]] = defaultdict(list)
    for pointer, message in errors:
        while pointer and pointer not in places:
            pointer, _, missing = pointer.rpartition("/")
            message = message if message.startswith(missing) else f"{missing}: {message}"
        messages[places.get(pointer, 0)].append(message)
    return [Line(index + 1, text, tuple(messages[index])) for index, (_, text) in enumerate(laid_out)]


def _lay_out(
    value: Any, *, pointer: str = "", depth: int = 0, before: str = "", after: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield (pointer, line) as JSON indented by 2 has them."""
    indent = "  " * depth
    if isinstance(value, dict) and value:
        opening, closing = "{", "}"
        members = [(_escape(key), f"{_dump(key)}: ", member) for key, member in value.items()]
    elif isinstance(value, list) and value:
        opening, closing = "[", "]"
        members = [(str(index), "", member) for index, member in enumerate(value)]
    else:
        yield pointer, f"{indent}{before}{_dump(value)}{after}"
        return
    yield pointer, f"{indent}{before}{opening}"
    for position, (token, label, member) in enumerate(members, start=1):
        comma = "," if position < len(members) else ""
        yield from _lay_out(member, pointer=f"{pointer}/{token}", depth=depth + 1, before=label, after=comma)
    yield pointer, f"{indent}{closing}{after}"


def _dump(value: Any) -> str:
    return exact_json.dumps(value)


def _escape(token: str) -> str:
    return token.replace("~", "~0").replace("/", "~1")
