"""Records: keep no statistics of the environment, so that the planner never takes one for empty.

What ANALYZE last saw says "about one row" of an environment that is new since. The planner then reads the whole
environment wherever its id is given, once for each record of a batch: 2 s a batch at 17,000 rows, where 50 ms is
right, until the next ANALYZE, which a large table is in no hurry for. Without statistics it takes each environment for
a 200th of the table and uses the whole key.
"""

from __future__ import annotations

from django.db import migrations

TABLES = ("entities_customer", "entities_transaction", "entities_activity", "entities_recordchange")


def forget(table: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"ALTER TABLE {table} ALTER COLUMN environment_id SET STATISTICS 0",
        f"ALTER TABLE {table} ALTER COLUMN environment_id SET STATISTICS -1",
    )


class Migration(migrations.Migration):
    dependencies = [("entities", "0006_record_change_by_time")]
    operations = [forget(table) for table in TABLES]
