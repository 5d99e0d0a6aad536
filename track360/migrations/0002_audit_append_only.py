"""The audit trail refuses UPDATE, DELETE and TRUNCATE in the database itself."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("track360", "0001_initial")]
    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION track360_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION 'The audit trail is append-only.';
            END $$;
            CREATE TRIGGER auditevent_append_only BEFORE UPDATE OR DELETE ON track360_auditevent
                FOR EACH ROW EXECUTE FUNCTION track360_refuse_change();
            CREATE TRIGGER auditevent_no_truncate BEFORE TRUNCATE ON track360_auditevent
                FOR EACH STATEMENT EXECUTE FUNCTION track360_refuse_change();
            """,
            """
            DROP TRIGGER auditevent_append_only ON track360_auditevent;
            DROP TRIGGER auditevent_no_truncate ON track360_auditevent;
            DROP FUNCTION track360_refuse_change();
            """,
        )
    ]
