"""The same examination of servers that nobody here wrote: a database, and an API over one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from integrations.conformance.reports import examine
from integrations.models import Feed
from tests.integrations.pull.feeds import connect_to, make_connection, make_feed
from tests.partner_api import customers
from tests.partner_sources import Database, datasette_source, or_skip
from track360.models import Environment

MANY = 330
COLUMNS = ("customer_id", "signup_date", "last_modified_date", "affiliate_id", "country_code", "kyc_status_id")

pytestmark = pytest.mark.usefixtures("loopback")


@pytest.fixture(scope="module")
def datasette(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    file = tmp_path_factory.mktemp("datasette") / "casino.db"
    _fill(file)
    yield from or_skip(datasette_source(file))


def _fill(file: Path) -> None:
    with sqlite3.connect(file) as database:
        database.execute(f"CREATE TABLE customers ({', '.join(COLUMNS)}, PRIMARY KEY (customer_id))")
        places = ", ".join(f":{name}" for name in COLUMNS)
        database.executemany(f"INSERT INTO customers VALUES ({places})", customers(MANY))
    database.close()


def verdicts(feed: Feed) -> dict[str, tuple[str, str]]:
    return {row["code"]: (row["verdict"], row["detail"]) for row in examine(feed, done=lambda rows: None)}


def skipped(found: dict[str, tuple[str, str]]) -> set[str]:
    return {code for code, (verdict, _) in found.items() if verdict == "skip"}


def passed(found: dict[str, tuple[str, str]]) -> set[str]:
    return {code for code, (verdict, _) in found.items() if verdict == "pass"}


def test_datasette_passes_all_that_can_be_judged(datasette: str, sandbox: Environment) -> None:
    feed = make_feed(
        make_connection(sandbox, base_url=datasette),
        "customers",
        path="/customers.json",
        query={
            "_shape": "objects",
            "_sort": "last_modified_date",
            "last_modified_date__gte": "{since}",
            "last_modified_date__lt": "{until}",
        },
        records_at="/rows",
        paging="cursor",
        paging_options={"cursor_parameter": "_next", "cursor_at": "/next", "size_parameter": "_size"},
        page_size=25,
    )

    found = verdicts(feed)

    assert skipped(found) == {"limits"}, found
    assert passed(found) == set(found) - {"limits"}, found


def _feed_of(database: Database, sandbox: Environment, **values: Any) -> Feed:
    return make_feed(connect_to(database, sandbox), "customers", **values)


@pytest.fixture
def table(postgres_source: Database) -> Iterator[str]:
    """A table of customers with the time of change that they bear, one that they do not, and a running number."""
    name = "conformance_customers"
    postgres_source.execute(
        f"CREATE TABLE {name} ({', '.join(f'{column} text' for column in COLUMNS if not column.endswith('_date'))},"
        " signup_date timestamptz, last_modified_date timestamptz, touched timestamptz, number bigint)"
    )
    rows = [[record[column] for column in COLUMNS] for record in customers(MANY)]
    places = ", ".join(["%s"] * len(COLUMNS))
    postgres_source.execute(f"INSERT INTO {name} ({', '.join(COLUMNS)}) VALUES ({places})", rows)
    postgres_source.execute(
        f"UPDATE {name} SET touched = last_modified_date + interval '30 days', number = substr(customer_id, 5)::bigint"
    )
    yield name
    postgres_source.execute(f"DROP TABLE {name}")


@pytest.mark.parametrize(
    ("column", "kind"), [("last_modified_date", "moment"), ("touched", "moment"), ("number", "number")]
)
def test_database_is_judged_as_an_api_is(
    postgres_source: Database, table: str, sandbox: Environment, column: str, kind: str
) -> None:
    found = verdicts(_feed_of(postgres_source, sandbox, relation=table, cursor_column=column, cursor_kind=kind))

    assert skipped(found) == {"deep", "limits", "size"}, found
    assert passed(found) == set(found) - skipped(found), found


def test_database_without_a_cursor_column_is_judged_in_the_rest(
    postgres_source: Database, table: str, sandbox: Environment
) -> None:
    found = verdicts(_feed_of(postgres_source, sandbox, relation=table))

    assert skipped(found) == {"since", "window", "empty", "deep", "limits", "size"}, found
    assert passed(found) == set(found) - skipped(found), found


def test_view_that_lacks_a_column_is_said_to(postgres_source: Database, table: str, sandbox: Environment) -> None:
    found = verdicts(
        _feed_of(
            postgres_source, sandbox, select=f"SELECT customer_id, signup_date FROM {table}", cursor_column="touched"
        )
    )

    assert found["reached"][0] == "fail"
    assert "has no column" in found["reached"][1]
