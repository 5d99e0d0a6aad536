from __future__ import annotations

import datetime as dt
import json
import random
from collections import Counter
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from entities.generator import (
    AFFILIATES,
    GAMES,
    USD_RATES,
    Crowd,
    activity,
    moments,
    players,
    sample,
    transactions,
)
from entities.models import Affiliate, StatusMapping
from entities.pipeline import ingest, parse_json
from track360.models import Environment

NOW = dt.datetime(2026, 11, 22, 11, 30, tzinfo=dt.UTC)
TODAY = NOW.date()
ENTITIES = ("customers", "transactions", "activity")


def printed(**options: Any) -> str:
    out = StringIO()
    call_command("sample_data", stdout=out, **options)
    return out.getvalue()


@pytest.fixture(scope="module")
def crowd() -> Crowd:
    return Crowd(players(7, NOW, number=2000))


@pytest.mark.parametrize("entity", ENTITIES)
def test_the_same_seed_gives_the_same_file_and_another_seed_another(entity: str) -> None:
    assert sample(entity, 50, seed=1, today=TODAY) == sample(entity, 50, seed=1, today=TODAY)
    assert sample(entity, 50, seed=1, today=TODAY) != sample(entity, 50, seed=2, today=TODAY)


@pytest.mark.parametrize("number", [1, 7, 1000])
@pytest.mark.parametrize("entity", ENTITIES)
def test_a_file_holds_as_many_records_as_were_asked_for_each_with_a_key_of_its_own(entity: str, number: int) -> None:
    records = sample(entity, number, today=TODAY)

    fields = {
        "customers": ("customer_id",),
        "transactions": ("transaction_id",),
        "activity": ("date", "customer_id", "game_type", "currency"),
    }[entity]
    assert len({tuple(record[field] for field in fields) for record in records}) == number


@pytest.mark.parametrize("entity", ["transactions", "activity"])
def test_money_and_play_are_of_customers_in_the_file_of_the_same_seed(entity: str) -> None:
    known = {record["customer_id"] for record in sample("customers", 300, seed=5, today=TODAY)}

    assert {record["customer_id"] for record in sample(entity, 300, seed=5, today=TODAY)} <= known


def test_customers_keep_their_values_in_a_longer_file() -> None:
    assert sample("customers", 500, today=TODAY)[:20] == sample("customers", 20, today=TODAY)


def test_ids_of_transactions_bear_the_seed() -> None:
    ids = [{record["transaction_id"] for record in sample("transactions", 100, seed=s, today=TODAY)} for s in (1, 2)]

    assert not ids[0] & ids[1]


@pytest.mark.django_db
@pytest.mark.parametrize("seed", [360, 1, -4])
def test_printed_files_are_stored_as_they_are(environment: Environment, seed: int) -> None:
    for entity in ENTITIES:
        body = parse_json(printed(entity=entity, count=200, seed=seed).encode())

        report = ingest(environment, entity, body)

        assert report.errors == []
        assert report.outcomes == ["created"] * 200


@pytest.mark.django_db
def test_warnings_of_a_file_are_few_where_the_partner_is_set_up(environment: Environment) -> None:
    for raw in ("approved", "pending", "declined", "reversed", "chargeback"):
        StatusMapping.objects.create(
            partner=environment.partner, field="status", raw_value=raw, canonical_value="approved"
        )
    Affiliate.objects.bulk_create(Affiliate(partner=environment.partner, affiliate_id=one) for one in AFFILIATES)
    ingest(environment, "customers", sample("customers", 200, today=TODAY))

    report = ingest(environment, "transactions", sample("transactions", 1000, today=TODAY))

    codes = Counter(warning.code for warning in report.warnings if warning.code != "late")
    assert codes.keys() <= {"fx_rate_missing", "unmapped_status"}
    assert codes.total() < 100


def test_amounts_are_written_out_in_full(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(entity="transactions", count=200)

    amounts = [record["amount_currency"] for record in json.loads(text, parse_float=Decimal)]
    assert all(Decimal(amount).as_tuple().exponent >= -2 for amount in amounts)
    assert "e+" not in text.lower()


@pytest.mark.parametrize("count", [0, -1, 1_000_001])
def test_a_count_that_makes_no_file_is_refused(count: int) -> None:
    with pytest.raises(CommandError, match="1 to 1000000"):
        printed(entity="customers", count=count)


def test_the_evening_and_the_weekend_are_busier() -> None:
    times = moments(random.Random(1), 20_000, NOW - dt.timedelta(days=14), NOW)

    hours = Counter(time.hour for time in times)
    assert hours[20] > 5 * hours[4]
    days = Counter(time.weekday() for time in times)
    assert days[5] > 1.3 * days[1]
    assert times == sorted(times)
    assert times[0] >= NOW - dt.timedelta(days=14)
    assert times[-1] <= NOW


def test_the_house_keeps_its_edge_and_players_sometimes_win(crowd: Crowd) -> None:
    rng = random.Random(1)
    rows = [row for back in range(20) for row in activity(rng, crowd, day=TODAY - dt.timedelta(days=back), number=1500)]

    stakes: Counter[str] = Counter()
    wins: Counter[str] = Counter()
    for row in rows:
        weight = USD_RATES[row["currency"]]
        stakes[row["game_type"]] += float(row["total_bets"]) * weight  # type: ignore[assignment]
        wins[row["game_type"]] += float(row["wins"]) * weight  # type: ignore[assignment]
    for game in GAMES:
        kept = 1 - wins[game.name] / stakes[game.name]
        assert kept == pytest.approx(game.edge, abs=0.05), game.name
    lucky = sum(row["wins"] > row["total_bets"] for row in rows)
    assert 0.2 < lucky / len(rows) < 0.5
    assert all(row["ggr"] == row["total_bets"] - row["wins"] for row in rows if "ggr" in row)


def test_deposits_are_heavy_tailed(crowd: Crowd) -> None:
    window = {"since": NOW - dt.timedelta(days=14), "until": NOW}
    rows = list(transactions(random.Random(1), crowd, number=5000, prefix="t", **window))

    sums = sorted(
        float(row["amount_currency"]) * USD_RATES[row["currency"]]
        for row in rows
        if row["transaction_type"] == "deposit"
    )
    median, mean = sums[len(sums) // 2], sum(sums) / len(sums)
    assert mean > 2 * median
    assert {row["currency"] for row in rows} >= {"EUR", "USD", "GBP", "SEK", "BRL", "CAD"}
    assert {row["status"] for row in rows} >= {"approved", "pending", "declined", "reversed", "manual_review"}


def test_nobody_plays_before_signing_up() -> None:
    people = players(3, NOW, number=20_000)
    signup = {player.record["customer_id"]: player.signup for player in people}
    window = {"since": NOW - dt.timedelta(days=14), "until": NOW}

    for row in transactions(random.Random(1), Crowd(people), number=3000, prefix="t", **window):
        assert signup[row["customer_id"]] < dt.datetime.fromisoformat(row["transaction_date"]) + dt.timedelta(seconds=1)
