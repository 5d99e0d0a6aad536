"""What a batch came to: one outcome for each index, and the errors and warnings that explain it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

CREATED, UPDATED, UNCHANGED, STALE, REJECTED = "created", "updated", "unchanged", "stale", "rejected"
OUTCOMES = (CREATED, UPDATED, UNCHANGED, STALE, REJECTED)

PII_FIELDS = frozenset({"first_name", "last_name", "email"})
VALUE_LENGTH = 64


@dataclass(slots=True)
class RecordError:
    """One finding about one record; warnings have the same shape (contract, section 5).

    `index` is None for a body that is a single object; `pointer` is RFC 6901 into the body as sent. `value` is given
    only where it may be shown: cut at 64 characters, never for PII fields or unknown properties.
    """

    index: int | None
    pointer: str
    field: str | None
    code: str
    message: str
    value: Any = None
    has_value: bool = False

    def as_dict(self) -> dict[str, Any]:
        body: dict[str, Any] = {
            "index": self.index,
            "pointer": self.pointer,
            "field": self.field,
            "code": self.code,
            "message": self.message,
        }
        if self.has_value:
            body["value"] = self.value
        return body


@dataclass(slots=True)
class Report:
    """The result of one batch.

    `outcomes` has one entry of `OUTCOMES` for each received index (`rejected` for all bad ones). `stored` is False
    for a strict batch with errors, a body of the wrong shape and a dry run: then nothing was written. `differing` of
    the stale ones were pulled and differ from the pushed ones that stand. `record`, of a single one that is new, is as
    stored: it has the attributes of the model, and what its statuses mean.
    """

    batch_id: uuid.UUID
    received: int = 0
    outcomes: list[str] = field(default_factory=list)
    errors: list[RecordError] = field(default_factory=list)
    warnings: list[RecordError] = field(default_factory=list)
    removed: int = 0
    differing: int = 0
    stored: bool = False
    record: Any = None

    def counts(self) -> dict[str, int]:
        """`received` and the five outcomes that it is the sum of."""
        return {"received": self.received, **{outcome: self.outcomes.count(outcome) for outcome in OUTCOMES}}

    @property
    def refused(self) -> bool:
        return bool(self.errors) and not self.stored

    def bad_indexes(self) -> list[int]:
        return sorted({error.index or 0 for error in self.errors})
