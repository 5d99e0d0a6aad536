"""What is looked for among the refused calls stands in their index: to find a few of 20,000 it read each of them."""

from __future__ import annotations

from django.db import migrations

REFUSED = """
DROP INDEX apirequest_refused;
CREATE INDEX apirequest_refused ON integrations_apirequest ({columns}) WHERE status >= 400;
"""


class Migration(migrations.Migration):
    dependencies = [("integrations", "0015_caller_of_token")]
    operations = [
        migrations.RunSQL(
            REFUSED.format(columns="environment_id, at, id, entity, status, method"),
            REFUSED.format(columns="environment_id, at, id"),
        )
    ]
