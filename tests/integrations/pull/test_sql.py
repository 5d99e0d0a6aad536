"""A partner's database: what is read from it, in which order, and what is said where it cannot be."""

from __future__ import annotations

import datetime as dt
import json
import resource
import socket
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integrations.models import Feed
from integrations.outbound import databases
from integrations.pull import day_counts
from integrations.pull import sql as pull_sql
from integrations.pull.fields import required_fields
from integrations.pull.opening import open_source
from integrations.pull.source import Call, Page, Party, SourceError, Window
from integrations.pull.sql import SqlSource
from tests.integrations.pull.feeds import unsaved_feed
from tests.partner_sources import Database

pytestmark = pytest.mark.usefixtures("loopback")

ALL = Window()
COLUMNS = {
    "postgresql": "transaction_id text, customer_id bigint, transaction_type text, amount_currency numeric(20,8),"
    " currency char(3), transaction_date timestamp, status text, amount_usd double precision, updated timestamptz",
    "mysql": "transaction_id varchar(64), customer_id bigint, transaction_type enum('withdrawal','deposit'),"
    " amount_currency decimal(20,8), currency char(3), transaction_date datetime(6), status text, amount_usd double,"
    " updated timestamp(6) NULL",
}
INSERT = "INSERT INTO {} VALUES (%s, 42, 'deposit', %s, 'EUR', %s, 'ok', 0.1, %s)"


@pytest.fixture(params=["postgresql", "mysql"])
def database(request: pytest.FixtureRequest) -> Database:
    return request.getfixturevalue("postgres_source" if request.param == "postgresql" else "mariadb_source")


@pytest.fixture
def table(database: Database) -> Iterator[str]:
    """Seven transactions, three of them changed at the same moment."""
    database.execute(f"CREATE TABLE tx ({COLUMNS[database.kind]})")
    days = [1, 2, 2, 2, 3, 4, 5]
    database.execute(
        INSERT.format("tx"),
        [(f"T{n}", n, "2026-03-29 12:10:00", f"2026-01-0{day} 00:00:00.25") for n, day in enumerate(days)],
    )
    yield "tx"
    database.execute("DROP TABLE IF EXISTS tx")


def feed_of(database: Database, *, secret: str = "", connection: Any = None, **values: Any) -> Feed:
    given = {
        "kind": database.kind,
        "host": database.host,
        "port": database.port,
        "database": database.database,
        "user": database.user,
    }
    return unsaved_feed(
        connection=given | (connection or {}),
        secret=secret or database.password,
        **({} if "select" in values else {"relation": "tx"}) | {"cursor_column": "updated"} | values,
    )


def read(feed: Feed, window: Window = ALL, position: Any = None, *, notes: list[Call] | None = None) -> list[Page]:
    with open_source(feed, note=(notes if notes is not None else []).append, budget_seconds=20) as source:
        return list(source.pages(window, position))


def ids(pages: list[Page]) -> list[str]:
    return [record["transaction_id"] for page in pages for record in page.records]


def problem_of(feed: Feed) -> SourceError:
    with pytest.raises(SourceError) as problem:
        read(feed)
    return problem.value


def resident() -> int:
    """Bytes of this process."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


# -- What is read -------------------------------------------------------------


def test_a_record_is_the_guides_with_every_digit_and_times_in_utc(database: Database, table: str):
    notes: list[Call] = []
    (page,) = read(feed_of(database, time_zone="Europe/Malta"), notes=notes)
    assert page.records[1] == {
        "transaction_id": "T1",
        "customer_id": "42",
        "transaction_type": "deposit",
        "amount_currency": Decimal(1),
        "currency": "EUR",
        "transaction_date": page.records[1]["transaction_date"],
        "status": "ok",
        "amount_usd": Decimal("0.1"),
    }
    assert page.records[1]["transaction_date"].startswith("2026-03-29T10:10:00")  # Malta's summer time begins that day
    assert page.reached.startswith("2026-01-05T00:00:00.25")
    assert page.position is None
    assert [(note.url, note.records) for note in notes] == [("tx", 0), ("tx", 7)]


def test_columns_are_found_by_the_feeds_mapping(database: Database, table: str):
    fields = {
        "transaction_id": "transaction_id",
        "customer_id": "status",
        "transaction_type": "transaction_type",
        "amount_currency": "amount_usd",
        "currency": "currency",
        "transaction_date": "updated",
        "status": "transaction_id",
    }
    with open_source(feed_of(database, fields=fields), note=[].append, budget_seconds=20) as source:
        (page,) = source.pages(ALL)
        assert source.fields == frozenset(fields)
    assert page.records[0]["customer_id"] == "ok"
    assert page.records[0]["status"] == "T0"
    assert page.records[0]["transaction_date"].startswith("2026-01-01T00:00:00.25")


@pytest.mark.parametrize("cursor", ["updated", ""])
def test_each_position_serves_a_new_process_also_among_equal_cursors(database: Database, table: str, cursor: str):
    feed = feed_of(database, cursor_column=cursor, page_size=2)
    pages = read(feed)
    everything = [f"T{n}" for n in range(7)]
    assert ids(pages) == everything
    for number, page in enumerate(pages[:-1], start=1):
        position = json.loads(json.dumps(page.position))
        assert ids(pages[:number]) + ids(read(feed, position=position)) == everything
    assert pages[-1].position is None


def test_a_position_survives_a_nul_in_a_key(mariadb_source: Database):
    mariadb_source.execute(f"CREATE TABLE tx ({COLUMNS['mysql']})")
    try:
        mariadb_source.execute(
            INSERT.format("tx"), [(f"T\x00{n}", n, "2026-03-29 12:10:00", "2026-01-01") for n in range(3)]
        )
        feed = feed_of(mariadb_source, page_size=1)
        first = read(feed)[0]
        assert "\\u0000" not in json.dumps(first.position)
        rest = read(feed, position=json.loads(json.dumps(first.position)))
        assert ids(rest) == ["T\x001", "T\x002"]
    finally:
        mariadb_source.execute("DROP TABLE tx")


def test_since_is_included_and_until_is_not(database: Database, table: str):
    feed = feed_of(database)
    window = Window("2026-01-02T00:00:00.250000Z", "2026-01-04T00:00:00.250000Z")
    assert ids(read(feed, window)) == ["T1", "T2", "T3", "T4"]
    assert ids(read(feed, Window("2026-01-02", "2026-01-04"))) == ["T1", "T2", "T3", "T4"]
    assert ids(read(feed, Window(since="2027-01-01"))) == []
    with open_source(feed, note=[].append, budget_seconds=20) as source:
        assert (source.expected(window), source.expected(ALL)) == (4, 7)


def test_a_days_cursor_and_a_numbers_cursor_bound_the_window_too(database: Database, table: str):
    database.execute(
        "CREATE VIEW by_day AS SELECT tx.*, CAST(updated AS DATE) AS d, 1000 + amount_currency AS n FROM tx"
    )
    try:
        by_day = feed_of(database, relation="by_day", cursor_column="d", cursor_kind="day")
        by_number = feed_of(database, relation="by_day", cursor_column="n", cursor_kind="number")
        assert ids(read(by_day, Window("2026-01-02", "2026-01-04"))) == ["T1", "T2", "T3", "T4"]
        assert ids(read(by_day, Window("2026-01-02T05:00:00Z", "2026-01-03T05:00:00Z"))) == ["T1", "T2", "T3", "T4"]
        assert ids(read(by_number, Window("1002", "1004"))) == ["T2", "T3"]
        assert [page[-1].reached for page in (read(by_day), read(by_number))] == ["2026-01-05", "1006"]
        for feed, kind in ((by_day, "day"), (by_number, "number"), (feed_of(database), "moment")):
            assert SqlSource(feed, [].append, budget_seconds=20).cursor_kind() == kind
        with pytest.raises(SourceError, match="not of a kind"):
            read(by_number, Window("2026-01-01"))
    finally:
        database.execute("DROP VIEW by_day")


def test_what_is_written_in_an_hour_that_comes_twice_is_in_the_window(database: Database, table: str):
    """A cursor without an offset: at 01:10 UTC Malta's clocks show 02:10 again, as they did an hour before."""
    database.execute("UPDATE tx SET transaction_date = '2026-10-25 02:10:00' WHERE transaction_id = 'T3'")
    feed = feed_of(database, cursor_column="transaction_date", time_zone="Europe/Malta")
    assert ids(read(feed, Window(since="2026-10-25T00:50:00Z"))) == ["T3"]
    database.execute("UPDATE tx SET transaction_date = '2026-10-25 02:50:00' WHERE transaction_id = 'T3'")
    (page,) = read(feed, Window("2026-10-25", "2026-10-25T01:10:00Z"))
    assert (ids([page]), page.reached[:16]) == (["T3"], "2026-10-25T00:50")


def test_a_select_is_read_like_a_table(database: Database, table: str):
    select = "WITH one AS (SELECT * FROM tx WHERE status LIKE 'o%' AND ':x' <> '') SELECT * FROM one -- all of it;"
    feed = feed_of(database, select=select, page_size=3)
    pages = read(feed)
    assert ids(pages) == [f"T{n}" for n in range(7)]
    assert ids(read(feed, position=pages[0].position)) == ["T3", "T4", "T5", "T6"]


def test_rows_that_lack_a_part_of_their_key_are_given_out_all_the_same(database: Database, table: str):
    """The pipeline keeps them with its reason; here they would be lost between two stretches."""
    database.execute(INSERT.format("tx"), [(None, 1, "2026-01-01", "2026-01-02 00:00:00.25")] * 2)
    for cursor in ("updated", ""):
        feed = feed_of(database, cursor_column=cursor, page_size=1)
        pages = read(feed)
        assert len(ids(pages)) == 9
        for number, page in enumerate(pages[:-1], start=1):
            assert set(ids(pages[:number]) + ids(read(feed, position=page.position))) == {
                None,
                *(f"T{n}" for n in range(7)),
            }


def test_a_stretch_ends_after_a_while_and_the_next_one_goes_on(
    database: Database, table: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(pull_sql, "STRETCH_SECONDS", 0)
    notes: list[Call] = []
    assert ids(read(feed_of(database, page_size=2), notes=notes)) == [f"T{n}" for n in range(7)]
    assert len(notes) > 4


def test_reading_a_hundred_thousand_rows_keeps_the_memory_flat(database: Database):
    database.execute(f"CREATE TABLE tx ({COLUMNS[database.kind]})")
    try:
        numbers = "generate_series(1, 100000) seq" if database.kind == "postgresql" else "seq_1_to_100000"
        database.execute(
            "INSERT INTO tx SELECT seq, 1, 'deposit', 1, 'EUR', '2026-01-01', repeat('x', 1000), 1, '2026-01-01'"
            f" FROM {numbers}"
        )
        count, before, highest = 0, resident(), 0
        with open_source(feed_of(database), note=[].append, budget_seconds=60) as source:
            for page in source.pages(ALL):
                count += len(page.records)
                highest = max(highest, resident())
        assert count == 100_000
        assert highest - before < 30_000_000  # the rows are more than 100 MB
    finally:
        database.execute("DROP TABLE tx")


def test_days_are_counted_at_the_source_in_the_partners_time_zone(database: Database, table: str):
    database.execute("UPDATE tx SET transaction_date = '2026-03-28 23:30:00' WHERE transaction_id IN ('T5', 'T6')")
    database.execute("UPDATE tx SET transaction_type = 'withdrawal' WHERE transaction_id = 'T6'")
    first, last = dt.date(2026, 3, 28), dt.date(2026, 3, 29)

    def counted(time_zone: str) -> Any:
        source = SqlSource(feed_of(database), [].append, budget_seconds=20)
        days = source.count_days(first, last, time_zone=time_zone)
        return {day.day: [(line["type"], line["count"], Decimal(line["sum"])) for line in days[day]] for day in days}

    assert counted("UTC") == {28: [("deposit", 1, 5), ("withdrawal", 1, 6)], 29: [("deposit", 5, 10)]}
    assert counted("Europe/Malta") == {28: [], 29: [("deposit", 6, 15), ("withdrawal", 1, 6)]}


# -- What is not done ---------------------------------------------------------


@pytest.mark.parametrize(
    "select",
    [
        "DELETE FROM tx",
        "SELECT 1; DELETE FROM tx",
        "SELECT 1) AS source; DELETE FROM tx; --",
        "WITH gone AS (DELETE FROM tx RETURNING *) SELECT * FROM gone",
        "INSERT INTO tx SELECT * FROM tx",
        "SELECT * FROM tx INTO OUTFILE '/tmp/x'",
        "SELECT * FROM tx /*",
        "",
    ],
)
def test_nothing_but_reading_is_done(database: Database, table: str, select: str):
    problem = problem_of(feed_of(database, select=select, relation="", connection={"user": database.admin}))
    assert (problem.is_final, problem.party) == (True, Party.MAPPING)
    assert len(read(feed_of(database))[0].records) == 7


def test_a_function_that_writes_is_stopped_by_the_session(postgres_source: Database):
    postgres_source.execute("CREATE TABLE touched (at int)")
    postgres_source.execute(
        "CREATE FUNCTION touch() RETURNS int LANGUAGE sql VOLATILE AS 'INSERT INTO touched VALUES (1) RETURNING 1'"
    )
    feed = feed_of(
        postgres_source,
        entity="customers",
        cursor_column="",
        connection={"user": postgres_source.admin},
        select="SELECT 'c' AS customer_id, now() AS signup_date, touch() AS affiliate_id",
    )
    assert "only reading is allowed" in str(problem_of(feed))
    postgres_source.execute("DROP FUNCTION touch; DROP TABLE touched")


@pytest.mark.parametrize(
    "relation", ['tx"; DROP TABLE tx; --', "tx`; DROP TABLE tx; --", "tx; DROP TABLE tx", "a.b.c", ".", "", "tx\x00"]
)
def test_a_relation_is_a_name_and_nothing_else(database: Database, table: str, relation: str):
    assert problem_of(feed_of(database, relation=relation)).is_final
    assert len(read(feed_of(database))[0].records) == 7


# -- Bad sources --------------------------------------------------------------


def test_a_missing_column_is_named(database: Database, table: str):
    database.execute("ALTER TABLE tx DROP COLUMN status")
    problem = problem_of(feed_of(database))
    assert "has no column “status”; it has transaction_id, customer_id" in str(problem)
    assert (problem.is_final, problem.party) == (True, Party.MAPPING)
    assert "“nowhere”" in str(problem_of(feed_of(database, cursor_column="nowhere")))


def test_null_cursors_are_found(database: Database, table: str):
    database.execute("UPDATE tx SET updated = NULL WHERE transaction_id = 'T3'")
    problem = problem_of(feed_of(database))
    assert "“updated” is NULL in some rows" in str(problem)
    assert (problem.is_final, problem.party) == (True, Party.MAPPING)


def test_cursors_that_are_no_moment_are_found(postgres_source: Database):
    select = "SELECT 1 AS customer_id, now() AS signup_date, 1 AS affiliate_id, 'infinity'::timestamptz AS at"
    problem = problem_of(feed_of(postgres_source, entity="customers", select=select, cursor_column="at"))
    assert "is “infinity” in some rows" in str(problem)
    assert (problem.is_final, problem.party) == (True, Party.MAPPING)


@pytest.mark.parametrize("column", ["status", "amount_usd"])
def test_a_cursor_that_has_no_order_of_time_is_refused(database: Database, table: str, column: str):
    problem = problem_of(feed_of(database, cursor_column=column))
    assert ("is text" if column == "status" else "cannot be a cursor") in str(problem)
    assert (problem.is_final, problem.party) == (True, Party.MAPPING)


def test_a_column_of_bytes_is_refused(database: Database, table: str):
    kind = "bytea" if database.kind == "postgresql" else "varbinary(10)"
    database.execute(f"ALTER TABLE tx ADD note {kind}")
    assert "holds bytes" in str(problem_of(feed_of(database)))


@pytest.mark.parametrize(
    ("values", "party", "step", "sentence"),
    [
        ({"relation": "nowhere"}, Party.MAPPING, "read", "no table or view nowhere"),
        ({"relation": "no.where"}, None, "read", "no table or view no.where|no right to read no.where"),
        ({"select": "SELECT nothing FROM tx"}, Party.MAPPING, "read", "A column that the feed names"),
        ({"select": "SELECT FROM WHERE"}, Party.MAPPING, "read", "does not understand"),
        ({"secret": "wrong"}, Party.MAPPING, "signed_in", "does not accept the user “reader”"),
        ({"connection": {"user": "nobody"}}, Party.MAPPING, "signed_in", "does not accept the user “nobody”"),
        ({"connection": {"database": "nowhere"}}, None, "signed_in", "the database “nowhere”|no database “nowhere”"),
    ],
)
def test_what_a_database_refuses_is_a_sentence(
    database: Database, table: str, values: Any, party: str | None, step: str, sentence: str
):
    with pytest.raises(SourceError, match=sentence) as problem:
        read(feed_of(database, **values))
    assert (problem.value.is_final, problem.value.step) == (True, step)
    assert party in (None, problem.value.party)
    assert database.password not in str(problem.value)


def test_a_user_without_the_right_to_select_is_told_so(database: Database, table: str):
    if database.kind == "postgresql":
        database.execute("CREATE ROLE stranger LOGIN PASSWORD 'a secret'")
    else:
        database.execute("CREATE TABLE other (x int)")
        database.execute("CREATE USER stranger@'%' IDENTIFIED BY 'a secret'")
        database.execute("GRANT SELECT ON partner.other TO stranger@'%'")
    try:
        problem = problem_of(feed_of(database, connection={"user": "stranger"}))
        assert "has no right to read tx" in str(problem)
        assert (problem.is_final, problem.party) == (True, Party.PARTNER)
    finally:
        database.execute("DROP ROLE stranger" if database.kind == "postgresql" else "DROP USER stranger@'%'")


def test_a_row_at_which_the_view_fails_is_a_sentence(postgres_source: Database):
    feed = feed_of(
        postgres_source,
        entity="customers",
        cursor_column="",
        select="SELECT 1 AS customer_id, now() AS signup_date, 'private data'::text::int AS affiliate_id",
    )
    problem = problem_of(feed)
    assert "fails at one of its rows" in str(problem)
    assert "private data" not in str(problem)


def test_a_page_of_long_rows_is_a_sentence(database: Database, table: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pull_sql, "MAX_PAGE_BYTES", 1000)
    monkeypatch.setattr(pull_sql, "FIRST_ROWS", 2)
    assert ids(read(feed_of(database))) == [f"T{n}" for n in range(7)]
    database.execute("UPDATE tx SET status = repeat('x', 600)")
    assert ids(read(feed_of(database, page_size=1))) == [f"T{n}" for n in range(7)]

    problem = problem_of(feed_of(database))

    assert "holds more than" in str(problem)
    assert (problem.party, problem.is_final) == ("mapping", True)


def test_days_of_countless_types_are_a_sentence(database: Database, table: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(day_counts, "MAX_ROWS", 3)
    select = "SELECT tx.*, transaction_id AS kind FROM tx"
    fields = {name: name for name in required_fields("transactions")} | {"transaction_type": "kind"}
    feed = feed_of(database, select=select, fields=fields)
    source = SqlSource(feed, [].append, budget_seconds=20)
    with pytest.raises(SourceError) as problem:
        source.count_days(dt.date(2026, 3, 29), dt.date(2026, 3, 29), time_zone="UTC")
    assert "hold something else" in str(problem.value)


def test_a_statement_that_takes_too_long_is_ended(database: Database, table: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(pull_sql, "ANSWER_SECONDS", 1)
    monkeypatch.setattr(pull_sql, "STRETCH_SECONDS", 1)
    sleep = "pg_sleep(30)::text" if database.kind == "postgresql" else "sleep(30)"
    feed = feed_of(
        database, entity="customers", cursor_column="",
        select=f"SELECT status AS customer_id, transaction_date AS signup_date, {sleep} AS affiliate_id FROM tx",
    )  # fmt: skip
    problem = problem_of(feed)
    assert "did not answer in time: the statement is too slow" in str(problem)
    assert not problem.is_final


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
@pytest.mark.parametrize("greeting", [b"", b"drip", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_database_that_hangs_or_speaks_another_tongue_is_left_in_time(
    kind: str, greeting: bytes, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(databases, "CONNECT_SECONDS", 2)
    monkeypatch.setattr(databases, "SIGN_IN_SECONDS", 1)
    stopped = threading.Event()

    def serve(listener: socket.socket) -> None:
        while not stopped.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer:
                if greeting == b"drip":
                    peer.sendall(b"\xff\xff\x00\x00" if kind == "mysql" else b"N")
                    while not stopped.wait(0.1):
                        try:
                            peer.sendall(b"\x0a")
                        except OSError:
                            break
                elif greeting:
                    peer.sendall(greeting)
                else:
                    stopped.wait(8)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        database = Database(kind, listener.getsockname()[1], "")
        problem = problem_of(feed_of(database))
        stopped.set()
    assert not problem.is_final
    assert "did not answer in time" in str(problem) or "broke off" in str(problem), str(problem)
    assert database.password not in str(problem)


def test_nobody_there_is_a_sentence(database: Database):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    problem = problem_of(feed_of(Database(database.kind, port, "")))
    assert "could not be connected to" in str(problem)
    assert (problem.is_final, problem.step) == (False, "reached")


def test_a_replica_that_breaks_off_names_the_settings_that_help():
    from integrations.models import Connection
    from integrations.pull.sql_errors import _refusal

    class Conflict(Exception):
        pgcode = "40001"

    problem = _refusal(Connection(kind="postgresql", host="replica.example"), "tx", Conflict("conflict with recovery"))
    assert "hot_standby_feedback" in str(problem)
    assert "max_standby_streaming_delay" in str(problem)
    assert not problem.is_final
