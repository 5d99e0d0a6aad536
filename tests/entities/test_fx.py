from __future__ import annotations

import datetime as dt
import io
import zipfile
from decimal import Decimal

import pytest
from django.db import IntegrityError

from entities.fx import Rate, ecb_rates, load_history, rates_for, shipped_history, to_usd
from entities.models import FxRate

THURSDAY, FRIDAY = dt.date(2026, 10, 29), dt.date(2026, 10, 30)


def day_after_last(days: int) -> dt.date:
    return FRIDAY + dt.timedelta(days=days)


def archive_of(text: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("eurofxref-hist.csv", text)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("amount", "rate", "usd"),
    [
        ("100", "1.1172", "111.72"),
        ("0.25", "0.5", "0.12"),
        ("0.75", "0.5", "0.38"),
        ("-0.25", "0.5", "-0.12"),
        ("0.01", "0.0000005671466667", "0.00"),
        ("999999999999999", "9.9999999999999999", "9999999999999989.90"),
        ("0", "1.3398896620000000", "0.00"),
    ],
)
def test_dollars_are_rounded_half_even_to_two_places(amount: str, rate: str, usd: str) -> None:
    assert str(to_usd(Decimal(amount), Decimal(rate))) == usd


@pytest.mark.django_db
def test_every_database_has_the_shipped_history_and_loading_it_again_adds_nothing() -> None:
    assert FxRate.objects.count() > 200_000
    assert load_history(shipped_history()) == 0


@pytest.mark.django_db
def test_a_rate_is_crossed_through_the_euro_to_ten_significant_digits() -> None:
    rates = rates_for({("EUR", FRIDAY), ("GBP", FRIDAY), ("IDR", FRIDAY), ("TRL", dt.date(2003, 3, 24))})

    assert rates["EUR", FRIDAY] == Rate(Decimal("1.1172"), "ecb", FRIDAY)
    assert rates["GBP", FRIDAY].usd_rate == Decimal("1.339889662")  # 1.1172 / 0.8338
    assert rates["IDR", FRIDAY].usd_rate == Decimal("0.00005510188077")
    assert rates["TRL", dt.date(2003, 3, 24)].usd_rate == Decimal("5.671466667E-7")


@pytest.mark.django_db
def test_the_last_rate_counts_for_seven_days_and_no_longer() -> None:
    pairs = {("SEK", day_after_last(days)) for days in (0, 1, 7, 8)}

    rates = rates_for(pairs)

    assert rates["SEK", day_after_last(1)].day == FRIDAY
    assert rates["SEK", day_after_last(7)].day == FRIDAY
    assert ("SEK", day_after_last(8)) not in rates


@pytest.mark.django_db
def test_the_rate_of_an_earlier_day_is_found_across_a_weekend_and_never_a_later_one() -> None:
    sunday, monday = dt.date(2026, 10, 25), dt.date(2026, 10, 26)

    assert rates_for({("EUR", sunday)})["EUR", sunday].day == dt.date(2026, 10, 23)
    assert rates_for({("EUR", monday)})["EUR", monday].day == monday
    assert rates_for({("EUR", dt.date(1998, 12, 31))}) == {}


@pytest.mark.django_db
def test_the_teams_rate_wins_over_the_banks_of_the_same_day_only() -> None:
    FxRate.objects.create(currency="EUR", day=THURSDAY, usd_rate=Decimal("1.5"))

    rates = rates_for({("EUR", THURSDAY), ("EUR", FRIDAY)})

    assert rates["EUR", THURSDAY] == Rate(Decimal("1.5"), "manual", THURSDAY)
    assert rates["EUR", FRIDAY].source == "ecb"


@pytest.mark.django_db
def test_dollars_are_worth_one_on_every_day_without_a_query(django_assert_num_queries) -> None:
    with django_assert_num_queries(0):
        assert rates_for({("USD", dt.date(1950, 1, 1))}) == {
            ("USD", dt.date(1950, 1, 1)): Rate(Decimal(1), "ecb", dt.date(1950, 1, 1))
        }
        assert rates_for(set()) == {}


@pytest.mark.django_db
def test_a_batch_of_pairs_is_one_query(django_assert_num_queries) -> None:
    pairs = {("EUR", day_after_last(-days)) for days in range(300)} | {("XXX", FRIDAY)}

    with django_assert_num_queries(1):
        rates = rates_for(pairs)

    assert rates.keys() == pairs - {("XXX", FRIDAY)}


@pytest.mark.django_db
def test_a_newer_history_adds_only_what_is_missing() -> None:
    newer = archive_of(
        "Date,USD,GBP,SEK,\n2026-11-20,1.1000,0.8000,N/A,\n2026-10-30,2.0000,0.8338,10.978,\n2026-11-19,N/A,0.8,,\n"
    )

    assert load_history(newer) == 2

    assert rates_for({("GBP", dt.date(2026, 11, 20))})["GBP", dt.date(2026, 11, 20)].usd_rate == Decimal("1.375")
    assert rates_for({("EUR", FRIDAY)})["EUR", FRIDAY].usd_rate == Decimal("1.1172")


@pytest.mark.parametrize("archive", [b"", b"<html>", archive_of("nothing here\n"), archive_of("")])
def test_something_else_than_the_banks_file_is_refused(archive: bytes) -> None:
    with pytest.raises((zipfile.BadZipFile, ValueError, LookupError, ArithmeticError)):
        list(ecb_rates(archive))


@pytest.mark.django_db
@pytest.mark.parametrize("usd_rate", ["0", "-1", "10"])
def test_a_rate_that_could_overflow_an_amount_cannot_be_entered(usd_rate: str) -> None:
    with pytest.raises(IntegrityError):
        FxRate.objects.create(currency="GBP", day=FRIDAY, usd_rate=Decimal(usd_rate))
