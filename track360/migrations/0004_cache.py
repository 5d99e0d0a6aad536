from django.db import migrations

# The table of Django's DatabaseCache, as `createcachetable` makes it.


class Migration(migrations.Migration):

    dependencies = [
        ('track360', '0003_attempt'),
    ]

    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE track360_cache (
                cache_key varchar(255) PRIMARY KEY,
                value text NOT NULL,
                expires timestamptz NOT NULL
            );
            CREATE INDEX track360_cache_expires ON track360_cache (expires);
            """,
            "DROP TABLE track360_cache",
        ),
    ]
