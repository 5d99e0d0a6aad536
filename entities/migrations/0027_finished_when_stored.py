"""A batch is finished, and its own time counted, when it is stored: not when the message that stores it is sent."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

BEFORE = import_module("entities.migrations.0022_store_single").SAVE_BATCH.replace("CREATE", "CREATE OR REPLACE")
FINISHED = """
    batch.own_seconds := batch.own_seconds + CASE WHEN batch.lags IS NULL THEN 0 ELSE
        batch.created * greatest(date_part('epoch', clock_timestamp() - batch.finished_at), 0) END;
    batch.finished_at := clock_timestamp();
"""
NOW = BEFORE.replace("BEGIN\n", f"BEGIN{FINISHED}", 1)


class Migration(migrations.Migration):
    dependencies = [("entities", "0026_add_at_once")]
    operations = [migrations.RunSQL(NOW, BEFORE)]
