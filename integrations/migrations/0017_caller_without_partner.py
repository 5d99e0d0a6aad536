"""Who calls, without the partner, whom few calls look at."""

from __future__ import annotations

from importlib import import_module

from django.db import migrations

DROP = "DROP FUNCTION integrations_caller(text)"
WITH_PARTNER = import_module("integrations.migrations.0015_caller_of_token").CREATE
WITHOUT = WITH_PARTNER.replace(", partner track360_partner", "").replace("environment, partner\n", "environment\n")


class Migration(migrations.Migration):
    dependencies = [("integrations", "0016_refused_by_what")]
    operations = [migrations.RunSQL(f"{DROP};{WITHOUT}", f"{DROP};{WITH_PARTNER}")]
