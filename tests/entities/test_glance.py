"""The glance at a batch may say yes only where the rules, record by record, have nothing to say or to change."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entities.models import Entity
from entities.pipeline.glance import in_order
from entities.pipeline.rules import Clock, check_record, present
from entities.pipeline.validate import schema_errors, schema_for
from tests.entities.test_rules import ALLOWED, NOW, REFUSED
from tests.payloads import sample

CLOCK = Clock(NOW)


def is_in_order(entity: str, records: list[Any], *, clock: Clock) -> bool:
    return in_order(entity, records, clock=clock) is not None


@pytest.mark.parametrize("entity", list(Entity))
def test_a_batch_in_order_needs_no_closer_look(entity: str) -> None:
    assert is_in_order(entity, [sample(entity)] * 3, clock=CLOCK)


@pytest.mark.parametrize(("entity", "field", "value", "code"), REFUSED)
def test_a_batch_with_a_fault_is_looked_at_closely(entity: str, field: str, value: Any, code: str) -> None:
    batch = [sample(entity), sample(entity, **{field: value}), sample(entity)]

    assert schema_errors(entity, batch) or not is_in_order(entity, batch, clock=CLOCK)


_values = st.one_of(
    st.none(),
    st.integers(),
    st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**6), max_value=10**6),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.text(alphabet="ab |\x00\n", max_size=4),
    st.datetimes(dt.datetime(1890, 1, 1), dt.datetime(2026, 6, 1)).map(lambda moment: f"{moment.isoformat()}Z"),
    st.dates(dt.date(1890, 1, 1), dt.date(2026, 6, 1)).map(dt.date.isoformat),
    st.sampled_from([one[2] for one in REFUSED if one[2] is not ...]),
    st.sampled_from([value for one in ALLOWED for value in one[1].values()]),
)


@pytest.mark.parametrize("entity", list(Entity))
@given(data=st.data())
def test_a_glance_agrees_with_the_rules(entity: str, data: st.DataObject) -> None:
    fields = list(schema_for(entity)["properties"])
    changes = st.dictionaries(st.sampled_from(fields), _values, max_size=3)
    batch = [sample(entity, **data.draw(changes)) for _ in range(2)]
    if schema_errors(entity, batch) or not is_in_order(entity, batch, clock=CLOCK):
        return

    for record in batch:
        row, errors = check_record(entity, record, index=0, faulty=frozenset(), clock=CLOCK)
        assert errors == []
        assert row == present(record)


def test_negative_play_is_in_order_and_negative_money_is_not() -> None:
    lost = sample("activity", ggr=Decimal("-5.10"))
    clawed = sample("transactions", amount_currency=Decimal("-5.10"), amount_usd=None, transaction_type="adjustment")

    assert is_in_order("activity", [lost], clock=CLOCK)
    assert not is_in_order("transactions", [clawed], clock=CLOCK)


def test_microseconds_are_in_order_and_what_is_written_otherwise_is_not() -> None:
    def dated(*moments: str) -> bool:
        return is_in_order(
            "transactions", [sample("transactions", transaction_date=one) for one in moments], clock=CLOCK
        )

    assert dated("2026-03-15T12:10:00.123456Z", "2026-03-15T12:10:00Z")
    for moment in (
        "2026-03-15T12:10:00.1Z",
        "2026-03-15T12:10:00.000000Z",
        "2026-03-15T12:10:00.1+01:00",
        "2016-12-31T23:59:60.123456Z",
        "1899-12-31T23:59:59.123456Z",
        "2126-03-15T12:10:00.123456Z",
    ):
        assert not dated("2026-03-15T12:10:00Z", moment)
