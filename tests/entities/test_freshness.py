"""Freshness: percentiles from counts, whose time it was, and which days of activity were complete."""

from __future__ import annotations

import datetime as dt
import math
import random
from collections import Counter
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entities.batch_hours import roll_up
from entities.freshness import PERIODS, ActivityDay, Figures, activity_days, days_in_time, freshness_of, percentile
from entities.models import Batch, BatchHour
from entities.pipeline.lags import BOUNDS, lags_of
from entities.tasks import roll_up_batches
from tests.factories import ActivityFactory, BatchFactory
from track360.models import Environment

NOW = dt.datetime(2026, 3, 15, 12, 10, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
TODAY = NOW.date()


# -- Lags of a batch ------------------------------------------------------------


def counted(*lags: float) -> list[int]:
    events = [(NOW - dt.timedelta(seconds=lag)).isoformat() for lag in lags]
    return lags_of("transactions", events, received_at=NOW, looked_at=None)[0]


def test_a_lag_on_a_bound_counts_below_it() -> None:
    assert counted(300) == [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert counted(300.001) == [0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]
    assert counted(*BOUNDS, 1e6) == [1] * 12


def test_an_event_ahead_of_our_clock_has_no_lag() -> None:
    events = [(NOW + MINUTE).isoformat(), (NOW - MINUTE).isoformat()]
    assert lags_of("transactions", events, received_at=NOW, looked_at=None) == ([1, 0, 1] + [0] * 9, 60, 0)


def test_of_what_is_fetched_the_time_since_our_last_look_is_ours() -> None:
    events = [(NOW - back * MINUTE).isoformat() for back in (10, 2)]
    _, lag, ours = lags_of("transactions", events, received_at=NOW, looked_at=NOW - 4 * MINUTE)
    assert (lag, ours) == (12 * 60, (4 + 2) * 60)
    assert lags_of("transactions", events, received_at=NOW, looked_at=NOW + MINUTE)[2] == 0  # a clock set back


def test_activity_lags_from_the_end_of_its_day() -> None:
    counts, lag, _ = lags_of("activity", ["2026-03-14", "2026-03-13", "2026-03-15"], received_at=NOW, looked_at=None)
    assert counts == [1] + [0] * 9 + [1, 1]
    assert lag == (12 * 60 + 10 + 36 * 60 + 10) * 60


# -- Percentiles ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "share", "seconds"),
    [
        ([0] * 12, 0.5, None),
        ([10] + [0] * 11, 0.5, 5),
        ([0, 10] + [0] * 10, 0.5, 20),
        ([0, 0, 0, 0, 4] + [0] * 7, 0.95, 291),
        ([50, 0, 0, 0, 50] + [0] * 7, 0.5, 10),
        ([94] + [0] * 10 + [6], 0.95, math.inf),
        ([96] + [0] * 10 + [4], 0.95, 10 * 95 / 96),
    ],
)
def test_a_percentile_lies_between_the_bounds_of_its_count(
    counts: list[int], share: float, seconds: float | None
) -> None:
    assert percentile(counts, share) == (seconds if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("share", [0.5, 0.95])
@pytest.mark.parametrize("seed", range(20))
def test_a_percentile_is_within_the_bounds_that_the_exact_one_is_in(seed: int, share: float) -> None:
    lags = sorted(random.Random(seed).lognormvariate(4, 1.5) for _ in range(500))
    exact = lags[math.ceil(share * len(lags)) - 1]
    low, high = next((low, high) for low, high in zip((0, *BOUNDS), BOUNDS, strict=False) if low < exact <= high)
    found = percentile(counted(*lags), share)
    assert found is not None
    assert low <= found <= high


# -- Over a period ----------------------------------------------------------------


def came(environment: Environment, at: dt.datetime, lags: dict[int, int], **fields: Any) -> Batch:
    """A batch whose created records have these lags: seconds -> how many."""
    number = sum(lags.values())
    waits = Counter(lags)
    total = sum(seconds * count for seconds, count in lags.items())
    return BatchFactory(
        environment=environment,
        started_at=at,
        received=number,
        created=number,
        lags=counted(*waits.elements()),
        **{"lag_seconds": total, "finished_at": at, **fields},
    )


def figures(environment: Environment, period: str = "24h", entity: str = "transactions") -> Figures:
    return freshness_of(environment, period=PERIODS[period], now=NOW)[entity].whole


def test_every_entity_and_step_is_there_without_a_batch(environment: Environment) -> None:
    for period, steps in (("24h", 24), ("7d", 28), ("30d", 30)):
        found = freshness_of(environment, period=PERIODS[period], now=NOW)
        assert {entity: (one.whole, len(one.steps)) for entity, one in found.items()} == dict.fromkeys(
            ("customers", "transactions", "activity"), (Figures(), steps)
        )
        assert all(step.figures == Figures() for step in found["activity"].steps)
    assert Figures().share is None
    assert not Figures().is_missed


@pytest.mark.parametrize(
    ("period", "first", "last"),
    [
        ("24h", "2026-03-14T13:00", "2026-03-15T12:00"),
        ("7d", "2026-03-08T18:00", "2026-03-15T12:00"),
        ("30d", "2026-02-14T00:00", "2026-03-15T00:00"),
    ],
)
def test_steps_begin_with_full_hours_six_hours_and_days(period: str, first: str, last: str) -> None:
    starts = PERIODS[period].starts(NOW)
    assert [f"{starts[at]:%Y-%m-%dT%H:%M}" for at in (0, -1)] == [first, last]


def test_a_period_is_summed_by_step_and_as_a_whole(environment: Environment) -> None:
    came(environment, NOW, {5: 3, 400: 1})
    came(environment, NOW - 5 * MINUTE, {5: 4})
    came(environment, NOW - 23 * HOUR, {4000: 2})
    came(environment, NOW - 24 * HOUR, {5: 100})  # the hour before the first
    found = freshness_of(environment, period=PERIODS["24h"], now=NOW)["transactions"]
    assert (found.whole.created, found.whole.in_time, found.whole.is_missed) == (10, 7, True)
    created = {f"{step.start:%d %H}": step.figures.created for step in found.steps if step.figures.created}
    assert created == {"14 13": 2, "15 12": 8}
    assert found.steps[-1].figures.share == pytest.approx(7 / 8)


def test_what_was_not_measured_or_is_elsewhere_is_not_counted(
    environment: Environment, other_environment: Environment
) -> None:
    came(other_environment, NOW, {5: 3})
    BatchFactory(environment=environment, started_at=NOW, created=5, lags=None, door="backfill")
    assert figures(environment) == Figures()


def test_the_mean_is_split_into_the_partners_part_and_ours_to_where_a_record_is_stored(
    environment: Environment,
) -> None:
    at = NOW - HOUR
    came(environment, at, {100: 1, 300: 1}, own_seconds=120 + 2 * 3, finished_at=at + 3 * dt.timedelta(seconds=1))
    found = figures(environment)
    assert found.partner_seconds == pytest.approx((400 - 120) / 2)
    assert found.own_seconds == pytest.approx(63)
    assert not found.is_ours


def test_activity_is_measured_against_six_hours(environment: Environment) -> None:
    came(environment, NOW, {6 * 3600: 3, 6 * 3600 + 1: 1}, entity="activity")
    found = figures(environment, entity="activity")
    assert (found.in_time, found.created) == (3, 4)


# -- Hours that are over ------------------------------------------------------------


@pytest.mark.parametrize("period", PERIODS)
def test_the_figures_are_the_same_from_copied_hours_and_from_batches(environment: Environment, period: str) -> None:
    rng = random.Random(4)
    for _ in range(60):
        lags = {rng.choice(BOUNDS): rng.randrange(1, 9)}
        entity = rng.choice(("customers", "transactions"))
        came(environment, NOW - rng.random() * 31 * DAY, lags, entity=entity, own_seconds=rng.randrange(9) / 4)
    before = freshness_of(environment, period=PERIODS[period], now=NOW)
    roll_up(environment, now=NOW)
    assert BatchHour.objects.count() > 30
    assert freshness_of(environment, period=PERIODS[period], now=NOW) == before


def test_hours_that_are_over_are_not_added_up_again(environment: Environment) -> None:
    came(environment, NOW - 5 * HOUR, {5: 1})
    came(environment, NOW - 2 * HOUR, {5: 1})
    came(environment, NOW, {5: 1})
    roll_up(environment, now=NOW)
    Batch.objects.filter(started_at__lt=NOW - 4 * HOUR).delete()
    roll_up(environment, now=NOW)
    assert figures(environment).created == 3


def test_the_task_copies_the_hours_of_every_environment(
    environment: Environment, other_environment: Environment
) -> None:
    for one in (environment, other_environment):
        came(one, timezone.now() - 3 * HOUR, {5: 1})
    roll_up_batches()
    assert set(BatchHour.objects.values_list("environment", flat=True)) == {environment.pk, other_environment.pk}


def test_a_batch_that_ends_after_its_hour_is_counted(environment: Environment) -> None:
    came(environment, NOW - 2 * HOUR, {5: 1})
    roll_up(environment, now=NOW - 6 * MINUTE)  # the hour was over 4 minutes ago, and is not copied yet
    came(environment, NOW - 11 * MINUTE, {5: 4})
    assert figures(environment).created == 5
    roll_up(environment, now=NOW)
    assert figures(environment).created == 5


def test_the_newest_copied_hour_is_copied_again(environment: Environment) -> None:
    came(environment, NOW - HOUR, {5: 1})
    roll_up(environment, now=NOW)
    came(environment, NOW - 11 * MINUTE, {5: 4})
    roll_up(environment, now=NOW)
    assert figures(environment).created == 5


# -- Days of activity -----------------------------------------------------------------


def row(environment: Environment, day: dt.date, at: dt.datetime) -> None:
    ActivityFactory(environment=environment, date=day, received_at=at, customer_id=f"cst_{at.isoformat()}")


def due(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day + DAY, dt.time(6), dt.UTC)


def states(environment: Environment, *, now: dt.datetime = NOW) -> dict[int, str]:
    """Days back from today -> state, of those after the first day."""
    days = activity_days(environment, now=now)
    assert len(days) == 30
    return {(TODAY - one.day).days: one.state.value for one in days if one.state != "before the first"}


def test_a_day_is_in_time_late_or_missing(environment: Environment) -> None:
    for back, late in ((4, 0), (3, 1), (1, 0)):
        day = TODAY - back * DAY
        row(environment, day, due(day) - HOUR)
        row(environment, day, due(day) + late * MINUTE)
    assert states(environment) == {4: "in time", 3: "late", 2: "missing", 1: "in time"}
    assert days_in_time(activity_days(environment, now=NOW)) == (2, 4)


def test_a_day_is_not_due_before_six_and_today_is_not_shown(environment: Environment) -> None:
    row(environment, TODAY - 2 * DAY, due(TODAY - 2 * DAY))
    early = dt.datetime.combine(TODAY, dt.time(5, 59), dt.UTC)
    assert states(environment, now=early) == {2: "in time", 1: "not due"}
    assert states(environment) == {2: "in time", 1: "missing"}


def test_without_activity_no_day_is_missing(environment: Environment, other_environment: Environment) -> None:
    row(other_environment, TODAY - 3 * DAY, NOW)
    assert states(environment) == {}


def test_the_days_take_one_query_however_many_rows_there_are(environment: Environment) -> None:
    for hour in range(50):
        row(environment, TODAY - DAY, NOW - hour * MINUTE)
    with CaptureQueriesContext(
        connection,
    ) as captured:
        days = activity_days(environment, now=NOW)
    assert len(captured) == 1
    assert days[-1] == ActivityDay(TODAY - DAY, days[-1].state, NOW - 49 * MINUTE)
