"""Warnings: the record is stored, and the partner should know (contract, section 4). Pure, as the rules are."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from entities.models import Batch, Entity
from entities.pipeline.duplicates import KEYS
from entities.pipeline.facts import STATUS_FIELDS, rate_key
from entities.pipeline.report import RecordError
from entities.pipeline.rules import sort_key, utc_text
from entities.pipeline.upsert import Standing, Stands
from entities.pipeline.validate import pointer_to
from entities.pipeline.work import Work

GGR_TOLERANCE = Decimal("0.01")
MAX_VALUES = 200
ACTIVITY_DUE = dt.timedelta(days=1, hours=6)


def warnings_about(work: Work) -> list[RecordError]:
    """What can be said of the rows before it is known what the upsert makes of them."""
    found = [warning for field in STATUS_FIELDS[work.entity] for warning in _about_status(work, field)]
    if work.entity == Entity.CUSTOMERS:
        return found + _about_customers(work)
    if work.door == Batch.Door.SAMPLE:
        found += _about_unknown_customers(work)
    if work.entity == Entity.TRANSACTIONS:
        return found + _about_rates(work)
    return found + _about_ggr(work)


def _about_status(work: Work, field: str) -> list[RecordError]:
    values = set(work.column(field)) - {None}
    unmapped = {value for value in values if (field, value) not in work.facts.mapped}
    if not unmapped:
        return []
    crowded = work.facts.seen_in(field) >= MAX_VALUES
    surplus = {value for value in unmapped if crowded and (field, value) not in work.facts.seen}
    found = []
    for position, row in work.rows.items():
        value = row.get(field)
        if value in unmapped:
            found.append(work.finding(position, field, "unmapped_status", "has no mapping yet; stored as sent"))
        if value in surplus:
            message = f"has had over {MAX_VALUES} distinct values; a status field should have a few"
            found.append(work.finding(position, field, "too_many_values", message))
    return found


def _about_customers(work: Work) -> list[RecordError]:
    known = work.facts.affiliates
    future = sort_key(work.clock.future_from)
    found = []
    for position, row in work.rows.items():
        if known is not None and row["affiliate_id"] not in known:
            message = "is not among the affiliates registered for this partner"
            found.append(work.finding(position, "affiliate_id", "unknown_affiliate", message))
        modified = row.get("last_modified_date")
        if modified is not None and sort_key(modified) > future:
            message = "is more than 5 minutes ahead; the time of receipt guards this version"
            found.append(work.finding(position, "last_modified_date", "future_date", message))
    return found


def _about_unknown_customers(work: Work) -> list[RecordError]:
    message = "names no customer of this environment or of the newest valid customer sample"
    unknown = work.facts.unknown_customers
    return [
        work.finding(position, "customer_id", "unknown_customer", message)
        for position, row in work.rows.items()
        if row["customer_id"] in unknown
    ]


def _about_rates(work: Work) -> list[RecordError]:
    message = "no rate is known for this currency and day; amount_usd is filled in when it comes"
    return [
        work.finding(position, "amount_usd", "fx_rate_missing", message)
        for position, row in work.rows.items()
        if "amount_usd" not in row and rate_key(row) not in work.facts.rates
    ]


def _about_ggr(work: Work) -> list[RecordError]:
    found = []
    for position, row in work.rows.items():
        if "ggr" in row and "total_bets" in row and "wins" in row:
            expected = row["total_bets"] - row["wins"]
            if abs(row["ggr"] - expected) > GGR_TOLERANCE:
                message = f"differs from total_bets - wins, which is {expected}"
                found.append(work.finding(position, "ggr", "ggr_mismatch", message))
    return found


_LATE = {
    Entity.CUSTOMERS: ("signup_date", "came more than 5 minutes after the registration"),
    Entity.TRANSACTIONS: ("transaction_date", "came more than 5 minutes after the transaction"),
    Entity.ACTIVITY: ("date", "came after 06:00 UTC of the next day"),
}


def late_warnings(work: Work, positions: Iterable[int]) -> list[RecordError]:
    """Of these created records, those past the guide's freshness target: 5 minutes for events, 06:00 UTC for days."""
    field, message = _LATE[Entity(work.entity)]
    if work.entity == Entity.ACTIVITY:
        due_from = (work.clock.now - ACTIVITY_DUE).date().isoformat()
    else:
        due_from = sort_key(work.clock.fresh_from)
    if min(work.column(field)) >= due_from:
        return []
    rows, late = work.rows, [position for position in positions if work.rows[position][field] < due_from]
    # A batch of old records has a thousand of these, so they are made in one go.
    return [
        RecordError(index, pointer_to(index, field), field, "late", message, rows[position][field], has_value=True)
        for position, index in zip(late, map(work.index, late), strict=True)
    ]


_ATTRIBUTION = ("affiliate_id", "campaign_id", "click_id")


def change_warnings(work: Work, position: int, old: dict[str, Any]) -> list[RecordError]:
    """What an update changed that somebody is paid by. `old` holds the stored values as text."""
    row = work.rows[position]
    found = []
    if work.entity == Entity.CUSTOMERS:
        for field in _ATTRIBUTION:
            before, after = old[field], row.get(field)
            if before and not after:
                message = f"was {before!r} and is now empty"
                found.append(work.finding(position, field, "attribution_cleared", message))
            elif before and before != after:
                found.append(work.finding(position, field, "attribution_changed", f"was {before!r}"))
    elif work.entity == Entity.TRANSACTIONS:
        amount, currency = Decimal(old["amount_currency"]), old["currency"]
        if (amount, currency) != (row["amount_currency"], row["currency"]):
            message = f"was {amount} {currency}"
            found.append(work.finding(position, "amount_currency", "amount_changed", message))
        if old["customer_id"] != row["customer_id"]:
            message = f"was {old['customer_id']!r}"
            found.append(work.finding(position, "customer_id", "customer_changed", message))
    return found


def stale_warning(work: Work, position: int, *, stored: str) -> RecordError:
    """A version older than the stored one, with both dates."""
    sent = work.records[position].get("last_modified_date")
    message = f"sent {sent}, stored {stored}: the stored version is newer and stands"
    return work.finding(position, "last_modified_date", "stale", message)


def standing_warning(work: Work, position: int, standing: Standing) -> RecordError:
    """The stored version stands, for whichever reason."""
    since = utc_text(dt.datetime.fromisoformat(standing.since))
    if standing.why == Stands.NEWER:
        return stale_warning(work, position, stored=since)
    if standing.why == Stands.DIFFERS:
        message = f"differs from the pushed version in {', '.join(standing.fields)}; the pushed version stands"
    else:
        message = f"the version stored at {since} came later and stands"
    return work.finding(position, KEYS[work.entity][-1], "stale", message)
