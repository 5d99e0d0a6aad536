"""FX rates: room for 10 digits of the smallest unit there was, and a bound that keeps amounts in their column."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("entities", "0003_tenant_primary_keys")]
    operations = [
        migrations.AlterField(
            model_name="fxrate",
            name="usd_rate",
            field=models.DecimalField(decimal_places=16, max_digits=24),
        ),
        migrations.AlterField(
            model_name="transaction",
            name="fx_rate",
            field=models.DecimalField(decimal_places=16, max_digits=24, null=True),
        ),
        migrations.AddConstraint(
            model_name="fxrate",
            constraint=models.CheckConstraint(
                condition=models.Q(("usd_rate__gt", 0), ("usd_rate__lt", 10)),
                name="fx_rate_between_0_and_10",
            ),
        ),
    ]
