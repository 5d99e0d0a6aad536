"""What the calls of reconciliation take and answer: schemas, and the answers themselves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from entities.models import Entity
from entities.totals import MEASURES
from integrations.api.shapes import COUNT, MOMENT, TEXT, or_null, record
from integrations.models import DayTotals, DoubledDay, Waiver
from integrations.reconciliation.compare import Cell, Currency, EntityDay, State
from integrations.reconciliation.control import MOST_COUNT, MOST_LINES
from integrations.reconciliation.days import Side, read_line
from integrations.reconciliation.taking import MOST_TAKEN
from integrations.reconciliation.words import LONGEST_REASON

Json = dict[str, Any]
VERSIONS = 60
DAY_ITSELF: Json = {"type": "string", "format": "date"}
PATH: dict[str, Json] = {"entity": {"type": "string", "enum": list(Entity.values)}, "date": DAY_ITSELF}
STATE: Json = {
    "type": "string",
    "enum": [str(state) for state in State],
    "description": "agrees; waived: it differs and was accepted; differs; unsaid: no control total that counts; "
    "open: the day is not over.",
}
SUM: Json = or_null({"type": "number", "description": "Exact, with two decimals. Null: there is no money."})
SIDES = tuple(Side.values)
FIGURES = or_null(record({"count": COUNT, "sum": SUM}))
DIFFERENCE = {"type": "integer", "description": "What is stored here less what the partner says."}
FIGURES_OF_CELL = {side: FIGURES for side in SIDES} | {
    "count_difference": DIFFERENCE,
    "sum_difference": SUM,
    "state": STATE,
}
LINE = record({"currency": TEXT, "type": TEXT, "count": COUNT, "sum": SUM})
VERSION = record(
    {
        "side": {"type": "string", "enum": list(SIDES)},
        "at": MOMENT,
        "origin": {"type": "string", "enum": list(DayTotals.Origin.values)},
        "by": or_null(TEXT),
        "time_zone": TEXT,
        "lines": {"type": "array", "items": LINE},
    }
)
DOUBLED = record(
    {
        "id": COUNT,
        "entity": TEXT,
        "date": DAY_ITSELF,
        "currency": TEXT,
        "type": TEXT,
        "found_at": MOMENT,
        "earlier_at": MOMENT,
        "later_at": MOMENT,
        "verdict": or_null({"type": "string", "enum": list(DoubledDay.Verdict.values)}),
        "reason": TEXT,
    }
)
WAIVER = record(
    {
        "currency": TEXT,
        "type": TEXT,
        "count_difference": DIFFERENCE,
        "sum_difference": SUM,
        "reason": TEXT,
        "at": MOMENT,
        "by": or_null(TEXT),
    }
)
IN_LIST = {"date": DAY_ITSELF, "entity": TEXT, "state": STATE, "stored_count": COUNT}
DAY_IN_LIST = record(IN_LIST)
DAY = record(
    {
        "date": DAY_ITSELF,
        "entity": TEXT,
        "state": STATE,
        "time_zone": TEXT,
        "begins_at": MOMENT,
        "ends_at": MOMENT,
        "currencies": {
            "type": "array",
            "items": record(
                {
                    "currency": TEXT,
                    **FIGURES_OF_CELL,
                    "waiver": or_null(WAIVER),
                    "types": {
                        "type": "array",
                        "items": record({"type": TEXT, **FIGURES_OF_CELL, "waiver": or_null(WAIVER)}),
                    },
                }
            ),
        },
        "doubled": {"type": "array", "items": DOUBLED},
        "versions": {"type": "array", "items": VERSION},
    }
)
CONTROL_TOTALS: Json = {
    "type": "object",
    "required": ["totals"],
    "properties": {
        "totals": {
            "type": "array",
            "description": "None: the day was empty. Customers: one line with the count alone.",
            "maxItems": MOST_LINES,
            "items": {
                "type": "object",
                "required": ["count"],
                "properties": {
                    "currency": {"type": "string", "maxLength": 3, "pattern": "^[A-Z]*$"},
                    "type": {
                        "type": "string",
                        "maxLength": 32,
                        "pattern": "^[a-z_]*$",
                        "description": "The transaction_type; left out: all types of the currency in one line.",
                    },
                    "count": {"type": "integer", "minimum": 0, "maximum": MOST_COUNT - 1},
                    "sum": {
                        "anyOf": [
                            {"type": "number"},
                            {"type": "string", "pattern": "^-?[0-9]{1,20}(\\.[0-9]{1,2})?$"},
                            {"type": "null"},
                        ],
                        "description": "Of amount_currency, of ggr for activity; as a number or as text.",
                    },
                },
                "additionalProperties": False,
            },
        }
    },
    "additionalProperties": False,
}
CURRENCY: Json = {"type": "string", "maxLength": 3, "pattern": "^[A-Z]*$"}
TYPE: Json = {"type": "string", "maxLength": 32, "pattern": "^[a-z_]*$"}
REASON: Json = {"type": "string", "minLength": 1, "maxLength": LONGEST_REASON, "pattern": "^[^\\u0000]*$"}
MEANT: Json = {
    "ids": {
        "type": "array",
        "description": "Of the differences; without it, all of the day, or of the currency and type.",
        "items": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
        "minItems": 1,
        "maxItems": MOST_TAKEN,
    },
    "currency": CURRENCY,
    "type": TYPE,
}
TAKE: Json = {"type": "object", "properties": MEANT, "additionalProperties": False}
WAIVE_RECORDS: Json = {
    "type": "object",
    "required": ["reason"],
    "properties": {**MEANT, "reason": REASON},
    "additionalProperties": False,
}
WAIVED = record({"waived": COUNT})
COUNTED = record({"first": DAY_ITSELF, "last": DAY_ITSELF})
TAKEN = record(
    {
        "taken": COUNT,
        "kept": COUNT | {"description": "A version pushed after the pulled one was fetched stands."},
        "refused": COUNT | {"description": "Set aside: they do not pass the checks any more."},
    }
)
WAIVE: Json = {
    "type": "object",
    "required": ["reason"],
    "properties": {"currency": CURRENCY, "type": TYPE, "reason": REASON},
    "additionalProperties": False,
}
VERDICT: Json = {
    "type": "object",
    "required": ["verdict", "reason"],
    "properties": {"verdict": {"type": "string", "enum": list(DoubledDay.Verdict.values)}, "reason": REASON},
    "additionalProperties": False,
}
RECORD = record(
    {
        "id": or_null(COUNT) | {"description": "Of the difference, where it is one."},
        "key": TEXT,
        "date": TEXT,
        "currency": or_null(TEXT),
        "amount": or_null({"type": "number"}),
        "updated_at": MOMENT,
        "fields": {"type": "array", "items": record({"name": TEXT, "stored": TEXT, "pulled": TEXT})},
        "waiver": or_null(record({"reason": TEXT, "at": MOMENT, "by": or_null(TEXT)}))
        | {"description": "Of those that differ and were left as pushed."},
    }
)
RECORD_PAGE: Json = record(
    {
        "data": {"type": "array", "items": RECORD},
        "meta": record({"per_page": COUNT, "next_cursor": or_null(TEXT)}),
    }
)


# -- Answers --------------------------------------------------------------------


def day_in_list(one: EntityDay) -> Json:
    stored = one.totals.get(Side.STORED)
    count = sum(read_line(line).count for line in stored.lines) if stored else 0
    return {"date": one.day, "entity": one.entity, "state": one.state, "stored_count": count}


def day_in_full(
    one: EntityDay,
    *,
    bounds: tuple[dt.datetime, dt.datetime],
    time_zone: str,
    doubled: Sequence[DoubledDay],
    versions: Sequence[DayTotals],
) -> Json:
    has_sum = MEASURES[one.entity].has_sum
    return {
        "date": one.day,
        "entity": one.entity,
        "state": one.state,
        "time_zone": time_zone,
        "begins_at": bounds[0],
        "ends_at": bounds[1],
        "currencies": [_currency(currency, has_sum) for currency in one.currencies],
        "doubled": [doubled_day(row) for row in doubled],
        "versions": [_version(row) for row in versions],
    }


def _currency(currency: Currency, has_sum: bool) -> Json:
    types = [{"type": cell.type, **_figures(cell, has_sum)} for cell in currency.types]
    return {"currency": currency.total.currency, **_figures(currency.total, has_sum), "types": types}


def _figures(cell: Cell, has_sum: bool) -> Json:
    return {
        **{
            side: {"count": cell.sides[side][0], "sum": _sum(cell.sides[side][1], has_sum)}
            if side in cell.sides
            else None
            for side in SIDES
        },
        "count_difference": cell.count_difference,
        "sum_difference": _sum(cell.sum_difference, has_sum),
        "state": cell.state,
        "waiver": waiver(cell.waiver) if cell.waiver else None,
    }


def _sum(amount: Decimal, has_sum: bool) -> Decimal | None:
    return round(amount, 2) if has_sum else None


def _version(row: DayTotals) -> Json:
    return {
        "side": row.side,
        "at": row.at,
        "origin": row.origin,
        "by": row.by.email if row.by else row.client_id or None,
        "time_zone": row.time_zone,
        "lines": [
            {"currency": line.currency, "type": line.type, "count": line.count, "sum": line.sum}
            for line in map(read_line, row.lines)
        ],
    }


def waiver(row: Waiver) -> Json:
    return {
        "currency": row.currency,
        "type": row.type,
        "count_difference": row.count_difference,
        "sum_difference": row.sum_difference,
        "reason": row.reason,
        "at": row.at,
        "by": row.by.email if row.by else row.client_id or None,
    }


def doubled_day(row: DoubledDay) -> Json:
    return {
        "id": row.pk,
        "entity": row.entity,
        "date": row.day,
        "currency": row.currency,
        "type": row.type,
        "found_at": row.found_at,
        "earlier_at": row.earlier.at,
        "later_at": row.later.at,
        "verdict": row.verdict or None,
        "reason": row.reason,
    }
