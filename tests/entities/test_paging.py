"""Paging by keyset: every row once, in both directions, and no position that breaks it."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entities.models import Activity, Customer
from entities.paging import PER_PAGE, Position, keyset_page, position_of, read_position

MOMENT = dt.datetime(2026, 3, 15, 12, 10, 0, 1, tzinfo=dt.UTC)


def rows(count: int) -> list[Customer]:
    return [Customer(id=number, signup_date=MOMENT) for number in range(1, count + 1)]


def fetch_from(found: list[Customer]):
    def fetch(position: Position | None, upwards: bool) -> list[Customer]:
        if upwards:
            return [row for row in found if position is None or row.id > position[-1]][: PER_PAGE + 1]
        return [row for row in reversed(found) if position is None or row.id < position[-1]][: PER_PAGE + 1]

    return fetch


def test_a_walk_down_and_up_again_shows_the_same_pages():
    fetch = fetch_from(rows(2 * PER_PAGE + 20))
    first = keyset_page(fetch, model=Customer)
    second = keyset_page(fetch, model=Customer, **first.older)
    third = keyset_page(fetch, model=Customer, **second.older)
    back = keyset_page(fetch, model=Customer, **third.newer)

    assert [len(page.rows) for page in (first, second, third)] == [PER_PAGE, PER_PAGE, 20]
    assert [row.id for page in (first, second, third) for row in page.rows] == list(range(2 * PER_PAGE + 20, 0, -1))
    assert first.newer is None
    assert third.older is None
    assert [row.id for row in back.rows] == [row.id for row in second.rows]


@given(count=st.integers(0, 260), place=st.integers(1, 261))
def test_from_anywhere_a_walk_shows_each_row_once_and_ends(count: int, place: int):
    fetch = fetch_from(rows(count))
    down = keyset_page(fetch, model=Customer, before=str(place))
    older = [row.id for row in down.rows]
    while down.older:
        down = keyset_page(fetch, model=Customer, **down.older)
        older += [row.id for row in down.rows]
    up = keyset_page(fetch, model=Customer, after=str(place))
    newer = [row.id for row in up.rows]
    while up.newer:
        up = keyset_page(fetch, model=Customer, **up.newer)
        newer = [row.id for row in up.rows] + newer
    assert newer == list(range(count, place, -1))
    assert older == list(range(min(count, place - 1), 0, -1))


@given(text=st.text(max_size=40) | st.from_regex(r"[0-9T:.+~Z-]{1,40}", fullmatch=True))
def test_whatever_stands_in_an_address_is_a_position_or_none(text: str):
    position = read_position(text, model=Customer, columns=("signup_date", "id"))
    assert position is None or (position[0].tzinfo is not None and 0 <= position[1] < 2**63)


@given(moment=st.datetimes(timezones=st.just(dt.UTC)), number=st.integers(1, 2**63 - 1))
def test_any_position_reads_back_as_it_was_written(moment: dt.datetime, number: int):
    customer = Customer(id=number, signup_date=moment)
    columns = ("signup_date", "id")
    assert read_position(position_of(customer, columns), model=Customer, columns=columns) == (moment, number)


def test_the_newest_page_reached_upwards_has_nothing_newer():
    fetch = fetch_from(rows(PER_PAGE + 10))
    second = keyset_page(fetch, model=Customer, before="11")
    up = keyset_page(fetch, model=Customer, after="10")
    assert second.older is None
    assert up.newer is None
    assert up.older is not None


def test_positions_read_back_what_they_wrote():
    customer = Customer(id=7, signup_date=MOMENT)
    activity = Activity(id=8, date=dt.date(2026, 3, 15))
    for row, columns in ((customer, ("id",)), (customer, ("signup_date", "id")), (activity, ("date", "id"))):
        text = position_of(row, columns)
        assert read_position(text, model=type(row), columns=columns) == tuple(getattr(row, c) for c in columns)


@pytest.mark.parametrize(
    "text",
    ["", "x", "-1", "1~2", "²", "9" * 20, "2026-03-15~1", "2026-03-15T12:10:00~1", "2026-02-31T00:00:00Z~1", "\x00~1"],
)
def test_a_position_that_cannot_be_read_is_none(text: str):
    assert read_position(text, model=Customer, columns=("signup_date", "id")) is None


def test_a_number_beyond_the_column_is_cut_to_it():
    assert read_position("9" * 19, model=Customer, columns=("id",)) == (2**63 - 1,)
