"""Refused records given to the pipeline again, and what came of it written back in the same transaction.

A record is never held a second time: what is refused again stays the row that it was, with its new errors.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from django.db.models import Min
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from entities.models import Batch, Entity, QuarantinedRecord, QuarantineEvent
from entities.pipeline import Door, Policy, RecordError, Report, ingest
from entities.pipeline.erased import storable
from entities.pipeline.quarantine import awaited_customer, first_cause, whole_key
from entities.pipeline.report import REJECTED
from entities.pipeline.transaction import in_transaction
from entities.pipeline.validate import MAX_RECORDS
from track360.audit import Actor
from track360.models import Environment

HELD = QuarantinedRecord.State.HELD
Kind = QuarantineEvent.Kind
# A code of ours, beside those of section 4: an edit left nothing that is wrong.
MENDED = "mended"


class Moved(Exception):
    """Somebody closed or changed one of the records meanwhile: nothing was done, look again."""


@dataclass(frozen=True, slots=True)
class Tried:
    """What became of a batch."""

    passed: int
    refused: int
    superseded: int


def body_of(record: QuarantinedRecord) -> Any:
    """What is tried: what a person made of the record, else the record as sent."""
    return record.payload if record.edited is None else record.edited


def batches(records: Iterable[QuarantinedRecord]) -> Iterator[list[QuarantinedRecord]]:
    """Cut records in the order of their ids so that each part can be one batch: of one entity and one run."""
    for _, batch in groupby(records, key=lambda record: (record.entity, record.run_id)):
        yield list(batch)


# -- Which version -----------------------------------------------------------


def outdated_among(records: list[QuarantinedRecord]) -> set[int]:
    """Of records of one entity, the ids of those of which a newer version is held.

    Only the newest is tried: stored first, an older one would stand against it.
    """
    first = records[0]
    keys = {record.key for record in records if record.key}
    rivals = QuarantinedRecord.objects.filter(
        environment=first.environment_id, entity=first.entity, state=HELD, key__in=keys
    ).exclude(pk__in=[record.pk for record in records])
    versions: defaultdict[tuple[str, ...], list[QuarantinedRecord]] = defaultdict(list)
    for record in sorted([*records, *rivals], key=lambda record: record.pk):
        if key := whole_key(record.entity, body_of(record)):
            versions[key].append(record)
    return {
        record.pk for same in versions.values() if len(same) > 1 for record in same if record is not _newest_of(same)
    }


def _newest_of(versions: list[QuarantinedRecord]) -> QuarantinedRecord:
    """The one received last, unless it is a customer whose own date says otherwise (contract, section 3)."""
    newest = versions[0]
    for record in versions[1:]:
        standing, coming = _modified(newest), _modified(record)
        if standing is None or coming is None or coming >= standing:
            newest = record
    return newest


def _modified(record: QuarantinedRecord) -> dt.datetime | None:
    value = body_of(record).get("last_modified_date") if record.entity == Entity.CUSTOMERS else None
    try:
        moment = parse_datetime(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return moment if moment is not None and moment.tzinfo is not None else None


# -- Without storing -----------------------------------------------------------


def would_pass(environment: Environment, records: list[QuarantinedRecord]) -> Tried:
    """A dry run over at most 1,000 records; its customers that pass count as stored for what comes after them."""
    passed = refused = superseded = 0
    known: set[str] = set()
    for entity in Entity:
        of_entity = [record for record in records if record.entity == entity]
        outdated = outdated_among(of_entity) if of_entity else set()
        bodies = [body_of(record) for record in of_entity if record.pk not in outdated]
        superseded += len(outdated & {record.pk for record in of_entity})
        if not bodies:
            continue
        bad = set(
            ingest(
                environment,
                entity,
                bodies,
                door=Batch.Door.REPLAY,
                lenient=True,
                dry_run=True,
                known_customers=frozenset(known),
            ).bad_indexes()
        )
        passed, refused = passed + len(bodies) - len(bad), refused + len(bad)
        if entity == Entity.CUSTOMERS:
            known |= {body["customer_id"] for index, body in enumerate(bodies) if index not in bad}
    return Tried(passed, refused, superseded)


# -- For good ------------------------------------------------------------------


def retry(
    environment: Environment,
    records: list[QuarantinedRecord],
    *,
    actor: Actor,
    stored_as: Kind = Kind.STORED,
    note: Callable[[Tried], None] | None = None,
) -> Tried:
    """Give one batch (see `batches`) to the pipeline, and close the records that it stored.

    `note` runs in the same transaction. Raises Moved, or what `note` raises: then nothing was done; and Problem
    `unavailable`.
    """
    outdated = outdated_among(records)
    tried = [record for record in records if record.pk not in outdated]
    older = [record for record in records if record.pk in outdated]
    results: list[Tried] = []

    def write_back(report: Report | None) -> None:
        _lock(records)
        events = [QuarantineEvent(record=record, kind=Kind.SUPERSEDED) for record in older]
        _close(older, QuarantinedRecord.State.SUPERSEDED)
        refused = 0
        if report is not None:
            events += _outcomes(tried, report, stored_as)
            refused = len(report.bad_indexes())
        for event in events:
            event.by, event.client_id = actor.user, actor.client_id
            event.batch_id = report.batch_id if report is not None else None
        QuarantineEvent.objects.bulk_create(events)
        result = Tried(len(tried) - refused, refused, len(older))
        if note is not None:
            note(result)
        results.append(result)

    if tried:
        fetched = Batch.objects.filter(pk__in={record.batch_id for record in tried})
        policy = Policy(
            door=Door.REPLAY,
            run_id=tried[0].run_id,
            fetched_since=fetched.aggregate(since=Min("fetched_since"))["since"],
            came_at=[record.received_at for record in tried],
        )
        ingest(
            environment,
            tried[0].entity,
            [body_of(record) for record in tried],
            shape="array",
            door=Batch.Door.REPLAY,
            lenient=True,
            policy=policy,
            also=write_back,
        )
    else:
        in_transaction(environment, lambda: write_back(None))
    return results[-1]


def read_for_retry(records: Any, *, after: int) -> list[QuarantinedRecord]:
    """The next held records, as many as one batch can hold, in the order of their ids."""
    return list(records.filter(state=HELD, pk__gt=after).order_by("pk")[:MAX_RECORDS])


def _lock(records: list[QuarantinedRecord]) -> None:
    """Raises Moved where one of them is not what it was when it was read."""
    numbers = [record.pk for record in records]
    now = {
        record.pk: record
        for record in QuarantinedRecord.objects.select_for_update().filter(pk__in=numbers, state=HELD).order_by("pk")
    }
    if any(record.pk not in now or body_of(now[record.pk]) != body_of(record) for record in records):
        raise Moved


def _outcomes(tried: list[QuarantinedRecord], report: Report, stored_as: Kind) -> list[QuarantineEvent]:
    """Write back what became of each; gives the events."""
    found: defaultdict[int, list[RecordError]] = defaultdict(list)
    for error in report.errors:
        found[error.index or 0].append(error)
    stored, refused, events = [], [], []
    for position, record in enumerate(tried):
        outcome = report.outcomes[position]
        if outcome == REJECTED:
            set_errors(record, found[position])
            refused.append(record)
        else:
            stored.append(record)
        kind = Kind.REFUSED if outcome == REJECTED else stored_as
        events.append(QuarantineEvent(record=record, kind=kind, outcome=outcome))
    _close(stored, QuarantinedRecord.State.STORED)
    QuarantinedRecord.objects.bulk_update(refused, ["errors", "code", "field", "waits_for"], batch_size=250)
    return events


def set_errors(record: QuarantinedRecord, errors: list[RecordError]) -> None:
    """Put the errors of a try in the place of the old ones; pointers lead into the batch that the record came with."""
    record.errors = [
        storable(
            replace(
                error,
                index=record.index,
                pointer=f"/{record.index}" + error.pointer.removeprefix(f"/{error.index}"),
            )
        )
        for error in errors
    ]
    record.code, record.field = first_cause(errors) if errors else (MENDED, "")
    record.waits_for = awaited_customer(body_of(record), errors)


def _close(records: list[QuarantinedRecord], state: QuarantinedRecord.State) -> None:
    numbers = [record.pk for record in records]
    if numbers:
        QuarantinedRecord.objects.filter(pk__in=numbers).update(state=state, closed_at=timezone.now())
