"""The glance by the schema says yes only where the validator does, and does say yes to what partners send."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entities.models import Entity
from entities.pipeline.columns import columns_of
from entities.pipeline.conform import conforms
from entities.pipeline.validate import schema_errors, schema_for
from tests.payloads import sample

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.decimals(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.from_regex(r"[A-Za-z0-9._+@-]{1,12}@[A-Za-z0-9._-]{1,12}", fullmatch=True),
    st.from_regex(r"[0-9]{4}-[01][0-9]-[0-3][0-9](T[0-2][0-9]:[0-6][0-9]:[0-6][0-9](\.[0-9]{6})?Z)?", fullmatch=True),
    st.sampled_from(
        ["EUR", "EUR\n", "eur", "en", "GB", "2026-W11-1T12:10:00Z", "2026-02-30", "", "x" * 501, "x" * 129]
    ),
    st.lists(st.integers(), max_size=2),
)


@pytest.mark.parametrize("entity", Entity.values)
@given(data=st.data())
def test_a_yes_is_one_of_the_validator_too(entity: str, data: st.DataObject) -> None:
    fields = [*schema_for(entity)["properties"], "unknown"]
    changes = st.dictionaries(st.sampled_from(fields), VALUES | st.just(...), max_size=2)
    records = [sample(entity, **data.draw(changes)) for _ in range(data.draw(st.integers(1, 3)))]

    if conforms(entity, columns_of(records)):
        assert schema_errors(entity, records) == []


@pytest.mark.parametrize("entity", Entity.values)
def test_what_partners_send_conforms(entity: str) -> None:
    whole = sample(entity)
    bare = {field: value for field, value in whole.items() if field in schema_for(entity)["required"]}

    assert conforms(entity, columns_of([whole]))
    assert conforms(entity, columns_of([whole, bare]))


@pytest.mark.parametrize(
    ("entity", "changes"),
    [
        ("transactions", {"status": None}),
        ("transactions", {"status": ...}),
        ("transactions", {"unknown": "x"}),
        ("transactions", {"transaction_type": "loan"}),
        ("transactions", {"currency": "EUR\n"}),
        ("transactions", {"transaction_date": "2026-13-01T00:00:00Z"}),
        ("transactions", {"transaction_date": "2026-W11-1T12:10:00Z"}),
        ("transactions", {"transaction_id": ""}),
        ("transactions", {"note": "x" * 501}),
        ("transactions", {"amount_currency": True}),
        ("customers", {"email": "nobody"}),
        ("activity", {"bets_count": -1}),
        ("activity", {"bets_count": Decimal("1.5")}),
        ("activity", {"wins": Decimal("-0.01")}),
        ("activity", {"date": "2026-02-30"}),
        ("activity", {"date": "2026-W11-1"}),
    ],
)
def test_what_is_wrong_does_not(entity: str, changes: dict[str, Any]) -> None:
    assert not conforms(entity, columns_of([sample(entity), sample(entity, **changes)]))
