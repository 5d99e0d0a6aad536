"""From bytes to records: every format that people send, and every way in which a file can be wrong."""

from __future__ import annotations

import json
import zipfile
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest

from onboarding.sample_columns import better_entity, guess_columns, is_certain
from onboarding.sample_reading import Unreadable, chunks, look

CUSTOMER = {"customer_id": "cst_1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "aff_204"}
HEADER = "customer_id,signup_date,affiliate_id"
ROW = "cst_1,2026-03-12T09:15:00Z,aff_204"


def read(payload: bytes | str, entity: str = "customers", **columns: str) -> tuple[list[Any], list[int], list[str]]:
    """Records, lines and notices."""
    text = look(payload.encode() if isinstance(payload, str) else payload)
    found = list(chunks(text, entity, columns or guess_columns(entity, text.header, {})))
    return [r for chunk in found for r in chunk.records], [n for chunk in found for n in chunk.lines], text.notices


def refusal(payload: bytes | str) -> str:
    with pytest.raises(Unreadable) as refused:
        read(payload)
    return str(refused.value)


@pytest.mark.parametrize(
    ("payload", "lines"),
    [
        (json.dumps(CUSTOMER), [1]),
        ("\n\n" + json.dumps(CUSTOMER, indent=2), [3]),
        (json.dumps([CUSTOMER, CUSTOMER]), [1, 1]),
        (json.dumps([CUSTOMER, CUSTOMER], indent=2), [2, 7]),
        (f"{json.dumps(CUSTOMER)}\n\n{json.dumps(CUSTOMER)}\r\n", [1, 3]),
        (f"{HEADER}\n{ROW}\n{ROW}\n", [2, 3]),
        (f"\r\n{HEADER}\r\n\r\n{ROW}\r\n", [4]),
    ],
)
def test_each_format_is_told_and_each_record_knows_its_line(payload: str, lines: list[int]):
    records, found, notices = read(payload)
    assert records == [CUSTOMER] * len(lines)
    assert found == lines
    assert notices == []


def test_numbers_keep_their_digits_and_cells_that_are_none_stay_text():
    header = "date;customer_id;game_type;bets_count;total_bets;wins;currency;ggr;ngr"
    text = look(f"{header}\n2026-03-15;007;slots;48;920.50;12,5;EUR;;1e999\n".encode())
    (chunk,) = chunks(text, "activity", guess_columns("activity", text.header, {}))
    (record,) = chunk.records
    assert record == {
        "date": "2026-03-15",
        "customer_id": "007",
        "game_type": "slots",
        "bets_count": 48,
        "total_bets": Decimal("920.50"),
        "wins": "12,5",
        "currency": "EUR",
        "ngr": "1e999",
    }
    assert str(record["total_bets"]) == "920.50"


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_and_told(delimiter: str):
    payload = f"{HEADER}\n{ROW}\n".replace(",", delimiter)
    records, _, notices = read(payload)
    assert records == [CUSTOMER]
    assert bool(notices) is (delimiter != ",")


def test_a_byte_order_mark_is_taken_away_and_told():
    for payload in (f"{HEADER}\n{ROW}", json.dumps([CUSTOMER])):
        records, _, notices = read(b"\xef\xbb\xbf" + payload.encode())
        assert records == [CUSTOMER]
        assert "byte order mark" in notices[0]


def test_latin_1_is_read_and_told():
    payload = f"{HEADER},first_name\n{ROW},José €\n".encode("cp1252")
    records, _, notices = read(payload)
    assert records == [CUSTOMER | {"first_name": "José €"}]
    assert "the API takes UTF-8 only" in notices[0]


def test_quoted_cells_may_hold_delimiters_and_line_breaks():
    records, lines, _ = read(f'{HEADER},first_name\n{ROW},"a, ""b""\nc"\n{ROW},d\n')
    assert [record["first_name"] for record in records] == ['a, "b"\nc', "d"]
    assert lines == [2, 4]


def zipped() -> bytes:
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("customers.csv", ROW)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "It is empty"),
        (b"\xef\xbb\xbf \r\n\t", "It is empty"),
        (b"[]", "The array is empty"),
        (HEADER, "a header and no rows"),
        (zipped(), "a zip archive or an Excel workbook"),
        (b"\x1f\x8b\x08abc", "a gzip archive"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(32)) * 9, "a binary file"),
        (HEADER.encode("utf-16"), "UTF-16 text"),
        ("<?xml version='1.0'?>", "XML"),
        ("hello", "neither JSON nor CSV"),
        (f"{ROW}\n{ROW}", "must name the columns"),
        ("customer_id,signup_date,customer_id\na,b,c", "names the column “customer_id” twice"),
        ("customer_id,a\x00b\nx,y", "NUL character"),
        (f'{HEADER}\ncst_1,"2026,aff', "Line 2: not valid CSV"),
        (",".join(f"name {n} x" for n in range(300)) + "\n1", "300 columns"),
        ('[{"a": 1},\n{"a": }]', "Line 2, character 7: not valid JSON"),
        ('{"a": 1}\n{"a": \n{"b": 2}', "Line 2, character"),
        ('{"a": 1, "a": 2}', "appears twice"),
        ('[{"a": NaN}]', "not valid JSON"),
        ('{"a": "\x00"}', "not valid JSON"),
        ("[" * 70 + "]" * 70, "nested deeper"),
        ("[" * 100_000, "not valid JSON"),
        ("{" * 100_000, "not valid JSON"),
        ('[{"a": ' + "9" * 5000 + "}]", "infinity"),
        (json.dumps({"data": [CUSTOMER], "meta": {}}), "member “data” holds the records"),
        (b" " * (10 * 2**20 + 2**17), "10.1 MB"),
        ("[" + "1," * 200_000 + "1]", "over 200,000 records"),
    ],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(payload: bytes | str, sentence: str):
    assert sentence in refusal(payload)


def test_a_row_of_the_wrong_length_and_a_header_in_the_middle_are_faults_of_that_row():
    text = look(f"{HEADER}\n{ROW}\ncst_2,x\n{HEADER}\n{ROW},y\n".encode())
    (chunk,) = chunks(text, "customers", guess_columns("customers", text.header, {}))
    assert {position: finding.code for position, finding in chunk.findings.items()} == {
        1: "cells",
        2: "repeated_header",
        3: "cells",
    }
    assert "has 2 cells where the header has 3: too few" in chunk.findings[1].message


def test_records_come_in_chunks_of_a_thousand():
    text = look(f"{HEADER}\n{(ROW + chr(10)) * 2001}".encode())
    columns = guess_columns("customers", text.header, {})
    assert [len(chunk.records) for chunk in chunks(text, "customers", columns)] == [1000, 1000, 1]


def test_columns_are_guessed_by_name_and_as_remembered():
    header = ["Player ID", "Registered at", "btag", "note to self", "Country"]
    guessed = guess_columns("customers", header, {"Country": ""})
    assert guessed == {
        "Player ID": "customer_id",
        "Registered at": "signup_date",
        "btag": "affiliate_id",
        "note to self": "",
        "Country": "",
    }
    assert not is_certain("customers", guessed, {})
    assert is_certain("customers", guessed, guessed)
    own = guess_columns("customers", HEADER.split(","), {})
    assert is_certain("customers", own, {})


def test_fields_of_another_entity_are_noticed():
    assert better_entity("customers", ["transaction_id", "customer_id", "transaction_type", "status"]) == "transactions"
    assert better_entity("customers", ["customer_id", "country"]) is None
