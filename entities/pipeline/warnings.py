"""Warnings: the record is stored, and the partner should know (contract, section 4). Pure, as the rules are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from entities.models import Entity
from entities.pipeline.facts import STATUS_FIELDS, Facts, rate_key
from entities.pipeline.report import RecordError
from entities.pipeline.rules import Clock, Row, sort_key
from entities.pipeline.validate import finding

GGR_TOLERANCE = Decimal("0.01")
MAX_VALUES = 200
ACTIVITY_DUE = dt.time(6)


def warnings_about(
    entity: str, row: Row, *, index: int | None, record: dict[str, Any], facts: Facts, clock: Clock
) -> Iterator[RecordError]:
    """What can be said of a record before it is known what the upsert makes of it."""
    for field in STATUS_FIELDS[entity]:
        value = row.get(field)
        if value is None or (field, value) in facts.mapped:
            continue
        yield finding(index, field, "unmapped_status", "has no mapping yet; stored as sent", record)
        if (field, value) not in facts.seen and facts.seen_in(field) >= MAX_VALUES:
            message = f"has had over {MAX_VALUES} distinct values; a status field should have a few"
            yield finding(index, field, "too_many_values", message, record)
    if entity == Entity.CUSTOMERS:
        if facts.affiliates is not None and row["affiliate_id"] not in facts.affiliates:
            message = "is not among the affiliates registered for this partner"
            yield finding(index, "affiliate_id", "unknown_affiliate", message, record)
        modified = row.get("last_modified_date")
        if modified is not None and sort_key(modified) > sort_key(clock.future_from):
            message = "is more than 5 minutes ahead; the time of receipt guards this version"
            yield finding(index, "last_modified_date", "future_date", message, record)
    elif entity == Entity.TRANSACTIONS:
        if "amount_usd" not in row and rate_key(row) not in facts.rates:
            message = "no rate is known for this currency and day; amount_usd is filled in when it comes"
            yield finding(index, "amount_usd", "fx_rate_missing", message)
    elif "ggr" in row and "total_bets" in row and "wins" in row:
        expected = row["total_bets"] - row["wins"]
        if abs(row["ggr"] - expected) > GGR_TOLERANCE:
            message = f"differs from total_bets - wins, which is {expected}"
            yield finding(index, "ggr", "ggr_mismatch", message, record)


def is_late(entity: str, row: Row, clock: Clock) -> bool:
    """Past the guide's freshness target: 5 minutes for events, 06:00 UTC of the next day for activity."""
    if entity == Entity.ACTIVITY:
        next_day = dt.date.fromisoformat(row["date"]) + dt.timedelta(days=1)
        return clock.now > dt.datetime.combine(next_day, ACTIVITY_DUE, dt.UTC)
    field = "signup_date" if entity == Entity.CUSTOMERS else "transaction_date"
    return sort_key(row[field]) < sort_key(clock.fresh_from)


_LATE = {
    Entity.CUSTOMERS: ("signup_date", "came more than 5 minutes after the registration"),
    Entity.TRANSACTIONS: ("transaction_date", "came more than 5 minutes after the transaction"),
    Entity.ACTIVITY: ("date", "came after 06:00 UTC of the next day"),
}


def late_warning(entity: str, *, index: int | None, record: dict[str, Any]) -> RecordError:
    field, message = _LATE[Entity(entity)]
    return finding(index, field, "late", message, record)


_ATTRIBUTION = ("affiliate_id", "campaign_id", "click_id")


def warnings_about_change(
    entity: str, row: Row, *, old: dict[str, Any], index: int | None, record: dict[str, Any]
) -> Iterator[RecordError]:
    """What an update changed that somebody is paid by. `old` holds the stored values as text."""
    if entity == Entity.CUSTOMERS:
        for field in _ATTRIBUTION:
            before, after = old[field], row.get(field)
            if before and not after:
                message = f"was {before!r} and is now empty"
                yield finding(index, field, "attribution_cleared", message, record)
            elif before and before != after:
                yield finding(index, field, "attribution_changed", f"was {before!r}", record)
    elif entity == Entity.TRANSACTIONS:
        before = (Decimal(old["amount_currency"]), old["currency"])
        if before != (row["amount_currency"], row["currency"]):
            message = f"was {before[0]} {before[1]}"
            yield finding(index, "amount_currency", "amount_changed", message, record)
        if old["customer_id"] != row["customer_id"]:
            message = f"was {old['customer_id']!r}"
            yield finding(index, "customer_id", "customer_changed", message, record)


def stale_warning(*, index: int | None, record: dict[str, Any], stored: str) -> RecordError:
    """A version older than the stored one, with both dates."""
    sent = record.get("last_modified_date")
    message = f"sent {sent}, stored {stored}: the stored version is newer and stands"
    return finding(index, "last_modified_date", "stale", message, record)
