"""“Break it”: for each entity a sample with five faults, one of each kind that most first samples have."""

from __future__ import annotations

from typing import Any

from entities.models import Entity
from track360 import exact_json

CUSTOMER = {
    "customer_id": "lesson_1",
    "signup_date": "2026-03-12T09:15:00Z",
    "affiliate_id": "aff_204",
    "country_code": "GB",
    "lang_id": "en",
    "email": "lesson@example.com",
}
TRANSACTION = {
    "transaction_id": "lesson_1",
    "customer_id": "lesson_1",
    "transaction_type": "deposit",
    "amount_currency": 150,
    "currency": "EUR",
    "transaction_date": "2026-03-15T12:10:00Z",
    "status": "approved",
}
ACTIVITY = {
    "date": "2026-03-15",
    "customer_id": "lesson_1",
    "game_type": "slots",
    "bets_count": 48,
    "total_bets": 920.5,
    "wins": 815.25,
    "currency": "EUR",
}
# For each of the records after the sound first one: what is changed in it; None takes the field out.
FAULTS: dict[Entity, list[dict[str, Any]]] = {
    Entity.CUSTOMERS: [
        {"country_code": "UK"},
        {"signup_date": "2062-03-12T09:15:00Z"},
        {"email": "lesson at example.com"},
        {"affiliate_id": None},
        {"country": "GB"},
    ],
    Entity.TRANSACTIONS: [
        {"transaction_type": "payin"},
        {"currency": "XBT"},
        {"amount_currency": 10.125},
        {"amount_currency": -50},
        {"status": None},
    ],
    Entity.ACTIVITY: [
        {"bets_count": "48"},
        {"currency": "XBT"},
        {"total_bets": 920.125},
        {"wins": -815.25},
        {"game_type": None},
    ],
}
SOUND: dict[Entity, dict[str, Any]] = {
    Entity.CUSTOMERS: CUSTOMER,
    Entity.TRANSACTIONS: TRANSACTION,
    Entity.ACTIVITY: ACTIVITY,
}
KEYS = {Entity.CUSTOMERS: "customer_id", Entity.TRANSACTIONS: "transaction_id", Entity.ACTIVITY: "customer_id"}


def lesson_payload(entity: Entity) -> bytes:
    """JSON with six records, of which the first is sound."""
    sound, key = SOUND[entity], KEYS[entity]
    records = [sound]
    for number, fault in enumerate(FAULTS[entity], start=2):
        broken = sound | {key: f"lesson_{number}"} | fault
        records.append({field: value for field, value in broken.items() if value is not None})
    return exact_json.dumps(records, indent=True).encode()
