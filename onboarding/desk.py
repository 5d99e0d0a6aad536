"""The team's desk: every partner in one line, those who need somebody first.

The figures are those that `checklist.compute` left in `Onboarding.figures`; the desk counts nothing itself, so that it
takes one query for any number of partners.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from django.urls import NoReverseMatch, reverse

from onboarding.models.checklist import Side
from onboarding.steps import BY_NUMBER, PHASES, STEPS
from track360.models import Environment, Partner
from track360.templatetags.ui import percent

SHOWN = 50  # rows of the list; all of them on request
COLUMN_SHOWN = 15  # partners of a phase on the board: those who need somebody first
SILENT_AFTER = dt.timedelta(hours=24)
# What is told to the partner too (notification `records.refused`).
REFUSED_SHARE = 0.05
LIVE = len(PHASES) + 1  # the column of those who have done all eight steps
PLACEHOLDER = "-partner-"
CLOSED = Partner.Status.CLOSED


class Kind(IntEnum):
    """What a partner may need somebody for, the most urgent one highest."""

    OVER_PLAN = 1
    UNMAPPED = 2
    SECRETS = 3
    SILENT = 4
    REFUSALS = 5
    TEAM = 6


NEED_LABELS = {
    Kind.TEAM: "Waits for the team",
    Kind.REFUSALS: "Refusals",
    Kind.SILENT: "Silent",
    Kind.SECRETS: "Secrets expiring",
    Kind.UNMAPPED: "Values to map",
    Kind.OVER_PLAN: "Over plan",
}
LOOKS = {  # tone and icon
    Kind.TEAM: ("info", "arrow-right"),
    Kind.REFUSALS: ("danger", "cross-circle"),
    Kind.SILENT: ("danger", "clock"),
    Kind.SECRETS: ("warning", "key"),
    Kind.UNMAPPED: ("warning", "mapping"),
    Kind.OVER_PLAN: ("warning", "clock"),
}


@dataclass(frozen=True, slots=True)
class Need:
    kind: Kind
    words: str


@dataclass(frozen=True, slots=True)
class Row:
    """One partner. `phase` is its column: 1 to 5, or 6 when all is done; figures of nobody computed yet are empty."""

    name: str
    slug: str
    status: str
    is_computed: bool
    phase: int
    done: int
    step: str  # what is next, in words; empty when all is done
    waiting_for: str
    days_over: int
    last_traffic_at: dt.datetime | None
    received: int
    refused: int
    unmapped: int
    affiliates: int
    secrets: int
    url: str  # where it goes on
    sandbox_url: str
    production_url: str
    detail_url: str
    needs: list[Need] = field(default_factory=list)

    @property
    def is_active(self) -> bool:
        return self.status == Partner.Status.ACTIVE

    @property
    def waits_for_team(self) -> bool:
        return bool(self.needs) and self.needs[0].kind == Kind.TEAM

    @property
    def refuses(self) -> bool:
        return self.refused > REFUSED_SHARE * self.received

    @property
    def over(self) -> str:
        return f"{self.days_over} d" if self.days_over else ""

    @property
    def refused_share(self) -> str:
        return percent(self.refused, self.received) if self.received else ""

    @property
    def to_map(self) -> int:
        return self.unmapped + self.affiliates

    @property
    def phase_name(self) -> str:
        return COLUMN_NAMES[self.phase]

    @property
    def waits(self) -> str:
        return WAITS[self.waiting_for]


COLUMN_NAMES = {**{phase.number: phase.name for phase in PHASES}, LIVE: "Live"}
WAITS = {Side.PARTNER.value: "Partner", Side.TEAM.value: "Team", Side.NOBODY.value: "Nobody", "": "–"}


@dataclass(frozen=True)
class Column:
    number: int
    name: str
    note: str
    rows: list[Row]  # at most COLUMN_SHOWN
    count: int

    @property
    def more(self) -> int:
        return self.count - len(self.rows)


@dataclass(frozen=True)
class Wanted:
    """What the desk is narrowed to; an empty member narrows nothing."""

    search: str = ""
    phase: int | None = None
    waiting_for: str = ""
    status: str = ""
    need: str = ""  # "any", or the value of a Kind

    def takes(self, row: Row) -> bool:
        if self.status and self.status != row.status:
            return False
        if self.phase is not None and row.phase != self.phase:
            return False
        if self.waiting_for and row.waiting_for != self.waiting_for:
            return False
        if self.need and not (row.needs if self.need == "any" else any(n.kind == int(self.need) for n in row.needs)):
            return False
        search = self.search.casefold()
        return not search or search in row.name.casefold() or search in row.slug


def desk_rows(*, closed: bool, now: dt.datetime) -> list[Row]:
    """The partners, whoever needs somebody most first: the team's own turn, then the most urgent, then by delay.

    Either those that are closed, or all others.
    """
    found = Partner.objects.filter(status=CLOSED) if closed else Partner.objects.exclude(status=CLOSED)
    partners = found.order_by("name", "id").values_list("name", "slug", "status", "onboarding__figures")
    addresses = Addresses()
    rows = [_row(*partner, addresses=addresses, now=now) for partner in partners]
    return sorted(rows, key=_urgency)


def desk_row(partner: Partner, *, now: dt.datetime) -> Row:
    onboarding = getattr(partner, "onboarding", None)
    figures = onboarding.figures if onboarding else {}
    return _row(partner.name, partner.slug, partner.status, figures, addresses=Addresses(), now=now)


def _urgency(row: Row) -> tuple[Any, ...]:
    return not row.is_active, -row.needs[0].kind if row.needs else 0, -len(row.needs), -row.days_over, row.is_computed


def columns_of(rows: Iterable[Row]) -> list[Column]:
    by_phase: dict[int, list[Row]] = {number: [] for number in COLUMN_NAMES}
    for row in rows:
        by_phase[row.phase].append(row)
    notes = {phase.number: f"{phase.days} {'day' if phase.days == 1 else 'days'}" for phase in PHASES}
    return [
        Column(
            number, name, notes.get(number, "all steps done"), by_phase[number][:COLUMN_SHOWN], len(by_phase[number])
        )
        for number, name in COLUMN_NAMES.items()
    ]


class Addresses:
    """A page's address by partner, resolved once for all partners: a slug needs no quoting."""

    def __init__(self) -> None:
        sandbox, production = Environment.Kind.SANDBOX.value, Environment.Kind.PRODUCTION.value
        self.sandbox = _address("overview", PLACEHOLDER, sandbox)
        self.production = _address("overview", PLACEHOLDER, production)
        self.detail = _address("partner-detail", PLACEHOLDER)
        try:
            self.steps = [_address("checklist-step", PLACEHOLDER, sandbox, step.number) for step in STEPS]
        except NoReverseMatch:
            self.steps = [self.sandbox for _ in STEPS]


def _address(url_name: str, *args: Any) -> Callable[[str], str]:
    before, _, after = reverse(url_name, args=args).partition(PLACEHOLDER)
    return lambda slug: f"{before}{slug}{after}"


def _row(
    name: str,
    slug: str,
    status: str,
    figures: dict[str, Any] | None,
    *,
    addresses: Addresses,
    now: dt.datetime,
) -> Row:
    figures = figures or {}
    done, number = figures.get("done") or 0, figures.get("next_step")
    step = BY_NUMBER.get(number) if isinstance(number, int) else None
    last = figures.get("last_traffic_at")
    is_live = done == len(STEPS)
    row = Row(
        name=name,
        slug=slug,
        status=status,
        is_computed=bool(figures),
        phase=LIVE if is_live else figures.get("phase") or PHASES[0].number,
        done=done,
        step=f"{step.number} {step.name}" if step else "",
        waiting_for=figures.get("waiting_for") or "",
        days_over=max(figures.get("days_over_plan") or 0, 0),
        last_traffic_at=dt.datetime.fromisoformat(last) if last else None,
        received=figures.get("received_24h") or 0,
        refused=figures.get("refused_24h") or 0,
        unmapped=figures.get("unmapped") or 0,
        affiliates=figures.get("unknown_affiliates") or 0,
        secrets=figures.get("secrets_expiring") or 0,
        url=(addresses.steps[step.number - 1] if step else addresses.sandbox)(slug),
        sandbox_url=addresses.sandbox(slug),
        production_url=addresses.production(slug),
        detail_url=addresses.detail(slug),
    )
    if row.is_active and row.is_computed:
        row.needs.extend(_needs(row, now=now))
    return row


def _needs(row: Row, *, now: dt.datetime) -> Iterable[Need]:
    """The most urgent first."""
    if row.waiting_for == Side.TEAM:
        yield Need(Kind.TEAM, "Waits for you")
    if row.refuses:
        yield Need(Kind.REFUSALS, f"{100 * row.refused / row.received:.0f} % refused")
    if row.phase == LIVE and (row.last_traffic_at is None or now - row.last_traffic_at > SILENT_AFTER):
        yield Need(Kind.SILENT, "Silent for a day")
    if row.secrets:
        yield Need(Kind.SECRETS, f"{_count(row.secrets, 'secret')} ending")
    if row.to_map:
        parts = [_count(row.unmapped, "value")] * bool(row.unmapped)
        parts += [_count(row.affiliates, "affiliate")] * bool(row.affiliates)
        yield Need(Kind.UNMAPPED, f"{' and '.join(parts)} to map")
    if row.days_over:
        yield Need(Kind.OVER_PLAN, f"{_count(row.days_over, 'day')} over plan")


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def sentence(rows: list[Row]) -> str:
    """How they stand, and who is next."""
    if rows and rows[0].status == CLOSED:
        return f"{_count(len(rows), 'partner')} closed. Nobody but the team opens their pages."
    if not rows:
        return "No partners yet. Next: create the first one."
    partners, first = _count(len(rows), "partner"), rows[0]
    waiting = sum(row.waits_for_team for row in rows)
    if waiting:
        verb = "waits" if waiting == 1 else "wait"
        step = f", step {first.step}" if first.step else ""
        return f"{waiting:,} of {partners} {verb} for you. Next: {first.name}{step}."
    needy = sum(bool(row.needs) for row in rows)
    if needy:
        verb = "needs" if needy == 1 else "need"
        words = first.needs[0].words.lower()
        return f"Nobody waits for you; {needy:,} of {partners} {verb} help. Next: {first.name}, {words}."
    return f"{partners}, and nobody needs you."
