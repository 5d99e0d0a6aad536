"""The log of calls: noted in memory while the caller waits, written in batches by one thread a process.

A call is never delayed or failed by its log: the queue is bounded, what does not fit or cannot be written is dropped
and counted in the server's own log. At most half a second of it is lost with a killed process.
"""

from __future__ import annotations

import atexit
import datetime as dt
import logging
import threading
import uuid
from collections import deque
from typing import Any, NamedTuple

from django.db import connection
from django.http import HttpResponse

from entities.pipeline import InvalidJson, RecordError, Report
from entities.pipeline.columns import Column, arrays
from entities.pipeline.erased import storable
from integrations.api.authentication import Caller
from integrations.partitions import ensure_partitions
from integrations.payloads import RECORD_LENGTH, excerpt, masked_query, masked_record
from track360 import exact_json
from track360.problems import Problem
from track360.proxy import client_ip

logger = logging.getLogger(__name__)

WRITE_EVERY_SECONDS = 0.5
QUEUED_ROWS = 20_000
QUEUED_BYTES = 32 * 2**20
KEPT_RECORDS = 100
ROW_BYTES = 500  # about, without what was refused
PATH_LENGTH = 1000

COLUMNS = {
    "id": "uuid", "at": "timestamptz", "environment_id": "bigint", "client_id": "text", "token_last_four": "text",
    "method": "text", "path": "text", "query": "text", "entity": "text", "status": "smallint", "duration_ms": "integer",
    "request_bytes": "bigint", "ip": "inet", "user_agent": "text", "received": "integer", "created": "integer",
    "updated": "integer", "unchanged": "integer", "stale": "integer", "rejected": "integer", "error_code": "text",
    "error_summary": "text", "detail": "text",
}  # fmt: skip
INSERT = f"""
INSERT INTO integrations_apirequest ({", ".join(COLUMNS)})
SELECT * FROM unnest({", ".join(f"%({name})s::{type_}[]" for name, type_ in COLUMNS.items())})
    ON CONFLICT DO NOTHING"""


class Noted(NamedTuple):
    """What is kept of a call once it was answered, some of it as it came. The thread makes the row of it: of many at
    once in a third of the time, and the caller does not wait for it."""

    request_id: uuid.UUID
    answered_at: dt.datetime
    seconds: float
    caller: Caller | None
    method: str
    path: str
    query: str
    entity: str
    status: int
    length: str
    address: str | None
    user_agent: str
    counts: dict[str, int]
    error_code: str
    error_summary: str
    detail: dict[str, Any] | None


class Queue:
    """The rows that wait, and the thread that writes them. Each process has one; the thread starts after the fork."""

    def __init__(self) -> None:
        self.rows: deque[Noted] = deque()
        self.bytes = 0
        self.dropped = 0
        self.wake = threading.Event()
        self.lock = threading.Lock()
        self.thread: threading.Thread | None = None
        self.ensured: dt.date | None = None

    def put(self, row: Noted, *, size: int) -> None:
        if len(self.rows) >= QUEUED_ROWS or self.bytes + size > QUEUED_BYTES:
            self.dropped += 1
        else:
            self.bytes += size
            self.rows.append(row)
        if self.thread is None or not self.thread.is_alive():
            self.start()

    def start(self) -> None:
        with self.lock:
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self.run, name="request-log", daemon=True)
                self.thread.start()

    def run(self) -> None:
        while not self.wake.wait(WRITE_EVERY_SECONDS):
            if self.rows or self.dropped:
                connection.close_if_unusable_or_obsolete()
                self.flush()

    def flush(self) -> None:
        """Write what waits. Never raises: what cannot be written is dropped and counted."""
        with self.lock:
            rows = [self.rows.popleft() for _ in range(len(self.rows))]
            self.bytes = 0
            try:
                if rows:
                    self.write(rows)
            except Exception as error:
                self.dropped += len(rows)
                logger.warning("The request log cannot be written: %s", str(error).strip())
            if self.dropped:
                logger.error("%s calls are missing from the request log", self.dropped)
                self.dropped = 0

    def write(self, rows: list[Noted]) -> None:
        today = dt.datetime.now(dt.UTC).date()
        if self.ensured != today:
            ensure_partitions(today)
            self.ensured = today
        columns = dict(zip(COLUMNS, map(Column.of, zip(*map(_row, rows), strict=True)), strict=True))
        with connection.cursor() as cursor:
            cursor.execute(INSERT, arrays(columns, COLUMNS))


queue = Queue()
flush = queue.flush
atexit.register(flush)


def note(request: Any, response: HttpResponse, *, path: str, seconds: float) -> None:
    """Put one call into the queue; takes well under a millisecond and never raises."""
    try:
        row = _noted(request, response, path=path, seconds=seconds)
        kept = 0 if row.detail is None else min(len(request.raw_body), KEPT_RECORDS * RECORD_LENGTH)
        queue.put(row, size=ROW_BYTES + kept)
    except Exception:
        logger.exception("A call could not be noted for the request log")


def _noted(request: Any, response: Any, *, path: str, seconds: float) -> Noted:
    problem: Problem | None = getattr(response, "problem", None)
    report: Report | None = getattr(request, "report", None)
    counts = report.counts() if report else {}
    if report and report.refused and report.received:
        counts["rejected"] = len(report.bad_indexes())  # as the batch has it: the records that broke a rule
    meta = request.META
    return Noted(
        request_id=request.request_id,
        answered_at=dt.datetime.now(dt.UTC),
        seconds=seconds,
        caller=getattr(request, "caller", None),
        method=request.method[:10],
        path=path[:PATH_LENGTH],
        query=masked_query(meta.get("QUERY_STRING", ""))[:PATH_LENGTH],
        entity=getattr(request, "entity", ""),
        status=response.status_code,
        length=meta.get("CONTENT_LENGTH", "")[:18],
        address=client_ip(request),
        user_agent=meta.get("HTTP_USER_AGENT", "")[:PATH_LENGTH],
        counts=counts,
        error_code=problem.type.code if problem else "",
        error_summary=summary(problem, report)[:PATH_LENGTH],
        detail=_detail(request, problem, report),
    )


def _row(noted: Noted) -> tuple[Any, ...]:
    """In the order of `COLUMNS`."""
    caller = noted.caller
    return (
        str(noted.request_id),
        noted.answered_at - dt.timedelta(seconds=noted.seconds),
        caller.environment.pk if caller else None,
        caller.client_identifier if caller else "",
        caller.token_last_four if caller else "",
        noted.method,
        _storable(noted.path),
        _storable(noted.query),
        noted.entity,
        noted.status,
        round(noted.seconds * 1000),
        int(noted.length) if noted.length.isascii() and noted.length.isdigit() else 0,
        noted.address,
        _storable(noted.user_agent),
        *(noted.counts.get(name) for name in ("received", "created", "updated", "unchanged", "stale", "rejected")),
        noted.error_code,
        _storable(noted.error_summary),
        None if noted.detail is None else exact_json.dumps(noted.detail),
    )


def _storable(text: str) -> str:
    """Text as PostgreSQL holds it: no NUL, no broken characters."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def summary(problem: Problem | None, report: Report | None) -> str:
    """One sentence: what was refused, and the first reason."""
    if report is None or not report.errors:
        return problem.detail if problem else ""
    first = report.errors[0]
    if first.index is None and not first.pointer:
        return f"{first.message[:1].upper()}{first.message[1:]}."
    count = len(report.bad_indexes())
    of = "The record was refused" if first.index is None else f"{count:,} of {report.received:,} records refused"
    others = len(report.errors) - 1
    more = f", and {others:,} more error{'s' * (others > 1)}" if others else ""
    reason = first.message if first.code == "required" else f"{first.field or 'it'} {first.message}"
    return f"{of}: {reason}{more}."


def _detail(request: Any, problem: Problem | None, report: Report | None) -> dict[str, Any] | None:
    """What was refused."""
    if report is not None and report.errors:
        return {"records": refused_records(request.refused_body, report.errors)}
    cause = problem and problem.__cause__
    if isinstance(cause, InvalidJson):
        return excerpt(request.raw_body, cause.offset)
    return None


def refused_records(body: Any, errors: list[RecordError]) -> list[dict[str, Any]]:
    """The first 100 refused records, masked, each with its errors; of a body of the wrong shape the errors alone.

    The errors come in the order of their indexes.
    """
    found: dict[int | None, dict[str, Any]] = {}
    for error in errors:
        entry = found.get(error.index)
        if entry is None:
            if len(found) == KEPT_RECORDS:
                break
            record = _record_at(body, error)
            entry = found[error.index] = {"index": error.index, "record": record, "errors": []}
        entry["errors"].append(storable(error))
    return list(found.values())


def _record_at(body: Any, error: RecordError) -> Any:
    if error.index is not None:
        return masked_record(body[error.index])
    return masked_record(body) if error.pointer else None
