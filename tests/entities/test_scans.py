"""How lists are read: the same rows by whichever way, and never by gathering what a frequent value leaves."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from entities import scans
from entities.models import Entity, Record, Transaction
from entities.paging import PER_PAGE
from entities.portal_lists import newest_records
from entities.scans import ALONG_THE_INDEX, BY_AN_INDEX
from entities.selectors import records_for, total_of
from track360.models import Environment

DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
FILL = """
INSERT INTO entities_transaction (environment_id, received_at, updated_at, source, batch_id, transaction_id,
                                  customer_id, transaction_type, amount_currency, currency, transaction_date, status)
SELECT %s, %s::timestamptz + n * interval '1 minute', %s::timestamptz + n * 7 %% 1000 * interval '1 minute', 'push',
       gen_random_uuid(), 't' || n, 'c' || n %% 7, CASE WHEN n %% 2 = 0 THEN 'deposit' ELSE 'bonus' END, 1,
       CASE WHEN n %% 3 = 0 THEN 'GBP' ELSE 'EUR' END, %s::timestamptz + n * 13 %% 500 * interval '1 hour',
       CASE WHEN n %% 50 = 0 THEN 'rare' WHEN n %% 2 = 0 THEN 'paid in' ELSE 'paid out' END
  FROM generate_series(1, %s) n
"""
FILTERS: list[dict[str, Any]] = [
    {"status": "paid in"},
    {"status": "paid in", "transaction_type": "bonus"},
    {"status": "paid in", "currency": "GBP"},
    {"status": "rare", "from": DAY + dt.timedelta(hours=100)},
    {"currency": "GBP", "from": DAY + dt.timedelta(hours=100), "to": DAY + dt.timedelta(hours=300)},
    {"status": "nothing", "to": DAY + dt.timedelta(hours=300)},
    {"customer_id": "c3", "status": "rare", "from": DAY},
    {"updated_since": DAY + dt.timedelta(minutes=300), "transaction_type": "bonus"},
    {"updated_since": DAY + dt.timedelta(minutes=300), "from": DAY + dt.timedelta(hours=400)},
]
names = [" + ".join(filters) for filters in FILTERS]


def fill(environment: Environment, count: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL, [environment.pk, DAY, DAY, DAY, count])


def expected(environment: Environment, filters: dict[str, Any]) -> list[str]:
    """The keys in the list's order, found by nothing but Python."""
    order = "updated_at" if "updated_since" in filters else "id"
    if order == "id" and filters.keys() & {"from", "to"}:
        order = "transaction_date"

    def matches(record: Transaction) -> bool:
        exact = {name: value for name, value in filters.items() if name not in ("from", "to", "updated_since")}
        return (
            all(getattr(record, name) == value for name, value in exact.items())
            and ("from" not in filters or record.transaction_date >= filters["from"])
            and ("to" not in filters or record.transaction_date < filters["to"])
            and ("updated_since" not in filters or record.updated_at >= filters["updated_since"])
        )

    records = [record for record in Transaction.objects.filter(environment=environment) if matches(record)]
    return [record.transaction_id for record in sorted(records, key=lambda record: (getattr(record, order), record.pk))]


def keys_of(records: Iterable[Record]) -> list[str]:
    return [record.transaction_id for record in records if isinstance(record, Transaction)]


@pytest.fixture(
    params=[(1, 2, 1), (1, 2, 1000), (20, 200, 1), (2, 5000, 1)],
    ids=["in vain", "few are gathered", "by looks", "by the long look"],
)
def look(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    short, long, few = request.param
    for name, value in (("LOOK", short), ("LONG_LOOK", long), ("NEAR", long), ("FEW", few)):
        monkeypatch.setattr(scans, name, value)
    monkeypatch.setattr(scans, "LOOK_PER_ROW", 0)


@pytest.mark.usefixtures("look")
@pytest.mark.parametrize("filters", FILTERS, ids=names)
def test_a_list_is_the_same_by_number_by_cursor_and_newest_first(
    environment: Environment, other_environment: Environment, filters: dict[str, Any]
) -> None:
    for each in (environment, other_environment):
        fill(each, 600)
    keys = expected(environment, filters)

    first = page = records_for(environment, "transactions", filters=filters, per_page=30)
    walked = keys_of(page.records)
    while page.next_cursor:
        page = records_for(environment, "transactions", filters=filters, per_page=30, cursor=page.next_cursor)
        walked += keys_of(page.records)
    third = records_for(environment, "transactions", filters=filters, per_page=30, page=3)
    newest = newest_records(environment, Entity.TRANSACTIONS, filters=filters)

    assert walked == keys
    assert (first.total, first.total_capped) == (len(keys), False)
    assert keys_of(third.records) == keys[60:90]
    assert third.total == len(keys)
    assert keys_of(newest.page.rows) == keys[::-1][:PER_PAGE]
    assert newest.total == len(keys)


@pytest.mark.parametrize("near", [100, 20_000])
def test_a_filtered_total_with_a_date_is_exact_to_ten_thousand(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, near: int
) -> None:
    monkeypatch.setattr(scans, "NEAR", near)
    fill(environment, 20_500)
    wanted = {"transaction_type": "deposit", "from": DAY}
    assert total_of(environment, "transactions", filters=wanted) == (10_000, True)
    assert total_of(environment, "transactions", filters=wanted | {"status": "rare"}) == (410, False)
    assert total_of(environment, "transactions", filters=wanted | {"status": "nothing"}) == (0, False)


@pytest.mark.parametrize(("count", "capped"), [(20_000, False), (20_002, True)])
def test_each_page_by_number_tells_whether_there_are_more_than_ten_thousand(
    environment: Environment, count: int, capped: bool
) -> None:
    fill(environment, count)
    for page in (1, 3, 20):
        found = records_for(
            environment, "transactions", filters={"transaction_type": "deposit"}, page=page, per_page=500
        )
        assert (found.total, found.total_capped) == (10_000, capped)


def rows_read(statement: str) -> int:
    """How many entries of the table's indexes are read to answer it."""

    def read(node: dict[str, Any]) -> int:
        own = node["Actual Rows"] + node.get("Rows Removed by Filter", 0) if "Index Name" in node else 0
        return int(own * node["Actual Loops"]) + sum(map(read, node.get("Plans", [])))

    with connection.cursor() as cursor:
        cursor.execute(f"{ALONG_THE_INDEX} EXPLAIN (ANALYZE, FORMAT JSON) {statement}")
        return read(cursor.fetchone()[0][0]["Plan"])


@pytest.mark.parametrize(
    ("hour", "begin", "end"),
    [
        ("n", 16_000, 20_000),
        ("CASE WHEN mod(n, 10) = 1 THEN 20000 - n ELSE n END", 16_000, 20_000),
        ("mod(n + 10000, 20000)", 6_000, 12_000),
    ],
    ids=["in the order of dates", "a tenth astray", "history came after the present"],
)
def test_a_total_with_a_date_is_counted_where_the_dates_begin(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, hour: str, begin: int, end: int
) -> None:
    monkeypatch.setattr(scans, "FEW", 10)
    monkeypatch.setattr(scans, "OUTERMOST", 10)
    fill(environment, 20_000)
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE entities_transaction SET transaction_date = %s + {hour} * interval '1 hour'"
            " FROM generate_series(1, 20000) n WHERE transaction_id = 't' || n",
            [DAY],
        )
        # A two-hundredth of so few (migration 0007) would look to the planner like none, by whatever index.
        cursor.execute("ALTER TABLE entities_transaction ALTER COLUMN environment_id SET STATISTICS -1")
        cursor.execute("ANALYZE entities_transaction")
    dates = {"from": DAY + dt.timedelta(hours=begin), "to": DAY + dt.timedelta(hours=end)}
    with CaptureQueriesContext(connection) as captured:
        total = total_of(environment, "transactions", filters={"status": "rare", **dates}, upto=49)
    assert total == (49, True)
    assert rows_read(captured.captured_queries[0]["sql"].strip().removeprefix(ALONG_THE_INDEX.strip())) < 150


def test_what_a_page_has_passed_over_is_not_read_again_for_its_total(environment: Environment) -> None:
    fill(environment, 4_000)
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE entities_transaction SET transaction_type = 'bonus' WHERE substr(transaction_id, 2)::int > 3900"
        )
        cursor.execute("ANALYZE entities_transaction")
    filters = {"status": "paid in", "transaction_type": "bonus"}
    with CaptureQueriesContext(connection) as captured:
        page = records_for(environment, "transactions", filters=filters, per_page=10)
    counts = [query["sql"] for query in captured.captured_queries if "count(*)" in query["sql"]]
    assert len(expected(environment, filters)) == page.total
    assert page.next_cursor
    assert [rows_read(count.strip().removeprefix(ALONG_THE_INDEX.strip())) < 200 for count in counts] == [True]


def plans_of(environment: Environment, filters: dict[str, Any], **place: Any) -> list[str]:
    """The plans of the statements of a page that read the list, as planned with the settings that go with each."""
    with CaptureQueriesContext(connection) as captured:
        records_for(environment, "transactions", filters=filters, **place)
    plans = []
    with connection.cursor() as cursor:
        for query in captured.captured_queries:
            for settings in (ALONG_THE_INDEX, BY_AN_INDEX):
                if query["sql"].strip().startswith(settings.strip()):
                    rest = query["sql"].strip().removeprefix(settings.strip())
                    cursor.execute(f"{settings} EXPLAIN {rest}")
                    plans.append("\n".join(line for (line,) in cursor.fetchall()))
    return plans


@pytest.mark.parametrize("analysed", [False, True], ids=["in the first minutes", "after ANALYZE"])
@pytest.mark.parametrize(
    ("filters", "index"),
    [
        ({}, "entities_transaction_pkey"),
        ({"status": "paid in"}, "transaction_by_status"),
        ({"currency": "GBP"}, "transaction_by_currency"),
        ({"transaction_type": "bonus"}, "transaction_by_type"),
        ({"customer_id": "c3"}, "transaction_by_customer"),
        ({"from": DAY}, "transaction_by_date"),
        ({"from": DAY, "status": "paid in"}, "transaction_by_date"),
        ({"updated_since": DAY, "status": "paid in"}, "transaction_by_update"),
        ({"status": "rare", "currency": "GBP"}, "transaction_by_status"),
    ],
    ids=lambda value: " + ".join(value) if isinstance(value, dict) else value,
)
def test_a_page_follows_the_index_of_its_order(
    environment: Environment, filters: dict[str, Any], index: str, analysed: bool
) -> None:
    fill(environment, 20_000)
    if analysed:
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE entities_transaction")
    cursor_of_page = records_for(environment, "transactions", filters=filters, per_page=5).next_cursor
    for place in ({"page": 3}, {"cursor": cursor_of_page}):
        plans = plans_of(environment, filters, per_page=5, **place)
        assert plans
        for plan in plans:
            assert "Bitmap" not in plan, plan
            assert "Seq Scan on entities_transaction" not in plan, plan
            assert "Sort" not in plan, plan
        if analysed or len(filters) < 2:
            assert index in plans[0], plans[0]


def test_a_record_is_searched_by_its_key(environment: Environment) -> None:
    fill(environment, 2_000)
    with CaptureQueriesContext(connection) as captured:
        found = newest_records(environment, Entity.TRANSACTIONS, record_id="t7", filters={"currency": "EUR"})
    assert keys_of(found.page.rows) == ["t7"]
    assert found.total == 1
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE entities_transaction")
        cursor.execute("EXPLAIN " + captured.captured_queries[0]["sql"])
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "transaction_key" in plan, plan
    assert newest_records(environment, Entity.TRANSACTIONS, record_id="t7", filters={"currency": "GBP"}).total == 0
