"""What is remembered of the database is true, or is asked again."""

from __future__ import annotations

from itertools import pairwise

import pytest

from entities.pipeline import facts, ingest
from onboarding.closing import request_reset, run_reset
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
    monkeypatch.setattr(facts, "REMEMBERED", 10)
    facts._memories.clear()
    ingest(environment, "customers", customers(20))
    remembered = []

    for start, end in pairwise((0, 4, 8, 12, 20)):
        sent = [transactions(1, start=n, customer_id=f"cst_{n}")[0] for n in range(start, end)]
        assert ingest(environment, "transactions", sent).errors == []
        remembered.append(sum(len(one.customers) for one in facts._memories.values()))

    assert remembered[:2] == [4, 8]
    assert max(remembered) <= 10
