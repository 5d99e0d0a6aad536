"""What the partner says of a day: sent over the API, typed in, or counted at his database."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from entities.codes import is_currency
from entities.models import Entity
from entities.pipeline.validate import schema_for
from entities.totals import MEASURES, Line
from integrations.models import DayTotals
from integrations.reconciliation.days import (
    FIRST_DAY,
    Side,
    bounds_of,
    day_of,
    newest_totals,
    written,
)
from integrations.reconciliation.doubled import flag_doubled
from track360 import audit
from track360.audit import Actor
from track360.models import Environment

MOST_LINES = 500
MOST_COUNT = 10**12
MOST_SUM = Decimal(10) ** 20
TYPES: tuple[str, ...] = tuple(schema_for(Entity.TRANSACTIONS)["properties"]["transaction_type"]["enum"])


@transaction.atomic
def put_control_totals(
    environment: Environment,
    entity: str,
    day: dt.date,
    lines: Sequence[Line],
    *,
    origin: str,
    time_zone: str,
    actor: Actor,
) -> DayTotals:
    """A day of an entity is, as the partner has it, exactly these lines; none: it is empty.

    Each time is a version; the same again writes nothing, unless it was said before the day was over and is said after
    it now. Raises ValidationError: `day`, or with the index of a line `currency`, `type`, `count`, `sum`, `duplicate`.
    """
    now = timezone.now()
    check_day(day, time_zone, now=now)
    check_lines(entity, day, lines)
    totals = DayTotals(
        environment=environment,
        entity=entity,
        day=day,
        side=Side.PARTNER,
        at=now,
        origin=origin,
        time_zone=time_zone,
        lines=written(lines),
        by=actor.user,
        client_id=actor.client_id,
    )
    before = newest_totals(environment, [day], entities=[entity], sides=[Side.PARTNER]).get((entity, day, Side.PARTNER))
    end = bounds_of(day, time_zone)[1]
    if before and before.lines == totals.lines and before.time_zone == time_zone and (before.at < end) == (now < end):
        return before
    totals.save()
    flag_doubled(totals)
    audit.record(
        "control_totals.given",
        actor=actor,
        environment=environment,
        target=f"{entity} of {day}",
        origin=str(origin),
        lines=len(lines),
    )
    return totals


def check_day(day: dt.date, time_zone: str, *, now: dt.datetime) -> None:
    """Raises ValidationError `day`."""
    if not FIRST_DAY <= day <= day_of(now, time_zone):
        raise ValidationError(f"{day} lies ahead, or before 1900.", code="day")


def check_lines(entity: str, day: dt.date, lines: Sequence[Line]) -> None:
    """Raises ValidationError with all that is wrong; `params` has the index of the line."""
    if len(lines) > MOST_LINES:
        raise ValidationError(f"A day has at most {MOST_LINES} lines, not {len(lines):,}.", code="too_many")
    errors = [error for index, line in enumerate(lines) for error in _line_errors(entity, day, line, index)]
    seen: dict[tuple[str, str], int] = {}
    typed = {line.currency for line in lines if line.type}
    for index, line in enumerate(lines):
        if (line.currency, line.type) in seen:
            errors.append(_wrong(index, "duplicate", "There is a line of the same currency and type before it."))
        elif not line.type and line.currency in typed:
            text = f"Say {line.currency} by type or as one line without a type, not both."
            errors.append(_wrong(index, "type", text))
        seen[line.currency, line.type] = index
    if errors:
        raise ValidationError(errors)


def _line_errors(entity: str, day: dt.date, line: Line, index: int) -> list[ValidationError]:
    measure = MEASURES[entity]
    errors = []
    if not measure.has_sum and line.currency:
        errors.append(_wrong(index, "currency", "Customers have no currency: leave it out, and give the count alone."))
    elif measure.has_sum and not is_currency(line.currency, day):
        errors.append(_wrong(index, "currency", f"“{line.currency[:10]}” is no ISO 4217 code of that day."))
    if line.type and not measure.has_type:
        errors.append(_wrong(index, "type", "Only transactions have a type."))
    elif line.type and line.type not in TYPES:
        errors.append(_wrong(index, "type", f"“{line.type[:40]}” is none of {', '.join(TYPES)}."))
    if not 0 <= line.count < MOST_COUNT:
        errors.append(_wrong(index, "count", "The count must be 0 or more, and below 10^12."))
    if problem := _sum_problem(line, needed=measure.has_sum):
        errors.append(_wrong(index, "sum", problem))
    return errors


def _sum_problem(line: Line, *, needed: bool) -> str:
    if line.sum is None or not needed:
        if needed:
            return "Give the sum."
        return "" if line.sum is None else "Customers have no sum: give the count alone."
    if not line.sum.is_finite() or abs(line.sum) >= MOST_SUM:
        return "The sum must be a number under 10^20 in size."
    if line.sum != round(line.sum, 2):
        return "The sum has at most 2 decimal places."
    return ""


def _wrong(index: int, code: str, message: str) -> ValidationError:
    return ValidationError(message, code=code, params={"index": index})
