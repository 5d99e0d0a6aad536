from __future__ import annotations

import django.utils.timezone
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("track360", "0008_environment_emptied_at")]
    operations = [
        migrations.AddField(
            "environment",
            "facts_changed_at",
            models.DateTimeField(
                default=django.utils.timezone.now,
                editable=False,
                help_text="What processes remember of mappings, affiliates and customers is true while this stays.",
            ),
        ),
        migrations.RemoveField("environment", "emptied_at"),
    ]
