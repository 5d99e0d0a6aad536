"""The envelope of short lists, which are at hand as a whole: their cursor is a place in the list. And any cursor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from django.core import signing
from django.db.models import QuerySet

from entities.selectors import DEFAULT_PER_PAGE, MAX_DEPTH
from integrations.api.manage import Json
from track360.problems import Problem

Row = TypeVar("Row")


def read_cursor(cursor: str, *, salt: str) -> Any:
    """What stands in a `next_cursor` of the list that `salt` names. Raises Problem."""
    try:
        return signing.loads(cursor, salt=salt)
    except signing.BadSignature:
        raise Problem(
            "invalid_cursor", "The cursor does not belong to this list with these filters. Begin again without it."
        ) from None


def place_in(
    *, salt: str, page: int = 1, per_page: int = DEFAULT_PER_PAGE, cursor: str | None = None
) -> tuple[int, int]:
    """The number of the page, and where in the list it begins. Raises Problem."""
    if cursor is not None:
        number, start = read_cursor(cursor, salt=salt)
        return number, start
    if page * per_page > MAX_DEPTH:
        raise Problem("page_too_deep", f"page x per_page may be at most {MAX_DEPTH:,}; read on by meta.next_cursor.")
    return page, (page - 1) * per_page


def page_of(
    rows: Sequence[Row] | QuerySet[Any],
    render: Callable[[Any], Json],
    *,
    salt: str,
    page: int = 1,
    per_page: int = DEFAULT_PER_PAGE,
    cursor: str | None = None,
) -> Json:
    """One page in the envelope. `salt` names the list with its filters and its owner. Raises Problem."""
    page, start = place_in(salt=salt, page=page, per_page=per_page, cursor=cursor)
    total = rows.count() if isinstance(rows, QuerySet) else len(rows)
    end = start + per_page
    return {
        "data": [render(row) for row in rows[start:end]],
        "meta": {
            "total": total,
            "page": page,
            "per_page": per_page,
            "next_cursor": signing.dumps([page + 1, end], salt=salt) if end < total else None,
        },
    }
