"""Records by field, and as PostgreSQL reads them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from hypothesis import given
from hypothesis import strategies as st

from entities.pipeline.columns import arrays, columns_of, in_order_of

TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=6)
HARD = st.sampled_from(["", "NULL", "{}", '"', "\\", '","', "%s", "a,b", " "])


def read_back(values: list[Any], type_: str) -> list[Any]:
    written = arrays(columns_of([{"field": value} for value in values]), ["field"])
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT i FROM unnest(%(field)s::{type_}[]) AS i", written)
        return [value for (value,) in cursor.fetchall()]


@pytest.mark.django_db
@given(
    st.lists(TEXTS | st.sampled_from(["", "NULL", "{}", '"', "\\", '","', "%s", "a,b", " "]) | st.none(), min_size=1)
)
def test_texts_come_back_as_they_were(values: list[str | None]) -> None:
    assert read_back(values, "text") == values


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("values", "type_"),
    [
        ([Decimal("1.50"), Decimal("-0.01"), None, 7, Decimal("1E+2")], "numeric"),
        ([1, None, -5], "integer"),
        ([dt.date(2026, 3, 15), None], "date"),
        ([dt.datetime(2026, 3, 15, 12, tzinfo=dt.UTC)], "timestamptz"),
        ([None, None], "text"),
    ],
)
def test_other_values_come_back_as_they_were(values: list[Any], type_: str) -> None:
    assert read_back(values, type_) == values


def test_a_field_that_is_absent_is_null_and_one_that_nobody_has_an_empty_array() -> None:
    columns = columns_of([{"a": "x", "b": 1}, {"a": "y"}])

    assert arrays(columns, ["a", "b", "c"]) == {"a": '{"x","y"}', "b": "{1,NULL}", "c": "{}"}


def test_records_stay_together_where_they_are_put_in_order() -> None:
    columns = in_order_of(columns_of([{"key": "b", "n": 1}, {"key": "a", "n": 2}, {"key": "c", "n": 3}]), "key")

    assert {name: list(column.values) for name, column in columns.items()} == {"key": ["a", "b", "c"], "n": [2, 1, 3]}
