"""The write of a batch that is new as a whole is one message, made by a function, as that of a single record."""

from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from entities.pipeline.insert import WITH_IDS, function_name, function_sql


def create(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for entity in WITH_IDS:
        schema_editor.execute(function_sql(entity))


def drop(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for entity in WITH_IDS:
        schema_editor.execute(f"DROP FUNCTION {function_name(entity)}")


class Migration(migrations.Migration):
    dependencies = [("entities", "0025_store_on_condition")]
    operations = [migrations.RunPython(create, drop)]
