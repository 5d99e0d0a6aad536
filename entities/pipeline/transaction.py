"""The transaction of a batch: its row, and the count of records that it keeps."""

from __future__ import annotations

import datetime as dt
import random
import time
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec
from django.db import IntegrityError, OperationalError, connection, transaction

from entities.models import Batch, RecordCounter
from entities.pipeline.locks import INGEST_LOCK
from track360.models import Environment
from track360.problems import Problem

STATEMENT_TIMEOUT = "20s"
ATTEMPTS = 4
RETRYABLE = {"23505", "40P01", "40001"}  # unique_violation, deadlock_detected, serialization_failure

T = TypeVar("T")


class BatchRow(msgspec.Struct):
    """A `Batch` that is not stored yet, with its fields: made, and made JSON of, in a fraction of the model's time."""

    id: uuid.UUID
    environment_id: int
    entity: str
    door: str
    request_id: uuid.UUID | None
    run_id: uuid.UUID | None
    fetched_since: dt.datetime | None
    started_at: dt.datetime
    finished_at: dt.datetime | None = None
    refused: bool = False
    received: int = 0
    created: int = 0
    updated: int = 0
    unchanged: int = 0
    stale: int = 0
    rejected: int = 0
    removed: int = 0
    late: int = 0
    warnings: int = 0
    differing: int = 0
    lags: list[int] | None = None
    lag_seconds: float = 0.0
    own_seconds: float = 0.0


class Contended(Exception):
    """Another transaction changed a row of the batch between the look and the write."""


def as_json(values: dict[str, Any] | BatchRow) -> str:
    """Decimals become texts, which PostgreSQL reads to the last digit."""
    return msgspec.json.encode(values).decode()


def some_slot() -> int:
    """Of the rows that count the records, the one that takes a change."""
    return random.randrange(RecordCounter.SLOTS)


def save_batch(batch: BatchRow, *, change: int = 0) -> None:
    """Its row, and the change to the number of records, which is exact by that: the end of the transaction, since
    others wait for the counter's row."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT entities_save_batch(jsonb_populate_record(NULL::{Batch._meta.db_table}, %s), %s, %s)",
            [as_json(batch), some_slot(), change],
        )


def in_one_message(statement: str, parameters: Sequence[Any]) -> Any:
    """The only value of a statement that is a transaction by itself; None where another one was in its way."""
    connection.ensure_connection()
    # The driver's own cursor, as in `upsert`.
    with connection.wrap_database_errors, connection.connection.cursor() as cursor:
        try:
            cursor.execute(f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'; {statement}", parameters)
        except (OperationalError, IntegrityError) as error:
            if getattr(error.__cause__, "pgcode", None) not in RETRYABLE:
                raise
            return None
        return cursor.fetchone()[0]


def in_transaction(environment: Environment, work: Callable[[], T], *, alone: bool = False) -> T:
    """Run the work in one short transaction, side by side with other batches of the environment.

    The shared lock tells readers how far back an unfinished batch may reach (`selectors.watermark`). A batch that met
    another over the same keys runs again with the lock to itself, so that it cannot meet a third; `alone` starts so.
    Raises Problem `unavailable` where the database stays contended.
    """
    for attempt in range(ATTEMPTS):
        lock = "pg_advisory_xact_lock" if alone or attempt else "pg_advisory_xact_lock_shared"
        try:
            with transaction.atomic():
                with connection.cursor() as cursor:
                    cursor.execute(
                        f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}';"
                        # Nobody waits longer for a process that was halted in the midst of it.
                        f" SET LOCAL idle_in_transaction_session_timeout = '{STATEMENT_TIMEOUT}';"
                        f" SELECT {lock}(%s, %s)",
                        [INGEST_LOCK, environment.pk],
                    )
                return work()
        except Contended:
            pass
        except (OperationalError, IntegrityError) as error:
            if getattr(error.__cause__, "pgcode", None) not in RETRYABLE:
                raise
        time.sleep(random.uniform(0, 0.02))
    raise Problem(
        "unavailable",
        "Other batches hold these records; send this one again.",
        headers={"Retry-After": "1"},
    )
