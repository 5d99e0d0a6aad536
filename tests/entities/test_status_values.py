"""What has come in the status fields: counts, times and examples, at any size."""

from __future__ import annotations

import datetime as dt

import pytest
from django.db import connection
from django.utils import timezone

from entities import status_values
from entities.models import Batch, Entity, SeenStatus
from entities.pipeline import ingest
from entities.scans import ALONG_THE_INDEX
from entities.status_values import uses_of
from tests.factories import CustomerFactory, PartnerFactory, RecordCounterFactory, SeenStatusFactory
from tests.payloads import sample
from track360.models import Environment, Partner

FILL = """
INSERT INTO entities_customer (environment_id, received_at, updated_at, source, batch_id, customer_id, signup_date,
                               affiliate_id)
SELECT 1, now(), now(), 'push', gen_random_uuid(), 'c' || n, now(), 'aff' FROM generate_series(1, 20000) n
"""
KYC, SALES = "kyc_status_id", "sales_status_id"


@pytest.fixture
def partner(db: None) -> Partner:
    return PartnerFactory()


def send(environment: Environment, number: int, kyc: str, **fields: str) -> None:
    record = sample("customers", customer_id=f"c{number}", kyc_status_id=kyc, **fields)
    assert ingest(environment, "customers", record, door=Batch.Door.PUSH).stored


def test_each_value_comes_with_its_records_of_both_environments(partner: Partner) -> None:
    sandbox, production = partner.environments.order_by("-kind")
    for number in range(4):
        send(sandbox, number, "3")
    send(production, 9, "3", sales_status_id="hot")
    send(PartnerFactory().environments.first(), 1, "theirs")

    uses = uses_of(partner)

    assert {key[1] for key in uses} == {"3", "hot", sample("customers")[SALES]}
    use = uses[KYC, "3"]
    assert (use.count, use.is_exact, use.words, len(use.examples)) == (5, True, "5", 3)
    assert uses[SALES, "hot"].examples[0].kind == "production"
    assert use.first_seen_at <= use.last_seen_at <= timezone.now()


def test_beyond_the_newest_it_estimates_and_the_index_counts_the_rare(
    partner: Partner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(status_values, "NEWEST", 10)
    sandbox = partner.environments.get(kind="sandbox")
    CustomerFactory(environment=sandbox, kyc_status_id="rare", sales_status_id="old")
    CustomerFactory.create_batch(19, environment=sandbox, kyc_status_id="3", sales_status_id="hot")
    RecordCounterFactory(environment=sandbox, count=20)
    for field, value in [(KYC, "rare"), (KYC, "3"), (SALES, "old"), (SALES, "hot")]:
        SeenStatusFactory(environment=sandbox, field=field, raw_value=value)

    uses = uses_of(partner)

    assert (uses[KYC, "rare"].words, uses[KYC, "3"].words) == ("1", "about 20")
    assert (uses[SALES, "hot"].words, uses[SALES, "old"].is_exact) == ("about 20", False)
    assert uses[SALES, "old"].words == "none of the newest 10"


def test_much_activity_which_has_no_status_changes_nothing(partner: Partner, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(status_values, "NEWEST", 10)
    sandbox = partner.environments.get(kind="sandbox")
    send(sandbox, 1, "3")
    RecordCounterFactory(environment=sandbox, entity="activity", count=20)

    assert (uses_of(partner)[KYC, "3"].words, uses_of(partner)[KYC, "3"].is_exact) == ("1", True)


def test_a_value_that_comes_again_moves_when_it_was_last_seen_but_not_each_time(partner: Partner) -> None:
    sandbox = partner.environments.get(kind="sandbox")
    send(sandbox, 1, "3")
    soon, long_ago = timezone.now() - dt.timedelta(minutes=2), timezone.now() - dt.timedelta(hours=2)

    for before, moves in ((soon, False), (long_ago, True)):
        SeenStatus.objects.filter(field=KYC).update(last_seen_at=before, first_seen_at=long_ago)
        send(sandbox, 2, "3")
        seen = SeenStatus.objects.get(field=KYC)
        assert (seen.last_seen_at > before, seen.first_seen_at) == (moves, long_ago)


def test_the_newest_are_read_along_the_index_and_not_all_sorted(partner: Partner) -> None:
    with connection.cursor() as cursor:
        cursor.execute(FILL)
        cursor.execute("ANALYZE entities_customer")
        cursor.execute(
            f"{ALONG_THE_INDEX} EXPLAIN {status_values._newest_sql(Entity.CUSTOMERS)}",
            {"environments": [1]},
        )
        plan = "\n".join(line for (line,) in cursor.fetchall())

    assert "Index Scan Backward using entities_customer_pkey" in plan
    assert "Bitmap" not in plan
