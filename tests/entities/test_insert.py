"""Records of which none is stored yet: written without comparing, and never in place of one that came in between."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from entities.models import Batch, RecordCounter, Transaction
from entities.pipeline import ingest
from entities.pipeline.insert import FEW, WITH_IDS, function_name, function_sql, is_stored, stored_sql
from tests.factories import CustomerFactory
from tests.payloads import customers, transactions
from track360.models import Environment

FILL = """
INSERT INTO entities_transaction (environment_id, transaction_id, customer_id, transaction_type, amount_currency,
                                  currency, transaction_date, status, received_at, updated_at, source, batch_id)
SELECT 1, 't' || n, 'c', 'deposit', 1, 'EUR', now(), 'ok', now(), now(), 'push', gen_random_uuid()
  FROM generate_series(1, 20000) n
"""


@pytest.mark.django_db
@pytest.mark.parametrize("analysed", [False, True], ids=["in the first minutes", "after ANALYZE"])
@pytest.mark.parametrize("environment", [1, 99], ids=["full environment", "new environment"])
@pytest.mark.parametrize("planned_once", [False, True], ids=["as a statement", "in the function"])
def test_the_ids_are_looked_up_by_the_whole_key(analysed: bool, environment: int, planned_once: bool) -> None:
    keys = f"{{{','.join(f't{number}' for number in range(50_000, 51_000))}}}"
    values = {"environment": environment, "keys": keys}
    with connection.cursor() as cursor:
        cursor.execute(FILL)
        if analysed:
            cursor.execute("ANALYZE entities_transaction")
        if planned_once:
            looks = is_stored("transactions", environment="$1", keys="$2")
            cursor.execute("SET LOCAL plan_cache_mode = force_generic_plan")
            cursor.execute(f"PREPARE look (bigint, text[]) AS SELECT {looks}")
            cursor.execute("EXPLAIN EXECUTE look (%(environment)s, %(keys)s)", values)
        else:
            cursor.execute(f"EXPLAIN {stored_sql('transactions')}", values)
        plan = "\n".join(line for (line,) in cursor.fetchall())
        if planned_once:
            cursor.execute("DEALLOCATE look")

    looked = [look.split("Index Cond: ")[1].splitlines()[0] for look in plan.split("using transaction_key")[1:]]
    assert len(looked) == 2, plan
    assert all("environment_id = " in condition for condition in looked), plan
    assert "transaction_id >= " in looked[0], plan
    assert "transaction_id = ANY" in looked[1], plan


@pytest.mark.django_db
@pytest.mark.parametrize("entity", WITH_IDS)
def test_the_function_is_made_of_what_the_tables_say_now(entity: str) -> None:
    """Where not, a migration has to create it again."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT prosrc FROM pg_proc WHERE proname = %s", [function_name(entity)])
        (body,) = cursor.fetchone()
    assert body == function_sql(entity).split("$$")[1]


@pytest.mark.django_db
@pytest.mark.parametrize("size", [1, 2, FEW, FEW + 1, 300])
def test_each_outcome_is_told_whatever_the_size(environment: Environment, size: int) -> None:
    CustomerFactory(environment=environment, customer_id="cst_8842")
    batch = transactions(size, customer_id="cst_8842", transaction_date=...)
    batch = [record | {"transaction_date": "2026-03-15T12:10:00Z"} for record in batch]

    outcomes = [ingest(environment, "transactions", sent).counts() for sent in (batch, batch)]
    mixed = ingest(environment, "transactions", [*batch[1:], batch[0] | {"note": "other"}, _one_more(batch)]).counts()

    assert outcomes[0]["created"] == outcomes[1]["unchanged"] == size
    assert (mixed["created"], mixed["updated"], mixed["unchanged"]) == (1, 1, size - 1)
    counted = RecordCounter.objects.filter(entity="transactions").values_list("count", flat=True)
    assert sum(counted) == Transaction.objects.count() == size + 1
    assert Batch.objects.filter(entity="transactions").count() == 3


def _one_more(batch: list[dict[str, Any]]) -> dict[str, Any]:
    return batch[0] | {"transaction_id": "txn_more"}


@pytest.mark.django_db(transaction=True)
def test_one_record_that_many_send_at_once_is_created_once(environment: Environment) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(6)

    def push() -> None:
        start.wait()
        try:
            for turn in range(10):
                outcomes.extend(ingest(environment, "customers", customers(1, start=turn)).outcomes)
        finally:
            connection.close()

    threads = [threading.Thread(target=push) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["created"] * 10 + ["unchanged"] * 50
    assert sum(RecordCounter.objects.values_list("count", flat=True)) == 10
