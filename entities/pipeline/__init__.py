"""The one way in for records: parse, validate, rules, upsert, report."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from entities.pipeline.report import OUTCOMES, RecordError, Report
from track360.models import Environment

__all__ = ["OUTCOMES", "RecordError", "Report", "ingest"]


def ingest(
    environment: Environment,
    entity: str,
    body: Any,
    *,
    door: str = "push",
    lenient: bool = False,
    dry_run: bool = False,
    request_id: uuid.UUID | None = None,
    replace_day: dt.date | None = None,
    replace_customer_id: str | None = None,
) -> Report:
    """Store a parsed body (`parse.parse_json`): one object, or an array of 1 to 1000 objects.

    Strict (default): with any error nothing is stored (`report.stored` is False, `report.errors` says why). Lenient:
    the good records are stored, the bad ones go to quarantine. A dry run checks the same and writes nothing.
    With `replace_day` (activity only; 0 to 1000 objects) the day, or that customer's day, becomes exactly the body.
    Raises `Problem("unavailable")` where the database stays contended after retries.
    """
    raise NotImplementedError
