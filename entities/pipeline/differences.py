"""Pulled records that differ from the pushed ones, which stand: kept for a person to decide."""

from __future__ import annotations

import orjson
from django.db import connection
from django.db.models import Q
from django.utils import timezone

from entities.models import Difference, Entity
from entities.pipeline.duplicates import key_of
from entities.pipeline.rules import Row
from entities.pipeline.tables import TABLES
from entities.pipeline.transaction import BatchRow
from entities.pipeline.upsert import Stands, Written
from track360 import exact_json

# The newest waived difference of each record.
WAIVED_SQL = """(SELECT DISTINCT ON (record_id) * FROM entities_difference
                  WHERE environment_id = %(environment)s AND entity = %(entity)s AND outcome = 'waived'
                  ORDER BY record_id, id DESC)"""
# That no batch has written the record `s` since. Not by `updated_at`: a rate that is filled in moves that too.
HOLDS_SQL = """NOT EXISTS (SELECT FROM entities_batch b
                          WHERE b.environment_id = s.environment_id AND b.id = s.batch_id
                            AND b.finished_at > waived.closed_at)"""

# One open difference a record: a newer one takes the place of the last. None of what was waived just so.
NOTE = f"""
INSERT INTO entities_difference
       (environment_id, entity, record_id, key, batch_id, fetched_at, payload, fields, outcome, reason, client_id,
        found_at)
SELECT %(environment)s, %(entity)s, d.record_id, d.key, %(batch)s, %(at)s, d.payload, d.fields, '', '', '', %(at)s
  FROM json_to_recordset(%(differences)s::json) AS d (record_id bigint, key text, payload text, fields jsonb)
 WHERE NOT EXISTS (SELECT FROM {WAIVED_SQL} waived JOIN {{table}} s ON s.environment_id = %(environment)s
                                                                 AND s.id = waived.record_id
                    WHERE waived.record_id = d.record_id AND waived.payload = d.payload AND {HOLDS_SQL})
    OR EXISTS (SELECT FROM entities_difference standing
                WHERE standing.environment_id = %(environment)s AND standing.entity = %(entity)s
                  AND standing.record_id = d.record_id AND standing.closed_at IS NULL)
 ORDER BY d.record_id
    ON CONFLICT (environment_id, entity, record_id) WHERE closed_at IS NULL
    DO UPDATE SET batch_id = excluded.batch_id, fetched_at = excluded.fetched_at, payload = excluded.payload,
                  fields = excluded.fields
"""


def note_differences(batch: BatchRow, *, rows: list[Row], written: Written) -> int:
    """Write a difference for each row that differs from what stands, and close those of records that agree again,
    the waived ones too: there is nothing to accept any more.

    `rows` as sent, without what is computed. Gives how many differ. In the transaction that stores the batch.
    """
    differing = [
        {
            "record_id": standing.record_id,
            "key": " ".join(key_of(batch.entity, rows[place])),
            "payload": exact_json.dumps(rows[place]),
            "fields": standing.fields,
        }
        for place, standing in written.stale.items()
        if standing.why == Stands.DIFFERS
    ]
    if differing:
        with connection.cursor() as cursor:
            cursor.execute(
                NOTE.format(table=TABLES[Entity(batch.entity)].name),
                {
                    "environment": batch.environment_id,
                    "entity": batch.entity,
                    "batch": batch.id,
                    "at": batch.started_at,
                    "differences": orjson.dumps(differing).decode(),
                },
            )
    if written.agreed:
        Difference.objects.filter(
            Q(closed_at=None) | Q(outcome=Difference.Outcome.WAIVED),
            environment=batch.environment_id,
            entity=batch.entity,
            record_id__in=written.agreed,
        ).update(outcome=Difference.Outcome.AGREES, closed_at=timezone.now())
    return len(differing)
