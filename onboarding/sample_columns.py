"""Which column of a CSV holds which field: guessed from its name, and what a cell then means."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from functools import cache
from typing import Any

from entities.models import Entity
from entities.pipeline.validate import schema_for

# A number as JSON writes it, of a size that any parser takes; all else stays text, and the rules say what is wrong.
NUMBER = re.compile(r"-?(0|[1-9]\d{0,99})(\.\d{1,99})?([eE][+-]?\d{1,2})?", re.ASCII)
WHOLE = re.compile(r"-?(0|[1-9]\d{0,99})", re.ASCII)

# What platforms call the guide's fields, without case and punctuation.
SYNONYMS: dict[str, tuple[str, ...]] = {
    "customer_id": ("playerid", "userid", "accountid", "memberid", "clientid", "customer", "player"),
    "signup_date": ("registrationdate", "registeredat", "regdate", "signedupat", "createdat", "signup"),
    "last_modified_date": ("updatedat", "modifiedat", "lastmodified", "lastupdated"),
    "first_name": ("firstname", "givenname"),
    "last_name": ("lastname", "surname", "familyname"),
    "email": ("emailaddress", "mail"),
    "affiliate_id": ("affiliate", "affid", "btag", "partnerid"),
    "campaign_id": ("campaign", "campid"),
    "click_id": ("click", "clickref", "subid"),
    "lang_id": ("language", "lang", "languagecode", "locale"),
    "country_code": ("country", "countryiso"),
    "kyc_status_id": ("kyc", "kycstatus"),
    "sales_status_id": ("salesstatus",),
    "transaction_id": ("txid", "txnid", "transaction", "paymentid", "reference", "id"),
    "transaction_type": ("type", "txtype", "txntype", "kind"),
    "transaction_subtype": ("subtype", "method", "paymentmethod"),
    "amount_currency": ("amount", "value", "sum"),
    "amount_usd": ("usd", "amountinusd", "usdamount"),
    "currency": ("currencycode", "ccy", "cur"),
    "transaction_date": ("date", "timestamp", "time", "createdat", "datetime", "txndate"),
    "status": ("state", "transactionstatus", "txstatus"),
    "note": ("notes", "comment", "description", "memo"),
    "date": ("day", "activitydate", "reportdate"),
    "game_type": ("game", "gametype", "product", "vertical", "category"),
    "bets_count": ("bets", "betcount", "rounds", "numberofbets"),
    "total_bets": ("stake", "stakes", "turnover", "betamount", "wagered", "totalstake"),
    "wins": ("win", "payout", "payouts", "winamount", "totalwins"),
    "ggr": ("grossgamingrevenue", "grossrevenue"),
    "ngr": ("netgamingrevenue", "netrevenue"),
}


def fields_of(entity: str) -> list[str]:
    """The fields of the entity, in the guide's order."""
    return list(schema_for(entity)["properties"])


def required_fields(entity: str) -> list[str]:
    return list(schema_for(entity)["required"])


def guess_columns(entity: str, header: Iterable[str], remembered: Mapping[str, str]) -> dict[str, str]:
    """Every column -> its field, or "" for one that is left out: as remembered, by the field's name, by another name.

    No field is given twice.
    """
    fields = fields_of(entity)
    header = list(header)
    columns = {name: remembered[name] for name in header if remembered.get(name) in ["", *fields]}
    ways: tuple[Callable[[str], tuple[str, ...]], ...] = (
        lambda field: (_plain(field),),
        lambda field: SYNONYMS.get(field, ()),
    )
    for names_of in ways:
        for name in header:
            free = (field for field in fields if field not in columns.values())
            field = next((field for field in free if _plain(name) in names_of(field)), "")
            if field and name not in columns:
                columns[name] = field
    return {name: columns.get(name, "") for name in header}


def is_certain(entity: str, columns: Mapping[str, str], remembered: Mapping[str, str]) -> bool:
    """Whether nobody need be asked: the partner said it before, or each column bears a field's own name."""
    told = all(name in remembered for name in columns) or all(name == field for name, field in columns.items())
    return told and set(required_fields(entity)) <= set(columns.values())


def is_known_name(name: str) -> bool:
    """Whether a cell of a first line names a field of any entity, in the guide's words or in others."""
    return _plain(name) in _known_names()


@cache
def _known_names() -> frozenset[str]:
    others = (word for words in SYNONYMS.values() for word in words)
    return frozenset({*others, *(_plain(field) for entity in Entity.values for field in fields_of(entity))})


def better_entity(entity: str, names: Iterable[str]) -> str | None:
    """The entity whose fields these names are, where it is clearly another one."""
    names = set(names)

    def fit(candidate: str) -> int:
        return len(names & set(fields_of(candidate))) + len(names & set(required_fields(candidate)))

    best = max(Entity.values, key=fit)
    return best if best != entity and fit(best) >= fit(entity) + 3 else None


def cell_value(entity: str, field: str, cell: str) -> Any:
    """What a cell means: None for an empty one, a number where the field is one and the cell is written as one."""
    if cell == "":
        return None
    kind = _kinds(entity)[field]
    if kind == "text":
        return cell
    if WHOLE.fullmatch(cell):
        return int(cell)
    return Decimal(cell) if NUMBER.fullmatch(cell) else cell


@cache
def _kinds(entity: str) -> dict[str, str]:
    """Field -> `number` or `text`."""
    kinds = {}
    for field, rule in schema_for(entity)["properties"].items():
        types = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        kinds[field] = "number" if {"number", "integer"} & set(types) else "text"
    return kinds


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
