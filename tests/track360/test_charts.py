from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.template.loader import render_to_string
from hypothesis import given
from hypothesis import strategies as st

from track360.charts import (
    HEIGHT,
    HourCount,
    HourLag,
    PhaseDays,
    bars_per_hour,
    days_by_phase,
    lag_against_target,
    lag_y,
    nice_ceiling,
)

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
COUNTS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), max_size=60)


def counts(*pairs: tuple[int, int]) -> list[HourCount]:
    return [HourCount(START + timedelta(hours=i), records, refusals) for i, (records, refusals) in enumerate(pairs)]


@given(COUNTS)
def test_bars_stand_on_each_other_and_stay_in_the_plot(pairs: list[tuple[int, int]]) -> None:
    for bar in bars_per_hour(counts(*pairs), title="t").bars:
        assert bar.records_y + bar.records_height == pytest.approx(HEIGHT, abs=0.02)
        assert bar.refusals_y + bar.refusals_height == pytest.approx(bar.records_y, abs=0.02)
        assert bar.refusals_y >= -0.02


def test_one_refusal_among_a_million_records_is_seen() -> None:
    bar = bars_per_hour(counts((1_000_000, 1)), title="t").bars[0]
    assert bar.refusals_height >= 2


def test_the_description_says_in_words_what_the_bars_show() -> None:
    chart = bars_per_hour(counts((10, 0), (20, 5)), title="t")
    assert chart.records_path == "M1.5 66.67h7.0v33.33H1.5zM11.5 33.33h7.0v66.67H11.5z"
    assert chart.refusals_path == "M11.5 16.67h7.0v16.67H11.5z"
    assert chart.description == "30 records and 5 refused in 2 hours; most in the hour from 20 Nov 13:00 UTC."
    assert bars_per_hour(counts((0, 0)), title="t").description == "Nothing arrived in these 1 hours."


@pytest.mark.parametrize(
    ("hours", "labels"),
    [
        (0, []),
        (24, ["12:00", "18:00", "00:00", "06:00", "12:00"]),
        (48, ["12:00", "00:00", "12:00", "00:00", "12:00"]),
        (336, ["20 Nov", "24 Nov", "27 Nov", "01 Dec", "04 Dec"]),
    ],
)
def test_the_time_axis_names_the_borders_of_its_quarters(hours: int, labels: list[str]) -> None:
    assert bars_per_hour(counts(*[(1, 0)] * hours), title="t").x_labels == labels


@pytest.mark.parametrize(
    ("top", "ticks"),
    [(3, ["4", "2", "0"]), (1100, ["1,200", "600", "0"]), (10_200, ["12k", "6k", "0"]), (2.1e6, ["2.4M", "1.2M", "0"])],
)
def test_the_count_axis_ends_on_a_round_figure(top: int, ticks: list[str]) -> None:
    assert bars_per_hour(counts((int(top), 0)), title="t").y_ticks == ticks


@given(st.floats(min_value=0, max_value=1e12))
def test_the_axis_is_never_lower_than_what_it_holds_nor_over_twice_as_high(value: float) -> None:
    assert value <= nice_ceiling(value)
    assert nice_ceiling(value) <= max(4, 2 * value)


@pytest.mark.parametrize(("seconds", "y"), [(0, 100), (1, 100), (10, 80), (60, 60), (300, 40), (86400, 0), (1e9, 0)])
def test_each_stop_of_the_lag_axis_is_as_far_from_the_next(seconds: float, y: float) -> None:
    assert lag_y(seconds) == y


def test_hours_without_data_leave_a_gap_and_are_not_counted_as_in_time() -> None:
    lags = [HourLag(START, 10, 200), HourLag(START, None, None), HourLag(START, 20, 301)]
    chart = lag_against_target(lags, title="t")
    assert [band[0] for band in chart.bands] == [1.5, 21.5]
    assert chart.description == "In 1 of 2 hours with data, 95 % of the records came within 5 min."
    assert lag_against_target([], title="t").description == "No data in this time."


def test_the_picture_has_a_title_words_and_a_table_behind_it_and_no_inline_style() -> None:
    html = render_to_string(
        "components/chart_bars.html", {"chart": bars_per_hour(counts((7, 2)), title="Volume"), "id": "v"}
    )
    assert '<title id="v-title">Volume</title>' in html
    assert 'aria-labelledby="v-title v-description"' in html
    assert "<summary>" in html
    assert '<td data-kind="number">7</td>' in html
    assert "style=" not in html


def test_phases_stand_below_each_other_with_what_is_longer_than_planned_in_its_own_colour():
    phases = [
        PhaseDays("Kick-off", 0, 1, 0, 1.5, is_over=True),
        PhaseDays("Mapping", 1, 3, 1.5, 0.0, is_over=False),
        PhaseDays("Go-live", 4, 4, None, 0.0, is_over=False),
    ]
    chart = days_by_phase(phases, title="Plan")

    first, second, third = chart.bars
    assert (first.planned, first.actual, first.late) == ((0, 12.5), (0, 12.5), (12.5, 6.25))
    assert second.actual == (18.75, 0.8)  # only just begun, and seen
    assert (second.late, third.actual, third.late) == (None, None, None)
    assert chart.x_labels == ["0", "2", "4", "6", "8"]
    assert chart.description == "Over plan: Kick-off by 0.5 d."
    assert first.title == "Kick-off: planned 1 d, took 1.5 d, 0.5 d over plan"
    assert third.title == "Go-live: planned 4 d, not begun"


def test_phases_that_keep_to_the_plan_say_so():
    assert days_by_phase([PhaseDays("A", 0, 1, 0, 0.4, is_over=True)], title="Plan").description == "Within plan."
    assert days_by_phase([PhaseDays("A", 0, 1, None, 0, is_over=False)], title="Plan").description == "Not begun."
    assert days_by_phase([], title="Plan").bars == []
