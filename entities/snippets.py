"""Commands to copy, with the reader's own ids in them."""

from __future__ import annotations

import json
import shlex
from typing import Any

from django.conf import settings
from django.utils import timezone

from entities.models import Entity

BACKSLASH = " \\\n  "
EXAMPLE_CUSTOMER = "cst_100245"  # the guide's


def push_command(entity: Entity, *, customer_id: str = "") -> str:
    """A curl command that sends one record of `entity`; `$TOKEN` holds an access token."""
    return BACKSLASH.join(
        (
            f"curl {settings.BASE_URL}/api/v1/igaming/{entity.value}",
            '-H "Authorization: Bearer $TOKEN"',
            '-H "Content-Type: application/json"',
            f"-d {_quoted(_example(entity, customer_id or EXAMPLE_CUSTOMER))}",
        )
    )


def lenient_command() -> str:
    """A curl command whose one record is refused and kept: its country does not exist."""
    record = {**_example(Entity.CUSTOMERS, EXAMPLE_CUSTOMER), "country_code": "ZZ"}
    return BACKSLASH.join(
        (
            f"curl {settings.BASE_URL}/api/v1/igaming/customers/bulk",
            '-H "Authorization: Bearer $TOKEN"',
            '-H "Content-Type: application/json"',
            '-H "Prefer: handling=lenient"',
            f"-d {_quoted([record])}",
        )
    )


def _quoted(body: Any) -> str:
    return shlex.quote(json.dumps(body, ensure_ascii=False, indent=2))


def _example(entity: Entity, customer_id: str) -> dict[str, Any]:
    """A record that would be stored today: dated now, for a customer of the reader's."""
    now = timezone.now()
    if entity == Entity.CUSTOMERS:
        return {"customer_id": customer_id, "signup_date": f"{now:%Y-%m-%dT%H:%M:00Z}", "affiliate_id": "aff_204"}
    if entity == Entity.TRANSACTIONS:
        return {
            "transaction_id": f"txn_{now:%m%d%H%M}",
            "customer_id": customer_id,
            "transaction_type": "deposit",
            "amount_currency": 1500,
            "currency": "EUR",
            "transaction_date": f"{now:%Y-%m-%dT%H:%M:00Z}",
            "status": "approved",
        }
    return {
        "date": f"{now:%Y-%m-%d}",
        "customer_id": customer_id,
        "game_type": "slots",
        "currency": "EUR",
        "bets_count": 48,
        "total_bets": 920.5,
        "wins": 815.25,
    }
