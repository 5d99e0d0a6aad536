"""What is remembered of the database is true, or is asked again."""

from __future__ import annotations

import datetime as dt
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entities.models import Affiliate, SeenStatus, StatusMapping
from entities.pipeline import facts, ingest
from onboarding.closing import request_reset, run_reset
from tests.factories import AffiliateFactory, StatusMappingFactory
from tests.payloads import customers, transactions
from track360.audit import Actor
from track360.models import Environment

pytestmark = pytest.mark.django_db


def codes(environment: Environment, customer_id: str, *, number: int) -> list[str]:
    sent = transactions(1, start=number, customer_id=customer_id)
    return [error.code for error in ingest(environment, "transactions", sent).errors]


def test_a_customer_is_known_as_soon_as_he_is_stored(environment: Environment, other_environment: Environment) -> None:
    assert codes(environment, "cst_0", number=1) == ["unknown_customer"]

    ingest(environment, "customers", customers(1))

    assert codes(environment, "cst_0", number=1) == codes(environment, "cst_0", number=2) == []
    assert codes(other_environment, "cst_0", number=1) == ["unknown_customer"]


def test_a_customer_of_a_sandbox_that_was_emptied_is_unknown_again(environment: Environment) -> None:
    ingest(environment, "customers", customers(1))
    assert codes(environment, "cst_0", number=1) == []

    run_reset(request_reset(environment, actor=Actor()).pk)

    assert codes(environment, "cst_0", number=2) == ["unknown_customer"]
    ingest(environment, "customers", customers(1))
    assert codes(environment, "cst_0", number=2) == []


def test_so_many_are_remembered_and_not_more(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facts._memories, "room", 14)
    facts._memories.clear()
    ingest(environment, "customers", customers(20))
    remembered = []

    for start, end in pairwise((0, 4, 8, 12, 20)):
        sent = [transactions(1, start=n, customer_id=f"cst_{n}")[0] for n in range(start, end)]
        assert ingest(environment, "transactions", sent).errors == []
        remembered.append(sum(len(one.customers) for one in facts._memories.values()))

    assert remembered == [4, 8, 12, 0]  # the next eight and the status did not fit


class Reader:
    """The environment as it is read for each call, and how often the pipeline then asks for facts."""

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.number = 100

    def push(self, entity: str = "transactions", **changes: Any) -> tuple[list[str], int]:
        """The codes of the warnings about a new record, and the number of questions."""
        self.number += 1
        sent = {"transactions": transactions, "customers": customers}[entity](1, start=self.number, **changes)
        fresh = Environment.objects.get(pk=self.environment.pk)
        with CaptureQueriesContext(connection) as queries:
            report = ingest(fresh, entity, sent, is_fresh=True)
        assert report.outcomes == ["created"]
        asked = sum("entities_facts(" in query["sql"] for query in queries)
        return sorted(warning.code for warning in report.warnings if warning.code in TOLD), asked


TOLD = {"unmapped_status", "unknown_affiliate"}


@pytest.fixture
def reader(environment: Environment) -> Reader:
    ingest(environment, "customers", customers(1))
    reader = Reader(environment)
    reader.push(customer_id="cst_0")
    reader.push("customers")
    return reader


def test_what_is_remembered_is_not_asked_again(reader: Reader) -> None:
    assert reader.push(customer_id="cst_0") == (["unmapped_status"], 1)  # the status had been new
    assert reader.push(customer_id="cst_0") == (["unmapped_status"], 0)


def test_a_new_mapping_counts_from_the_next_call_on(reader: Reader) -> None:
    for _ in range(2):
        assert reader.push(customer_id="cst_0")[0] == ["unmapped_status"]

    status = transactions(1)[0]["status"]
    mapping = StatusMappingFactory(
        partner=reader.environment.partner, field="status", raw_value=status, canonical_value="approved"
    )
    assert reader.push(customer_id="cst_0") == ([], 1)
    assert reader.push(customer_id="cst_0") == ([], 0)

    StatusMapping.objects.filter(pk=mapping.pk).update(canonical_value=None)
    assert reader.push(customer_id="cst_0") == (["unmapped_status"], 1)
    mapping.delete()
    assert reader.push(customer_id="cst_0") == (["unmapped_status"], 1)


def test_affiliates_count_from_the_next_call_on(reader: Reader) -> None:
    reader.push("customers")
    assert "unknown_affiliate" not in reader.push("customers")[0]

    registered = AffiliateFactory(partner=reader.environment.partner, affiliate_id="somebody else")
    assert "unknown_affiliate" in reader.push("customers")[0]

    AffiliateFactory(partner=reader.environment.partner, affiliate_id=customers(1)[0]["affiliate_id"])
    assert "unknown_affiliate" not in reader.push("customers")[0]
    Affiliate.objects.exclude(pk=registered.pk).delete()
    assert "unknown_affiliate" in reader.push("customers")[0]


def test_the_other_partner_s_mapping_changes_nothing(reader: Reader, other_environment: Environment) -> None:
    reader.push(customer_id="cst_0")

    StatusMappingFactory(partner=other_environment.partner, field="status")

    assert reader.push(customer_id="cst_0")[1] == 0


def test_a_status_that_last_came_a_while_ago_is_noted_again(reader: Reader) -> None:
    reader.push(customer_id="cst_0")
    long_ago = timezone.now() - dt.timedelta(hours=1)
    SeenStatus.objects.filter(environment=reader.environment).update(last_seen_at=long_ago)
    facts._memories.clear()  # as another process

    assert [reader.push(customer_id="cst_0")[1] for _ in range(3)] == [1, 1, 0]

    assert SeenStatus.objects.get(environment=reader.environment, field="status").last_seen_at > long_ago


def test_a_sandbox_emptied_by_another_process_has_no_customers(reader: Reader) -> None:
    reader.push(customer_id="cst_0")
    assert reader.push(customer_id="cst_0")[1] == 0

    run_reset(request_reset(reader.environment, actor=Actor()).pk)

    fresh = Environment.objects.get(pk=reader.environment.pk)
    report = ingest(fresh, "transactions", transactions(1, start=7, customer_id="cst_0"), is_fresh=True)
    assert [error.code for error in report.errors] == ["unknown_customer"]
