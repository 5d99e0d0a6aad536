"""The guide's samples, as Python values, and records made from them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from track360 import exact_json

SAMPLES = Path(__file__).resolve().parent.parent / "entities" / "schemas" / "samples"


def sample(entity: str, **changes: Any) -> dict[str, Any]:
    """The guide's sample of the entity, with some fields set; a field set to `...` is left out."""
    text = (SAMPLES / f"{entity}.json").read_text()
    record = exact_json.loads(text) | changes
    return {field: value for field, value in record.items() if value is not ...}


def customers(count: int, *, start: int = 0, **changes: Any) -> list[dict[str, Any]]:
    return [sample("customers", customer_id=f"cst_{number}", **changes) for number in range(start, start + count)]


def transactions(count: int, *, start: int = 0, **changes: Any) -> list[dict[str, Any]]:
    return [sample("transactions", transaction_id=f"txn_{number}", **changes) for number in range(start, start + count)]
