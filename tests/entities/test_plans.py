"""The plan of a batch must not depend on what ANALYZE happened to see."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
from django.db import connection

from entities.pipeline.columns import arrays
from entities.pipeline.policy import Door
from entities.pipeline.tables import TABLES
from entities.pipeline.upsert import upsert_sql

FILL = """
INSERT INTO entities_activity (environment_id, date, customer_id, game_type, currency, received_at, updated_at,
                               source, batch_id)
SELECT 1, date '2026-01-01' + n % 10, 'c' || n, 'slots', 'EUR', now(), now(), 'push', gen_random_uuid()
  FROM generate_series(1, 20000) n
"""


@pytest.mark.django_db
@pytest.mark.parametrize("analysed", [False, True], ids=["in the first minutes", "after ANALYZE"])
@pytest.mark.parametrize("environment", [1, 99], ids=["full environment", "new environment"])
@pytest.mark.parametrize("door", Door)
def test_a_batch_looks_each_record_up_by_the_whole_key(analysed: bool, environment: int, door: Door) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL)
        if analysed:
            cursor.execute("ANALYZE entities_activity")
        cursor.execute(
            "EXPLAIN " + upsert_sql("activity", door),
            {
                **arrays({}, [*TABLES["activity"].columns, "came_at"]),
                "environment": environment,
                "source": "push",
                "batch": uuid.uuid4(),
                "entity": "activity",
                "fetched_since": dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
                "fields": ["ggr"],
            },
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())

    looked_up = re.search(r"Index Scan using activity_key.*\n\s*Index Cond: (.*)", plan)
    assert looked_up is not None, plan
    assert all(f"{field} = " in looked_up[1] for field in ("environment_id", "date", "customer_id", "game_type")), plan
    assert "Tid Scan on entities_activity t" in plan
