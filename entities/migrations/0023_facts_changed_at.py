"""A change of mappings or affiliates is seen by whoever remembers them, whoever makes it."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

DROP_FACTS = "DROP FUNCTION entities_facts(bigint, bigint, text[], text[], text[])"
BY_EMPTYING = import_module("entities.migrations.0021_facts").CREATE
BY_CHANGE = BY_EMPTYING.replace("emptied_at", "facts_changed_at")

# By the clock, so that what was rolled back never comes again with another content.
CHANGED = """
CREATE FUNCTION entities_facts_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE track360_environment SET facts_changed_at = clock_timestamp()
     WHERE partner_id IN (SELECT partner_id FROM changed);
    RETURN NULL;
END $$
"""


def _trigger(table: str, event: str, rows: str) -> migrations.RunSQL:
    name = f"{table}_facts_{event.lower()}"
    return migrations.RunSQL(
        f"CREATE TRIGGER {name} AFTER {event} ON {table} REFERENCING {rows} TABLE AS changed"
        " FOR EACH STATEMENT EXECUTE FUNCTION entities_facts_changed()",
        f"DROP TRIGGER {name} ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [("entities", "0022_store_single"), ("track360", "0009_facts_changed_at")]
    operations = [
        migrations.RunSQL(f"{DROP_FACTS};{BY_CHANGE}", f"{DROP_FACTS};{BY_EMPTYING}"),
        migrations.RunSQL(CHANGED, "DROP FUNCTION entities_facts_changed()"),
        *(
            _trigger(table, event, rows)
            for table in ("entities_statusmapping", "entities_affiliate")
            for event, rows in (("INSERT", "NEW"), ("UPDATE", "NEW"), ("DELETE", "OLD"))
        ),
    ]
