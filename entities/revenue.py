"""From stakes to net gaming revenue, step by step: what parties argue about, so it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from entities.models import Activity, GgrSource

# The guide's own tolerance for a given ggr (contract, section 4, `ggr_mismatch`).
TOLERANCE = Decimal("0.01")


@dataclass(frozen=True)
class RevenueSteps:
    """`computed` is total_bets - wins; `deductions` is ggr - ngr. Null where one of the two is missing."""

    computed: Decimal | None
    deductions: Decimal | None
    differs: bool  # the partner's ggr is not total_bets - wins

    @property
    def additions(self) -> Decimal:
        """Deductions below zero, seen from the other side: an ngr above the ggr."""
        return -(self.deductions or Decimal(0))


def revenue_steps(activity: Activity) -> RevenueSteps:
    bets, wins, ggr, ngr = activity.total_bets, activity.wins, activity.ggr, activity.ngr
    computed = None if bets is None or wins is None else bets - wins
    given = activity.ggr_source == GgrSource.PARTNER and ggr is not None and computed is not None
    return RevenueSteps(
        computed=computed,
        deductions=None if ggr is None or ngr is None else ggr - ngr,
        differs=given and abs(ggr - computed) > TOLERANCE,  # type: ignore[operator]
    )
