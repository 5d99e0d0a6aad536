"""The request log: partitioned by day, so that 90 days are kept by dropping a partition."""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("integrations", "0002_initial")]
    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE integrations_apirequest (
                id uuid NOT NULL,
                at timestamptz NOT NULL,
                environment_id bigint,
                client_id varchar(100) NOT NULL,
                token_last_four varchar(4) NOT NULL,
                method varchar(10) NOT NULL,
                path text NOT NULL,
                query text NOT NULL,
                entity varchar(16) NOT NULL,
                status smallint NOT NULL,
                duration_ms integer NOT NULL,
                request_bytes bigint NOT NULL,
                ip inet,
                user_agent text NOT NULL,
                received integer, created integer, updated integer, unchanged integer, stale integer, rejected integer,
                error_code varchar(32) NOT NULL,
                error_summary text NOT NULL,
                detail text,
                PRIMARY KEY (id, at)
            ) PARTITION BY RANGE (at);
            CREATE INDEX apirequest_by_time ON integrations_apirequest (environment_id, at, id);
            CREATE TABLE integrations_apirequest_default PARTITION OF integrations_apirequest DEFAULT;
            """,
            "DROP TABLE integrations_apirequest",
        )
    ]
