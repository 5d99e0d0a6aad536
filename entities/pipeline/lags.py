"""How long records took from event to receipt, and whose time that was. Pure, as the rules are.

An event is a registration or a transaction; activity is due once its day (UTC) is over.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable

from entities.models import Entity

# Upper bounds in seconds, inclusive; 300 is the guide's target for events, 6 h that for days.
BOUNDS = (10, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 24 * 3600)

EVENT = {Entity.CUSTOMERS: "signup_date", Entity.TRANSACTIONS: "transaction_date", Entity.ACTIVITY: "date"}
DAY = dt.timedelta(days=1)


def happened_at(entity: str, text: str) -> dt.datetime:
    """When the event was, from the row's text: RFC 3339 in UTC, or the date of activity."""
    if entity == Entity.ACTIVITY:
        return dt.datetime.combine(dt.date.fromisoformat(text) + DAY, dt.time(), dt.UTC)
    return dt.datetime.fromisoformat(text)


def lags_of(
    entity: str, events: Iterable[str], *, received_at: dt.datetime, looked_at: dt.datetime | None
) -> tuple[list[int], float, float]:
    """Counts by `BOUNDS`, the sum in seconds, and our part of the sum before receipt.

    What is pushed waits for nobody (`looked_at` None). What is fetched waits for us from the event on, or from our
    last look (`looked_at`), which did not find it yet. Nothing is before its event: clocks differ.
    """
    counts = [0] * (len(BOUNDS) + 1)
    total = ours = 0.0
    for text in events:
        event = happened_at(entity, text)
        lag = max((received_at - event).total_seconds(), 0.0)
        counts[bisect_left(BOUNDS, lag)] += 1
        total += lag
        if looked_at is not None:
            ours += max((received_at - max(event, looked_at)).total_seconds(), 0.0)
    return counts, total, ours
