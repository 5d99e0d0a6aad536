"""Whatever the guide's schemas refuse (optional nulls dropped first), the pipeline refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from entities.pipeline.validate import schema_errors, schema_for
from tests.payloads import sample

GUIDE = Path(__file__).parents[3] / "shared" / "schemas"
NAMES = {"customers": "customer", "transactions": "transaction", "activity": "activity"}

pytestmark = pytest.mark.skipif(not GUIDE.exists(), reason="the guide's schemas are not here")

_values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(["EUR", "eur", "en", "GB", "2026-01-01", "2026-01-01T00:00:00Z", "2026-01-01T00:00:00", "x" * 501]),
    st.lists(st.integers(), max_size=2),
)


def guides_validator(entity: str) -> jsonschema_rs.Draft202012Validator:
    schema = json.loads((GUIDE / f"{NAMES[entity]}.schema.json").read_text())
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def without_optional_nulls(entity: str, record: dict[str, Any]) -> dict[str, Any]:
    required = schema_for(entity)["required"]
    known = schema_for(entity)["properties"]
    return {
        field: value for field, value in record.items() if value is not None or field in required or field not in known
    }


@pytest.mark.parametrize("entity", list(NAMES))
@given(data=st.data())
def test_what_the_guide_refuses_is_refused(entity: str, data: st.DataObject) -> None:
    fields = [*schema_for(entity)["properties"], "unknown"]
    changes = data.draw(st.dictionaries(st.sampled_from(fields), _values | st.just(...), max_size=3))
    record = sample(entity, **changes)

    refused = not guides_validator(entity).is_valid(without_optional_nulls(entity, record))

    if refused:
        assert schema_errors(entity, [record])
