"""The whole write of a single record in a function that takes JSON, so that nothing of it is planned for each."""

from __future__ import annotations

from importlib import import_module

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from entities.models import Entity
from entities.pipeline.single import function_name, function_sql

BY_ROW = import_module("entities.migrations.0022_store_single")


def create(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for entity in Entity:
        schema_editor.execute(function_sql(entity))


def drop(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for entity in Entity:
        schema_editor.execute(f"DROP FUNCTION {function_name(entity)}")


class Migration(migrations.Migration):
    dependencies = [("entities", "0023_facts_changed_at")]
    operations = [
        migrations.RunPython(create, drop),
        *(
            migrations.RunSQL(
                f"DROP FUNCTION entities_store_single({table}, entities_batch, integer)",
                BY_ROW.STORE_SINGLE.format(table=table, key=key),
            )
            for table, key in BY_ROW.KEYS.items()
        ),
    ]
