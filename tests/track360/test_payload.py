from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from track360.payload import payload_lines

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)


@given(JSON)
def test_the_lines_are_what_json_itself_would_print(value: Any) -> None:
    text = "\n".join(line.text for line in payload_lines(value))
    assert text == json.dumps(value, indent=2, ensure_ascii=False)


RECORDS = [{"id": "a", "amount": 1}, {"id": "b", "a/b~c": {}}]


@pytest.mark.parametrize(
    ("pointer", "line", "message"),
    [
        ("", "[", "wrong"),
        ("/0", "  {", "wrong"),
        ("/0/amount", '    "amount": 1', "wrong"),
        ("/1/a~1b~0c", '    "a/b~c": {}', "wrong"),
        ("/0/missing", "  {", "missing: wrong"),
        ("/7", "[", "7: wrong"),
    ],
)
def test_an_error_stands_on_the_line_its_pointer_names_or_on_the_nearest_object_that_holds_it(
    pointer: str, line: str, message: str
) -> None:
    marked = [each for each in payload_lines(RECORDS, [(pointer, "wrong")]) if each.messages]
    assert [(each.text, each.messages) for each in marked] == [(line, (message,))]


def test_a_line_keeps_all_its_errors() -> None:
    assert payload_lines(1, [("", "one"), ("", "two")])[0].messages == ("one", "two")
