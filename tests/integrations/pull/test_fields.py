"""From what a source gives to the guide's record: never guessed, never lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from integrations.models import Feed
from integrations.pull.fields import (
    JsonRecords,
    Kind,
    as_day,
    as_moment,
    as_number,
    as_text,
    field_kinds,
    supplied_fields,
)

MALTA, UTC = ZoneInfo("Europe/Malta"), ZoneInfo("UTC")
NAN = Decimal("NaN")
ID = UUID("12345678-1234-5678-1234-567812345678")


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("x", "x"),
        (7, "7"),
        (Decimal("7"), "7"),
        (Decimal("7.0"), Decimal("7.0")),
        (ID, str(ID)),
        (True, True),
        (None, None),
        ({"a": 1}, {"a": 1}),
        (1.5, Decimal("1.5")),
    ],
)
def test_whole_ids_become_text_and_nothing_else_does(value: Any, given: Any):
    assert as_text(value) == given
    assert type(as_text(value)) is type(given)


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("1500.10", Decimal("1500.10")),
        ("-3", -3),
        ("1,500.10", "1,500.10"),
        ("1e5", "1e5"),
        ("١", "١"),
        ("", ""),
        (0.1, Decimal("0.1")),
        (float("inf"), "Infinity"),
        (NAN, "NaN"),
        (False, False),
    ],
)
def test_quoted_numbers_become_numbers_with_every_digit(value: Any, given: Any):
    assert as_number(value) == given
    assert type(as_number(value)) is type(given)


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("2026-03-15T12:10:00Z", "2026-03-15T12:10:00Z"),
        ("2026-03-15 12:10:00+00", "2026-03-15T12:10:00Z"),
        ("2026-03-15 12:10:00.123456", "2026-03-15T11:10:00.123456Z"),
        ("2026-07-15 12:10:00", "2026-07-15T10:10:00Z"),
        ("2026-03-15T12:10:00+05:30", "2026-03-15T06:40:00Z"),
        ("2026-03-15 12:10:00-0300", "2026-03-15T15:10:00Z"),
        ("2026-03-15", "2026-03-15"),
        ("15/03/2026 12:10:00", "15/03/2026 12:10:00"),
        ("0000-00-00 00:00:00", "0000-00-00 00:00:00"),
        ("0044-03-15 12:00:00 BC", "0044-03-15 12:00:00 BC"),
        ("infinity", "infinity"),
        (1773576600, 1773576600),
        (None, None),
    ],
)
def test_times_are_given_in_utc_and_what_is_no_time_as_it_came(value: Any, given: Any):
    assert as_moment(value, MALTA) == given


@pytest.mark.parametrize(
    ("value", "given"),
    [
        ("2026-03-15", "2026-03-15"),
        ("2026-03-15 00:00:00", "2026-03-15"),
        ("2026-03-14T23:00:00Z", "2026-03-15"),
        ("2026-03-15 12:10:00", "2026-03-15 12:10:00"),
        ("2026-03-15T00:00:00Z", "2026-03-15T00:00:00Z"),
        ("20260315", "20260315"),
        (20260315, 20260315),
    ],
)
def test_a_moment_is_a_day_only_where_it_is_midnight(value: Any, given: Any):
    assert as_day(value, MALTA) == given


def test_names_may_be_paths_and_what_is_missing_there_is_missing_here():
    fields = {"customer_id": "user.id", "signup_date": "/dates/0/at", "affiliate_id": "a.b", "email": "mail"}
    convert = JsonRecords(Feed(entity="customers", fields=fields))
    full = {"user": {"id": 1}, "dates": [{"at": "2026-01-01T00:00:00Z"}], "a.b": "x", "mail": None, "other": 1}
    assert convert([full, {"user": None}, "no record"]) == [
        {"customer_id": "1", "signup_date": "2026-01-01T00:00:00Z", "affiliate_id": "x", "email": None},
        {},
        "no record",
    ]


def test_without_a_mapping_the_guides_names_are_taken_and_the_rest_is_left():
    convert = JsonRecords(Feed(entity="customers"))
    assert convert([{"customer_id": 5, "internal": 1}]) == [{"customer_id": "5"}]


def test_the_fields_that_a_source_supplies_are_told():
    only_ids = frozenset({"customer_id"})
    assert supplied_fields(Feed(entity="customers", fields={"customer_id": "id", "nonsense": "x"})) == only_ids
    assert supplied_fields(Feed(entity="customers")) is None
    assert supplied_fields(Feed(entity="customers"), ["customer_id", "other"]) == only_ids


def test_each_field_of_the_guide_has_a_kind():
    assert field_kinds("activity")["bets_count"] == Kind.INTEGER
    assert field_kinds("activity")["date"] == Kind.DAY
    assert field_kinds("transactions")["amount_usd"] == Kind.NUMBER
    assert field_kinds("customers")["last_modified_date"] == Kind.MOMENT
