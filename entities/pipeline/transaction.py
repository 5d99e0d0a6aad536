"""The transaction of a batch: its row, and the count of records that it keeps."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.db import IntegrityError, OperationalError, connection, transaction

from entities.models import Batch, RecordCounter
from entities.pipeline.locks import INGEST_LOCK
from track360.models import Environment
from track360.problems import Problem

STATEMENT_TIMEOUT = "20s"
ATTEMPTS = 4
RETRYABLE = {"23505", "40P01", "40001"}  # unique_violation, deadlock_detected, serialization_failure

_BATCH_FIELDS = [field.attname for field in Batch._meta.concrete_fields]
T = TypeVar("T")


class Contended(Exception):
    """Another transaction changed a row of the batch between the look and the write."""


def batch_sql(of: str = "") -> str:
    """The row of a batch; not as the framework writes it, since that would take longer than storing a single record."""
    values = ", ".join(f"%(batch_{name})s" for name in _BATCH_FIELDS)
    return f"INSERT INTO {Batch._meta.db_table} ({', '.join(_BATCH_FIELDS)}) SELECT {values} {of}"


def count_sql(of: str = "") -> str:
    """The change to the number of records, which is exact by that."""
    return f"""
INSERT INTO {RecordCounter._meta.db_table} AS c (environment_id, entity, slot, count)
SELECT %(batch_environment_id)s, %(batch_entity)s, %(slot)s, %(change)s {of}
    ON CONFLICT (environment_id, entity, slot) DO UPDATE SET count = c.count + excluded.count"""


def batch_values(batch: Batch, *, change: int) -> dict[str, Any]:
    """The parameters of the two statements."""
    values = {f"batch_{name}": getattr(batch, name) for name in _BATCH_FIELDS}
    return values | {"slot": random.randrange(RecordCounter.SLOTS), "change": change}


def save_batch(batch: Batch, *, change: int = 0) -> None:
    """Both, the second where there is a change: the end of the transaction, since others wait for the counter's row."""
    sql = f"{batch_sql()}; {count_sql()}" if change else batch_sql()
    with connection.cursor() as cursor:
        cursor.execute(sql, batch_values(batch, change=change))


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
