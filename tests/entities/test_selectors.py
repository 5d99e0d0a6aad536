"""Reading lists while others write: exactly once along a cursor, nothing missed by the watermark."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
import pytest
from django.db import connection

from entities.models import Customer, StatusMapping, Transaction
from entities.pipeline import ingest
from entities.pipeline.locks import INGEST_LOCK
from entities.selectors import (
    Page,
    customer_for,
    history_of,
    records_for,
    total_of,
    transaction_for,
)
from track360.models import Environment, Partner
from track360.problems import Problem

pytestmark = pytest.mark.django_db(transaction=True)

DAY = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)


class Writer:
    """A second session that writes as the pipeline does, one step at a time."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.session = psycopg2.connect(**connection.get_connection_params())
        self.cursor = self.session.cursor()

    def begin(self) -> uuid.UUID:
        """Take the lock, and write the batch's own row."""
        self.run("SELECT pg_advisory_xact_lock_shared(%s, %s)", INGEST_LOCK, self.environment.pk)
        batch = uuid.uuid4()
        self.run(
            "INSERT INTO entities_batch (id, environment_id, entity, door, started_at, finished_at, refused, received,"
            " created, updated, unchanged, stale, rejected, removed, late, warnings) VALUES"
            " (%s, %s, 'transactions', 'push', now(), now(), false, 0, 0, 0, 0, 0, 0, 0, 0, 0)",
            batch,
            self.environment.pk,
        )
        return batch

    def insert(self, batch: uuid.UUID, key: str, *, day: int = 0, status: str = "approved") -> None:
        self.run(
            "INSERT INTO entities_transaction (environment_id, received_at, updated_at, source, batch_id,"
            " transaction_id, customer_id, transaction_type, amount_currency, currency, transaction_date, status)"
            " VALUES (%s, statement_timestamp(), statement_timestamp(), 'push', %s, %s, 'c1', 'deposit', 1.10, 'EUR',"
            " %s, %s)",
            self.environment.pk,
            batch,
            key,
            DAY + dt.timedelta(days=day),
            status,
        )

    def change(self, batch: uuid.UUID, key: str, **values: Any) -> None:
        self._remember(batch, key, removed=False)
        assignments = ", ".join(f"{name} = %s" for name in values)
        self.run(
            f"UPDATE entities_transaction SET {assignments}, updated_at = statement_timestamp(), batch_id = %s"
            " WHERE environment_id = %s AND transaction_id = %s",
            *values.values(),
            batch,
            self.environment.pk,
            key,
        )

    def remove(self, batch: uuid.UUID, key: str) -> None:
        self._remember(batch, key, removed=True)
        self.run(
            "DELETE FROM entities_transaction WHERE environment_id = %s AND transaction_id = %s",
            self.environment.pk,
            key,
        )

    def _remember(self, batch: uuid.UUID, key: str, *, removed: bool) -> None:
        self.run(
            "INSERT INTO entities_recordchange (environment_id, entity, record_id, changed_at, batch_id, removed, old)"
            " SELECT environment_id, 'transactions', id, statement_timestamp(), %s, %s, to_jsonb(t)"
            " FROM entities_transaction t WHERE environment_id = %s AND transaction_id = %s",
            batch,
            removed,
            self.environment.pk,
            key,
        )

    def run(self, sql: str, *values: Any) -> None:
        self.cursor.execute(sql, [str(v) if isinstance(v, uuid.UUID) else v for v in values])

    def commit(self) -> None:
        self.session.commit()


@pytest.fixture
def environment(transactional_db: None) -> Environment:
    partner = Partner.objects.create(slug="aurora", name="Aurora")
    return Environment.objects.create(partner=partner, kind=Environment.Kind.SANDBOX)


@pytest.fixture
def open_writer(environment: Environment) -> Iterator[Callable[[], Writer]]:
    writers: list[Writer] = []

    def open_one() -> Writer:
        writers.append(Writer(environment))
        return writers[-1]

    yield open_one
    for writer in writers:
        writer.session.close()


@contextmanager
def written(writer: Writer) -> Iterator[uuid.UUID]:
    yield writer.begin()
    writer.commit()


def fill(writer: Writer, count: int) -> list[str]:
    """Records t0, t1, … a day apart, the later ids on the earlier days."""
    keys = [f"t{number}" for number in range(count)]
    with written(writer) as batch:
        for number, key in enumerate(keys):
            writer.insert(batch, key, day=count - number)
    return keys


def walk(environment: Environment, first: Page, **arguments: Any) -> list[str]:
    """The keys of the pages after the first."""
    keys: list[str] = []
    cursor = first.next_cursor
    while cursor:
        page = records_for(environment, "transactions", cursor=cursor, **arguments)
        keys += keys_of(page)
        cursor = page.next_cursor
    return keys


def keys_of(page: Page) -> list[str]:
    return [record.transaction_id for record in page.records]  # type: ignore[attr-defined]


ORDERS = [{}, {"from": DAY}, {"status": "approved"}, {"from": DAY, "status": "approved"}]


@pytest.mark.parametrize("filters", ORDERS)
def test_a_walk_returns_each_record_once_in_order(environment, open_writer, filters) -> None:
    keys = fill(open_writer(), 7)
    first = records_for(environment, "transactions", filters=filters, per_page=2)
    expected = keys[::-1] if "from" in filters else keys
    assert keys_of(first) + walk(environment, first, filters=filters, per_page=2) == expected


@pytest.mark.parametrize("filters", ORDERS)
def test_what_is_changed_removed_and_sent_again_meanwhile_comes_once(environment, open_writer, filters) -> None:
    writer = open_writer()
    keys = fill(writer, 9)
    first = records_for(environment, "transactions", filters=filters, per_page=2)
    with written(writer) as batch:  # from before the walk's place to behind it and back, out of the filter, away
        writer.change(batch, "t0", transaction_date=DAY + dt.timedelta(days=99))
        writer.change(batch, "t8", transaction_date=DAY + dt.timedelta(days=98))
        writer.change(batch, "t4", transaction_date=DAY, status="reversed")
        writer.change(batch, "t5", status="reversed")
        writer.remove(batch, "t1")
        writer.remove(batch, "t6")
        writer.remove(batch, "t7")
        writer.insert(batch, "new", day=50)
    with written(writer) as batch:
        writer.change(batch, "t4", transaction_date=DAY + dt.timedelta(days=97), status="approved")
        writer.insert(batch, "t1", day=60)
        writer.insert(batch, "t6", day=60)
    with written(writer) as batch:
        writer.change(batch, "t6", status="approved")
    seen = keys_of(first) + walk(environment, first, filters=filters, per_page=2)
    assert seen == (keys[::-1] if "from" in filters else keys)


@pytest.mark.parametrize("filters", ORDERS)
def test_what_commits_during_the_walk_does_not_disturb_it(environment, open_writer, filters) -> None:
    """A change and an insertion began before the walk, and are committed in the middle of it."""
    writer, late = open_writer(), open_writer()
    keys = fill(writer, 6)
    batch = late.begin()
    late.insert(batch, "late", day=80)
    late.insert(batch, "later", day=81)
    late.change(batch, "t3", transaction_date=DAY + dt.timedelta(days=90), status="reversed")
    with written(writer) as other:  # committed before the walk, later than what is open
        writer.insert(other, "t6", day=0)
        writer.change(other, "t2", note="changed before")
    first = records_for(environment, "transactions", filters=filters, per_page=2)
    late.commit()
    with written(writer) as other:
        writer.change(other, "late", note="changed after")
    seen = keys_of(first) + walk(environment, first, filters=filters, per_page=2)
    assert seen == ([*keys, "t6"][::-1] if "from" in filters else [*keys, "t6"])


def test_records_that_crowd_in_from_further_on_neither_hide_nor_repeat_others(environment, open_writer) -> None:
    writer = open_writer()
    keys = fill(writer, 9)
    first = records_for(environment, "transactions", filters={"from": DAY}, per_page=2)
    with written(writer) as batch:
        for number in range(5):
            moment = DAY + dt.timedelta(days=2, hours=number + 1)  # just after the walk's place
            writer.change(batch, f"t{number}", transaction_date=moment)
    assert keys_of(first) + walk(environment, first, filters={"from": DAY}, per_page=2) == keys[::-1]


def play(environment: Environment, day: int, *, games: str, **more: Any) -> list[dict[str, Any]]:
    return [
        {"date": f"2026-03-{day:02}", "customer_id": "c1", "game_type": game, "currency": "EUR", **more}
        for game in games
    ]


@pytest.mark.parametrize("filters", [{}, {"from": DAY.date()}, {"game_type": "a"}])
def test_a_walk_is_exact_over_what_the_pipeline_itself_writes(environment, filters) -> None:
    customer = {"customer_id": "c1", "signup_date": "2026-01-01T00:00:00Z", "affiliate_id": "a"}
    assert ingest(environment, "customers", customer).stored
    assert ingest(environment, "activity", play(environment, 2, games="abc") + play(environment, 1, games="abc")).stored
    everything = [row.pk for row in records_for(environment, "activity", filters=filters).records]
    first = records_for(environment, "activity", filters=filters, per_page=1)
    seen = [row.pk for row in first.records]
    for games in ("", "abcd", "b"):  # taken back, sent again under new ids, taken back in part
        for day in (1, 2):
            body = play(environment, day, games=games, bets_count=len(games))
            assert ingest(environment, "activity", body, replace_day=dt.date(2026, 3, day)).stored
    cursor = first.next_cursor
    while cursor:
        page = records_for(environment, "activity", filters=filters, per_page=1, cursor=cursor)
        assert [row.bets_count for row in page.records] == [None]  # type: ignore[attr-defined]
        seen += [row.pk for row in page.records]
        cursor = page.next_cursor
    assert seen == everything


def test_a_batch_writes_everything_under_one_transaction_id(environment) -> None:
    """Walks take the batch's row for all that it wrote; a savepoint would give parts of it ids of their own."""
    customer = {"customer_id": "c1", "signup_date": "2026-01-01T00:00:00Z", "affiliate_id": "a", "kyc_status_id": "new"}
    ingest(environment, "customers", [customer])
    body = [customer | {"affiliate_id": "b"}, customer | {"customer_id": "c2"}, {}]
    report = ingest(environment, "customers", body, lenient=True)
    with connection.cursor() as cursor:
        tables = ("batch", "customer", "recordchange", "quarantinedrecord")
        for table, column in zip(tables, ("id", "batch_id", "batch_id", "batch_id"), strict=True):
            cursor.execute(f"SELECT xmin FROM entities_{table} WHERE {column} = %s", [report.batch_id])
            found = {xmin for (xmin,) in cursor.fetchall()}
            assert len(found) == 1, table
            if table == "batch":
                expected = found
            assert found == expected, table


def test_a_walk_shows_the_values_that_stood_when_it_began(environment, open_writer) -> None:
    writer = open_writer()
    fill(writer, 4)
    first = records_for(environment, "transactions", per_page=2)
    with written(writer) as batch:
        writer.change(batch, "t3", amount_currency="99.00", note="later")
    page = records_for(environment, "transactions", per_page=2, cursor=first.next_cursor)
    record = page.records[1]
    assert isinstance(record, Transaction)
    assert (str(record.amount_currency), record.note) == ("1.10", None)
    assert record.pk == Transaction.objects.get(transaction_id="t3").pk


def test_reading_by_watermark_misses_nothing_that_commits_late(environment, open_writer) -> None:
    writer, late = open_writer(), open_writer()
    fill(writer, 3)
    since = {"updated_since": DAY - dt.timedelta(days=9999)}
    batch = late.begin()
    late.insert(batch, "late")
    with written(writer) as other:
        writer.insert(other, "quick")
    first = records_for(environment, "transactions", filters=since, per_page=2)
    late_watermark = first.watermark
    assert late_watermark is not None
    seen = keys_of(first) + walk(environment, first, filters=since, per_page=2)
    assert seen == ["t0", "t1", "t2", "quick"]
    late.commit()
    again = records_for(environment, "transactions", filters={"updated_since": late_watermark})
    assert "late" in keys_of(again)
    assert again.watermark is not None
    assert again.watermark > late_watermark


def test_all_pages_of_a_walk_bear_the_same_watermark(environment, open_writer) -> None:
    fill(open_writer(), 3)
    since = {"updated_since": DAY - dt.timedelta(days=9999)}
    first = records_for(environment, "transactions", filters=since, per_page=2)
    second = records_for(environment, "transactions", filters=since, per_page=2, cursor=first.next_cursor)
    assert first.watermark is not None
    assert second.watermark == first.watermark
    assert (first.page, second.page, second.next_cursor) == (1, 2, None)


def test_a_record_updated_since_comes_again(environment, open_writer) -> None:
    writer = open_writer()
    fill(writer, 3)
    since = {"updated_since": DAY - dt.timedelta(days=9999)}
    first = records_for(environment, "transactions", filters=since, per_page=2)
    with written(writer) as batch:
        writer.change(batch, "t0", note="x")
    assert walk(environment, first, filters=since, per_page=2) == ["t2", "t0"]


def test_a_cursor_belongs_to_its_list_its_filters_and_its_environment(environment, open_writer) -> None:
    fill(open_writer(), 3)
    cursor = records_for(environment, "transactions", per_page=1).next_cursor
    assert cursor is not None
    other = Environment.objects.create(partner=environment.partner, kind=Environment.Kind.PRODUCTION)
    for place, entity, filters, text in (
        (other, "transactions", {}, cursor),
        (environment, "activity", {}, cursor),
        (environment, "transactions", {"status": "approved"}, cursor),
        (environment, "transactions", {}, cursor[:-1]),
        (environment, "transactions", {}, ""),
        (environment, "transactions", {}, "é\x00"),
    ):
        with pytest.raises(Problem) as problem:
            records_for(place, entity, filters=filters, cursor=text)
        assert problem.value.type.code == "invalid_cursor"


def test_a_page_deeper_than_ten_thousand_names_the_cursor(environment) -> None:
    assert records_for(environment, "customers", page=20, per_page=500).records == []
    with pytest.raises(Problem, match="next_cursor") as problem:
        records_for(environment, "customers", page=201, per_page=50)
    assert problem.value.type.code == "page_too_deep"


def test_a_filtered_total_is_exact_to_ten_thousand(environment) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO entities_transaction (environment_id, received_at, updated_at, source, batch_id,"
            " transaction_id, customer_id, transaction_type, amount_currency, currency, transaction_date, status)"
            " SELECT %s, now(), now(), 'push', gen_random_uuid(), n, 'c', 'deposit', 1, 'EUR', now(),"
            " CASE WHEN n <= 10000 THEN 'a' ELSE 'b' END FROM generate_series(1, 10001) n",
            [environment.pk],
        )
    assert total_of(environment, "transactions", filters={"status": "a"}) == (10_000, False)
    assert total_of(environment, "transactions", filters={"currency": "EUR"}) == (10_000, True)
    assert total_of(environment, "transactions") == (0, False)  # counted by the pipeline, which did not write these


def test_single_records_carry_the_canonical_status_and_their_history(environment, open_writer) -> None:
    StatusMapping.objects.create(
        partner=environment.partner, field="status", raw_value="approved", canonical_value="approved"
    )
    writer = open_writer()
    fill(writer, 1)
    with written(writer) as batch:
        writer.change(batch, "t0", note="second")
    with written(writer) as batch:
        writer.change(batch, "t0", note="third", status="odd")
    record = transaction_for(environment, "t0")
    assert record is not None
    assert (record.status, record.canonical_status) == ("odd", None)
    assert [change.old["note"] for change in history_of(environment, "transactions", record.pk)] == ["second", None]
    other = Environment.objects.create(partner=environment.partner, kind=Environment.Kind.PRODUCTION)
    assert transaction_for(other, "t0") is None
    assert transaction_for(environment, "t0\x00") is None


def test_a_customer_without_a_status_has_no_canonical_one(environment) -> None:
    StatusMapping.objects.create(
        partner=environment.partner, field="kyc_status_id", raw_value="ok", canonical_value="approved"
    )
    now = dt.datetime.now(dt.UTC)
    for key, status in (("known", "ok"), ("unknown", None)):
        Customer.objects.create(
            environment=environment, customer_id=key, signup_date=now, affiliate_id="a", kyc_status_id=status,
            received_at=now, updated_at=now, source="push",
        )  # fmt: skip
    known, unknown = customer_for(environment, "known"), customer_for(environment, "unknown")
    assert known is not None
    assert unknown is not None
    assert (known.kyc_status, unknown.kyc_status, unknown.sales_status) == ("approved", None, None)
