"""How long records took from event to receipt, and whose time that was. Pure, as the rules are.

An event is a registration or a transaction; activity is due once its day (UTC) is over.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from entities.models import Entity

# Upper bounds in seconds, inclusive; 300 is the guide's target for events, 6 h that for days.
BOUNDS = (10, 30, 60, 120, 300, 600, 1800, 3600, 3 * 3600, 6 * 3600, 24 * 3600)

EVENT = {Entity.CUSTOMERS: "signup_date", Entity.TRANSACTIONS: "transaction_date", Entity.ACTIVITY: "date"}
DAY = dt.timedelta(days=1)
NOTHING = dt.timedelta()
_BOUNDS = [dt.timedelta(seconds=bound) for bound in BOUNDS]


def lags_of(
    entity: str, events: Sequence[str], *, received_at: dt.datetime, looked_at: dt.datetime | None
) -> tuple[list[int], float, float]:
    """Counts by `BOUNDS`, the sum in seconds, and our part of the sum before receipt. `events`: times of RFC 3339 with
    an offset, or dates of activity.

    What is pushed waits for nobody (`looked_at` None). What is fetched waits for us from the event on, or from our
    last look (`looked_at`), which did not find it yet. Nothing is before its event: clocks differ.
    """
    if entity == Entity.ACTIVITY:
        lag = {day: received_at - dt.datetime.fromisoformat(f"{day}T00:00:00Z") - DAY for day in set(events)}
    else:
        lag = {text: received_at - dt.datetime.fromisoformat(text) for text in set(events)}
    lags = sorted(map(lag.__getitem__, events))
    early = bisect_right(lags, NOTHING)
    lags[:early] = [NOTHING] * early
    upto = [bisect_right(lags, bound) for bound in _BOUNDS]
    counts = [after - before for before, after in pairwise([0, *upto, len(lags)])]
    ours = NOTHING
    if looked_at is not None:
        wait = max(received_at - looked_at, NOTHING)
        longer = bisect_right(lags, wait)
        ours = sum(lags[:longer], NOTHING) + wait * (len(lags) - longer)
    return counts, sum(lags, NOTHING).total_seconds(), ours.total_seconds()
