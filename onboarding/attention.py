"""The staff's list of partners: who needs somebody, and why."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass
from enum import IntEnum

from django.db.models import Q

from entities.batch_selectors import (
    Traffic,
    environments_with_last_batch,
    totals_by_environment,
    traffic_by_environment,
)
from entities.mapping_selectors import unmapped_counts
from track360.access import partners_for
from track360.models import Environment, Partner, User

SHOWN = 200
DAY = dt.timedelta(hours=24)
# What a rehearsal allows (contract, section 7, step 6).
REFUSED_SHARE = 0.01


class Level(IntEnum):
    """How urgent a partner is, in the order of the list."""

    SUSPENDED = 0
    WELL = 1
    NOT_STARTED = 2
    UNMAPPED = 3
    SANDBOX_REFUSALS = 4
    SILENT = 5
    REFUSALS = 6


LOOKS = {  # badge: the status that picks tone and icon, and the word
    Level.SUSPENDED: ("suspended", "Suspended"),
    Level.WELL: ("ok", "Well"),
    Level.NOT_STARTED: ("pending", "Nothing sent yet"),
    Level.UNMAPPED: ("unmapped", "Values to map"),
    Level.SANDBOX_REFUSALS: ("warning", "Refusals in sandbox"),
    Level.SILENT: ("late", "Silent"),
    Level.REFUSALS: ("refused", "Refusals"),
}


@dataclass(frozen=True)
class EnvironmentRow:
    kind: str
    last_batch_at: dt.datetime | None
    records: int
    day: Traffic
    unmapped: int

    @property
    def refuses(self) -> bool:
        return bool(self.day.received) and self.day.refused / self.day.received > REFUSED_SHARE


@dataclass(frozen=True)
class PartnerRow:
    partner: Partner
    environments: list[EnvironmentRow]
    level: Level
    reason: str
    kind: str  # the environment that the reason is about

    @property
    def look(self) -> tuple[str, str]:
        return LOOKS[self.level]


def partner_rows(user: User, *, search: str, now: dt.datetime) -> list[PartnerRow]:
    """The partners whose name or slug holds `search`, those who need attention first; at most 200 of them."""
    found = partners_for(user)
    if search:
        found = found.filter(Q(name__icontains=search) | Q(slug__icontains=search))
    partners = list(found.order_by("name", "id")[:SHOWN])
    environments = _environment_rows(partners, now=now)
    rows = [_row(partner, environments[partner.pk], now=now) for partner in partners]
    return sorted(rows, key=lambda row: -row.level)


def _environment_rows(partners: list[Partner], *, now: dt.datetime) -> dict[int, list[EnvironmentRow]]:
    """Partner id -> its environments, sandbox first."""
    totals = totals_by_environment(partners)
    traffic = traffic_by_environment(partners, since=now - DAY)
    unmapped = unmapped_counts(partners)
    rows: dict[int, list[EnvironmentRow]] = defaultdict(list)
    for environment, last_batch_at in environments_with_last_batch(partners):
        rows[environment.partner_id].append(
            EnvironmentRow(
                kind=environment.kind,
                last_batch_at=last_batch_at,
                records=totals.get(environment.pk, 0),
                day=traffic.get(environment.pk, Traffic()),
                unmapped=unmapped.get(environment.pk, 0),
            )
        )
    return rows


def _row(partner: Partner, environments: list[EnvironmentRow], *, now: dt.datetime) -> PartnerRow:
    return PartnerRow(partner, environments, *_attention(partner, environments, now=now))


def _attention(partner: Partner, environments: list[EnvironmentRow], *, now: dt.datetime) -> tuple[Level, str, str]:
    """The most urgent thing about a partner, a sentence about it, and the environment it is about."""
    sandbox = str(Environment.Kind.SANDBOX)
    if partner.status == Partner.Status.SUSPENDED:
        return Level.SUSPENDED, "Every call gets 401.", sandbox
    if not any(row.last_batch_at for row in environments):
        return Level.NOT_STARTED, "No batch has come yet.", sandbox
    found = [(Level.WELL, "", sandbox)]
    for row in environments:
        live = row.kind == Environment.Kind.PRODUCTION
        if row.refuses:
            share = 100 * row.day.refused / row.day.received
            found.append(
                (
                    Level.REFUSALS if live else Level.SANDBOX_REFUSALS,
                    f"{share:.1f} % of the {row.day.received:,} records of 24 hours were refused in {row.kind}.",
                    row.kind,
                )
            )
        if live and row.last_batch_at and row.last_batch_at < now - DAY:
            found.append((Level.SILENT, "Production has sent nothing for more than 24 hours.", row.kind))
        if row.unmapped:
            values = "value has" if row.unmapped == 1 else "values have"
            found.append((Level.UNMAPPED, f"{row.unmapped} status {values} no meaning yet in {row.kind}.", row.kind))
    return max(found, key=lambda finding: finding[0])
