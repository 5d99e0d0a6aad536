"""The pipeline on a real database: records in, rows and report out."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from entities.models import (
    Activity,
    Affiliate,
    Batch,
    Customer,
    FxRate,
    QuarantinedRecord,
    RecordChange,
    RecordCounter,
    SeenStatus,
    StatusMapping,
    Transaction,
)
from entities.pipeline import Report, ingest
from tests.payloads import customers, sample, transactions
from track360.models import Environment


def codes(report: Report) -> list[str]:
    return [error.code for error in report.errors]


def warned(report: Report) -> set[str]:
    return {warning.code for warning in report.warnings} - {"late", "unmapped_status"}


def total(environment: Environment, entity: str) -> int:
    return sum(RecordCounter.objects.filter(environment=environment, entity=entity).values_list("count", flat=True))


def test_a_new_customer_is_created_as_sent(environment: Environment) -> None:
    report = ingest(environment, "customers", sample("customers"))

    stored = Customer.objects.get(environment=environment)
    assert report.outcomes == ["created"]
    assert stored.signup_date == dt.datetime(2026, 3, 12, 9, 15, tzinfo=dt.UTC)
    assert (stored.customer_id, stored.email, stored.source) == ("cst_100245", "john.d@example.com", "push")
    assert stored.batch_id == report.batch_id
    assert stored.received_at == stored.updated_at


def test_the_same_again_is_unchanged_and_writes_nothing(environment: Environment) -> None:
    ingest(environment, "customers", sample("customers"))
    before = Customer.objects.values().get()

    report = ingest(environment, "customers", sample("customers"))

    assert report.outcomes == ["unchanged"]
    assert Customer.objects.values().get() == before
    assert not RecordChange.objects.exists()


def test_a_changed_record_replaces_the_stored_one_whole_and_keeps_its_history(environment: Environment) -> None:
    first = ingest(environment, "customers", sample("customers"))

    report = ingest(environment, "customers", sample("customers", country_code="DE", email=None))

    stored = Customer.objects.get()
    change = RecordChange.objects.get()
    assert report.outcomes == ["updated"]
    assert (stored.country_code, stored.email) == ("DE", None)
    assert stored.updated_at > stored.received_at
    assert (change.record_id, change.batch_id) == (stored.pk, report.batch_id)
    assert (change.old["country_code"], change.old["email"]) == ("GB", "john.d@example.com")
    assert change.old["batch_id"] == str(first.batch_id)


def test_an_older_version_is_stale_and_the_warning_bears_both_dates(environment: Environment) -> None:
    ingest(environment, "customers", sample("customers"))

    report = ingest(
        environment, "customers", sample("customers", last_modified_date="2026-03-14T00:00:00Z", country_code="DE")
    )

    assert report.outcomes == ["stale"]
    (warning,) = report.warnings
    assert warning.code == "stale"
    assert "2026-03-14T00:00:00Z" in warning.message
    assert "2026-03-15T11:40:22Z" in warning.message
    assert Customer.objects.get().country_code == "GB"


def test_a_version_without_a_date_replaces_and_keeps_the_guard(environment: Environment) -> None:
    ingest(environment, "customers", sample("customers"))

    dateless = ingest(environment, "customers", sample("customers", last_modified_date=..., country_code="DE"))
    older = ingest(environment, "customers", sample("customers", last_modified_date="2026-03-14T00:00:00Z"))

    stored = Customer.objects.get()
    assert (dateless.outcomes, older.outcomes) == (["updated"], ["stale"])
    assert (stored.country_code, stored.last_modified_date) == ("DE", None)


def test_a_date_in_the_future_warns_and_does_not_lock_the_record(environment: Environment) -> None:
    ahead = (timezone.now() + dt.timedelta(hours=12)).isoformat()
    report = ingest(environment, "customers", sample("customers", last_modified_date=ahead))

    later = (timezone.now() + dt.timedelta(seconds=1)).isoformat()
    correction = ingest(environment, "customers", sample("customers", last_modified_date=later, country_code="DE"))

    assert warned(report) == {"future_date"}
    assert correction.outcomes == ["updated"]


def test_a_strict_batch_with_one_bad_record_stores_nothing(environment: Environment) -> None:
    batch = [*customers(3), sample("customers", country_code="UK")]

    report = ingest(environment, "customers", batch)

    assert not report.stored
    assert [(error.index, error.pointer, error.code) for error in report.errors] == [(3, "/3/country_code", "country")]
    assert not Customer.objects.exists()
    assert not QuarantinedRecord.objects.exists()
    assert Batch.objects.values_list("refused", "received", "rejected").get() == (True, 4, 1)


def test_a_lenient_batch_stores_the_good_and_keeps_the_bad_whole(environment: Environment) -> None:
    bad = sample("customers", customer_id="bad", country_code="UK", note=Decimal("1.10"), first_name="a\x00")

    report = ingest(environment, "customers", [*customers(2), bad, 7], lenient=True)

    assert report.stored
    assert report.outcomes == ["created", "created", "rejected", "rejected"]
    held, number = QuarantinedRecord.objects.order_by("id")
    assert (held.index, held.key, held.payload) == (2, "bad", bad)
    assert {error["code"] for error in held.errors} == {"country", "additional_property", "control_character"}
    assert number.payload == 7
    assert total(environment, "customers") == 2


@pytest.mark.parametrize(
    ("body", "shape", "code"),
    [
        ([], "array", "empty_batch"),
        ([{}] * 1001, "array", "too_many_records"),
        ({}, "array", "type"),
        ([{}], "object", "type"),
        (None, "either", "type"),
        ("x", "array", "type"),
        (1, "object", "type"),
    ],
)
@pytest.mark.parametrize("lenient", [False, True])
def test_a_body_of_the_wrong_shape_is_refused(
    environment: Environment, body: Any, shape: Any, code: str, lenient: bool
) -> None:
    report = ingest(environment, "customers", body, shape=shape, lenient=lenient)

    assert codes(report) == [code]
    assert not report.stored


def test_findings_of_a_single_object_have_no_index(environment: Environment) -> None:
    report = ingest(environment, "customers", sample("customers", country_code="UK"), shape="object")

    assert [(error.index, error.pointer) for error in report.errors] == [(None, "/country_code")]


def test_a_dry_run_finds_the_same_and_writes_nothing(environment: Environment) -> None:
    report = ingest(environment, "transactions", [sample("transactions"), 5], dry_run=True)

    assert codes(report) == ["unknown_customer", "type"]
    assert report.bad_indexes() == [0, 1]
    assert not Batch.objects.exists()


def test_a_transaction_of_an_unknown_customer_is_refused(environment: Environment) -> None:
    report = ingest(environment, "transactions", sample("transactions"))

    assert codes(report) == ["unknown_customer"]


def test_a_customer_of_another_partner_is_unknown(
    environment: Environment, other_environment: Environment, customer: str
) -> None:
    report = ingest(other_environment, "transactions", sample("transactions", customer_id=customer))

    assert codes(report) == ["unknown_customer"]


# -- The same key twice in a batch --------------------------------------------


def test_identical_copies_collapse(environment: Environment) -> None:
    report = ingest(environment, "customers", [sample("customers"), sample("customers"), *customers(1)])

    assert report.counts() == {
        "received": 3,
        "created": 2,
        "updated": 0,
        "unchanged": 1,
        "stale": 0,
        "rejected": 0,
    }


def test_of_dated_versions_the_newest_wins(environment: Environment) -> None:
    versions = [
        sample("customers", last_modified_date=f"2026-03-1{day}T00:00:00Z", country_code=country)
        for day, country in ((4, "DE"), (6, "FR"), (5, "SE"), (6, "FR"))
    ]

    report = ingest(environment, "customers", versions)

    assert report.outcomes == ["stale", "created", "stale", "unchanged"]
    assert Customer.objects.get().country_code == "FR"


@pytest.mark.parametrize("dates", [("2026-03-14T00:00:00Z", "2026-03-14T00:00:00Z"), (None, "2026-03-14T00:00:00Z")])
def test_customer_versions_that_no_date_tells_apart_clash(environment: Environment, dates: tuple[Any, Any]) -> None:
    versions = [
        sample("customers", last_modified_date=date, country_code=country)
        for date, country in zip(dates, ("DE", "FR"), strict=True)
    ]

    report = ingest(environment, "customers", versions)

    assert [(error.index, error.code) for error in report.errors] == [
        (0, "duplicate_in_batch"),
        (1, "duplicate_in_batch"),
    ]


def test_differing_copies_of_a_transaction_clash(environment: Environment, customer: str) -> None:
    batch = [sample("transactions"), sample("transactions", amount_currency=7), *transactions(1)]

    report = ingest(environment, "transactions", batch, lenient=True)

    assert report.outcomes == ["rejected", "rejected", "created"]


# -- Money --------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount",
    [Decimal("1500.10"), Decimal("0.29"), Decimal("-0.0"), Decimal("1E+2"), Decimal("9999999999999.99"), 10**14],
)
def test_amounts_are_stored_exactly(environment: Environment, customer: str, amount: Any) -> None:
    ingest(environment, "transactions", sample("transactions", amount_currency=amount, amount_usd=None))

    stored = Transaction.objects.get()
    assert stored.amount_currency == amount
    assert stored.amount_usd == amount


def test_the_largest_decimal_amount_of_fifteen_digits_is_exact(environment: Environment, customer: str) -> None:
    report = ingest(
        environment,
        "transactions",
        sample("transactions", amount_currency=Decimal("123456789012345.67"), amount_usd=None),
    )

    assert codes(report) == ["significant_digits"]


def test_missing_dollars_are_computed_with_the_rate_of_the_day(environment: Environment, customer: str) -> None:
    record = sample(
        "transactions", amount_usd=..., currency="SEK", amount_currency=1000, transaction_date="2024-05-05T23:30:00Z"
    )

    report = ingest(environment, "transactions", record)

    stored = Transaction.objects.get()
    rate = FxRate.objects.get(currency="SEK", day=dt.date(2024, 5, 3), source="ecb")
    assert warned(report) == set()
    assert (stored.fx_source, stored.fx_rate_date, stored.fx_rate) == ("ecb", rate.day, rate.usd_rate)
    assert stored.amount_usd == round(1000 * rate.usd_rate, 2)


def test_without_a_rate_the_dollars_stay_null_and_a_warning_says_so(environment: Environment, customer: str) -> None:
    record = sample("transactions", amount_usd=..., currency="KZT")

    report = ingest(environment, "transactions", record)

    assert warned(report) == {"fx_rate_missing"}
    assert Transaction.objects.get().amount_usd is None


def test_a_resent_record_with_computed_dollars_is_unchanged(environment: Environment, customer: str) -> None:
    record = sample("transactions", amount_usd=..., currency="EUR", transaction_date="2024-05-03T00:00:00Z")
    ingest(environment, "transactions", record)

    assert ingest(environment, "transactions", record).outcomes == ["unchanged"]


def test_ggr_is_computed_where_it_is_missing(environment: Environment, customer: str) -> None:
    ingest(environment, "activity", sample("activity", ggr=...))

    stored = Activity.objects.get()
    assert (stored.ggr, stored.ggr_source) == (Decimal("105.25"), "computed")
    assert ingest(environment, "activity", sample("activity", ggr=...)).outcomes == ["unchanged"]
    assert ingest(environment, "activity", sample("activity")).outcomes == ["updated"]


# -- Warnings -----------------------------------------------------------------


def test_changes_of_attribution_and_money_are_warned_of(environment: Environment, customer: str) -> None:
    ingest(environment, "transactions", sample("transactions"))
    ingest(environment, "customers", sample("customers", customer_id="cst_2"))

    moved = ingest(environment, "customers", sample("customers", affiliate_id="aff_9", click_id=None))
    money = ingest(environment, "transactions", sample("transactions", amount_currency=7, customer_id="cst_2"))

    assert warned(moved) == {"attribution_changed", "attribution_cleared"}
    assert warned(money) == {"amount_changed", "customer_changed"}


def test_a_given_ggr_that_does_not_add_up_is_warned_of(environment: Environment, customer: str) -> None:
    exact = ingest(environment, "activity", sample("activity", ggr=Decimal("105.26")))
    off = ingest(environment, "activity", sample("activity", ggr=Decimal("105.27")))

    assert (warned(exact), warned(off)) == (set(), {"ggr_mismatch"})


def test_an_unmapped_status_is_warned_of_until_it_is_mapped(environment: Environment) -> None:
    first = ingest(environment, "customers", sample("customers"))
    for field, value in (("kyc_status_id", "approved"), ("sales_status_id", "qualified")):
        StatusMapping.objects.create(
            partner=environment.partner, field=field, raw_value=value, canonical_value="approved"
        )
    second = ingest(environment, "customers", sample("customers"))

    assert [warning.field for warning in first.warnings if warning.code == "unmapped_status"] == [
        "kyc_status_id",
        "sales_status_id",
    ]
    assert second.warnings == []
    assert SeenStatus.objects.filter(environment=environment).count() == 2


def test_over_two_hundred_values_of_a_status_are_warned_of(environment: Environment) -> None:
    ingest(environment, "customers", [one | {"kyc_status_id": one["customer_id"]} for one in customers(200)])

    report = ingest(environment, "customers", sample("customers", kyc_status_id="one more"))

    assert warned(report) == {"too_many_values"}


def test_an_unknown_affiliate_is_warned_of_once_some_are_registered(environment: Environment) -> None:
    before = ingest(environment, "customers", sample("customers"))
    Affiliate.objects.create(partner=environment.partner, affiliate_id="aff_1")
    after = ingest(environment, "customers", sample("customers"))

    assert (warned(before), warned(after)) == (set(), {"unknown_affiliate"})


def test_a_created_record_past_the_target_is_late_but_never_a_backfilled_one(environment: Environment) -> None:
    now = timezone.now().isoformat()
    first, second, third = customers(3)

    fresh = ingest(environment, "customers", first | {"signup_date": now})
    late = ingest(environment, "customers", second)
    backfilled = ingest(environment, "customers", third, door="backfill")

    assert ["late" in {w.code for w in report.warnings} for report in (fresh, late, backfilled)] == [
        False,
        True,
        False,
    ]
    assert list(Batch.objects.order_by("started_at").values_list("late", flat=True)) == [0, 1, 0]


# -- Replacing a day ----------------------------------------------------------

DAY = dt.date(2026, 3, 15)


def test_a_replaced_day_becomes_exactly_the_body(environment: Environment, customer: str) -> None:
    games = [sample("activity", game_type=game) for game in ("slots", "poker", "bingo")]
    ingest(environment, "activity", [*games, sample("activity", date="2026-03-14")])

    report = ingest(environment, "activity", [games[0], sample("activity", game_type="poker", wins=1)], replace_day=DAY)

    assert (report.outcomes, report.removed) == (["unchanged", "updated"], 1)
    assert sorted(Activity.objects.values_list("date", "game_type")) == [
        (dt.date(2026, 3, 14), "slots"),
        (DAY, "poker"),
        (DAY, "slots"),
    ]
    assert total(environment, "activity") == 3
    assert RecordChange.objects.get(removed=True).old["game_type"] == "bingo"


def test_an_empty_body_takes_the_day_of_one_customer_back(environment: Environment, customer: str) -> None:
    ingest(environment, "customers", sample("customers", customer_id="cst_2"))
    ingest(environment, "activity", [sample("activity"), sample("activity", customer_id="cst_2")])

    report = ingest(environment, "activity", [], replace_day=DAY, replace_customer_id="cst_2")

    assert report.removed == 1
    assert Activity.objects.get().customer_id == "cst_100245"


def test_a_record_of_another_day_or_customer_is_refused_and_nothing_removed(
    environment: Environment, customer: str
) -> None:
    ingest(environment, "activity", sample("activity", game_type="poker"))

    day = ingest(environment, "activity", [sample("activity", date="2026-03-14")], replace_day=DAY, lenient=True)
    person = ingest(environment, "activity", [sample("activity")], replace_day=DAY, replace_customer_id="x")

    assert (codes(day), codes(person)) == (["wrong_day"], ["wrong_customer"])
    assert Activity.objects.get().game_type == "poker"
