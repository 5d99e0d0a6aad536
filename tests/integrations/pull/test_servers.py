"""Pulls from REST servers that nobody here wrote: Datasette over a SQLite file, and json-server."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from integrations.pull.opening import open_source, probe
from integrations.pull.source import Call, Page, Window
from tests import partner_sources
from tests.integrations.pull.feeds import unsaved_feed
from tests.partner_sources import or_skip

pytestmark = pytest.mark.usefixtures("loopback")

ROWS = 2500
ALL = Window()


@pytest.fixture(scope="module")
def datasette(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("datasette") / "partner.db"
    with sqlite3.connect(file) as database:
        database.execute(
            "CREATE TABLE payments (id INTEGER PRIMARY KEY, player INTEGER, kind TEXT, amount REAL, currency TEXT,"
            " made_at TEXT, state TEXT)"
        )
        database.executemany(
            "INSERT INTO payments VALUES (?, ?, 'deposit', ?, 'EUR', ?, 'ok')",
            [(n, n % 7, n / 100, f"2026-01-{n // 100 + 1:02} 12:10:00") for n in range(ROWS)],
        )
    database.close()
    yield from or_skip(partner_sources.datasette_source(file))


@pytest.fixture(scope="module")
def json_server() -> Iterator[str]:
    rows = [
        {"id": n, "customer": {"ref": n}, "signed_up": f"2026-01-{n // 100 + 1:02}T00:00:00Z", "affiliate": "a"}
        for n in range(ROWS)
    ]
    yield from or_skip(partner_sources.json_server({"players": rows}))


def read(feed: Any, window: Window = ALL, position: Any = None, *, notes: list[Call] | None = None) -> list[Page]:
    with open_source(feed, note=(notes if notes is not None else []).append, budget_seconds=30) as source:
        return list(source.pages(window, position))


def of_datasette(url: str) -> Any:
    return unsaved_feed(
        connection={"kind": "rest", "base_url": url},
        path="payments.json",
        query={"_shape": "objects", "made_at__gte": "{since:date}", "made_at__lt": "{until:date}"},
        records_at="/rows",
        paging="next",
        paging_options={"next_at": "/next_url", "size_parameter": "_size"},
        page_size=400,
        cursor_column="made_at",
        time_zone="Europe/Malta",
        fields={
            "transaction_id": "id",
            "customer_id": "player",
            "transaction_type": "kind",
            "amount_currency": "amount",
            "currency": "currency",
            "transaction_date": "made_at",
            "status": "state",
        },
    )


def test_datasette_gives_all_of_a_table_page_by_page(datasette: str):
    notes: list[Call] = []
    pages = read(of_datasette(datasette), notes=notes)
    records = [record for page in pages for record in page.records]
    assert [record["transaction_id"] for record in records] == [str(n) for n in range(ROWS)]
    assert records[129] == {
        "transaction_id": "129",
        "customer_id": "3",
        "transaction_type": "deposit",
        "amount_currency": Decimal("1.29"),
        "currency": "EUR",
        "transaction_date": "2026-01-02T11:10:00Z",
        "status": "ok",
    }
    assert pages[-1].reached == "2026-01-25T11:10:00Z"
    assert [note.records for note in notes] == [400] * 6 + [100]
    rest = [record for page in read(of_datasette(datasette), position=pages[2].position) for record in page.records]
    assert rest == records[1200:]


def test_datasette_is_asked_for_a_window(datasette: str):
    pages = read(of_datasette(datasette), Window("2026-01-03", "2026-01-05"))
    assert [int(record["transaction_id"]) for page in pages for record in page.records] == list(range(200, 400))


def of_json_server(url: str, paging: str) -> Any:
    options = {"page_parameter": "_page", "size_parameter": "_limit"}
    return unsaved_feed(
        "customers",
        connection={"kind": "rest", "base_url": url},
        path="players",
        query={"signed_up_gte": "{since}", "_sort": "id"} | ({"_page": "1"} if paging == "link" else {}),
        paging=paging,
        paging_options=options,
        page_size=300,
        fields={"customer_id": "customer.ref", "signup_date": "/signed_up", "affiliate_id": "affiliate"},
    )


@pytest.mark.parametrize("paging", ["page", "link"])
def test_json_server_gives_all_of_a_list_by_number_and_by_link(json_server: str, paging: str):
    feed = of_json_server(json_server, paging)
    pages = read(feed)
    records = [record for page in pages for record in page.records]
    assert [record["customer_id"] for record in records] == [str(n) for n in range(ROWS)]
    assert records[0] == {"customer_id": "0", "signup_date": "2026-01-01T00:00:00Z", "affiliate_id": "a"}
    rest = read(feed, position=json.loads(json.dumps(pages[4].position)))
    assert [record for page in rest for record in page.records] == records[1500:]
    assert sum(len(page.records) for page in read(feed, Window(since="2026-01-25"))) == 100


# -- The test of a connection -------------------------------------------------


def test_a_probe_tells_the_steps_the_names_and_ten_records(datasette: str):
    found = probe(of_datasette(datasette), note=[].append)
    assert [(step.name, step.ok, step.detail) for step in found.steps] == [
        ("Reached", True, ""),
        ("Signed in", True, "Nothing to sign in with."),
        ("First page read", True, "400 records"),
    ]
    assert len(found.records) == 10
    assert found.names == ["id", "player", "kind", "amount", "currency", "made_at", "state"]


def test_a_probe_of_a_database_tells_what_its_cursor_column_holds(postgres_source: partner_sources.Database):
    postgres_source.execute(
        "CREATE TABLE probed AS SELECT n AS customer_id, current_date AS signup_date, 'a' AS affiliate_id"
        " FROM generate_series(1, 50) n"
    )
    connection = {"kind": "postgresql", "host": "127.0.0.1", "port": postgres_source.port, "database": "partner"}
    feed = unsaved_feed(
        "customers", connection=connection | {"user": "reader"}, secret=postgres_source.password, relation="probed"
    )
    feed.cursor_column = "customer_id"
    found = probe(feed, note=[].append)
    assert [(step.name, step.ok) for step in found.steps] == [
        ("Reached and signed in", True),
        ("First page read", True),
    ]
    assert (found.cursor_kind, len(found.records)) == ("number", 10)
    assert found.names == ["customer_id", "signup_date", "affiliate_id"]
    feed.cursor_column = "affiliate_id"
    found = probe(feed, note=[].append)
    assert [(step.name, step.ok) for step in found.steps] == [
        ("Reached and signed in", True),
        ("First page read", False),
    ]
    assert "is text" in found.steps[-1].detail
    postgres_source.execute("DROP TABLE probed")


@pytest.mark.parametrize(
    ("url", "name", "sentence"),
    [
        ("https://169.254.169.254/", "Reached", "does not lead to a public address"),
        ("http://127.0.0.1:9/", "Reached", "could not be connected to"),
    ],
)
def test_a_probe_ends_with_the_step_that_failed(url: str, name: str, sentence: str):
    found = probe(unsaved_feed(connection={"kind": "rest", "base_url": url}), note=[].append)
    assert [(step.name, step.ok) for step in found.steps] == [(name, False)]
    assert sentence in found.steps[0].detail


def test_what_is_missing_on_the_machine_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TRACK360_VAR", str(tmp_path))
    with pytest.raises(partner_sources.Missing, match="npm install"), partner_sources.json_server({}):
        pass
