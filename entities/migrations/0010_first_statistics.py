"""Records: statistics before the first row, so that the first minutes are planned like all others.

Until ANALYZE has seen a table, PostgreSQL takes every condition for equally rare. It then looks a day's play up by the
narrowest index instead of the whole key, reads a whole day for each record of a batch, and a first load takes seconds
a batch. So each empty table is filled with made-up rows, analysed, and emptied: the statistics stay until autovacuum
has better ones. Tables that hold records have had their ANALYZE.
"""

from __future__ import annotations

from django.db import migrations

ROWS = 20_000
VERSION = "now(), now(), 'push', gen_random_uuid()"
CUSTOMERS = f"""
    INSERT INTO entities_customer (environment_id, received_at, updated_at, source, batch_id, customer_id,
                                   signup_date, affiliate_id, campaign_id, country_code, kyc_status_id)
    SELECT 0, {VERSION}, 'customer ' || n, now() - n * interval '1 hour', 'affiliate ' || n % 50,
           'campaign ' || n % 100, 'c' || n % 20, 's' || n % 5
      FROM generate_series(1, {ROWS}) n"""
TRANSACTIONS = f"""
    INSERT INTO entities_transaction (environment_id, received_at, updated_at, source, batch_id, transaction_id,
                                      customer_id, transaction_type, amount_currency, currency, transaction_date, status)
    SELECT 0, {VERSION}, 'transaction ' || n, 'customer ' || n % 4000, 't' || n % 5, n, 'c' || n % 8,
           now() - n * interval '1 minute', 's' || n % 5
      FROM generate_series(1, {ROWS}) n"""
ACTIVITY = f"""
    INSERT INTO entities_activity (environment_id, received_at, updated_at, source, batch_id, date, customer_id,
                                   game_type, currency)
    SELECT 0, {VERSION}, current_date - n % 30, 'customer ' || n % 4000, 'g' || n % 6, 'c' || n % 8
      FROM generate_series(1, {ROWS}) n"""


def statistics(table: str, fill: str) -> migrations.RunSQL:
    return migrations.RunSQL(
        f"""
        DO $$ BEGIN
            IF NOT EXISTS (SELECT FROM {table}) THEN
                {fill} ON CONFLICT DO NOTHING;
                ANALYZE {table};
                TRUNCATE {table} RESTART IDENTITY;
            END IF;
        END $$
        """,
        migrations.RunSQL.noop,
    )


class Migration(migrations.Migration):
    dependencies = [("entities", "0009_quarantine_by_cause")]
    operations = [
        statistics("entities_customer", CUSTOMERS),
        statistics("entities_transaction", TRANSACTIONS),
        statistics("entities_activity", ACTIVITY),
    ]
