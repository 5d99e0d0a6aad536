"""The write of a single record is made on the condition that the environment's facts have stayed, and returns the row as
JSON, which is read in less time than 26 columns."""

from __future__ import annotations

from importlib import import_module

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from entities.models import Entity
from entities.pipeline.single import function_name

BEFORE = import_module("entities.migrations.0024_store_by_json")


def drop_former(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """A database that is new has them as they are now since the migration before."""
    for entity in Entity:
        schema_editor.execute(f"DROP FUNCTION IF EXISTS {function_name(entity)}(jsonb, jsonb, integer)")


class Migration(migrations.Migration):
    dependencies = [("entities", "0024_store_by_json"), ("track360", "0010_facts_of_callers")]
    operations = [
        migrations.RunPython(BEFORE.create, migrations.RunPython.noop),
        migrations.RunPython(drop_former, migrations.RunPython.noop),
    ]
