"""Record tables: the primary key starts with the environment (a distributed PostgreSQL wants it in every unique key)."""

from __future__ import annotations

from django.db import migrations

TABLES = ("entities_customer", "entities_transaction", "entities_activity", "entities_recordchange")


def swap(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY (environment_id, id)",
        f"ALTER TABLE {table} DROP CONSTRAINT {table}_pkey, ADD PRIMARY KEY (id)",
    )


class Migration(migrations.Migration):
    dependencies = [("entities", "0002_initial")]
    operations = [swap(table) for table in TABLES]
