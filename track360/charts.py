"""Pictures as geometry: pure functions turn rows into shapes, `components/chart_*.html` draw them as inline SVG.

The plots are stretched to the width there is, so they hold no text; ticks and labels are HTML around them.
Times are UTC.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from track360.templatetags.ui import duration

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
                title=f"{hour.hour:%d %b %H:%M} UTC: {hour.records:,} records, {hour.refusals:,} refused",
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
        f" most in the hour from {busiest.hour:%d %b %H:%M} UTC."
    )


@dataclass(frozen=True)
class HourLag:
    """How old records were when they came, in one hour; None where none came."""

    hour: datetime
    median_seconds: float | None
    p95_seconds: float | None


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
    hours: Sequence[HourLag]


# Equal steps on the axis, from bottom to top: minutes matter, and a day must still fit.
LAG_STOPS = (1.0, 10.0, 60.0, FRESHNESS_TARGET.total_seconds(), 3600.0, 86400.0)


def lag_against_target(hours: Sequence[HourLag], *, title: str) -> LagChart:
    """For each hour the span from the median lag to the 95th percentile, against the 5-minute target."""
    bands, medians = [], []
    late = 0
    for index, hour in enumerate(hours):
        if hour.median_seconds is None or hour.p95_seconds is None:
            continue
        late += hour.p95_seconds > FRESHNESS_TARGET.total_seconds()
        x = index * STEP + (STEP - BAR) / 2
        upper, lower = lag_y(hour.p95_seconds), lag_y(hour.median_seconds)
        words = (
            f"{hour.hour:%d %b %H:%M} UTC: half within {duration(hour.median_seconds)},"
            f" 95 % within {duration(hour.p95_seconds)}"
        )
        bands.append((round(x, 2), upper, BAR, round(max(lower - upper, 1), 2), words))
        medians.append((round(x, 2), round(x + BAR, 2), lower))
    known = len(bands)
    return LagChart(
        title=title,
        description=(
            f"In {known - late} of {known} hours with data, 95 % of the records came within"
            f" {duration(FRESHNESS_TARGET)}."
            if known
            else "No data in this time."
        ),
        width=max(len(hours), 1) * STEP,
        bands=bands,
        medians=medians,
        target_y=lag_y(FRESHNESS_TARGET.total_seconds()),
        grid=[lag_y(stop) for stop in LAG_STOPS],
        y_ticks=[duration(stop) for stop in reversed(LAG_STOPS)],
        x_labels=_time_labels([hour.hour for hour in hours]),
        hours=hours,
    )


def lag_y(seconds: float) -> float:
    """Height of a lag in the plot: logarithmic between the stops, which are equally far apart."""
    bounded = min(max(seconds, LAG_STOPS[0]), LAG_STOPS[-1])
    upper = next(i for i, stop in enumerate(LAG_STOPS) if i > 0 and bounded <= stop)
    low, high = LAG_STOPS[upper - 1], LAG_STOPS[upper]
    position = upper - 1 + math.log(bounded / low) / math.log(high / low)
    return round(HEIGHT * (1 - position / (len(LAG_STOPS) - 1)), 2)


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


def _time_labels(hours: Sequence[datetime]) -> list[str]:
    """The borders of four equal parts: times of day, or dates where the picture spans over two days."""
    if not hours:
        return []
    span = timedelta(hours=len(hours))
    pattern = "%H:%M" if span <= timedelta(hours=48) else "%d %b"
    return [(hours[0] + span * part / 4).strftime(pattern) for part in range(5)]
