"""Pictures as geometry: pure functions turn rows into shapes, `components/chart_*.html` draw them as inline SVG.

The plots are stretched to the width there is, so they hold no text; ticks and labels are HTML around them.
Times are UTC.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from track360.templatetags.ui import duration, lag, number, share

HEIGHT = 100.0  # of every plot, in its own units
STEP = 10.0  # the width of one hour
BAR = 7.0
# A refusal must be seen, however many records stand under it.
LEAST = 2.0

FRESHNESS_TARGET = timedelta(minutes=5)


@dataclass(frozen=True)
class HourCount:
    """What one hour brought: records stored, records refused."""

    hour: datetime
    records: int
    refusals: int

    @property
    def label(self) -> str:
        return time_label(self.hour)


@dataclass(frozen=True)
class Bar:
    x: float
    width: float
    records_y: float
    records_height: float
    refusals_y: float
    refusals_height: float
    title: str


@dataclass(frozen=True)
class BarChart:
    title: str
    description: str
    width: float
    bars: list[Bar]
    y_ticks: list[str]  # from the top down
    x_labels: list[str]
    hours: Sequence[HourCount]

    @property
    def hits(self) -> list[tuple[float, float, float, float, str]]:
        """What answers to the pointer, over the whole height: x, y, width, height, title."""
        return [(bar.x, 0, bar.width, HEIGHT, bar.title) for bar in self.bars]

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [(hour.label, number(hour.records), number(hour.refusals)) for hour in self.hours]

    @property
    def records_path(self) -> str:
        """All bars as one path: a week has 168."""
        return "".join(f"M{bar.x} {bar.records_y}h{bar.width}v{bar.records_height}H{bar.x}z" for bar in self.bars)

    @property
    def refusals_path(self) -> str:
        refused = (bar for bar in self.bars if bar.refusals_height)
        return "".join(f"M{bar.x} {bar.refusals_y}h{bar.width}v{bar.refusals_height}H{bar.x}z" for bar in refused)


def bars_per_hour(hours: Sequence[HourCount], *, title: str) -> BarChart:
    """Stacked bars, refusals on top. `hours` are consecutive, oldest first, empty ones included."""
    top = nice_ceiling(max((hour.records + hour.refusals for hour in hours), default=0))
    bars = []
    for index, hour in enumerate(hours):
        refused = HEIGHT * hour.refusals / top
        if hour.refusals:
            refused = max(refused, LEAST)
        stored = min(HEIGHT * hour.records / top, HEIGHT - refused)
        bars.append(
            Bar(
                x=round(index * STEP + (STEP - BAR) / 2, 2),
                width=BAR,
                records_y=round(HEIGHT - stored, 2),
                records_height=round(stored, 2),
                refusals_y=round(HEIGHT - stored - refused, 2),
                refusals_height=round(refused, 2),
                title=f"{hour.label} UTC: {hour.records:,} records, {hour.refusals:,} refused",
            )
        )
    return BarChart(
        title=title,
        description=_describe(hours),
        width=max(len(hours), 1) * STEP,
        bars=bars,
        y_ticks=_count_ticks(top),
        x_labels=_time_labels([hour.hour for hour in hours]),
        hours=hours,
    )


def _describe(hours: Sequence[HourCount]) -> str:
    records = sum(hour.records for hour in hours)
    refusals = sum(hour.refusals for hour in hours)
    if not records and not refusals:
        return f"Nothing arrived in these {len(hours)} hours."
    busiest = max(hours, key=lambda hour: hour.records + hour.refusals)
    return (
        f"{records:,} records and {refusals:,} refused in {len(hours)} hours;"
        f" most in the hour from {busiest.label} UTC."
    )


@dataclass(frozen=True)
class HourLag:
    """How old records were when they came, in one hour or longer; None where none came. Infinite: over 24 hours.

    The means of the partner's part and of ours are for the table.
    """

    hour: datetime
    median_seconds: float | None
    p95_seconds: float | None
    records: int = 0
    share: float | None = None
    partner_seconds: float | None = None
    own_seconds: float | None = None

    @property
    def label(self) -> str:
        return time_label(self.hour)


@dataclass(frozen=True)
class LagChart:
    title: str
    description: str
    width: float
    bands: list[tuple[float, float, float, float, str]]  # x, y, width, height, title: median to 95th
    medians: list[tuple[float, float, float]]  # x1, x2, y
    target_y: float
    grid: list[float]
    y_ticks: list[str]  # from the top down
    x_labels: list[str]
    target: str
    hours: Sequence[HourLag]

    @property
    def medians_path(self) -> str:
        return "".join(f"M{start} {y}H{end}" for start, end, y in self.medians)

    @property
    def rows(self) -> list[tuple[str, ...]]:
        return [
            (
                hour.label,
                number(hour.records),
                share(hour.share),
                lag(hour.median_seconds),
                lag(hour.p95_seconds),
                duration(hour.partner_seconds),
                duration(hour.own_seconds),
            )
            for hour in self.hours
        ]


# Equal steps on the axis, from bottom to top: minutes matter, and a day must still fit.
LAG_STOPS = (1.0, 10.0, 60.0, FRESHNESS_TARGET.total_seconds(), 3600.0, 86400.0)


def lag_against_target(
    hours: Sequence[HourLag],
    *,
    title: str,
    step: timedelta = timedelta(hours=1),
    target: timedelta = FRESHNESS_TARGET,
) -> LagChart:
    """For each hour, or longer `step`, the span from the median lag to the 95th percentile, against the target."""
    bands, medians = [], []
    late = 0
    for index, hour in enumerate(hours):
        if hour.median_seconds is None or hour.p95_seconds is None:
            continue
        late += hour.p95_seconds > target.total_seconds()
        x = index * STEP + (STEP - BAR) / 2
        upper, lower = lag_y(hour.p95_seconds), lag_y(hour.median_seconds)
        words = f"{hour.label} UTC: median {lag(hour.median_seconds)}, 95th percentile {lag(hour.p95_seconds)}"
        bands.append((round(x, 2), upper, BAR, round(max(lower - upper, 1), 2), words))
        medians.append((round(x, 2), round(x + BAR, 2), lower))
    return LagChart(
        title=title,
        description=_describe_lags(len(bands), late, step=step, target=target),
        width=max(len(hours), 1) * STEP,
        bands=bands,
        medians=medians,
        target_y=lag_y(target.total_seconds()),
        grid=[lag_y(stop) for stop in LAG_STOPS],
        y_ticks=[duration(stop) for stop in reversed(LAG_STOPS)],
        x_labels=_time_labels([hour.hour for hour in hours], step=step),
        target=duration(target),
        hours=hours,
    )


def _describe_lags(known: int, late: int, *, step: timedelta, target: timedelta) -> str:
    if not known:
        return "No data in this time."
    parts = {timedelta(hours=1): "hours", timedelta(days=1): "days"}.get(step, f"parts of {duration(step)}")
    return f"In {known - late} of {known} {parts} with data, 95 % of the records came within {duration(target)}."


def lag_y(seconds: float) -> float:
    """Height of a lag in the plot: logarithmic between the stops, which are equally far apart."""
    bounded = min(max(seconds, LAG_STOPS[0]), LAG_STOPS[-1])
    upper = next(i for i, stop in enumerate(LAG_STOPS) if i > 0 and bounded <= stop)
    low, high = LAG_STOPS[upper - 1], LAG_STOPS[upper]
    position = upper - 1 + math.log(bounded / low) / math.log(high / low)
    return round(HEIGHT * (1 - position / (len(LAG_STOPS) - 1)), 2)


def time_label(hour: datetime) -> str:
    return f"{hour:%d %b %H:%M}"


def nice_ceiling(value: float) -> float:
    """The next round figure whose half is round too: the top of an axis."""
    if value <= 4:
        return 4
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 1.2, 1.6, 2, 2.4, 3, 4, 5, 6, 8, 10) if value <= step * power)


def _count_ticks(top: float) -> list[str]:
    if top < 10_000:
        return [f"{top:,.0f}", f"{top / 2:,.0f}", "0"]
    size, unit = (1e6, "M") if top >= 1e6 else (1e3, "k")
    return [f"{top / size:g}{unit}", f"{top / 2 / size:g}{unit}", "0"]


def _time_labels(hours: Sequence[datetime], *, step: timedelta = timedelta(hours=1)) -> list[str]:
    """The borders of four equal parts: times of day, or dates where the picture spans over two days."""
    if not hours:
        return []
    span = len(hours) * step
    pattern = "%H:%M" if span <= timedelta(hours=48) else "%d %b"
    return [(hours[0] + span * part / 4).strftime(pattern) for part in range(5)]


@dataclass(frozen=True)
class SplitBar:
    """Whose part of a time is how long, as one bar: the partner's, then ours."""

    title: str
    partner_width: float
    own_width: float
    partner: str
    own: str


def split_bar(partner_seconds: float, own_seconds: float, *, title: str) -> SplitBar:
    """A part that is there is seen, however short it is."""
    whole = partner_seconds + own_seconds or 1.0
    own = HEIGHT * own_seconds / whole
    if own_seconds and partner_seconds:
        own = min(max(own, LEAST), HEIGHT - LEAST)

    def words(seconds: float) -> str:
        percent = 100 * seconds / whole
        shown = "under 1" if 0 < percent < 1 else "over 99" if 99 < percent < 100 else f"{percent:.0f}"
        return f"{duration(seconds)} ({shown} %)"

    return SplitBar(title, round(HEIGHT - own, 2), round(own, 2), words(partner_seconds), words(own_seconds))


@dataclass(frozen=True)
class PhaseDays:
    """A phase of a walk in days since its start; `actual_from` is None while it has not begun."""

    name: str
    planned_from: float
    planned_days: float
    actual_from: float | None
    actual_days: float
    is_over: bool

    @property
    def days_over(self) -> float:
        return max(0.0, round(self.actual_days - self.planned_days, 1)) if self.actual_from is not None else 0.0

    @property
    def words(self) -> str:
        plan = f"{self.name}: planned {self.planned_days:g} d"
        if self.actual_from is None:
            return f"{plan}, not begun"
        over = f", {self.days_over:g} d over plan" if self.days_over else ""
        return f"{plan}, {'took' if self.is_over else 'so far'} {self.actual_days:g} d{over}"


@dataclass(frozen=True)
class PhaseBar:
    """Geometry of one phase: each span is x and width, the late one what goes beyond the plan's length."""

    y: float
    planned: tuple[float, float]
    actual: tuple[float, float] | None
    late: tuple[float, float] | None
    title: str


@dataclass(frozen=True)
class PhaseChart:
    title: str
    description: str
    row: float  # height of one phase
    bars: list[PhaseBar]
    grid: list[float]
    x_labels: list[str]
    phases: Sequence[PhaseDays]


PLAN_WIDTH = 100.0
# A span of minutes must be seen, in parts of the width.
LEAST_SPAN = 0.8


def days_by_phase(phases: Sequence[PhaseDays], *, title: str) -> PhaseChart:
    """One row a phase, from the top down: the plan above, what it took under it, and red where that is longer."""
    ends = [phase.planned_from + phase.planned_days for phase in phases]
    ends += [phase.actual_from + phase.actual_days for phase in phases if phase.actual_from is not None]
    top = nice_ceiling(max(ends, default=0))
    scale = PLAN_WIDTH / top
    row = HEIGHT / max(len(phases), 1)
    bars = []
    for index, phase in enumerate(phases):
        actual = late = None
        if phase.actual_from is not None:
            within = min(phase.actual_days, phase.planned_days)
            actual = round(phase.actual_from * scale, 2), round(max(within * scale, LEAST_SPAN), 2)
        if phase.actual_from is not None and phase.days_over:
            begin = phase.actual_from + phase.planned_days
            late = round(begin * scale, 2), round(max(phase.days_over * scale, LEAST_SPAN), 2)
        planned = round(phase.planned_from * scale, 2), round(phase.planned_days * scale, 2)
        bars.append(PhaseBar(round(index * row, 2), planned, actual, late, phase.words))
    return PhaseChart(
        title=title,
        description=_describe_phases(phases),
        row=row,
        bars=bars,
        grid=[PLAN_WIDTH * part / 4 for part in range(5)],
        x_labels=[f"{top * part / 4:g}" for part in range(5)],
        phases=phases,
    )


def _describe_phases(phases: Sequence[PhaseDays]) -> str:
    over = [phase for phase in phases if phase.days_over]
    begun = [phase for phase in phases if phase.actual_from is not None]
    if not over:
        return "Within plan." if begun else "Not begun."
    return "Over plan: " + ", ".join(f"{phase.name} by {phase.days_over:g} d" for phase in over) + "."
