"""The write of a single new record, and the end of every batch, as functions: a connection plans their statements once,
which takes longer than to run them."""

from __future__ import annotations

from django.db import migrations

KEYS = {
    "entities_customer": "customer_id",
    "entities_transaction": "transaction_id",
    "entities_activity": "date, customer_id, game_type, currency",
}

# Whole rows, so that a column that is added later needs no other function.
SAVE_BATCH = """
CREATE FUNCTION entities_save_batch(batch entities_batch, of_slot integer, change integer) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO entities_batch SELECT batch.*;
    IF change <> 0 THEN
        INSERT INTO entities_recordcounter AS c (environment_id, entity, slot, count)
        VALUES (batch.environment_id, batch.entity, of_slot, change)
            ON CONFLICT (environment_id, entity, slot) DO UPDATE SET count = c.count + excluded.count;
    END IF;
END $$
"""

# The message may have begun before its lock was granted, so the record bears the clock's time.
STORE_SINGLE = """
CREATE FUNCTION entities_store_single(record {table}, batch entities_batch, of_slot integer) RETURNS SETOF {table}
LANGUAGE plpgsql AS $$
BEGIN
    record.id := nextval('{table}_id_seq');
    record.received_at := clock_timestamp();
    record.updated_at := record.received_at;
    INSERT INTO {table} SELECT record.* ON CONFLICT (environment_id, {key}) DO NOTHING;
    IF FOUND THEN
        PERFORM entities_save_batch(batch, of_slot, 1);
        RETURN NEXT record;
    END IF;
END $$
"""


class Migration(migrations.Migration):
    dependencies = [("entities", "0021_facts")]
    operations = [
        migrations.RunSQL(SAVE_BATCH, "DROP FUNCTION entities_save_batch(entities_batch, integer, integer)"),
        *(
            migrations.RunSQL(
                STORE_SINGLE.format(table=table, key=key),
                f"DROP FUNCTION entities_store_single({table}, entities_batch, integer)",
            )
            for table, key in KEYS.items()
        ),
    ]
