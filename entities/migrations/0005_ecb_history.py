"""The ECB's rate history, so that every database has rates from its first record on."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from entities.fx import load_history, shipped_history


def load(apps: Any, schema_editor: Any) -> None:
    load_history(shipped_history())


class Migration(migrations.Migration):
    dependencies = [("entities", "0004_fx_rates")]
    operations = [migrations.RunPython(load, migrations.RunPython.noop, elidable=False)]
