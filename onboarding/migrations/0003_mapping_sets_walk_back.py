"""What is written or deleted of a partner's mapping and affiliates, in whatever way, has his steps judged again.

A deleted row leaves nothing behind that a query could find. At the end of the transaction: then nothing else is locked
after the walk, and two people who save at once do not wait for each other crosswise.
"""

from __future__ import annotations

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("onboarding", "0002_delivery_outcome"),
        ("entities", "0012_mappings_and_erasure"),
    ]
    operations = [
        migrations.RunSQL(
            """
            CREATE FUNCTION onboarding_set_walk_back() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                UPDATE onboarding_onboarding SET computed_at = NULL
                 WHERE partner_id IN (NEW.partner_id, OLD.partner_id) AND computed_at IS NOT NULL;
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER statusmapping_sets_walk_back
                AFTER INSERT OR UPDATE OR DELETE ON entities_statusmapping DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION onboarding_set_walk_back();
            CREATE CONSTRAINT TRIGGER affiliate_sets_walk_back
                AFTER INSERT OR UPDATE OR DELETE ON entities_affiliate DEFERRABLE INITIALLY DEFERRED
                FOR EACH ROW EXECUTE FUNCTION onboarding_set_walk_back();
            """,
            """
            DROP TRIGGER statusmapping_sets_walk_back ON entities_statusmapping;
            DROP TRIGGER affiliate_sets_walk_back ON entities_affiliate;
            DROP FUNCTION onboarding_set_walk_back();
            """,
        )
    ]
