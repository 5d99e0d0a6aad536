"""What people look for in the request log: what was refused, and what one client did. Both can be a few rows in millions."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("integrations", "0004_token_origin")]
    operations = [
        migrations.RunSQL(
            """
            CREATE INDEX apirequest_refused ON integrations_apirequest (environment_id, at, id) WHERE status >= 400;
            CREATE INDEX apirequest_by_client ON integrations_apirequest (environment_id, client_id, at, id);
            """,
            "DROP INDEX apirequest_refused, apirequest_by_client",
        )
    ]
