"""Control totals as people give them: a table that was typed in, or CSV that was pasted."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import QueryDict

from entities.models import Entity
from entities.totals import MEASURES, Line
from integrations.api.parameters import read_date
from integrations.models import DayTotals
from integrations.reconciliation.control import put_control_totals
from track360.audit import Actor
from track360.models import Environment

COLUMNS = ("day", "entity", "currency", "type", "count", "sum")
MOST_ROWS = 5000
MOST_CHARACTERS = 500_000
MOST_ERRORS = 20
SUM = re.compile(r"[+-]?([0-9]{1,25}|[0-9]{1,3}(,[0-9]{3}){1,8})(\.[0-9]{1,10})?")

Days = Mapping[tuple[str, dt.date], Sequence[Line]]


@dataclass(frozen=True)
class TypedRow:
    """A row of the form as it was typed, with what is wrong with it."""

    currency: str = ""
    type: str = ""
    count: str = ""
    sum: str = ""
    error: str = ""

    @property
    def is_filled(self) -> bool:
        """The page offers lines by currency and type; one that is left without figures says nothing."""
        return bool(self.count or self.sum)


def typed_rows(data: QueryDict) -> list[TypedRow]:
    """Those in which something was typed, the filled ones first."""
    columns = [
        [text.strip() for text in data.getlist(name)][:MOST_ROWS] for name in ("currency", "type", "count", "sum")
    ]
    rows = [TypedRow(*values) for values in zip(*columns, strict=False)]
    found = [row for row in rows if any((row.currency, row.type, row.count, row.sum))]
    return sorted(found, key=lambda row: not row.is_filled)


def read_row(entity: str, row: TypedRow) -> Line:
    """Raises ValidationError: `count`, `sum`."""
    return Line(row.currency.upper(), row.type, read_count(row.count), read_sum(entity, row.sum))


def read_count(text: str) -> int:
    text = text.replace(",", "").replace(" ", "")
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise ValidationError(f"The count “{text[:40]}” is no whole number.", code="count")
    return int(text)


def read_sum(entity: str, text: str) -> Decimal | None:
    """With a point before the decimals; commas may part the thousands."""
    text = text.replace(" ", "").replace("\N{MINUS SIGN}", "-")
    if not text:
        return None if not MEASURES[entity].has_sum else Decimal(0)
    if not SUM.fullmatch(text):
        raise ValidationError(f"The sum “{text[:40]}” is no number: write 1234.50.", code="sum")
    return Decimal(text.replace(",", ""))


def read_csv(text: str) -> dict[tuple[str, dt.date], list[Line]]:
    """Lines of `day,entity,currency,type,count,sum`, with a header or without. A line with the count 0 and no currency
    says that the day is empty. Raises ValidationError with each line that cannot be read."""
    if len(text) > MOST_CHARACTERS:
        raise ValidationError(f"Paste at most {MOST_CHARACTERS:,} characters at once.", code="csv")
    first = text.strip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        table = list(csv.reader(io.StringIO(text.replace("\x00", "\N{REPLACEMENT CHARACTER}")), delimiter=delimiter))
    except csv.Error as error:
        raise ValidationError(f"It is no CSV: {error}.", code="csv") from None
    days: dict[tuple[str, dt.date], list[Line]] = {}
    errors: list[ValidationError] = []
    for number, cells in enumerate(table, 1):
        cells = [cell.strip() for cell in cells]
        if not any(cells) or number == 1 and [cell.lower() for cell in cells] == list(COLUMNS):
            continue
        try:
            entity, day, line = _read_line(cells)
        except ValidationError as error:
            errors.append(ValidationError(f"Line {number}: {error.messages[0]}", code="csv"))
            continue
        lines = days.setdefault((entity, day), [])
        if line.count or line.currency or line.sum:
            lines.append(line)
    if len(table) > MOST_ROWS:
        errors.append(ValidationError(f"Paste at most {MOST_ROWS:,} lines at once.", code="csv"))
    if errors:
        raise ValidationError(errors[:MOST_ERRORS])
    if not days:
        raise ValidationError("There is no line in it.", code="csv")
    return days


def _read_line(cells: list[str]) -> tuple[str, dt.date, Line]:
    if len(cells) != len(COLUMNS):
        raise ValidationError(f"It has {len(cells)} values and not {len(COLUMNS)}: {', '.join(COLUMNS)}.", code="csv")
    day, entity, currency, type_, count, amount = cells
    if entity not in Entity.values:
        raise ValidationError(f"“{entity[:40]}” is none of {', '.join(Entity.values)}.", code="csv")
    try:
        date = read_date(day)
    except ValueError as error:
        raise ValidationError(f"The day {error}.", code="csv") from None
    return entity, date, read_row(entity, TypedRow(currency, type_, count, amount))


@transaction.atomic
def give_control_totals(environment: Environment, days: Days, *, time_zone: str, actor: Actor) -> None:
    """All of the days, or none. Raises ValidationError; each message names its day."""
    errors = []
    for (entity, day), lines in days.items():
        try:
            put_control_totals(
                environment, entity, day, lines, origin=DayTotals.Origin.TYPED, time_zone=time_zone, actor=actor
            )
        except ValidationError as refusal:
            errors += [
                ValidationError(f"{entity} of {day}: {error.messages[0]}", code=error.code, params=error.params)
                for error in getattr(refusal, "error_list", [refusal])
            ]
    if errors:
        raise ValidationError(errors[:MOST_ERRORS])
