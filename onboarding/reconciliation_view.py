"""What the pages of reconciliation show: a month of days, a day's tables, the records of a cell, in words."""

from __future__ import annotations

import csv
import datetime as dt
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from entities.door_lists import Which
from entities.models import Entity
from entities.pipeline.duplicates import KEYS
from entities.privacy import masked_value
from entities.totals import MEASURES, Line
from integrations.models import DayTotals, DoubledDay
from integrations.reconciliation.compare import BOOKS, NOTHING, Cell, EntityDay, Figures, State, compared, worst
from integrations.reconciliation.days import FIRST_DAY, Side, days_between, lines_of
from onboarding.days import difference_words, signed
from track360.models import Environment
from track360.spreadsheets import guarded

MONTH = re.compile(r"([0-9]{4})-([0-9]{2})")
VERSIONS = 60
AMOUNTS = {Entity.TRANSACTIONS: "amount_currency", Entity.ACTIVITY: "ggr"}
# state -> tone and word of its badge
LOOKS = {
    State.AGREES: ("success", "Agrees"),
    State.WAIVED: ("info", "Waived"),
    State.DIFFERS: ("danger", "Differs"),
    State.UNSAID: ("neutral", "No control total"),
    State.OPEN: ("neutral", "Not over"),
}
TITLES = {
    Which.ONLY_PUSHED: "Only pushed",
    Which.ONLY_PULLED: "Only pulled",
    Which.DIFFERENT: "Different",
    Which.WAIVED: "Waived",
}


# -- A month --------------------------------------------------------------------


@dataclass(frozen=True)
class Month:
    first: dt.date
    last: dt.date

    @property
    def name(self) -> str:
        return f"{self.first:%B %Y}"

    @property
    def before(self) -> str:
        return f"{self.first - dt.timedelta(days=1):%Y-%m}" if self.first > FIRST_DAY else ""

    def after(self, today: dt.date) -> str:
        return f"{self.last + dt.timedelta(days=1):%Y-%m}" if self.last < today else ""


def month_of(text: str, today: dt.date) -> Month:
    """The month of `2026-03`, as far as it has come; this one for anything else."""
    match = MONTH.fullmatch(text)
    year, month = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (FIRST_DAY.year <= year and 1 <= month <= 12 and (year, month) <= (today.year, today.month)):
        year, month = today.year, today.month
    following = dt.date(year + month // 12, month % 12 + 1, 1)
    return Month(dt.date(year, month, 1), min(today, following - dt.timedelta(days=1)))


@dataclass(frozen=True)
class Named:
    """A day of an entity, by its name and how it stands."""

    day: EntityDay

    @property
    def label(self) -> str:
        return str(Entity(self.day.entity).label)

    @property
    def look(self) -> tuple[str, str]:
        return LOOKS[self.day.state]

    @property
    def tone(self) -> str:
        return self.look[0]

    @property
    def word(self) -> str:
        return self.look[1]


@dataclass(frozen=True)
class MatrixCell(Named):
    doubled: bool

    @property
    def look(self) -> tuple[str, str]:
        return ("warning", "Doubled") if self.doubled else super().look

    @property
    def count(self) -> int:
        return sum(one.total.sides.get(Side.STORED, NOTHING)[0] for one in self.day.currencies)


@dataclass(frozen=True)
class MatrixRow:
    day: dt.date
    cells: list[MatrixCell]

    @property
    def state(self) -> State:
        return worst(cell.day.state for cell in self.cells)

    @property
    def figures(self) -> list[tuple[str, int, str, str]]:
        """What `day_cells` writes: of what, how many are stored, and how they stand as a word and its tone."""
        return [(cell.label, cell.count, cell.word, cell.tone) for cell in self.cells]


def matrix(
    environment: Environment,
    month: Month,
    *,
    entities: Sequence[str],
    doubled: Iterable[DoubledDay],
    time_zone: str,
    now: dt.datetime,
) -> list[MatrixRow]:
    """A row a day, the latest first."""
    days = days_between(month.first, month.last)
    found = compared(environment, days, time_zone=time_zone, now=now, entities=entities, sides=BOOKS)
    flagged = {(row.entity, row.day) for row in doubled if not row.verdict}
    return [
        MatrixRow(day, [MatrixCell(found[entity, day], (entity, day) in flagged) for entity in entities])
        for day in reversed(days)
    ]


def sentence_of_month(rows: list[MatrixRow], month: Month) -> tuple[str, dt.date | None]:
    """How the month stands and what is next, and the day to look at."""
    flagged = next((row.day for row in rows if any(cell.doubled for cell in row.cells)), None)
    if flagged:
        return f"{_date(flagged)} came again, doubled. Next: say which total is right.", flagged
    differing = [row.day for row in rows if row.state == State.DIFFERS]
    if differing:
        days = "1 day differs" if len(differing) == 1 else f"{len(differing)} days differ"
        return f"{days} from the control totals. Next: look at {_date(differing[0])}.", differing[0]
    over = [row for row in rows if row.state != State.OPEN]
    unsaid = [row.day for row in over if row.state == State.UNSAID]
    if not over:
        return f"No day of {month.name} is over yet.", None
    if not unsaid:
        return f"All {len(over)} days of {month.name} that are over agree.", None
    if len(unsaid) == len(over):
        return "No control total of this month has been given yet. Next: give one for each day.", unsaid[0]
    days = "1 day waits" if len(unsaid) == 1 else f"{len(unsaid)} days wait"
    return f"{days} for control totals; the others agree. Next: give that of {_date(unsaid[0])}.", unsaid[0]


def _date(day: dt.date) -> str:
    return f"{day:%-d %B}"


# -- A day ----------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A line of a day's table: of a currency and type, or of a currency as a whole."""

    entity: str
    cell: Cell
    is_total: bool
    has_sum: bool

    @property
    def sides(self) -> list[Figures | None]:
        return [self.cell.sides.get(side) for side in (Side.PUSHED, Side.PULLED, Side.STORED, Side.PARTNER)]

    @property
    def difference(self) -> tuple[str, str] | None:
        """Count and sum, where it differs."""
        if not (self.cell.count_difference or self.cell.sum_difference):
            return None
        return signed(self.cell.count_difference), signed(self.cell.sum_difference)

    @property
    def tone(self) -> str:
        return LOOKS[self.cell.state][0]

    @property
    def word(self) -> str:
        return LOOKS[self.cell.state][1]


@dataclass(frozen=True)
class Table(Named):
    """A day of an entity as it is shown."""

    rows: list[Row]

    @property
    def has_type(self) -> bool:
        return MEASURES[self.day.entity].has_type

    @property
    def has_sum(self) -> bool:
        return MEASURES[self.day.entity].has_sum


def table_of(day: EntityDay) -> Table:
    measure = MEASURES[day.entity]
    rows = []
    for currency in day.currencies:
        rows += [Row(day.entity, cell, False, measure.has_sum) for cell in currency.types]
        rows.append(Row(day.entity, currency.total, bool(currency.types), measure.has_sum))
    return Table(day, rows)


def sentence_of_tables(tables: list[Table], doubled: list[DoubledDay]) -> str:
    if any(not row.verdict for row in doubled):
        return "It came again, doubled. Next: say which of the two totals is right."
    state = worst(table.day.state for table in tables)
    if state == State.DIFFERS:
        table = next(table for table in tables if table.day.state == State.DIFFERS)
        cell = table.day.differing[0]
        words = difference_words(table.day.entity, cell)
        return f"{table.label} differ: {words}. Next: open that line and see which records."
    if state == State.OPEN:
        return "The day is not over: it can be compared once it is."
    if state == State.UNSAID:
        names = " and ".join(table.label.lower() for table in tables if table.day.state == State.UNSAID)
        return f"There is no control total of {names} that counts. Next: give it."
    if state == State.WAIVED:
        return "It agrees, but for differences that were accepted with a reason."
    return "It agrees with the control totals."


@dataclass(frozen=True)
class Version:
    totals: DayTotals
    words: str

    @property
    def origin(self) -> str:
        name = str(DayTotals.Origin(self.totals.origin).label)
        return name[0].lower() + name[1:]


def versions_of_day(environment: Environment, day: dt.date) -> list[Version]:
    """Who said what of the day and when, the latest first."""
    rows = DayTotals.objects.filter(environment=environment, day=day).select_related("by").order_by("-at", "-pk")
    return [Version(row, lines_in_words(row)) for row in rows[:VERSIONS]]


def lines_in_words(totals: DayTotals) -> str:
    """`12 · EUR 1,500.10 deposit`, at most four of them."""
    lines = lines_of(totals)
    parts = [_line_in_words(line) for line in lines[:4]]
    if not parts:
        return "nothing: an empty day"
    return "; ".join(parts) + (f"; and {len(lines) - 4} more lines" if len(lines) > 4 else "")


def _line_in_words(line: Line) -> str:
    if line.sum is None:
        return f"{line.count:,}"
    return f"{line.count:,} · {line.currency} {line.sum:,.2f} {line.type}".rstrip()


# -- The records of a cell --------------------------------------------------------


@dataclass(frozen=True)
class FieldPair:
    name: str
    here: Any
    there: Any


@dataclass(frozen=True)
class Accepted:
    """That somebody left a record as pushed."""

    reason: str
    at: dt.datetime
    by: str


@dataclass(frozen=True)
class RecordRow:
    """A record of a list; `fields` are those in which the pushed and the pulled version differ."""

    pk: int
    key: str
    date: Any
    currency: str
    amount: Decimal | None
    updated_at: dt.datetime
    difference_id: int | None
    fields: list[FieldPair]
    accepted: Accepted | None


def record_rows(entity: Entity, records: Iterable[Any], *, personal: bool) -> list[RecordRow]:
    return [
        RecordRow(
            pk=row.pk,
            key=" ".join(str(getattr(row, name)) for name in KEYS[entity]),
            date=getattr(row, MEASURES[entity].date),
            currency=getattr(row, "currency", ""),
            amount=getattr(row, AMOUNTS[entity]) if entity in AMOUNTS else None,
            updated_at=row.updated_at,
            difference_id=row.difference_id,
            fields=[_pair(row, name, personal=personal) for name in row.differing_fields or ()],
            accepted=Accepted(row.waived_because, row.waived_at, row.waived_by) if row.waived_at else None,
        )
        for row in records
    ]


def _pair(row: Any, name: str, *, personal: bool) -> FieldPair:
    here, there = getattr(row, name), row.said.get(name)
    if not personal:
        here, there = masked_value(name, here), masked_value(name, there)
    return FieldPair(name, _shown(here), _shown(there))


def _shown(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, dt.datetime):
        return value.astimezone(dt.UTC).isoformat().replace("+00:00", "Z")
    return str(value)[:200]


RESEND_COLUMNS = ("key", "date", "currency", "amount", "updated_at")


def resend_csv(rows: Iterable[RecordRow], columns: Sequence[str]) -> Iterator[str]:
    """Keys and figures of the records, to be looked up at the partner's and sent again."""
    yield _csv_line(columns)
    for row in rows:
        yield _csv_line([_shown(getattr(row, name)).replace("–", "") for name in columns])


def _csv_line(cells: Iterable[str]) -> str:
    line = io.StringIO()
    csv.writer(line).writerow([guarded(cell) for cell in cells])
    return line.getvalue()
