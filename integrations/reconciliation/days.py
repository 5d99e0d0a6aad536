"""The partner's days: where they begin and end in his time zone, and the newest totals of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal
from zoneinfo import ZoneInfo

from entities.models import Entity
from entities.totals import Line
from integrations.models import DayTotals
from track360.models import Environment

DAY = dt.timedelta(days=1)
FIRST_DAY = dt.date(1900, 1, 1)  # the earliest that a record's date may be
LAST_DAY = dt.date(2999, 12, 31)
DUE = dt.time(6, tzinfo=dt.UTC)  # of the day after: the guide's freshness target

Side = DayTotals.Side
Key = tuple[str, dt.date, str]  # entity, day, side

# One look into `day_totals_newest` for each day, entity and side, however many versions there are.
NEWEST_SQL = """
SELECT newest.*
  FROM unnest(%s::date[]) AS day, unnest(%s::text[]) AS entity, unnest(%s::text[]) AS side,
       LATERAL (SELECT * FROM integrations_daytotals totals
                 WHERE totals.environment_id = %s AND totals.entity = entity.entity AND totals.day = day.day
                   AND totals.side = side.side
                 ORDER BY totals.id DESC LIMIT 1) AS newest
"""


def bounds_of(day: dt.date, time_zone: str) -> tuple[dt.datetime, dt.datetime]:
    """The first moment of the day and that of the next one, in UTC: 23 to 25 hours apart where clocks change.

    Where midnight does not exist the day begins when the clock is put on; where it comes twice, with the first.
    """
    zone = ZoneInfo(time_zone)
    first, following = (dt.datetime.combine(date, dt.time(), zone).astimezone(dt.UTC) for date in (day, day + DAY))
    return first, following


def day_of(moment: dt.datetime, time_zone: str) -> dt.date:
    return moment.astimezone(ZoneInfo(time_zone)).date()


def settles_at(day: dt.date, time_zone: str) -> dt.datetime:
    """From when on a day's total should not change any more: it is over, and 06:00 UTC of the next one has come."""
    return max(bounds_of(day, time_zone)[1], dt.datetime.combine(day + DAY, DUE))


def days_between(first: dt.date, last: dt.date) -> list[dt.date]:
    return [first + dt.timedelta(days=number) for number in range((last - first).days + 1)]


def newest_totals(
    environment: Environment,
    days: Iterable[dt.date],
    *,
    entities: Sequence[str] = tuple(Entity.values),
    sides: Sequence[str] = tuple(Side.values),
) -> dict[Key, DayTotals]:
    """The totals that count, by entity, day and side; a side that never said anything is left out."""
    rows = DayTotals.objects.raw(NEWEST_SQL, [list(days), list(entities), list(sides), environment.pk])
    return {(row.entity, row.day, row.side): row for row in rows}


def lines_of(totals: DayTotals | None) -> list[Line]:
    """An empty day and one that was never counted have none."""
    return [read_line(line) for line in totals.lines] if totals else []


def read_line(line: dict[str, object]) -> Line:
    amount = line["sum"]
    return Line(
        str(line["currency"]),
        str(line["type"]),
        int(str(line["count"])),
        None if amount is None else Decimal(str(amount)),
    )


def written(lines: Iterable[Line]) -> list[dict[str, object]]:
    """As `DayTotals.lines` keeps them: in order, sums as text with two decimals."""
    return [
        {
            "currency": line.currency,
            "type": line.type,
            "count": line.count,
            "sum": None if line.sum is None else f"{line.sum:.2f}",
        }
        for line in sorted(lines, key=lambda line: (line.currency, line.type))
    ]
