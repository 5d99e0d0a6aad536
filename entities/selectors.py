"""Every read of records that a page or the API makes. Each starts from the environment."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from django.db import connection
from django.db.models import QuerySet, Sum

from entities.listings import LISTINGS, UPDATED_SINCE, Filters, Listing
from entities.models import (
    Activity,
    Customer,
    Entity,
    Record,
    RecordChange,
    RecordCounter,
    StatusMapping,
    Transaction,
)
from entities.pipeline.facts import set_canonical
from entities.scans import Scan
from entities.walks import Walk, decode_cursor, encode_cursor, first_rows, next_rows, watermark_for
from track360.models import Environment
from track360.problems import Problem

DEFAULT_PER_PAGE = 50
MAX_PER_PAGE = 500
MAX_DEPTH = 10_000
COUNTED_UP_TO = 10_000


@dataclass(frozen=True)
class Page:
    """One page of a list, the number of records in all of it, and the way on.

    `watermark` is given where `updated_since` was: the value to use next time.
    """

    records: list[Record]
    total: int
    total_capped: bool
    page: int
    per_page: int
    next_cursor: str | None
    watermark: dt.datetime | None = None


def records_for(
    environment: Environment,
    entity: str,
    *,
    filters: Filters | None = None,
    page: int = 1,
    per_page: int = DEFAULT_PER_PAGE,
    cursor: str | None = None,
) -> Page:
    """A page of the records of an entity, by number or after a cursor.

    `filters` are those of `LISTINGS[entity]` and `updated_since`, as values of the column's type.
    Raises Problem: `page_too_deep`, `invalid_cursor`.
    """
    listing = LISTINGS[Entity(entity)]
    filters = filters or {}
    if cursor is None:
        walk, rows = _begin(environment, listing, filters, page=page, per_page=per_page)
    else:
        walk = decode_cursor(environment, listing, filters, cursor)
        rows = next_rows(environment, listing, filters, walk, limit=per_page + 1)
    more = len(rows) > per_page
    rows = rows[:per_page]
    after = next_cursor = None
    if more:
        after = tuple(getattr(rows[-1], column) for column in listing.order(filters))
        next_cursor = encode_cursor(environment, listing, filters, walk.step(after))
    if filters and cursor is None and (rows or page == 1):
        seen = (page - 1) * per_page + len(rows)
        total, capped = _total_from(environment, listing, filters, seen=seen, after=after)
    else:
        total, capped = total_of(environment, listing.entity, filters=filters)
    return Page(
        records=with_canonical(environment, rows),
        total=total,
        total_capped=capped,
        page=walk.page,
        per_page=per_page,
        next_cursor=next_cursor,
        watermark=walk.watermark if UPDATED_SINCE in filters else None,
    )


def _begin(
    environment: Environment, listing: Listing, filters: Filters, *, page: int, per_page: int
) -> tuple[Walk, list[Record]]:
    if page * per_page > MAX_DEPTH:
        raise Problem(
            "page_too_deep",
            f"page x per_page may be at most {MAX_DEPTH:,}. To read on, follow meta.next_cursor: "
            "pass it as the parameter `cursor` instead of `page`.",
        )
    watermark = watermark_for(environment)  # before the rows are read
    rows = first_rows(environment, listing, filters, limit=per_page + 1, offset=(page - 1) * per_page)
    first: Any = rows[0] if rows else None
    return Walk(
        page=page,
        after=(),
        watermark=watermark,
        newest_id=first.walk_newest_id if first else 0,
        snapshot=first.walk_snapshot if first else None,
    ), rows


def _total_from(
    environment: Environment, listing: Listing, filters: Filters, *, seen: int, after: tuple[Any, ...] | None
) -> tuple[int, bool]:
    """The total of a list that was read from its beginning to the place `after`, or to its end: `seen` and the rest.

    Two frequent values that hardly meet are then not searched for a second time. In the order of a date the whole is
    counted: a page is found quickly there, and for the planner the place would make the date seem the better index.
    """
    if after is None:
        return seen, False
    if len(after) > 1:
        return total_of(environment, listing.entity, filters=filters)
    count = seen + Scan(environment, listing, filters, after=after).count(limit=COUNTED_UP_TO + 1 - seen)
    return min(count, COUNTED_UP_TO), count > COUNTED_UP_TO


def total_of(
    environment: Environment, entity: str, *, filters: Filters | None = None, upto: int = COUNTED_UP_TO
) -> tuple[int, bool]:
    """How many records there are, and whether that is only "at least": a filtered list is counted so far."""
    if not filters:
        counters = RecordCounter.objects.filter(environment=environment, entity=entity)
        return counters.aggregate(sum=Sum("count"))["sum"] or 0, False
    count = Scan(environment, LISTINGS[Entity(entity)], filters).count(limit=upto + 1)
    return min(count, upto), count > upto


def customer_for(environment: Environment, customer_id: str) -> Customer | None:
    return cast("Customer | None", _one(environment, Customer, customer_id=customer_id))


def transaction_for(environment: Environment, transaction_id: str) -> Transaction | None:
    return cast("Transaction | None", _one(environment, Transaction, transaction_id=transaction_id))


def activity_for(
    environment: Environment, *, date: dt.date | str, customer_id: str, game_type: str, currency: str
) -> Activity | None:
    return cast(
        "Activity | None",
        _one(
            environment,
            Activity,
            date=date,
            customer_id=customer_id,
            game_type=game_type,
            currency=currency,
        ),
    )


def _one(environment: Environment, model: type[Record], **key: Any) -> Record | None:
    if any(isinstance(value, str) and "\x00" in value for value in key.values()):
        return None
    with connection.cursor() as cursor:
        cursor.execute(_one_sql(model, *key), [environment.pk, *key.values()])
        row = cursor.fetchone()
    return with_canonical(environment, [model.from_db("default", _names(model), row)])[0] if row else None


@cache
def _names(model: type[Record]) -> list[str]:
    return [field.attname for field in model._meta.concrete_fields]


@cache
def _one_sql(model: type[Record], *key: str) -> str:
    """Written out once: the framework takes longer to make this statement than PostgreSQL to answer it."""
    return (
        f"SELECT {', '.join(_names(model))} FROM {model._meta.db_table}"
        f" WHERE environment_id = %s AND {' AND '.join(f'{name} = %s' for name in key)}"
    )


def history_of(environment: Environment, entity: str, record_id: int) -> QuerySet[RecordChange]:
    """The former versions of one record, the latest first."""
    return RecordChange.objects.filter(environment=environment, entity=entity, record_id=record_id).order_by("-id")


def canonical_statuses(environment: Environment) -> dict[tuple[str, str | None], str | None]:
    """The partner's mapping: (status field, raw value) to canonical value."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT field, raw_value, canonical_value FROM {StatusMapping._meta.db_table} WHERE partner_id = %s",
            [environment.partner_id],
        )
        return {(field, raw): canonical for field, raw, canonical in cursor.fetchall()}


def with_canonical(environment: Environment, records: Iterable[Record]) -> list[Record]:
    """The records with `kyc_status` and `sales_status`, or `canonical_status`, set from the partner's mapping."""
    found = list(records)
    if not found or isinstance(found[0], Activity):
        return found
    entity = Entity.CUSTOMERS if isinstance(found[0], Customer) else Entity.TRANSACTIONS
    statuses = canonical_statuses(environment)
    for record in found:
        set_canonical(entity, record, statuses)
    return found
