from __future__ import annotations

import pytest

from entities.pipeline import ingest
from tests.payloads import sample
from track360.models import Environment, Partner


@pytest.fixture
def environment(db: None) -> Environment:
    partner = Partner.objects.create(slug="aurora", name="Aurora")
    return Environment.objects.create(partner=partner, kind="sandbox")


@pytest.fixture
def other_environment(db: None) -> Environment:
    partner = Partner.objects.create(slug="borealis", name="Borealis")
    return Environment.objects.create(partner=partner, kind="sandbox")


@pytest.fixture
def customer(environment: Environment) -> str:
    """The guide's sample customer is stored; gives his id."""
    ingest(environment, "customers", sample("customers"))
    return "cst_100245"
