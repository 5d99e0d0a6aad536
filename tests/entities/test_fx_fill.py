from __future__ import annotations

import datetime as dt
import io
import zipfile
from decimal import Decimal
from typing import Any

import pytest

from entities import tasks
from entities.fx_fill import BATCH, fill_missing
from entities.models import FxRate, RecordChange, Transaction
from entities.pipeline import ingest
from track360.models import Environment

DAY = dt.date(2026, 11, 20)


def deposit(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "transaction_id": f"txn_{number}",
        "customer_id": "cst_100245",
        "transaction_type": "deposit",
        "amount_currency": Decimal("10.10"),
        "currency": "BRL",
        "transaction_date": "2026-11-20T23:59:59Z",
        "status": "approved",
        **changed,
    }


def enter_rate(**changed: Any) -> FxRate:
    return FxRate.objects.create(**{"currency": "BRL", "day": DAY, "usd_rate": Decimal("0.18405"), **changed})


def test_dollars_are_filled_in_when_the_rate_comes(environment: Environment, customer: str) -> None:
    ingest(environment, "transactions", [deposit(1), deposit(2, currency="PEN")])
    before = Transaction.objects.get(transaction_id="txn_1")
    assert before.amount_usd is None
    enter_rate()

    assert fill_missing(environment) == 1

    after = Transaction.objects.get(transaction_id="txn_1")
    assert (after.amount_usd, after.fx_source, after.fx_rate, after.fx_rate_date) == (
        Decimal("1.86"), "manual", Decimal("0.18405"), DAY,
    )  # fmt: skip
    assert after.updated_at > before.updated_at
    assert (after.source, after.batch_id, after.received_at) == (before.source, before.batch_id, before.received_at)
    assert Transaction.objects.get(transaction_id="txn_2").amount_usd is None
    assert fill_missing(environment) == 0


def test_the_filling_stands_in_the_records_history(environment: Environment, customer: str) -> None:
    ingest(environment, "transactions", deposit(1))
    enter_rate()

    fill_missing(environment)

    change = RecordChange.objects.get(entity="transactions")
    record = Transaction.objects.get()
    assert (change.record_id, change.changed_at) == (record.pk, record.updated_at)
    assert change.old["amount_usd"] is None
    assert change.old["transaction_id"] == "txn_1"


def test_a_record_sent_again_after_the_filling_is_unchanged(environment: Environment, customer: str) -> None:
    ingest(environment, "transactions", [deposit(1)])
    enter_rate()
    fill_missing(environment)

    assert ingest(environment, "transactions", [deposit(1)]).outcomes == ["unchanged"]


def test_more_than_one_batch_is_filled_and_rows_without_a_rate_do_not_stop_it(
    environment: Environment, customer: str
) -> None:
    number = BATCH + 50
    without = [deposit(n, currency="PEN") for n in range(number)]
    ingest(environment, "transactions", without)
    ingest(environment, "transactions", [deposit(number + n) for n in range(number)])
    enter_rate()

    assert fill_missing(environment) == number
    assert Transaction.objects.filter(amount_usd=None).count() == number


def test_another_environment_is_left_alone(
    environment: Environment, customer: str, other_environment: Environment
) -> None:
    ingest(environment, "transactions", deposit(1))
    enter_rate()

    assert fill_missing(other_environment) == 0
    assert Transaction.objects.get().amount_usd is None


@pytest.mark.django_db
def test_the_daily_refresh_brings_rates_and_fills_in(
    environment: Environment, customer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(environment, "transactions", deposit(1))
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as files:
        files.writestr("eurofxref-hist.csv", "Date,USD,BRL,\n2026-11-19,1.1,6.0,\n")
    monkeypatch.setattr(tasks, "download_history", archive.getvalue)

    tasks.refresh_fx_rates()

    record = Transaction.objects.get()
    assert (record.fx_source, record.fx_rate, record.fx_rate_date) == (
        "ecb", Decimal("0.1833333333"), dt.date(2026, 11, 19),
    )  # fmt: skip


@pytest.mark.django_db
@pytest.mark.parametrize("answer", [b"<html>503</html>", b""])
def test_a_refresh_that_fails_is_logged_and_harmless(
    answer: bytes, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "download_history", lambda: answer)
    number = FxRate.objects.count()

    tasks.refresh_fx_rates()

    assert "ECB rates not refreshed" in caplog.text
    assert FxRate.objects.count() == number


@pytest.mark.django_db
def test_without_a_network_the_rates_stay(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr("entities.fx.ECB_HISTORY_URL", "http://127.0.0.1:9/eurofxref-hist.zip")

    tasks.refresh_fx_rates()

    assert "ECB rates not refreshed" in caplog.text
