"""The fields of each entity for the docs: type and limits from the enforced schema, the meaning in our words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from django.apps import apps

from entities.pipeline.validate import schema_for

MONEY = "At most 2 decimal places and 15 digits."
CURRENCY = "A real ISO 4217 code of that day, such as USD, EUR or GBP."

# entity -> field -> (meaning, rule beyond the schema)
NOTES: dict[str, dict[str, tuple[str, str]]] = {
    "customers": {
        "customer_id": (
            "Your id of the player. Never changes.",
            "Printable, no blanks at the ends; upper and lower case differ.",
        ),
        "signup_date": ("When the player registered.", "With an offset; from 1900 to one day ahead."),
        "last_modified_date": (
            "When you last changed the player.",
            "Decides which version wins. Leave it out and the one received last wins.",
        ),
        "affiliate_id": (
            "The affiliate who brought the player.",
            "Warns if you registered affiliates and it is not one.",
        ),
        "campaign_id": ("The campaign behind the registration.", ""),
        "click_id": ("The click from the tracking link.", ""),
        "lang_id": ("The player's language.", "A real ISO 639-1 code: en, de."),
        "country_code": ("The player's country.", "A real ISO 3166-1 alpha-2 code: GB, not UK."),
        "kyc_status_id": ("How far identity checks have come, in your words.", "Mapped to ours; warns while unmapped."),
        "sales_status_id": ("Where the player stands in your sales process.", "Mapped to ours; warns while unmapped."),
        "first_name": ("First name. Leave it out unless agreed.", "Personal: never shown back in errors."),
        "last_name": ("Last name. Leave it out unless agreed.", "Personal: never shown back in errors."),
        "email": ("Email address. Leave it out unless agreed.", "Personal: never shown back in errors."),
    },
    "transactions": {
        "transaction_id": ("Your id of the movement of money. Never changes.", "Printable, no blanks at the ends."),
        "customer_id": ("Whose account it is.", "The customer must be stored already."),
        "transaction_type": ("What kind of movement it is; it also says in which direction.", ""),
        "amount_currency": ("The amount, in currency.", f"{MONEY} Negative only for an adjustment."),
        "currency": ("The currency of amount_currency.", CURRENCY),
        "transaction_date": ("When it happened.", "With an offset; from 1900 to one day ahead."),
        "status": (
            "How it stands, in your words.",
            "Mapped to ours; warns while unmapped. Send again when it changes.",
        ),
        "amount_usd": (
            "The amount in US dollars, at your rate.",
            f"{MONEY} Same sign as amount_currency. Left out: computed from the ECB's rate.",
        ),
        "transaction_subtype": ("A finer kind: card, wire, crypto, welcome_bonus.", ""),
        "note": ("A remark or a reference of yours.", ""),
    },
    "activity": {
        "date": ("The day that is summed up.", "YYYY-MM-DD, in the reporting time zone agreed with you."),
        "customer_id": ("Whose play it is.", "The customer must be stored already."),
        "game_type": (
            "What was played: slots, live_casino, sportsbook, poker.",
            "Any word of yours, always spelt the same.",
        ),
        "bets_count": ("How many bets.", "48.0 counts as 48."),
        "total_bets": ("The sum of the bets.", MONEY),
        "wins": ("The sum of what the player won.", MONEY),
        "ggr": (
            "Gross gaming revenue: total_bets minus wins.",
            f"{MONEY} May be negative. Left out: computed. Warns where it is off by more than 0.01.",
        ),
        "ngr": ("Net gaming revenue: ggr minus bonuses, taxes and fees.", f"{MONEY} May be negative."),
        "currency": ("The currency of all amounts.", CURRENCY),
    },
}

ORDINARY_LENGTH = 500  # said once, below the fields

KEYS = {
    "customers": "customer_id",
    "transactions": "transaction_id",
    "activity": "date + customer_id + game_type + currency",
}


@dataclass(frozen=True)
class Field:
    name: str
    type: str
    required: bool
    limits: str
    meaning: str
    rule: str


@cache
def sample_text(entity: str) -> str:
    """The sample payload as it is written in its file: what the docs show is what the tests send."""
    folder = Path(apps.get_app_config("entities").path, "schemas", "samples")
    return (folder / f"{entity}.json").read_text().strip()


def fields(entity: str) -> list[Field]:
    """The fields in the schema's order. A field without a note is an error: the docs must know every field."""
    document = schema_for(entity)
    return [
        Field(
            name=name,
            type=_type(rules),
            required=name in document["required"],
            limits=_limits(rules),
            meaning=NOTES[entity][name][0],
            rule=NOTES[entity][name][1],
        )
        for name, rules in document["properties"].items()
    ]


def _type(rules: dict[str, Any]) -> str:
    kinds = rules["type"] if isinstance(rules["type"], list) else [rules["type"]]
    return str(rules.get("format") or next(kind for kind in kinds if kind != "null"))


def _limits(rules: dict[str, Any]) -> str:
    words = []
    if "enum" in rules:
        words.append("one of " + ", ".join(value for value in rules["enum"] if value is not None))
    if "minLength" in rules:
        words.append("not empty")
    if rules.get("maxLength", ORDINARY_LENGTH) < ORDINARY_LENGTH:
        words.append(f"at most {rules['maxLength']} characters")
    if "minimum" in rules:
        words.append(f"{rules['minimum']} or more")
    if "pattern" in rules:
        words.append(f"matches {rules['pattern']}")
    return ", ".join(words)
