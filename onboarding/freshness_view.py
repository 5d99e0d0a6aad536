"""What the freshness page says: the figures in words, whose time it is, and what to do about it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from entities.freshness import ActivityDay, DayState, Figures, Freshness, Period, days_in_time, missed, target_of
from entities.models import Entity
from integrations.models import Feed
from track360.charts import HourLag, LagChart, SplitBar, lag_against_target, split_bar
from track360.templatetags.ui import duration, lag, share

Feeds = Mapping[str, Feed]

IN_TIME = {
    Entity.CUSTOMERS: "within 5 minutes",
    Entity.TRANSACTIONS: "within 5 minutes",
    Entity.ACTIVITY: "by 06:00 UTC of the next day",
}
# Tone, icon, and what it means.
DAY_LOOKS = {
    DayState.IN_TIME: ("success", "check", "complete by 06:00 UTC of the next day"),
    DayState.LATE: ("warning", "clock", "new rows came after 06:00 UTC of the next day"),
    DayState.MISSING: ("danger", "cross", "nothing has come"),
    DayState.NOT_DUE: ("", "circle", "due at 06:00 UTC"),
    DayState.BEFORE: ("", "minus-circle", "before your first day of activity"),
}


@dataclass(frozen=True)
class Advice:
    """What to do, and the name of the page that helps; `docs` is which of the docs."""

    text: str
    label: str
    url_name: str = "docs-page"
    docs: str = ""


@dataclass(frozen=True)
class Block:
    """One entity on the page."""

    entity: Entity
    figures: Figures
    in_time: str
    chart: LagChart
    split: SplitBar | None
    step: str  # the slower part, in words
    advice: Advice | None

    @property
    def tiles(self) -> list[tuple[str, str, str, str]]:
        """Label, value, hint, tone."""
        figures = self.figures
        return [
            ("In time", share(figures.share), self.in_time, "danger" if figures.is_missed else ""),
            ("Median", lag(figures.p50_seconds), "half took at most this", ""),
            ("95th percentile", lag(figures.p95_seconds), "95 of 100 took at most this", ""),
            ("New records", f"{figures.created:,}", f"{figures.created - figures.in_time:,} late", ""),
        ]


def blocks_for(
    found: Mapping[str, Freshness], *, period: Period, in_scope: Collection[str], feeds: Feeds
) -> list[Block]:
    """Of each entity in scope, or that came all the same."""
    shown = [one for one in found.values() if one.whole.created or one.entity in in_scope]
    return [_block(one, period, feeds.get(one.entity)) for one in shown]


def _block(one: Freshness, period: Period, feed: Feed | None) -> Block:
    whole = one.whole
    lags = [
        HourLag(
            step.start,
            step.figures.p50_seconds,
            step.figures.p95_seconds,
            step.figures.created,
            step.figures.share,
            step.figures.partner_seconds,
            step.figures.own_seconds,
        )
        for step in one.steps
    ]
    title = f"{one.entity.label}: from the {_begin(one.entity)} to us"
    split = None
    if whole.partner_seconds is not None and whole.own_seconds is not None:
        split = split_bar(
            whole.partner_seconds, whole.own_seconds, title=f"{one.entity.label}: whose part of the mean time"
        )
    return Block(
        entity=one.entity,
        figures=whole,
        in_time=IN_TIME[one.entity],
        chart=lag_against_target(
            lags, title=f"{title}, last {period.words}", step=period.step, target=target_of(one.entity)
        ),
        split=split,
        step=slowest_step(one.entity, whole, feed),
        advice=_advice(one.entity, whole, feed) if whole.is_missed else None,
    )


def slowest_step(entity: Entity, figures: Figures, feed: Feed | None) -> str:
    """Where most of the time goes; empty without records."""
    if not figures.created:
        return ""
    if not figures.is_ours:
        return f"the way from the {_begin(entity)} to your {'source' if _is_pulled(feed) else 'call'}"
    return f"our fetch, {schedule_of(feed)}" if feed else "our storing"


def _begin(entity: Entity) -> str:
    return "end of the day" if entity == Entity.ACTIVITY else "event"


def _is_pulled(feed: Feed | None) -> bool:
    """Hybrid is pushed in the first place."""
    return feed is not None and feed.pattern == Feed.Pattern.PULL


def schedule_of(feed: Feed) -> str:
    if feed.every_minutes:
        return "every minute" if feed.every_minutes == 1 else f"every {feed.every_minutes} minutes"
    if feed.daily_at:
        return f"daily at {feed.daily_at:%H:%M} UTC"
    return "only when somebody asks for it"


def _advice(entity: Entity, figures: Figures, feed: Feed | None) -> Advice:
    partner, own = duration(figures.partner_seconds), duration(figures.own_seconds)
    if figures.is_ours and feed:
        text = f"On average a record waits {own} for our fetch, which runs {schedule_of(feed)}. Let it run more often."
        return Advice(text, "The feed’s schedule", "connection-list")
    if figures.is_ours:
        return Advice(
            f"On average {own} go into storing. Send up to 1,000 records a call instead of one; the integrations team "
            "sees this too.",
            "How to send in bulk",
            docs="pushing",
        )
    if _is_pulled(feed):
        return Advice(
            f"On average {partner} pass before a record shows at the source that we read. Let it show there sooner, or "
            "push new records as they happen.",
            "Push, pull or both",
            docs="freshness",
        )
    sooner = "Send each record as it happens, or every minute what came since."
    if entity == Entity.ACTIVITY:
        sooner = "Send a day soon after it has ended, so that it is here by 06:00 UTC."
    return Advice(f"On average {partner} pass before your call. {sooner}", "How to send records", docs="pushing")


def sentence(found: Mapping[str, Freshness], days: list[ActivityDay], *, period: Period, feeds: Feeds) -> str:
    """The worst of those that miss the target, else the one that is nearest to it, and how the days stand."""
    came = [one for one in found.values() if one.whole.created]
    if not came:
        return f"No new record has come in the last {period.words}, so there is no lag to show."
    worst = next(missed(found), None) or min(came, key=lambda one: one.whole.share or 0)
    step = slowest_step(worst.entity, worst.whole, feeds.get(worst.entity))
    text = (
        f"{worst.entity.label}: {share(worst.whole.share)} {IN_TIME[worst.entity]} over the last {period.words};"
        f" the slowest step is {step}."
    )
    in_time, due = days_in_time(days)
    if due > in_time:
        text += f" Activity: {in_time} of {due} days were complete in time."
    return text


@dataclass(frozen=True)
class DayCell:
    day: dt.date
    tone: str
    icon: str
    state: str
    words: str
    last_at: dt.datetime | None

    @property
    def date(self) -> str:
        return f"{self.day:%d %b %Y}"

    @property
    def spoken(self) -> str:
        return f"{self.day:%d %B}: {self.state}"


def day_cells(days: list[ActivityDay]) -> list[DayCell]:
    return [
        DayCell(one.day, *DAY_LOOKS[one.state][:2], one.state, DAY_LOOKS[one.state][2], one.last_at) for one in days
    ]
