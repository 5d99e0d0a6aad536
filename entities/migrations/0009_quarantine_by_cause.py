"""Refused records of one cause are found without reading those of the others."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('entities', '0008_filter_indexes'),
        ('track360', '0003_attempt'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='quarantinedrecord',
            index=models.Index(fields=['environment', 'entity', 'code', 'id'], name='quarantine_by_cause'),
        ),
    ]
