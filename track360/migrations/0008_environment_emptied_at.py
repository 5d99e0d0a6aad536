from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("track360", "0007_audit_by_time")]
    operations = [
        migrations.AddField("environment", "emptied_at", models.DateTimeField(blank=True, editable=False, null=True))
    ]
