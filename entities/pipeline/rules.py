"""The rules beyond the schema (contract, section 4): pure functions from records as sent to rows to store.

A table of examples is their whole test: nothing here touches the database. What they have to know of it comes as
`Facts` (see `facts.py`).
"""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Callable, Set
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from entities.codes import COUNTRIES, CURRENCIES, LANGUAGES, is_currency
from entities.models import Entity
from entities.pipeline.report import RecordError
from entities.pipeline.validate import DATE_TIME_MESSAGE, finding

Row = dict[str, Any]

FRESH = dt.timedelta(minutes=5)
COUNT_LIMIT = 2**31 - 1
FIRST_DAY = "1900-01-01"
FIRST_MOMENT = f"{FIRST_DAY}T00:00:00Z"


class Refused(Exception):
    """A value breaks rules: `findings` are pairs of code and message."""

    def __init__(self, *findings: tuple[str, str]) -> None:
        super().__init__(findings)
        self.findings = findings


@dataclass(frozen=True)
class Clock:
    """The moment of receipt, and the limits that follow from it, as RFC 3339 text in UTC that sorts as time does.

    Each is made when it is asked for first.
    """

    now: dt.datetime

    @cached_property
    def last_moment(self) -> str:
        return utc_text(self.now + dt.timedelta(days=1))

    @cached_property
    def last_day(self) -> str:
        return self.last_moment[:10]

    @cached_property
    def fresh_from(self) -> str:
        return utc_text(self.now - FRESH)

    @cached_property
    def future_from(self) -> str:
        return utc_text(self.now + FRESH)


def utc_text(moment: dt.datetime) -> str:
    """RFC 3339 in UTC with `Z`, with a fraction only where there is one."""
    return moment.astimezone(dt.UTC).replace(tzinfo=None).isoformat() + "Z"


def sort_key(moment: str) -> str:
    """`…00Z` must sort before `…00.5Z`."""
    return moment[:-1]


# -- One value ----------------------------------------------------------------


def text(value: str, clock: Clock) -> str:
    if "\x00" in value:
        raise Refused(("control_character", "must not contain a NUL character"))
    return value


def identifier(value: str, clock: Clock) -> str:
    text(value, clock)
    if not value.isprintable() or value != value.strip():
        raise Refused(("identifier", "must be printable, without control characters or blanks at the ends"))
    if not value.isascii() and not unicodedata.is_normalized("NFC", value):
        raise Refused(("identifier", "must be in Unicode normalisation form C (NFC)"))
    return value


def moment(value: str, clock: Clock) -> str:
    if len(value) != 20 or value[10] != "T" or value[19] != "Z":
        value = _to_utc(value)
    if value[17:19] == "60" or not value >= FIRST_MOMENT:
        raise Refused(("date_time", DATE_TIME_MESSAGE))
    if sort_key(value) > sort_key(clock.last_moment):
        raise Refused(("date_time", DATE_TIME_MESSAGE))
    return value


def _to_utc(value: str) -> str:
    """The schema has checked the form; what a clock cannot hold still fails here. More than six digits are cut."""
    head, tail = value[:19].upper(), value[19:].upper()
    fraction = ""
    if tail.startswith("."):
        digits = len(tail) - len(tail[1:].lstrip("0123456789")) - 1
        fraction, tail = tail[1 : 1 + digits][:6].ljust(6, "0"), tail[1 + digits :]
    try:
        moment = dt.datetime.fromisoformat(head + (f".{fraction}" if fraction else "") + tail)
        if abs(moment.utcoffset() or dt.timedelta()) >= dt.timedelta(hours=16):
            raise Refused(("date_time", DATE_TIME_MESSAGE))
        return utc_text(moment)
    except (ValueError, OverflowError):
        raise Refused(("date_time", DATE_TIME_MESSAGE)) from None


def day(value: str, clock: Clock) -> str:
    if not FIRST_DAY <= value <= clock.last_day:
        raise Refused(("date_time", "must be a day from 1900-01-01 to one day from now"))
    return value


def money(value: int | Decimal, clock: Clock) -> int | Decimal:
    if type(value) is int and -(10**14) < value < 10**14:
        return value
    amount = Decimal(value)
    digits = amount.as_tuple().digits
    places = amount.as_tuple().exponent
    findings = []
    if len(digits) > 15:
        findings.append(("significant_digits", "must have at most 15 significant digits"))
    if not amount:
        amount = Decimal(0)
    elif amount.adjusted() >= 15:
        findings.append(("range", "must be under 10^15 in size"))
    elif isinstance(places, int) and places < -2 and any(digits[places + 2 :]):
        findings.append(("decimal_places", "must have at most 2 decimal places"))
    if findings:
        raise Refused(*findings)
    return amount


def count(value: int | Decimal, clock: Clock) -> int:
    if value != int(value):  # the schema may have seen it rounded
        raise Refused(("type", "must be of type integer"))
    if value > COUNT_LIMIT:
        raise Refused(("range", f"must be at most {COUNT_LIMIT}"))
    return int(value)


def country(value: str, clock: Clock) -> str:
    if value not in COUNTRIES:
        raise Refused(("country", "must be an ISO 3166-1 alpha-2 country code"))
    return value


def language(value: str, clock: Clock) -> str:
    if value not in LANGUAGES:
        raise Refused(("language", "must be an ISO 639-1 language code"))
    return value


Check = Callable[[Any, Clock], Any]

CHECKS: dict[str, dict[str, Check]] = {
    Entity.CUSTOMERS: {
        "customer_id": identifier,
        "signup_date": moment,
        "last_modified_date": moment,
        "affiliate_id": identifier,
        "campaign_id": identifier,
        "click_id": identifier,
        "lang_id": language,
        "country_code": country,
        "kyc_status_id": text,
        "sales_status_id": text,
        "first_name": text,
        "last_name": text,
        "email": text,
    },
    Entity.TRANSACTIONS: {
        "transaction_id": identifier,
        "customer_id": identifier,
        "transaction_type": text,
        "amount_currency": money,
        "currency": text,
        "transaction_date": moment,
        "status": text,
        "amount_usd": money,
        "transaction_subtype": text,
        "note": text,
    },
    Entity.ACTIVITY: {
        "date": day,
        "customer_id": identifier,
        "game_type": identifier,
        "bets_count": count,
        "total_bets": money,
        "wins": money,
        "ggr": money,
        "ngr": money,
        "currency": text,
    },
}

# -- One record ---------------------------------------------------------------


def present(record: dict[str, Any]) -> Row:
    """The record without its nulls: an optional field that is null counts as absent."""
    if None in record.values():
        return {field: value for field, value in record.items() if value is not None}
    return record


def check_record(
    entity: str, record: dict[str, Any], *, index: int | None, faulty: Set[str | None], clock: Clock
) -> tuple[Row, list[RecordError]]:
    """The record's row (absent and null fields left out, times in UTC) and what is wrong with it.

    `faulty` names the fields that the schema has refused already; they are passed over.
    """
    row: Row = {}
    errors: list[RecordError] = []
    checks = CHECKS[entity]
    for field, value in record.items():
        if value is None or field in faulty:
            continue
        try:
            row[field] = checks[field](value, clock)
        except Refused as refused:
            errors += [finding(index, field, code, message, record) for code, message in refused.findings]
    if entity == Entity.TRANSACTIONS:
        errors += _sign_errors(row, index, record)
    if "currency" in row:
        errors += _currency_errors(row, index, record, clock)
    return row, errors


def _currency_errors(row: Row, index: int | None, record: dict[str, Any], clock: Clock) -> list[RecordError]:
    if row["currency"] in CURRENCIES:
        return []
    day = row.get("transaction_date") or row.get("date") or clock.now.date().isoformat()
    if is_currency(row["currency"], dt.date.fromisoformat(day[:10])):
        return []
    message = "must be an ISO 4217 currency code that was valid on the record's date"
    return [finding(index, "currency", "currency", message, record)]


def _sign_errors(row: Row, index: int | None, record: dict[str, Any]) -> list[RecordError]:
    amount, usd = row.get("amount_currency"), row.get("amount_usd")
    errors = []
    if row.get("transaction_type") not in (None, "adjustment"):
        for field, value in (("amount_currency", amount), ("amount_usd", usd)):
            if value is not None and value < 0:
                message = "only an adjustment may be negative: send withdrawals positive, use adjustment for clawbacks"
                errors.append(finding(index, field, "negative_amount", message, record))
    # Next to nothing rounds to 0.00 dollars: zero goes with either sign.
    if amount is not None and usd is not None and amount * usd < 0:
        message = "must have the same sign as amount_currency: send withdrawals positive, use adjustment for clawbacks"
        errors.append(finding(index, "amount_usd", "sign_mismatch", message, record))
    return errors
