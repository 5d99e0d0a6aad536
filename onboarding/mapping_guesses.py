"""What a raw status value probably stands for: a suggestion for a person, never a mapping by itself."""

from __future__ import annotations

import re
from difflib import get_close_matches

from entities.models import StatusField

# Words of the trade -> our canonical value, by field. A value is cut into words; the first word known decides.
SYNONYMS: dict[str, dict[str, str]] = {
    StatusField.KYC_STATUS: {
        "verified": "approved",
        "ok": "approved",
        "passed": "approved",
        "accepted": "approved",
        "confirmed": "approved",
        "complete": "approved",
        "completed": "approved",
        "valid": "approved",
        "unverified": "not_started",
        "none": "not_started",
        "missing": "not_started",
        "notstarted": "not_started",
        "review": "pending",
        "submitted": "pending",
        "waiting": "pending",
        "progress": "pending",
        "processing": "pending",
        "failed": "rejected",
        "declined": "rejected",
        "refused": "rejected",
        "denied": "rejected",
        "invalid": "rejected",
        "outdated": "expired",
        "lapsed": "expired",
    },
    StatusField.SALES_STATUS: {
        "lead": "new",
        "fresh": "new",
        "registered": "new",
        "called": "contacted",
        "contact": "contacted",
        "reached": "contacted",
        "interested": "qualified",
        "hot": "qualified",
        "depositor": "converted",
        "ftd": "converted",
        "customer": "converted",
        "won": "converted",
        "active": "converted",
        "vip": "converted",
        "dead": "lost",
        "churned": "lost",
        "closed": "lost",
        "inactive": "lost",
    },
    StatusField.TRANSACTION_STATUS: {
        "completed": "approved",
        "complete": "approved",
        "success": "approved",
        "successful": "approved",
        "settled": "approved",
        "paid": "approved",
        "ok": "approved",
        "accepted": "approved",
        "processing": "pending",
        "waiting": "pending",
        "initiated": "pending",
        "review": "pending",
        "failed": "declined",
        "rejected": "declined",
        "refused": "declined",
        "cancelled": "declined",
        "canceled": "declined",
        "error": "declined",
        "expired": "declined",
        "chargeback": "reversed",
        "refunded": "reversed",
        "refund": "reversed",
        "reversal": "reversed",
        "voided": "reversed",
    },
}
NEGATIONS = {"not", "no", "un", "non"}


def guess(field: str, raw_value: str, allowed: tuple[str, ...]) -> str | None:
    """The canonical value that the spelling suggests, or None. A number says nothing, nor does a word with a no."""
    words = re.findall(r"[a-z]+", re.sub(r"([a-z])([A-Z])", r"\1 \2", raw_value).lower())
    if not words:
        return None
    joined = "_".join(words)
    if joined in allowed:
        return joined
    if NEGATIONS & set(words):
        return None
    synonyms = SYNONYMS[field]
    for word in words:
        if word in allowed:
            return word
        if word in synonyms and synonyms[word] in allowed:
            return synonyms[word]
    near = get_close_matches(joined, [*allowed, *synonyms], n=1, cutoff=0.82)
    return synonyms.get(near[0], near[0]) if near else None
