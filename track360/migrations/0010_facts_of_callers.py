from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("track360", "0009_facts_changed_at")]
    operations = [
        migrations.AlterField(
            "environment",
            "facts_changed_at",
            models.DateTimeField(
                default=django.utils.timezone.now,
                editable=False,
                help_text="What processes remember of mappings, affiliates, customers and callers is true while this stays.",
            ),
        ),
    ]
