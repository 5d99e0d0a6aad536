"""Reads of the request log and of the quarantine, for pages and the API. Each starts from the environment."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core import signing
from django.db.models import Model, QuerySet

from entities.models import QuarantinedRecord
from entities.selectors import COUNTED_UP_TO, DEFAULT_PER_PAGE, MAX_DEPTH
from integrations.models import ApiRequest
from track360.models import Environment
from track360.problems import Problem

Row = TypeVar("Row", bound=Model)
Filters = dict[str, Any]


@dataclass(frozen=True)
class LogPage(Generic[Row]):
    rows: list[Row]
    total: int
    total_capped: bool
    page: int
    per_page: int
    next_cursor: str | None


def requests_for(environment: Environment, *, filters: Filters | None = None) -> QuerySet[ApiRequest]:
    """The logged calls, the latest first. Filters: `from`, `to`, `status` ("422" or "4xx"), `method`, `entity`.

    A call whose token was refused belongs to no environment and is not among them.
    """
    rows = ApiRequest.objects.filter(environment=environment)
    for name, value in (filters or {}).items():
        if name == "status" and value.endswith("xx"):
            first = int(value[0]) * 100
            rows = rows.filter(status__gte=first, status__lt=first + 100)
        else:
            rows = rows.filter(**{{"from": "at__gte", "to": "at__lt"}.get(name, name): value})
    return rows.order_by("-at", "-id")


def request_for(environment: Environment, request_id: uuid.UUID) -> ApiRequest | None:
    return ApiRequest.objects.filter(environment=environment, pk=request_id).first()


def quarantined_for(environment: Environment, *, filters: Filters | None = None) -> QuerySet[QuarantinedRecord]:
    """The refused records that were kept, the oldest first.

    Filters: `entity`, `code`, `field`, `run`, `state`, `waits_for`, `from`, `to` (received), `edited` (True: only
    those).
    """
    names = {"from": "received_at__gte", "to": "received_at__lt", "run": "run_id"}
    wanted = {names.get(name, name): value for name, value in (filters or {}).items() if name != "edited"}
    rows = QuarantinedRecord.objects.filter(environment=environment, **wanted).order_by("id")
    return rows.filter(edited__isnull=False) if (filters or {}).get("edited") else rows


def request_page(environment: Environment, *, filters: Filters, **place: Any) -> LogPage[ApiRequest]:
    """A page of `requests_for`; `place` is `page`, `per_page`, `cursor`. Raises Problem."""
    rows = requests_for(environment, filters=filters).defer("detail")
    return page_by_time(rows, column="at", salt=f"requests {environment.pk} {sorted(filters.items())}", **place)


def quarantine_page(environment: Environment, *, filters: Filters, **place: Any) -> LogPage[QuarantinedRecord]:
    """A page of `quarantined_for`; `place` is `page`, `per_page`, `cursor`. Raises Problem."""
    rows = quarantined_for(environment, filters=filters)
    return page_by_id(rows, salt=f"quarantine {environment.pk} {sorted(filters.items())}", **place)


def page_by_time(rows: QuerySet[Row], *, column: str, salt: str, **place: Any) -> LogPage[Row]:
    """A page of rows with a UUID for their id, the latest by `column` first; `salt` as in `page_by_id`."""

    def after(rows: QuerySet[Row], key: list[str]) -> QuerySet[Row]:
        at, pk = dt.datetime.fromisoformat(key[0]), uuid.UUID(key[1])
        return rows.filter(**{f"{column}__lte": at}).exclude(**{column: at, "pk__gte": pk})

    return _page(
        rows.order_by(f"-{column}", "-pk"),
        salt=salt,
        key=lambda row: [getattr(row, column).isoformat(), str(row.pk)],
        after=after,
        **place,
    )


def page_by_id(rows: QuerySet[Row], *, salt: str, **place: Any) -> LogPage[Row]:
    """A page of any rows in the order of their ids; `salt` names the list with its filters and its owner."""
    return _page(
        rows.order_by("pk"),
        salt=salt,
        key=lambda row: [row.pk],
        after=lambda rows, key: rows.filter(pk__gt=key[0]),
        **place,
    )


def _page(
    rows: QuerySet[Row],
    *,
    salt: str,
    key: Callable[[Row], list[Any]],
    after: Callable[[QuerySet[Row], list[Any]], QuerySet[Row]],
    page: int = 1,
    per_page: int = DEFAULT_PER_PAGE,
    cursor: str | None = None,
) -> LogPage[Row]:
    total = rows.order_by()[: COUNTED_UP_TO + 1].count()
    offset = 0
    if cursor is not None:
        try:
            page, place = signing.loads(cursor, salt=salt)
        except signing.BadSignature:
            raise Problem(
                "invalid_cursor", "The cursor does not belong to this list with these filters. Begin again without it."
            ) from None
        rows = after(rows, place)
    elif page * per_page > MAX_DEPTH:
        raise Problem(
            "page_too_deep",
            f"page x per_page may be at most {MAX_DEPTH:,}. To read on, pass meta.next_cursor as `cursor`.",
        )
    else:
        offset = (page - 1) * per_page
    found = list(rows[offset : offset + per_page + 1])
    more = len(found) > per_page
    found = found[:per_page]
    return LogPage(
        rows=found,
        total=min(total, COUNTED_UP_TO),
        total_capped=total > COUNTED_UP_TO,
        page=page,
        per_page=per_page,
        next_cursor=signing.dumps([page + 1, key(found[-1])], salt=salt) if more else None,
    )
