"""The Prefer header (RFC 7240)."""

from __future__ import annotations

import re

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_PREFERENCE = re.compile(
    rf"\s*({_TOKEN})(?:\s*=\s*({_TOKEN}|{_QUOTED}))?((?:\s*;\s*(?:{_TOKEN}(?:\s*=\s*(?:{_TOKEN}|{_QUOTED}))?)?)*)\s*(?:,|$)"
)


def handling(header: str) -> str | None:
    """`strict`, `lenient`, or None. Of a preference given twice the first counts (section 2)."""
    place = 0
    while place < len(header):
        found = _PREFERENCE.match(header, place)
        if found is None:  # what cannot be read is passed over
            comma = header.find(",", place)
            place = len(header) if comma < 0 else comma + 1
            continue
        if found[1].lower() == "handling":
            preferred = (found[2] or "").strip('"').lower()
            return preferred if preferred in {"strict", "lenient"} else None
        place = found.end()
    return None
