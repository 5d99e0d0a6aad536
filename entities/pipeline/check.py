"""Everything that can be wrong with a batch, found before anything is written."""

from __future__ import annotations

from collections import defaultdict

from entities.models import Batch, Entity
from entities.pipeline.conform import conforms
from entities.pipeline.duplicates import KEYS, fold
from entities.pipeline.facts import STATUS_FIELDS, facts_for, rate_key
from entities.pipeline.glance import in_order
from entities.pipeline.rules import check_record
from entities.pipeline.validate import schema_errors
from entities.pipeline.warnings import warnings_about
from entities.pipeline.work import Work


def check(work: Work) -> None:
    """Fill the rows with what may be stored, and the report with errors and with warnings about the rows."""
    errors = work.report.errors
    columns = work.parsed.columns if work.parsed else None
    if columns is None or not conforms(work.entity, columns):
        errors += schema_errors(work.entity, work.records, single=work.single)
    # One record by itself is looked at in less time than it takes to make columns of it.
    is_glanced_at = not errors and not work.single
    found = in_order(work.entity, work.records, columns=columns, clock=work.clock) if is_glanced_at else None
    if found is None:
        _check_each(work)
    else:
        work.rows, work.columns = dict(enumerate(found.rows)), found.columns
    if work.day:
        _check_day(work)
    _fold(work)
    _look_up(work)
    _refuse_unknown_customers(work)
    errors.sort(key=lambda error: error.index or 0)
    work.report.warnings = warnings_about(work)


def _check_each(work: Work) -> None:
    errors = work.report.errors
    faulty: dict[int, set[str | None]] = defaultdict(set)
    for error in errors:
        faulty[error.index or 0].add(error.field)
    for position, record in enumerate(work.records):
        if not isinstance(record, dict):
            continue
        row, found = check_record(
            work.entity,
            record,
            index=work.index(position),
            faulty=faulty.get(position, frozenset()),
            clock=work.clock,
        )
        errors += found
        if not found and position not in faulty:
            work.rows[position] = row


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
        work.take_out(position)


def _look_up(work: Work) -> None:
    is_customers = work.entity == Entity.CUSTOMERS
    work.facts = facts_for(
        work.environment,
        entity=work.entity,
        statuses={(name, value) for name in STATUS_FIELDS[work.entity] for value in set(work.column(name)) - {None}},
        customers=frozenset() if is_customers else frozenset(work.column("customer_id")),
        affiliates=frozenset(work.column("affiliate_id")) if is_customers else frozenset(),
        rates={rate_key(row) for row in work.rows.values() if "amount_usd" not in row}
        if work.entity == Entity.TRANSACTIONS
        else set(),
        is_fresh=work.is_fresh,
    )
    work.facts.unknown_customers -= work.known_customers


def _refuse_unknown_customers(work: Work) -> None:
    unknown = work.facts.unknown_customers
    if not unknown or work.door == Batch.Door.SAMPLE:
        return
    for position, row in list(work.rows.items()):
        if row["customer_id"] in unknown:
            message = "names no customer stored in this environment; send the customer first"
            work.refuse(position, "customer_id", "unknown_customer", message)
