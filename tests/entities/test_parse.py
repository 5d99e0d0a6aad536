from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from entities.pipeline import InvalidJson, parse, parse_json


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b" ",
        b"{} x",
        b"[1,]",
        b"{'a': 1}",
        b"01",
        b"// no\n1",
        b"NaN",
        b"[Infinity]",
        b"1e400",
        b'[{"a": 1e400}]',
        b'[{"a": null}, {"a": -1' + b"0" * 400 + b"}]",
        b"9" * 5000,
        b'{"a": 1, "a": 1}',
        b'[{"a": {"b": 1, "b": 2}}]',
        b'[{"a": "x", "b": 1}, {"a": "x", "a": 2}]',
        b'{"a" :1, "b": ":", "a" :2}',
        b'{"a": "\\"", "a": ""}',
        b'{"a": 1, "\\u0061": 2}',
        b"\xef\xbb\xbf{}",
        b'"\xff"',
        b'"\xc0\xaf"',
        '"é"'.encode("utf-16"),
        b'"\\ud800"',
        b'"\\udc00\\ud800"',
        b"[" * 65 + b"]" * 65,
        b"[" + b"[" * 64 + b"]" * 64 + b", 1" * 63 + b"]",
        b'{"a":' * 65 + b"1" + b"}" * 65,
        b"[" * 990 + b"]" * 990,
        b"[" * 100_000 + b"]" * 100_000,
    ],
)
def test_what_is_not_json_is_refused(raw: bytes) -> None:
    with pytest.raises(InvalidJson):
        parse_json(raw)


def test_sixty_four_levels_are_json() -> None:
    assert parse_json(b"[" * 64 + b"]" * 64)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"1500.10", Decimal("1500.10")),
        (b"123456789012345.67", Decimal("123456789012345.67")),
        (b"18446744073709551616", 18446744073709551616),
        (b"1E2", Decimal("1E2")),
        (b"48", 48),
        (b'"\\u0000"', "\x00"),
    ],
)
def test_numbers_keep_every_digit(raw: bytes, value: object) -> None:
    parsed = parse_json(raw)

    assert parsed == value
    assert str(parsed) == str(value)


def test_the_offset_counts_bytes() -> None:
    with pytest.raises(InvalidJson) as caught:
        parse_json('{"name": "Jürgen", "x": tru}'.encode())

    assert caught.value.offset is not None
    assert 25 <= caught.value.offset <= 29


_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)


@given(_values)
def test_what_json_wrote_comes_back(value: object) -> None:
    try:
        raw = json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return

    assert parse_json(raw) == value


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=-(10**13), max_value=10**13))
def test_money_is_exact(amount: Decimal) -> None:
    assert parse_json(f"[{amount}]".encode())[0] == amount


@given(st.binary(max_size=60))
def test_bytes_are_parsed_or_refused(raw: bytes) -> None:
    with contextlib.suppress(InvalidJson):
        parse_json(raw)


_scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**300), max_value=10**300)
    | st.text()
)
_records = st.dictionaries(st.text(), _scalars | st.lists(_scalars, max_size=2), max_size=5)


class _Exact(json.JSONEncoder):
    """Decimals as numbers with each of their digits."""

    def iterencode(self, o: Any, _one_shot: bool = False) -> Iterator[str]:
        if isinstance(o, Decimal):
            yield str(o)
        elif isinstance(o, dict):
            yield "{" + ",".join(f"{json.dumps(key)}:{self.encode(value)}" for key, value in o.items()) + "}"
        elif isinstance(o, list):
            yield "[" + ",".join(map(self.encode, o)) + "]"
        else:
            yield json.dumps(o, ensure_ascii=self.ensure_ascii)


@given(value=_records | st.lists(_records, max_size=4), escaped=st.booleans())
def test_what_was_written_is_read_with_each_digit(value: Any, escaped: bool) -> None:
    raw = _Exact(ensure_ascii=escaped).encode(value).encode()

    parsed = parse(raw)

    assert parsed.value == value
    assert repr(parsed.value) == repr(json.loads(raw, parse_float=Decimal))


_BODY = json.dumps(
    [{"id": "txn_é", "amount": 12.5, "n": 3, "none": None, "yes": True}] * 2, ensure_ascii=False
).encode()
_BYTES = st.sampled_from(list(b'0123456789-+eE.,:{}[]"\\ \n\t\x00\xff\xc3\xa9NaInftyu/')) | st.integers(0, 255)
_EDITS = st.lists(st.tuples(st.integers(0, len(_BODY) - 1), st.sampled_from("rdi"), _BYTES), min_size=1, max_size=3)


@settings(max_examples=500)
@given(edits=_EDITS)
def test_what_is_no_json_is_refused_wherever_it_is_broken(edits: list[tuple[int, str, int]]) -> None:
    raw = bytearray(_BODY)
    for place, how, byte in edits:
        raw[place : place + (how != "i")] = b"" if how == "d" else bytes([byte])
    try:
        orjson.loads(bytes(raw))
    except orjson.JSONDecodeError:
        with pytest.raises(InvalidJson):
            parse(bytes(raw))


@pytest.mark.parametrize(
    "body",
    [[{f"field_{number}": number} for number in range(100_000)], {f"field_{number}": 1 for number in range(100_000)}],
    ids=["a field for each record", "one record of many"],
)
def test_a_body_of_very_many_fields_takes_no_multiple_of_its_length(body: Any) -> None:
    parsed = parse(json.dumps(body).encode())

    assert parsed.columns is None
    assert parsed.value == body
