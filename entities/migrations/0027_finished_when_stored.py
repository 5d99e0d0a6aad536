"""A batch is finished, and its own time counted, when it is stored: not when the message that stores it is sent."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

BEFORE = import_module("entities.migrations.0022_store_single").SAVE_BATCH.replace("CREATE", "CREATE OR REPLACE")
FINISHED = """DECLARE
    stored_at timestamptz := clock_timestamp();
BEGIN
    batch.own_seconds := batch.own_seconds + CASE WHEN batch.lags IS NULL THEN 0 ELSE
        batch.created * greatest(date_part('epoch', stored_at - batch.finished_at), 0) END;
    batch.finished_at := stored_at;
"""
NOW = BEFORE.replace("BEGIN\n", FINISHED, 1)


class Migration(migrations.Migration):
    dependencies = [("entities", "0026_add_at_once")]
    operations = [migrations.RunSQL(NOW, BEFORE)]
