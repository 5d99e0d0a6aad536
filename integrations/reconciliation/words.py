"""What people write when they decide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.core.exceptions import ValidationError

from entities.models import Difference

LONGEST_REASON = 1000


def checked_reason(text: str, *, missing: str) -> str:
    """Raises ValidationError `reason`."""
    text = text.strip()
    if not text:
        raise ValidationError(missing, code="reason")
    if len(text) > LONGEST_REASON:
        raise ValidationError(f"Use at most {LONGEST_REASON:,} characters.", code="reason")
    if "\x00" in text:
        raise ValidationError("It holds a NUL character, which cannot be kept.", code="reason")
    return text


def target_of(entity: str, differences: Sequence[Difference]) -> dict[str, Any]:
    """What an audit row says of the records that somebody decided about: the first keys of them."""
    named = f"{len(differences)} of {entity}" if len(differences) > 1 else f"{entity} {differences[0].key}"
    return {"target": named, "keys": [row.key for row in differences[:20]]}
