"""Paging of the portal's logs whose rows have a UUID for their id: newest first by a time, in both directions."""

from __future__ import annotations

import datetime as dt
import uuid

from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from entities.paging import PER_PAGE, Page, Row

FIRST_ID, LAST_ID = uuid.UUID(int=0), uuid.UUID(int=2**128 - 1)
Position = tuple[dt.datetime, uuid.UUID]


def page_by_time(
    near: QuerySet[Row], *, column: str, condition: Q, searched: int, before: str = "", after: str = ""
) -> Page[Row]:
    """A page of the rows in `near`, which an index orders, that meet a condition which no index helps.

    At most `searched` rows are looked through a page: a condition that nothing meets must not read millions. The next
    page goes on from there.
    """
    position = read_position(before or after)
    upwards = bool(after and not before and position)
    order = (column, "id") if upwards else (f"-{column}", "-id")
    if position:
        near = near.filter(_beyond(column, position, upwards=upwards))
    rows, end = _search(near.order_by(*order), column, condition, searched, upwards=upwards)
    more, rows = len(rows) > PER_PAGE, rows[:PER_PAGE]
    if upwards:
        rows.reverse()
    older = _place_of(rows[-1], column) if rows and (upwards or more) else ""
    newer = _place_of(rows[0], column) if rows and (more if upwards else position) else ""
    if end and not more:  # cut short: the next page goes on from there
        older, newer = (older, position_of(end, LAST_ID)) if upwards else (position_of(end, FIRST_ID), newer)
    return Page(
        rows=rows,
        older={"before": older} if older else None,
        newer={"after": newer} if newer else None,
        is_first=position is None,
    )


def _search(
    near: QuerySet[Row], column: str, condition: Q, searched: int, *, upwards: bool
) -> tuple[list[Row], dt.datetime | None]:
    """Up to 51 rows, and where the search was cut short, if it was."""
    end = None
    if condition:
        end = near.values_list(column, flat=True)[searched : searched + 1].first()
        if end:
            condition &= Q(**{f"{column}__lte" if upwards else f"{column}__gte": end})
    return list(near.filter(condition)[: PER_PAGE + 1]), end


def _beyond(column: str, position: Position, *, upwards: bool) -> Q:
    """The row comparison on (time, id), with the bound on the time alone that lets the index start there."""
    at, last = position
    if upwards:
        return Q(**{f"{column}__gte": at}) & (Q(**{f"{column}__gt": at}) | Q(id__gt=last))
    return Q(**{f"{column}__lte": at}) & (Q(**{f"{column}__lt": at}) | Q(id__lt=last))


def _place_of(row: Row, column: str) -> str:
    return position_of(getattr(row, column), row.pk)


def position_of(at: dt.datetime, row_id: uuid.UUID) -> str:
    return f"{at.isoformat()}~{row_id}"


def read_position(text: str) -> Position | None:
    """What `position_of` wrote; None for anything else."""
    moment, _, last = text.partition("~")
    try:
        at, row_id = parse_datetime(moment), uuid.UUID(last)
    except ValueError:
        return None
    return (at, row_id) if at is not None and at.tzinfo is not None else None
