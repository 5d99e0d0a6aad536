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
    for name, value, _ in _PREFERENCE.findall(header):
        if name.lower() == "handling":
            preferred = value.strip('"').lower()
            return preferred if preferred in {"strict", "lenient"} else None
    return None
