"""A batch on its way through the pipeline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from entities.models import Batch
from entities.pipeline.columns import Columns
from entities.pipeline.facts import Facts
from entities.pipeline.parse import Parsed
from entities.pipeline.policy import PUSHED, Policy
from entities.pipeline.report import RecordError, Report
from entities.pipeline.rules import Clock, Row
from entities.pipeline.validate import finding
from track360.models import Environment


@dataclass(slots=True)
class Work:
    """The records as sent, by position; the rows that may be stored; what the database knows of them.

    `parsed` is the body as it was parsed, where it was.
    `copies` repeat another record of the batch; `outdated` are older versions of one, with the date of the newest.
    `known_customers` count as stored: in a sample, those of the customer sample.
    `columns` are the rows by field, where the glance has made that and no row was taken out since: see `column`.
    """

    environment: Environment
    entity: str
    records: list[Any]
    single: bool
    clock: Clock
    report: Report
    parsed: Parsed | None = None
    door: str = Batch.Door.PUSH
    policy: Policy = PUSHED
    is_fresh: bool = False
    known_customers: frozenset[str] = frozenset()
    day: str | None = None
    customer_id: str | None = None
    rows: dict[int, Row] = field(default_factory=dict)
    columns: Columns | None = None
    copies: frozenset[int] = frozenset()
    outdated: dict[int, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)

    def index(self, position: int) -> int | None:
        """The index that a finding bears: null for a single object."""
        return None if self.single else position

    def column(self, name: str) -> Sequence[Any]:
        """The field in each row, in their order; null where it is absent, nothing at all where none has it."""
        if self.columns is not None:
            return self.columns[name].values if name in self.columns else ()
        return [row.get(name) for row in self.rows.values()]

    def take_out(self, position: int) -> None:
        """The record will not be stored."""
        if self.rows.pop(position, None) is not None:
            self.columns = None

    def replace(self, position: int, row: Row) -> None:
        """The record is stored as this instead."""
        self.rows[position] = row
        self.columns = None

    def finding(self, position: int, field: str, code: str, message: str) -> RecordError:
        return finding(self.index(position), field, code, message, self.records[position])

    def refuse(self, position: int, field: str, code: str, message: str) -> None:
        """One more error; the record will not be stored."""
        self.report.errors.append(self.finding(position, field, code, message))
        self.take_out(position)
