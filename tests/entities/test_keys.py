"""What a distributed PostgreSQL asks of the tables that would be spread over its nodes (docs/scaling.md)."""

from __future__ import annotations

import pytest
from django.db import connection

SPREAD = (
    "entities_customer",
    "entities_transaction",
    "entities_activity",
    "entities_recordchange",
    "entities_sighting",
)


@pytest.mark.django_db
@pytest.mark.parametrize("table", SPREAD)
def test_every_key_and_index_of_a_record_table_starts_with_its_environment(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """
            SELECT index.indexrelid::regclass::text, first.attname, index.indisprimary
              FROM pg_index index
              JOIN pg_attribute first ON first.attrelid = index.indrelid AND first.attnum = index.indkey[0]
             WHERE index.indrelid = %s::regclass
            """,
            [table],
        )
        found = cursor.fetchall()
    assert [primary for _, _, primary in found].count(True) == 1
    assert [name for name, column, _ in found if column != "environment_id"] == []


@pytest.mark.django_db
@pytest.mark.parametrize("table", SPREAD)
def test_a_record_table_refers_to_no_other_and_no_other_to_it(table: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND %s::regclass IN (conrelid, confrelid)", [table]
        )
        assert cursor.fetchall() == []
