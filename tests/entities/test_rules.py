"""Section 4 of the contract as a table: what a field is set to, and the code that it is refused with."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from entities.models import Entity
from entities.pipeline.parse import parse_json
from entities.pipeline.report import RecordError
from entities.pipeline.rules import Clock, check_record
from entities.pipeline.validate import schema_errors
from tests.payloads import sample

NOW = dt.datetime(2026, 3, 20, 12, tzinfo=dt.UTC)


def findings(entity: str, record: Any) -> list[RecordError]:
    errors = schema_errors(entity, [record])
    if not isinstance(record, dict):
        return errors
    faulty = {error.field for error in errors}
    return errors + check_record(entity, record, index=0, faulty=faulty, clock=Clock(NOW))[1]


def codes(entity: str, **changes: Any) -> list[tuple[str | None, str]]:
    return [(error.field, error.code) for error in findings(entity, sample(entity, **changes))]


@pytest.mark.parametrize("entity", list(Entity))
def test_the_guides_sample_passes(entity: str) -> None:
    assert codes(entity) == []


REFUSED: list[tuple[str, str, Any, str]] = [
    ("customers", "customer_id", ..., "required"),
    ("customers", "customer_id", None, "required"),
    ("customers", "customer_id", "", "min_length"),
    ("customers", "customer_id", "x" * 129, "max_length"),
    ("customers", "customer_id", 7, "type"),
    ("customers", "customer_id", " a", "identifier"),
    ("customers", "customer_id", "a ", "identifier"),
    ("customers", "customer_id", "a\n", "identifier"),
    ("customers", "customer_id", "a\tb", "identifier"),
    ("customers", "customer_id", "cafe\u0301", "identifier"),
    ("customers", "customer_id", "\u212b", "identifier"),
    ("customers", "customer_id", "a\x00b", "control_character"),
    ("customers", "first_name", "a\x00b", "control_character"),
    ("customers", "first_name", "x" * 501, "max_length"),
    ("customers", "lang_id", "EN", "pattern"),
    ("customers", "lang_id", "xx", "language"),
    ("customers", "lang_id", "en\n", "pattern"),
    ("customers", "country_code", "gb", "pattern"),
    ("customers", "country_code", "UK", "country"),
    ("customers", "email", "nobody", "format"),
    ("customers", "partner_id", "x", "additional_property"),
    ("customers", "__proto__", {}, "additional_property"),
    ("customers", "signup_date", "2026-01-02", "format"),
    ("customers", "signup_date", "2026-01-02T03:04:05", "format"),
    ("customers", "signup_date", "2026-01-02 03:04:05Z", "format"),
    ("customers", "signup_date", "20260102T030405Z", "format"),
    ("customers", "signup_date", "2026-02-30T03:04:05Z", "format"),
    ("customers", "signup_date", "2026-01-02T03:04:05,5Z", "format"),
    ("customers", "signup_date", "٢٠٢٦-01-02T03:04:05Z", "format"),
    ("customers", "signup_date", "2016-12-31T23:59:60Z", "date_time"),
    ("customers", "signup_date", "2026-01-01T00:00:60Z", "date_time"),
    ("customers", "signup_date", "2026-01-01T24:00:00Z", "date_time"),
    ("customers", "signup_date", "0000-01-01T00:00:00Z", "date_time"),
    ("customers", "signup_date", "2026-01-01T00:00:00+16:00", "date_time"),
    ("customers", "signup_date", "2026-01-01T00:00:00+24:00", "date_time"),
    ("customers", "signup_date", "0001-01-01T00:00:00+14:00", "date_time"),
    ("customers", "signup_date", "9999-12-31T23:59:59-14:00", "date_time"),
    ("customers", "signup_date", "1899-12-31T23:59:59Z", "date_time"),
    ("customers", "signup_date", "2026-03-21T12:00:01Z", "date_time"),
    ("transactions", "amount_currency", "5", "type"),
    ("transactions", "amount_currency", True, "type"),
    ("transactions", "amount_currency", None, "required"),
    ("transactions", "amount_currency", Decimal("1.005"), "decimal_places"),
    ("transactions", "amount_currency", Decimal("1E-400"), "decimal_places"),
    ("transactions", "amount_currency", Decimal("1234567890123.456"), "significant_digits"),
    ("transactions", "amount_currency", 10**15, "range"),
    ("transactions", "amount_currency", 10**15, "significant_digits"),
    ("transactions", "amount_currency", Decimal("1E+15"), "range"),
    ("transactions", "amount_currency", 18446744073709551616, "range"),
    ("transactions", "amount_currency", Decimal("1E+300"), "range"),
    ("transactions", "amount_currency", -1, "negative_amount"),
    ("transactions", "amount_usd", Decimal("-0.01"), "negative_amount"),
    ("transactions", "amount_usd", Decimal("-0.01"), "sign_mismatch"),
    ("transactions", "transaction_type", "Deposit", "enum"),
    ("transactions", "currency", "usd", "pattern"),
    ("transactions", "currency", "XYZ", "currency"),
    ("transactions", "currency", "HRK", "currency"),
    ("transactions", "note", "x" * 501, "max_length"),
    ("transactions", "status", None, "required"),
    ("activity", "date", "2026-3-1", "format"),
    ("activity", "date", "2026-03-15T00:00:00Z", "format"),
    ("activity", "date", "1899-12-31", "date_time"),
    ("activity", "date", "0000-01-01", "date_time"),
    ("activity", "date", "2026-03-22", "date_time"),
    ("activity", "bets_count", -1, "minimum"),
    ("activity", "bets_count", Decimal("1.5"), "type"),
    ("activity", "bets_count", Decimal("48.00000000000000000001"), "type"),
    ("activity", "bets_count", 2**31, "range"),
    ("activity", "bets_count", 10**19, "range"),
    ("activity", "total_bets", Decimal("-0.01"), "minimum"),
    ("activity", "ggr", Decimal("0.001"), "decimal_places"),
    ("activity", "game_type", "x" * 129, "max_length"),
]


@pytest.mark.parametrize(("entity", "field", "value", "code"), REFUSED)
def test_a_broken_rule_has_its_code(entity: str, field: str, value: Any, code: str) -> None:
    assert (field, code) in codes(entity, **{field: value})


ALLOWED: list[tuple[str, dict[str, Any]]] = [
    ("customers", {"customer_id": "x" * 128}),
    ("customers", {"customer_id": "a b/ç?#"}),
    ("customers", {"campaign_id": ""}),
    ("customers", {"campaign_id": None, "email": None, "last_modified_date": None}),
    ("customers", {"signup_date": "2026-01-02t03:04:05z"}),
    ("customers", {"signup_date": "2026-01-01T00:00:00+14:00"}),
    ("customers", {"signup_date": "2026-01-01T00:00:00+15:59"}),
    ("customers", {"signup_date": "2026-01-01T00:00:00.123456789Z"}),
    ("customers", {"signup_date": "1900-01-01T00:00:00Z"}),
    ("customers", {"signup_date": "2026-03-21T12:00:00Z"}),
    ("transactions", {"amount_currency": Decimal("0.29"), "amount_usd": None}),
    ("transactions", {"amount_currency": Decimal("1.500")}),
    ("transactions", {"amount_currency": Decimal("9999999999999.99")}),
    ("transactions", {"amount_currency": Decimal("-0.0")}),
    ("transactions", {"amount_currency": Decimal("0E+1000000"), "amount_usd": None}),
    ("transactions", {"amount_currency": Decimal("1E2")}),
    ("transactions", {"amount_currency": -5, "amount_usd": -5, "transaction_type": "adjustment"}),
    ("transactions", {"currency": "HRK", "transaction_date": "2022-05-05T00:00:00Z"}),
    ("activity", {"bets_count": Decimal("48.0")}),
    ("activity", {"bets_count": Decimal("1E+2")}),
    ("activity", {"bets_count": 2**31 - 1}),
    ("activity", {"ggr": Decimal("-105.25"), "ngr": -1}),
]


@pytest.mark.parametrize(("entity", "changes"), ALLOWED)
def test_what_the_rules_allow_passes(entity: str, changes: dict[str, Any]) -> None:
    assert codes(entity, **changes) == []


@pytest.mark.parametrize("record", [None, 1, "x", [], [[]], True])
def test_what_is_no_object_is_a_type_error(record: Any) -> None:
    assert [(error.pointer, error.code) for error in findings("customers", record)] == [("/0", "type")]


def test_every_fault_of_a_record_is_named_at_once() -> None:
    found = codes("transactions", currency="usd", amount_currency=Decimal("0.001"), customer_id=" x", foo=1)

    assert {("currency", "pattern"), ("amount_currency", "decimal_places"), ("customer_id", "identifier")} < set(found)


def test_values_of_pii_and_of_unknown_fields_are_not_repeated() -> None:
    found = findings("customers", sample("customers", email="nobody", secret="s3cret", lang_id="E" * 100))

    shown = {error.field: error.as_dict().get("value") for error in found}
    assert shown == {"email": None, "secret": None, "lang_id": "E" * 64}


def test_pointers_escape_as_rfc_6901_has_it() -> None:
    found = findings("customers", sample("customers", **{"a/b~c": 1}))

    assert [error.pointer for error in found] == ["/0/a~1b~0c"]


@pytest.mark.parametrize(
    ("sent", "stored"),
    [
        ("2026-01-02t03:04:05z", "2026-01-02T03:04:05Z"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02T01:04:05Z"),
        ("2026-01-02T03:04:05.1234569Z", "2026-01-02T03:04:05.123456Z"),
        ("2026-01-02T03:04:05.5-00:30", "2026-01-02T03:34:05.500000Z"),
        ("2026-01-02T03:04:05.000Z", "2026-01-02T03:04:05Z"),
    ],
)
def test_times_are_kept_in_utc_and_cut_to_microseconds(sent: str, stored: str) -> None:
    record = sample("customers", signup_date=sent)

    row, errors = check_record("customers", record, index=0, faulty=set(), clock=Clock(NOW))

    assert (row["signup_date"], errors) == (stored, [])


@given(st.datetimes(dt.datetime(1900, 1, 2), dt.datetime(2026, 3, 19)), st.integers(-959, 959))
def test_a_moment_is_the_same_moment_in_every_zone(moment: dt.datetime, offset: int) -> None:
    zoned = moment.replace(tzinfo=dt.UTC).astimezone(dt.timezone(dt.timedelta(minutes=offset)))

    row, errors = check_record(
        "customers",
        sample("customers", signup_date=zoned.isoformat()),
        index=0,
        faulty=set(),
        clock=Clock(NOW),
    )

    assert errors == []
    assert dt.datetime.fromisoformat(row["signup_date"]) == zoned


@given(st.from_regex(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,6})?([eE][+-]?[0-9]{1,2})?", fullmatch=True))
def test_money_is_stored_exactly_or_refused(text: str) -> None:
    amount = parse_json(text.encode())

    row, errors = check_record("activity", sample("activity", ngr=amount), index=0, faulty=set(), clock=Clock(NOW))

    if errors:
        assert {error.field for error in errors} == {"ngr"}
    else:
        cents = Decimal(row["ngr"]) * 100
        assert cents == cents.to_integral_value()
        assert row["ngr"] == amount
        assert abs(row["ngr"]) < 10**15
