"""The partner's days: their time zone, which three of them step 7 goes by, and how a day stands in words."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Sequence
from decimal import Decimal

from django.db.models import Q

from entities.models import Entity
from entities.totals import MEASURES
from integrations.models import DayTotals
from integrations.reconciliation.compare import BOOKS, Cell, EntityDay, State, compared
from integrations.reconciliation.days import DAY, day_of, days_between
from onboarding.models import Scope
from track360.models import Environment, Partner

NO_SCOPE_ZONE = "UTC"  # until a scope is agreed
IN_A_ROW = 3
LOOKED_BACK = 60  # days
LOOKED_AT_FIRST = 10  # days; of most partners some three of these agree, and nothing earlier would count for more
AGREED = frozenset({State.AGREES, State.WAIVED})

AcrossEntities = tuple[EntityDay, ...]


def time_zones(partners: Iterable[Partner]) -> dict[int, str]:
    """Partner's id -> the time zone of the newest scope that both sides accepted; without one, UTC."""
    agreed = Scope.objects.filter(
        ~Q(partner_accepted_at=None), ~Q(team_accepted_at=None), partner__in=[partner.pk for partner in partners]
    )
    found = agreed.order_by("partner", "-id").distinct("partner").values_list("partner", "time_zone")
    return {partner.pk: NO_SCOPE_ZONE for partner in partners} | dict(found)


def time_zone_of(partner: Partner) -> str:
    return time_zones([partner])[partner.pk]


def days_reconciled(
    sandbox: Environment, *, entities: Sequence[str], time_zone: str, now: dt.datetime
) -> tuple[AcrossEntities, ...]:
    """Three complete days in a row, each as its entities compare: those that agree, or come nearest to it.

    Of several the latest; a run that is not empty goes before one that is.
    """
    last = day_of(now, time_zone) - DAY
    said = DayTotals.objects.filter(environment=sandbox, side=DayTotals.Side.PARTNER, day__lte=last)
    newest = said.order_by("-day").values_list("day", flat=True).first()
    if newest is not None:  # what was earned stands, however long ago the partner said it
        last = min(last, newest + (IN_A_ROW - 1) * DAY)
    for look in (LOOKED_AT_FIRST, LOOKED_BACK):
        days = days_between(last - (look - 1) * DAY, last)
        found = compared(sandbox, days, time_zone=time_zone, now=now, entities=entities, sides=BOOKS)
        across = [tuple(found[entity, day] for entity in entities) for day in days]
        runs = [tuple(across[start : start + IN_A_ROW]) for start in range(len(across) - IN_A_ROW + 1)]
        best = max(runs, key=_merit)
        if _merit(best)[:2] == (IN_A_ROW, True):
            break
    return best


def _merit(run: tuple[AcrossEntities, ...]) -> tuple[int, bool, int, dt.date]:
    agreed = sum(all(one.state in AGREED for one in day) for day in run)
    parts = sum(one.state in AGREED for day in run for one in day)
    said = sum(one.said is not None for day in run for one in day)
    return agreed, any(not one.is_empty for day in run for one in day) and bool(parts or said), said, run[-1][0].day


# -- Words ----------------------------------------------------------------------


def sentence_of_day(day: Iterable[EntityDay]) -> str:
    """What stands in the way of a day, entity by entity; empty where nothing does."""
    parts = [f"{Entity(one.entity).label}: {part}" for one in day if (part := _in_the_way(one))]
    return f"{'; '.join(parts)}." if parts else ""


def _in_the_way(one: EntityDay) -> str:
    match one.state:
        case State.DIFFERS:
            return ", ".join(difference_words(one.entity, cell) for cell in one.differing)
        case State.UNSAID if one.said is not None:
            return "the control total was given before the day was over, or for another time zone"
        case State.UNSAID:
            return "no control total yet"
        case State.OPEN:
            return "the day is not over"
        case _:
            return ""


def difference_words(entity: str, cell: Cell) -> str:
    """`EUR 2 records more and 150.00 more here`, `3 records fewer here`."""
    count, amount = cell.count_difference, cell.sum_difference
    parts = []
    if count:
        parts.append(f"{abs(count):,} {'record' if abs(count) == 1 else 'records'} {'more' if count > 0 else 'fewer'}")
    if amount and MEASURES[entity].has_sum:
        parts.append(f"{abs(amount):,.2f} {'more' if amount > 0 else 'less'}")
    what = f"{' and '.join(parts)} here"
    return " ".join(part for part in (cell.currency, cell.type, what) if part)


def signed(value: int | Decimal) -> str:
    """A difference as a figure: +2, −150.00."""
    text = f"{value:+,.2f}" if isinstance(value, Decimal) else f"{value:+,}"
    return text.replace("-", "\N{MINUS SIGN}")
