"""What the pipeline knows of a door beyond its name: which version stands (contract, section 3)."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Door(StrEnum):
    """How the statement decides between the stored version and the one that came."""

    PUSH = "push"
    PULL = "pull"
    COMPARE = "compare"  # a pull of an entity that is pushed too: what was pushed stands, a difference is noted
    REPLAY = "replay"


@dataclass(frozen=True, slots=True)
class Policy:
    """`fetched_since`: a record pushed from then on stands against the pulled one (begin of the fetch minus overlap).

    `fields`: those of the guide that the source has, which alone are compared; None: all. `looked_at`: when this feed
    last looked before, so that the wait can be split between the partner and us; None: it never did, and then nothing
    counts as late. `came_at`: of a replay, by position, when the refused record was received.
    """

    door: Door = Door.PUSH
    run_id: uuid.UUID | None = None
    fetched_since: dt.datetime | None = None
    fields: frozenset[str] | None = None
    looked_at: dt.datetime | None = None
    came_at: Sequence[dt.datetime] = ()

    @property
    def keeps_refused(self) -> bool:
        """Whether what is refused is held now. Of a replay it is already: whoever replays says what became of it."""
        return self.door != Door.REPLAY


PUSHED = Policy()
