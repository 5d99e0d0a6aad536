"""The pipeline from end to end: what every door calls."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Literal, NamedTuple, TypedDict, Unpack

from entities.fx import to_usd
from entities.models import Batch, Entity, Source
from entities.pipeline.check import check
from entities.pipeline.columns import Columns, columns_of
from entities.pipeline.differences import note_differences
from entities.pipeline.erased import carries_personal, drop_erased
from entities.pipeline.facts import rate_key, set_canonical
from entities.pipeline.insert import WITH_IDS, insert_new
from entities.pipeline.lags import EVENT, lags_of
from entities.pipeline.parse import Parsed
from entities.pipeline.policy import PUSHED, Door, Policy
from entities.pipeline.quarantine import hold, supersede_held
from entities.pipeline.report import CREATED, REJECTED, STALE, UNCHANGED, UPDATED, RecordError, Report
from entities.pipeline.rules import Clock, Row
from entities.pipeline.single import insert_single
from entities.pipeline.statuses import note_statuses, statuses_to_note
from entities.pipeline.transaction import BatchRow, in_transaction, save_batch
from entities.pipeline.upsert import Written, remove_others, upsert
from entities.pipeline.validate import MAX_RECORDS
from entities.pipeline.warnings import change_warnings, late_warnings, stale_warning, standing_warning
from entities.pipeline.work import Work
from track360.models import Environment

Shape = Literal["object", "array", "either"]

SOURCES = {
    Batch.Door.PULL: Source.PULL,
    Batch.Door.BACKFILL: Source.PULL,
    Batch.Door.REPLAY: Source.REPLAY,
}
NEVER_LATE = frozenset({Batch.Door.BACKFILL, Batch.Door.REPLAY})
USD_LIMIT = Decimal(10) ** 16


class Prepared(NamedTuple):
    """A batch of which all is known but what the upsert makes of it. `is_refused`: nothing of it will be stored."""

    work: Work
    batch: BatchRow
    is_misshapen: bool
    is_refused: bool


class How(TypedDict, total=False):
    """What `ingest` and `prepare` take beside the body; see there."""

    parsed: Parsed | None
    shape: Shape
    door: str
    lenient: bool
    known_customers: frozenset[str]
    request_id: uuid.UUID | None
    replace_day: dt.date | None
    replace_customer_id: str | None
    policy: Policy
    is_fresh: bool


def ingest(
    environment: Environment,
    entity: str,
    body: Any,
    *,
    dry_run: bool = False,
    also: Callable[[Report], None] | None = None,
    before_writing: Callable[[], None] | None = None,
    **how: Unpack[How],
) -> Report:
    """Store a parsed body (`parse.parse_json`): one object, or an array of 1 to 1000 objects, as `shape` allows.

    Strict (default): with any error nothing is stored (`report.stored` is False, `report.errors` says why). With
    `lenient` the good records are stored, the bad ones go to quarantine; those of a replay are there already and stay
    as they are. A dry run checks the same and writes nothing.
    `known_customers` count as stored; by the sample door any other unknown customer is a warning, not an error.
    With `replace_day` (activity only; 0 to 1000 objects) the day, or that customer's day, becomes exactly the body;
    that is always strict, since a refused record would otherwise be taken back.
    `parsed` is what the body was parsed to, and `is_fresh` says that the environment was read for this call: both
    make the check faster.
    `policy` says more of a pull or a replay. `also` runs in the transaction that stores, before its last statement,
    once for each try; what it raises undoes all of it. `before_writing` is called before anything is written, but where
    all is new: that is stored if the environment's facts have stayed. What it raises stops all.
    Raises `Problem("unavailable")` where the database stays contended after retries.
    """
    prepared = prepare(environment, entity, body, **how)
    if dry_run:
        if not prepared.is_misshapen:
            drop_erased(prepared.work)
        return prepared.work.report
    return store(prepared, also=also, before_writing=before_writing)


def prepare(
    environment: Environment,
    entity: str,
    body: Any,
    *,
    parsed: Parsed | None = None,
    shape: Shape = "either",
    door: str = Batch.Door.PUSH,
    lenient: bool = False,
    known_customers: frozenset[str] = frozenset(),
    request_id: uuid.UUID | None = None,
    replace_day: dt.date | None = None,
    replace_customer_id: str | None = None,
    policy: Policy = PUSHED,
    is_fresh: bool = False,
) -> Prepared:
    """The first half of `ingest`: everything that reads only. Its moment is that of receipt."""
    single = isinstance(body, dict) and shape != "array"
    work = Work(
        environment=environment,
        entity=entity,
        records=[body] if single else body,
        single=single,
        parsed=parsed,
        clock=Clock(dt.datetime.now(dt.UTC)),
        report=Report(batch_id=uuid.uuid4()),
        door=door,
        policy=policy,
        is_fresh=is_fresh,
        known_customers=known_customers,
        day=replace_day.isoformat() if replace_day else None,
        customer_id=replace_customer_id,
    )
    report = work.report
    report.errors = _shape_errors(body, shape, may_be_empty=replace_day is not None)
    is_misshapen = bool(report.errors)
    if is_misshapen:
        report.received = len(body) if isinstance(body, list) else 1
    else:
        report.received = len(work.records)
        check(work)
    is_refused = is_misshapen or bool(report.errors and (not lenient or work.day))
    return Prepared(work, _new_batch(work, request_id), is_misshapen, is_refused)


def _new_batch(work: Work, request_id: uuid.UUID | None) -> BatchRow:
    return BatchRow(
        id=work.report.batch_id,
        environment_id=work.environment.pk,
        entity=work.entity,
        door=work.door,
        request_id=request_id,
        run_id=work.policy.run_id,
        fetched_since=work.policy.fetched_since,
        started_at=work.clock.now,
    )


_not_new: set[tuple[int, str]] = set()
"""By environment and entity: where the batch that came last was not new as a whole. The next is likely not new either,
and whoever tries that in vain sends a thousand records twice."""


def store(
    prepared: Prepared,
    *,
    also: Callable[[Report], None] | None = None,
    before_writing: Callable[[], None] | None = None,
) -> Report:
    """The second half of `ingest`, once for each batch."""
    work, batch = prepared.work, prepared.batch
    kind = (batch.environment_id, batch.entity)
    is_plain = not prepared.is_refused and also is None and _is_plain(work, batch)
    is_tried = is_plain and (work.single or kind not in _not_new)
    if is_tried and (report := _store_at_once(work, batch)):
        return report
    if before_writing is not None:
        before_writing()
    if prepared.is_refused:
        _save_refusal(batch, work.report)
        return work.report
    report = in_transaction(
        work.environment,
        lambda: _store(work, batch, also, may_be_new=not is_tried),
        alone=work.day is not None,
    )
    if is_plain and not work.single:
        (_not_new.discard if batch.created == batch.received else _not_new.add)(kind)
    return report


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


# -- One transaction ----------------------------------------------------------


def _store(work: Work, batch: BatchRow, also: Callable[[Report], None] | None, *, may_be_new: bool) -> Report:
    """Write the batch; where it cannot be new as a whole, by comparing.

    It runs again from the start where another got in between, so it leaves `work` as it is, but for what an erasure
    takes away.
    """
    drop_erased(work)
    positions = list(work.rows)
    columns = _columns(work)
    source = SOURCES.get(Batch.Door(batch.door), Source.PUSH)
    written = upsert(
        work.environment,
        entity=work.entity,
        columns=columns,
        source=source,
        batch_id=batch.id,
        policy=work.policy,
        may_be_new=may_be_new,
    )
    is_live = batch.door not in NEVER_LATE and (source != Source.PULL or work.policy.looked_at is not None)
    report = _report(work, written, positions, may_be_late=is_live)
    if work.day:
        report.removed = remove_others(
            work.environment, day=work.day, customer_id=work.customer_id, columns=columns, batch_id=batch.id
        )
    note_statuses(work)
    if work.policy.door == Door.COMPARE:
        batch.differing = report.differing = note_differences(batch, rows=list(work.rows.values()), written=written)
    if work.policy.run_id and work.policy.keeps_refused:
        supersede_held(batch, rows=list(work.rows.values()))
    if report.errors and work.policy.keeps_refused:
        hold(batch, records=work.records, errors=report.errors)
    _describe(batch, work, report, is_live=is_live)
    report.stored = True
    if also is not None:
        also(report)
    save_batch(batch, change=written.created - report.removed)
    return report


def _is_plain(work: Work, batch: BatchRow) -> bool:
    """Whether it was pushed, all of it may be stored, and its rows are all that has to be written."""
    is_pushed = work.policy is PUSHED and batch.door == Batch.Door.PUSH and not work.day
    is_whole = len(work.rows) == len(work.records) and (work.single or work.entity in WITH_IDS)
    return is_pushed and is_whole and not any(statuses_to_note(work)) and not carries_personal(work)


def _store_at_once(work: Work, batch: BatchRow) -> Report | None:
    """Write a plain batch in one message; None, and nothing written, where a record is stored already or the
    environment's facts have changed."""
    report = _report(work, Written(len(work.rows), [], {}, {}), list(work.rows), may_be_late=True)
    _describe(batch, work, report, is_live=True)
    if work.single:
        report.record = insert_single(batch, _with_dollars(work)[0], work.environment, source=Source.PUSH)
        report.stored = report.record is not None
    else:
        report.stored = insert_new(batch, _columns(work), work.environment)
    if not report.stored:
        return None
    if report.record is not None:
        set_canonical(work.entity, report.record, work.facts.mapped)
    return report


def _describe(batch: BatchRow, work: Work, report: Report, *, is_live: bool) -> None:
    """The row of the batch."""
    for name, count in report.counts().items():
        setattr(batch, name, count)
    batch.removed = report.removed
    batch.warnings = len(report.warnings)
    batch.late = sum(1 for warning in report.warnings if warning.code == "late")
    is_measured = is_live and batch.created > 0
    batch.lags, batch.lag_seconds, batch.own_seconds = _lags(work, report) if is_measured else (None, 0.0, 0.0)
    batch.finished_at = now = dt.datetime.now(dt.UTC)
    if is_measured:
        batch.own_seconds += batch.created * (now - batch.started_at).total_seconds()


def _lags(work: Work, report: Report) -> tuple[list[int], float, float]:
    """Of the created records, as `lags_of` has them."""
    events = work.column(EVENT[Entity(work.entity)])
    if set(report.outcomes) != {CREATED}:
        events = [
            event for position, event in zip(work.rows, events, strict=True) if report.outcomes[position] == CREATED
        ]
    return lags_of(work.entity, events, received_at=work.clock.now, looked_at=work.policy.looked_at)


def _columns(work: Work) -> Columns:
    """What is stored: the rows as sent, with the dollars that a rate makes, of a replay with when each came."""
    if work.columns is not None and not work.facts.rates and not work.policy.came_at:
        return work.columns
    rows = _with_dollars(work)
    if work.policy.came_at:
        came_at = map(work.policy.came_at.__getitem__, work.rows)
        rows = [row | {"came_at": moment} for row, moment in zip(rows, came_at, strict=True)]
    return columns_of(rows)


def _with_dollars(work: Work) -> list[Row]:
    """The rows; transactions without amount_usd with what the rate of their day makes of it."""
    rows = list(work.rows.values())
    if work.entity != Entity.TRANSACTIONS or not work.facts.rates:
        return rows
    for place, row in enumerate(rows):
        if "amount_usd" not in row and (rate := work.facts.rates.get(rate_key(row))):
            usd = to_usd(Decimal(row["amount_currency"]), rate.usd_rate)
            if abs(usd) < USD_LIMIT:
                dollars = {"amount_usd": usd, "fx_source": rate.source}
                rows[place] = row | dollars | {"fx_rate": rate.usd_rate, "fx_rate_date": rate.day}
    return rows


def _report(work: Work, written: Written, positions: list[int], *, may_be_late: bool) -> Report:
    """One outcome for each position, and the warnings that are true of what was stored."""
    report = Report(batch_id=work.report.batch_id, received=work.report.received, errors=work.report.errors)
    # What went into the upsert was created unless it says otherwise; what did not was refused or repeated another.
    report.outcomes = [REJECTED] * report.received
    for position in positions:
        report.outcomes[position] = CREATED
    for position in work.copies:
        report.outcomes[position] = UNCHANGED
    warnings = work.report.warnings
    for position, stored in work.outdated.items():
        report.outcomes[position] = STALE
        warnings = [*warnings, stale_warning(work, position, stored=stored)]
    for place in written.unchanged:
        report.outcomes[positions[place]] = UNCHANGED
    for place, old in written.updated.items():
        report.outcomes[positions[place]] = UPDATED
        warnings = warnings + change_warnings(work, positions[place], old)
    if written.stale:
        stale = {positions[place]: standing for place, standing in written.stale.items()}
        for position in stale:
            report.outcomes[position] = STALE
        warnings = [warning for warning in warnings if (warning.index or 0) not in stale]
        warnings += [standing_warning(work, position, standing) for position, standing in stale.items()]
    if may_be_late and written.created:
        created = (position for position in positions if report.outcomes[position] == CREATED)
        warnings = warnings + late_warnings(work, created)
    report.warnings = sorted(warnings, key=lambda warning: warning.index or 0)
    return report


def _save_refusal(batch: BatchRow, report: Report) -> None:
    batch.refused = True
    batch.received = report.received
    batch.rejected = len(report.bad_indexes())
    batch.finished_at = dt.datetime.now(dt.UTC)
    save_batch(batch)
