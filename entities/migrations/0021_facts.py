"""What the rules have to know of the database as a function, so that a connection plans it once: that takes four times
as long as running it for a single record."""

from __future__ import annotations

from django.db import migrations

# OFFSET 0 keeps it a look-up for each customer: the environment must not be read whole. Left to itself PostgreSQL plans
# anew for each array.
CREATE = """
CREATE FUNCTION entities_facts(of_partner bigint, of_environment bigint, status_fields text[], customer_ids text[],
                               affiliate_ids text[])
RETURNS TABLE (emptied_at timestamptz, mapped_fields text[], mapped_raws text[], mapped_values text[],
               seen_fields text[], seen_raws text[], seen_at timestamptz[],
               unknown_customers text[], known_affiliates text[], has_affiliates boolean)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT (SELECT emptied_at FROM track360_environment WHERE id = of_environment),
           mapped.fields, mapped.raws, mapped.canonicals, seen.fields, seen.raws, seen.lasts, unknown.ids, known.ids,
           EXISTS (SELECT FROM entities_affiliate WHERE partner_id = of_partner)
      FROM (SELECT array_agg(field::text) AS fields, array_agg(raw_value::text) AS raws,
                   array_agg(canonical_value::text) AS canonicals
              FROM entities_statusmapping
             WHERE partner_id = of_partner AND field = ANY(status_fields) AND canonical_value IS NOT NULL) AS mapped,
           (SELECT array_agg(field::text) AS fields, array_agg(raw_value::text) AS raws, array_agg(last_seen_at) AS lasts
              FROM entities_seenstatus
             WHERE environment_id = of_environment AND field = ANY(status_fields)) AS seen,
           (SELECT array_agg(id) AS ids
              FROM unnest(customer_ids) AS wanted (id)
             WHERE NOT EXISTS (SELECT 1 FROM entities_customer
                                WHERE environment_id = of_environment AND customer_id = wanted.id
                               OFFSET 0)) AS unknown,
           (SELECT array_agg(affiliate_id::text) AS ids
              FROM entities_affiliate
             WHERE partner_id = of_partner AND affiliate_id = ANY(affiliate_ids)) AS known;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("entities", "0020_quarantine_money"), ("track360", "0008_environment_emptied_at")]
    operations = [
        migrations.RunSQL(CREATE, "DROP FUNCTION entities_facts(bigint, bigint, text[], text[], text[])"),
    ]
