"""The pipeline from end to end: what every door calls."""

from __future__ import annotations

import datetime as dt
import uuid
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal

from entities.fx import to_usd
from entities.models import Batch, Entity, FxSource, GgrSource, Source
from entities.pipeline.duplicates import KEYS, fold, key_of
from entities.pipeline.facts import Facts, facts_for, rate_key
from entities.pipeline.quarantine import hold
from entities.pipeline.report import CREATED, REJECTED, STALE, UNCHANGED, UPDATED, RecordError, Report
from entities.pipeline.rules import Clock, Row, check_record, sort_key, utc_text
from entities.pipeline.statuses import note_statuses
from entities.pipeline.upsert import Written, count_records, in_transaction, remove_others, upsert
from entities.pipeline.validate import MAX_RECORDS, finding, schema_errors
from entities.pipeline.warnings import (
    is_late,
    late_warning,
    stale_warning,
    warnings_about,
    warnings_about_change,
)
from track360.models import Environment

Shape = Literal["object", "array", "either"]

SOURCES = {
    Batch.Door.PULL: Source.PULL,
    Batch.Door.BACKFILL: Source.PULL,
    Batch.Door.REPLAY: Source.REPLAY,
}
NEVER_LATE = frozenset({Batch.Door.BACKFILL, Batch.Door.REPLAY})
USD_LIMIT = Decimal(10) ** 16


@dataclass
class Work:
    """A batch on its way through: the records as sent, the rows they become by position, what was found."""

    environment: Environment
    entity: str
    records: list[Any]
    single: bool
    clock: Clock
    report: Report
    day: str | None = None
    customer_id: str | None = None
    rows: dict[int, Row] = field(default_factory=dict)
    copies: frozenset[int] = frozenset()
    outdated: dict[int, str] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)

    def index(self, position: int) -> int | None:
        """The index that a finding bears: null for a single object."""
        return None if self.single else position

    def refuse(self, position: int, field_name: str, code: str, message: str) -> None:
        self.report.errors.append(finding(self.index(position), field_name, code, message, self.records[position]))
        self.rows.pop(position, None)


def ingest(
    environment: Environment,
    entity: str,
    body: Any,
    *,
    shape: Shape = "either",
    door: str = Batch.Door.PUSH,
    lenient: bool = False,
    dry_run: bool = False,
    request_id: uuid.UUID | None = None,
    replace_day: dt.date | None = None,
    replace_customer_id: str | None = None,
) -> Report:
    """Store a parsed body (`parse.parse_json`): one object, or an array of 1 to 1000 objects, as `shape` allows.

    Strict (default): with any error nothing is stored (`report.stored` is False, `report.errors` says why). Lenient:
    the good records are stored, the bad ones go to quarantine. A dry run checks the same and writes nothing.
    With `replace_day` (activity only; 0 to 1000 objects) the day, or that customer's day, becomes exactly the body;
    that is always strict, since a refused record would otherwise be taken back.
    Raises `Problem("unavailable")` where the database stays contended after retries.
    """
    started_at = dt.datetime.now(dt.UTC)
    single = isinstance(body, dict) and shape != "array"
    work = Work(
        environment=environment,
        entity=entity,
        records=[body] if single else body,
        single=single,
        clock=Clock.at(started_at),
        report=Report(batch_id=uuid.uuid4()),
        day=replace_day.isoformat() if replace_day else None,
        customer_id=replace_customer_id,
    )
    report = work.report
    batch = Batch(
        id=report.batch_id,
        environment=environment,
        entity=entity,
        door=door,
        request_id=request_id,
        started_at=started_at,
    )
    report.errors = _shape_errors(body, shape, may_be_empty=replace_day is not None)
    misshapen = bool(report.errors)
    if misshapen:
        report.received = len(body) if isinstance(body, list) else 1
    else:
        report.received = len(work.records)
        _check(work)
    if dry_run:
        return report
    if misshapen or (report.errors and (not lenient or work.day)):
        _save_refusal(batch, report)
        return report
    return in_transaction(environment, lambda: _store(work, batch), alone=work.day is not None)


def _shape_errors(body: Any, shape: Shape, *, may_be_empty: bool) -> list[RecordError]:
    def refused(code: str, message: str) -> list[RecordError]:
        return [RecordError(None, "", None, code, message)]

    if isinstance(body, dict):
        return [] if shape != "array" else refused("type", "the body must be an array of objects")
    if not isinstance(body, list) or shape == "object":
        wanted = {"object": "one object", "array": "an array of objects"}
        return refused("type", f"the body must be {wanted.get(shape, 'an object or an array of objects')}")
    if not body and not may_be_empty:
        return refused("empty_batch", "the array must hold at least one record")
    if len(body) > MAX_RECORDS:
        return refused("too_many_records", f"a batch holds at most {MAX_RECORDS} records, not {len(body)}")
    return []


# -- Check: nothing is written ------------------------------------------------


def _check(work: Work) -> None:
    """Fill `rows` with what may be stored and the report with errors and first warnings."""
    errors = work.report.errors = schema_errors(work.entity, work.records, single=work.single)
    faulty: dict[int, set[str | None]] = defaultdict(set)
    for error in errors:
        faulty[error.index or 0].add(error.field)
    nothing: set[str | None] = set()
    for position, record in enumerate(work.records):
        if not isinstance(record, dict):
            continue
        row, found = check_record(
            work.entity,
            record,
            index=work.index(position),
            faulty=faulty.get(position, nothing),
            clock=work.clock,
        )
        errors += found
        if not found and position not in faulty:
            work.rows[position] = row
    if work.day:
        _check_day(work)
    _fold(work)
    work.facts = facts_for(work.environment, entity=work.entity, rows=list(work.rows.values()))
    if work.facts.unknown_customers:
        for position, row in list(work.rows.items()):
            if row["customer_id"] in work.facts.unknown_customers:
                message = "names no customer stored in this environment; send the customer first"
                work.refuse(position, "customer_id", "unknown_customer", message)
    errors.sort(key=lambda error: error.index or 0)
    for position, row in work.rows.items():
        work.report.warnings.extend(
            warnings_about(
                work.entity,
                row,
                index=work.index(position),
                record=work.records[position],
                facts=work.facts,
                clock=work.clock,
            )
        )


def _check_day(work: Work) -> None:
    for position, row in list(work.rows.items()):
        if row["date"] != work.day:
            work.refuse(position, "date", "wrong_day", f"must be {work.day}, the day that is replaced")
        elif work.customer_id is not None and row["customer_id"] != work.customer_id:
            message = f"must be {work.customer_id}, whose day is replaced"
            work.refuse(position, "customer_id", "wrong_customer", message)


def _fold(work: Work) -> None:
    folded = fold(work.entity, work.rows)
    work.copies, work.outdated = folded.copies, folded.outdated
    for position in sorted(folded.clashing):
        message = "the same key stands more than once in this batch, with different content"
        work.refuse(position, KEYS[work.entity][-1], "duplicate_in_batch", message)
    for position in (*folded.copies, *folded.outdated):
        del work.rows[position]


# -- Store: one transaction ---------------------------------------------------


def _store(work: Work, batch: Batch) -> Report:
    """Write the batch. It runs again from the start where another got in between, so it leaves `work` as it is."""
    rows = sorted(
        (_completed(work, position, row) for position, row in work.rows.items()),
        key=lambda row: key_of(work.entity, row),
    )
    source = SOURCES.get(Batch.Door(batch.door), Source.PUSH)
    written = upsert(work.environment, entity=work.entity, rows=rows, source=source, batch_id=batch.id)
    report = _report(work, written, may_be_late=batch.door not in NEVER_LATE)
    if work.day:
        report.removed = remove_others(
            work.environment, day=work.day, customer_id=work.customer_id, rows=rows, batch_id=batch.id
        )
    note_statuses(work.environment, entity=work.entity, rows=rows, facts=work.facts)
    if report.errors:
        hold(batch, records=work.records, errors=report.errors)
    for name, count in report.counts().items():
        setattr(batch, name, count)
    batch.removed = report.removed
    batch.warnings = len(report.warnings)
    batch.late = sum(1 for warning in report.warnings if warning.code == "late")
    batch.finished_at = dt.datetime.now(dt.UTC)
    batch.save(force_insert=True)
    count_records(work.environment, entity=work.entity, change=written.created - report.removed)
    report.stored = True
    return report


def _completed(work: Work, position: int, row: Row) -> Row:
    """The row with what we compute: the version's guard, US dollars, ggr."""
    row = {**row, "index": position}
    if work.entity == Entity.CUSTOMERS:
        modified = row.get("last_modified_date")
        if modified is not None:
            ahead = sort_key(modified) > sort_key(work.clock.future_from)
            row["version_guard"] = utc_text(work.clock.now) if ahead else modified
    elif work.entity == Entity.TRANSACTIONS:
        if "amount_usd" in row:
            row["fx_source"] = FxSource.PARTNER
        elif rate := work.facts.rates.get(rate_key(row)):
            usd = to_usd(Decimal(row["amount_currency"]), rate.usd_rate)
            if abs(usd) < USD_LIMIT:
                row |= {
                    "amount_usd": usd,
                    "fx_source": rate.source,
                    "fx_rate": rate.usd_rate,
                    "fx_rate_date": rate.day,
                }
    elif "ggr" in row:
        row["ggr_source"] = GgrSource.PARTNER
    elif "total_bets" in row and "wins" in row:
        row["ggr"] = row["total_bets"] - row["wins"]
        row["ggr_source"] = GgrSource.COMPUTED
    return row


def _report(work: Work, written: Written, *, may_be_late: bool) -> Report:
    """One outcome for each position, and the warnings that are true of what was stored."""
    unchanged = set(written.unchanged)
    report = Report(batch_id=work.report.batch_id, received=work.report.received, errors=work.report.errors)
    changes: list[RecordError] = []
    for position, record in enumerate(work.records):
        index = work.index(position)
        if position in work.outdated or position in written.stale:
            report.outcomes.append(STALE)
            stored = work.outdated.get(position) or _utc(written.stale[position])
            changes.append(stale_warning(index=index, record=record, stored=stored))
        elif position not in work.rows:
            report.outcomes.append(UNCHANGED if position in work.copies else REJECTED)
        elif position in unchanged:
            report.outcomes.append(UNCHANGED)
        elif position in written.updated:
            report.outcomes.append(UPDATED)
            changes += warnings_about_change(
                work.entity, work.rows[position], old=written.updated[position], index=index, record=record
            )
        else:
            report.outcomes.append(CREATED)
            if may_be_late and is_late(work.entity, work.rows[position], work.clock):
                changes.append(late_warning(work.entity, index=index, record=record))
    report.warnings = [
        warning for warning in work.report.warnings if (warning.index or 0) not in written.stale
    ] + changes
    report.warnings.sort(key=lambda warning: warning.index or 0)
    return report


def _utc(text: str) -> str:
    """A timestamptz as PostgreSQL writes it in JSON, as the API writes times."""
    return utc_text(dt.datetime.fromisoformat(text))


def _save_refusal(batch: Batch, report: Report) -> None:
    batch.refused = True
    batch.received = report.received
    batch.rejected = len(report.bad_indexes())
    batch.finished_at = dt.datetime.now(dt.UTC)
    batch.save(force_insert=True)
