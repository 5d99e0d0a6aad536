"""Each day of an entity held against what the partner says of it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum

from entities.models import Entity
from entities.totals import MEASURES
from integrations.models import DayTotals, Waiver
from integrations.reconciliation.days import Side, bounds_of, lines_of, newest_totals
from track360.models import Environment

Figures = tuple[int, Decimal]
NOTHING: Figures = (0, Decimal(0))
SIDES = tuple(Side.values)
BOOKS = (Side.STORED, Side.PARTNER)  # what decides how a day stands


class State(StrEnum):
    AGREES = "agrees"
    WAIVED = "waived"
    DIFFERS = "differs"
    UNSAID = "unsaid"  # the partner has not said yet how the day ended
    OPEN = "open"  # the day is not over


@dataclass(frozen=True)
class Cell:
    """One currency and type of a day; of a currency as a whole `type` is empty.

    `sides` has what each side says; of the partner nothing where he did not say it at this grain. The difference is
    what stands here less what the partner says.
    """

    currency: str
    type: str
    sides: Mapping[str, Figures]
    state: State
    count_difference: int = 0
    sum_difference: Decimal = Decimal(0)
    waiver: Waiver | None = None


@dataclass(frozen=True)
class Currency:
    """The currency as a whole, which step 7 goes by, and its types."""

    total: Cell
    types: list[Cell] = field(default_factory=list)


@dataclass(frozen=True)
class EntityDay:
    """A day of an entity as it compares. `said` is the partner's newest word, also one that does not count yet."""

    entity: str
    day: dt.date
    state: State
    currencies: list[Currency]
    totals: Mapping[str, DayTotals]  # side -> the newest version

    @property
    def said(self) -> DayTotals | None:
        return self.totals.get(Side.PARTNER)

    @property
    def is_empty(self) -> bool:
        """Nothing stands here on that day."""
        return not lines_of(self.totals.get(Side.STORED))

    @property
    def differing(self) -> list[Cell]:
        return [currency.total for currency in self.currencies if currency.total.state == State.DIFFERS]

    @property
    def cells(self) -> list[Cell]:
        return [cell for currency in self.currencies for cell in (*currency.types, currency.total)]


def compared(
    environment: Environment,
    days: Iterable[dt.date],
    *,
    time_zone: str,
    now: dt.datetime,
    entities: Sequence[str] = tuple(Entity.values),
    sides: Sequence[str] = SIDES,
) -> dict[tuple[str, dt.date], EntityDay]:
    """Every day of every entity, by two queries however many records there are."""
    days = sorted(set(days))
    if not days:
        return {}
    totals = newest_totals(environment, days, entities=entities, sides=sides)
    standing = Waiver.objects.filter(environment=environment, withdrawn_at=None, entity__in=entities)
    standing = standing.filter(day__gte=days[0], day__lte=days[-1]).select_related("by")
    waivers = {(waiver.entity, waiver.day, waiver.currency, waiver.type): waiver for waiver in standing}
    return {
        (entity, day): _compare(
            entity,
            day,
            {side: totals[entity, day, side] for side in SIDES if (entity, day, side) in totals},
            waivers,
            time_zone=time_zone,
            now=now,
        )
        for entity in entities
        for day in days
    }


Waivers = Mapping[tuple[str, dt.date, str, str], Waiver]


def _compare(
    entity: str,
    day: dt.date,
    totals: Mapping[str, DayTotals],
    waivers: Waivers,
    *,
    time_zone: str,
    now: dt.datetime,
) -> EntityDay:
    end = bounds_of(day, time_zone)[1]
    counts = _counts(totals.get(Side.PARTNER), end, time_zone)
    open_state = State.OPEN if now < end else State.UNSAID
    tables = {side: _by_currency(newest) for side, newest in totals.items()}
    currencies = []
    for currency in sorted(set().union(*tables.values()) or ({""} if _bare(entity) else ())):
        figures = {side: table[currency] for side, table in tables.items() if currency in table}
        types = sorted({type_ for table in figures.values() for type_ in table if type_})
        said_types = any(figures.get(Side.PARTNER, ()))  # a type that is not empty
        said = counts and now >= end
        cells = [
            _cell(
                currency,
                type_,
                {side: table[type_] for side, table in figures.items() if type_ in table},
                waivers.get((entity, day, currency, type_)),
                None if said and said_types else open_state,
            )
            for type_ in types
        ]
        total = _cell(
            currency,
            "",
            {side: _sum(table.values()) for side, table in figures.items()},
            waivers.get((entity, day, currency, "")),
            None if said else open_state,
        )
        if total.state == State.DIFFERS and cells and {cell.state for cell in cells} <= {State.AGREES, State.WAIVED}:
            total = Cell(**{**vars(total), "state": State.WAIVED})
        currencies.append(Currency(total, cells))
    state = open_state if now < end or not counts else worst(currency.total.state for currency in currencies)
    return EntityDay(entity, day, state, currencies, totals)


def _bare(entity: str) -> bool:
    return not MEASURES[entity].has_sum


def _counts(said: DayTotals | None, end: dt.datetime, time_zone: str) -> bool:
    """Whether the partner's word is of the day as a whole, and of these days: told after its end, for this zone."""
    return said is not None and said.at >= end and said.time_zone == time_zone


def _by_currency(totals: DayTotals) -> dict[str, dict[str, Figures]]:
    """currency -> type -> count and sum"""
    found: dict[str, dict[str, Figures]] = {}
    for line in lines_of(totals):
        found.setdefault(line.currency, {})[line.type] = (line.count, line.sum or NOTHING[1])
    return found


def _sum(figures: Iterable[Figures]) -> Figures:
    counts, amounts = zip(*figures, strict=True)
    return sum(counts), sum(amounts, Decimal(0))


def _cell(currency: str, type_: str, sides: Mapping[str, Figures], waiver: Waiver | None, state: State | None) -> Cell:
    """`state` where there is nothing to compare with."""
    if state is not None:
        return Cell(currency, type_, sides, state)
    ours, theirs = sides.get(Side.STORED, NOTHING), sides.get(Side.PARTNER, NOTHING)
    count, amount = ours[0] - theirs[0], ours[1] - theirs[1]
    sides = {**sides, Side.STORED: ours, Side.PARTNER: theirs}
    if not count and not amount:
        return Cell(currency, type_, sides, State.AGREES)
    holds = waiver is not None and (waiver.count_difference, waiver.sum_difference or 0) == (count, amount)
    return Cell(
        currency, type_, sides, State.WAIVED if holds else State.DIFFERS, count, amount, waiver if holds else None
    )


def worst(states: Iterable[State]) -> State:
    """Of the parts of a whole: one that differs makes it differ, one that is waived makes it waived."""
    found = set(states)
    order = (State.DIFFERS, State.OPEN, State.UNSAID, State.WAIVED)
    return next((state for state in order if state in found), State.AGREES)
