"""What people write when they decide."""

from __future__ import annotations

from django.core.exceptions import ValidationError

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
