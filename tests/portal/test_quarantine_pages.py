"""Refused records: by cause, in a list, and each with its fault marked."""

from __future__ import annotations

import re
import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from entities.models import Entity, QuarantinedRecord
from entities.pipeline import ingest
from tests.factories import QuarantinedRecordFactory
from track360.models import Environment


def page(client: Client, name: str, *args: object, query: str = "") -> str:
    response = client.get(reverse(name, args=["aurora-casino", "sandbox", *args]) + query)
    assert response.status_code == 200
    return response.content.decode()


def push(sandbox: Environment, *records: Any) -> QuarantinedRecord:
    """Send a lenient batch; the last record it left in quarantine."""
    ingest(sandbox, Entity.CUSTOMERS, list(records), lenient=True, request_id=uuid.uuid4())
    return QuarantinedRecord.objects.latest("id")


GOOD = {"customer_id": "cst_1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "aff_204"}
BAD = {**GOOD, "customer_id": "cst_2", "country_code": "ZZ", "email": "eve@example.com"}


def test_records_are_grouped_by_cause_with_counts(developer: Client, sandbox: Environment):
    QuarantinedRecordFactory.create_batch(3, environment=sandbox)
    QuarantinedRecordFactory(environment=sandbox, entity="transactions", code="required", field="status")
    html = page(developer, "quarantine-list")
    assert "4 refused records. Next: look at country in country_code" in html
    assert html.index(">country</a>") < html.index(">required</a>")
    assert "?entity=customers&amp;code=country#records" in html


def test_causes_of_the_other_environment_do_not_count(developer: Client, sandbox: Environment, production: Environment):
    QuarantinedRecordFactory.create_batch(2, environment=production, code="required")
    QuarantinedRecordFactory(environment=sandbox)
    html = page(developer, "quarantine-list")
    assert "1 refused record. " in html
    assert ">required</a>" not in html


def test_the_list_is_filtered_by_entity_and_cause(developer: Client, sandbox: Environment):
    wanted = QuarantinedRecordFactory(environment=sandbox, key="wanted")
    QuarantinedRecordFactory(environment=sandbox, key="other", code="required")
    QuarantinedRecordFactory(environment=sandbox, key="other", entity="activity")
    html = page(developer, "quarantine-list", query="?entity=customers&code=country")
    assert re.findall(r"/quarantine/(\d+)/", html) == [str(wanted.pk)]


@pytest.mark.parametrize("query", ["?entity=players", "?code=%00", "?code=nonsense", "?before=x&after=y"])
def test_a_filter_that_cannot_be_read_breaks_nothing(developer: Client, sandbox: Environment, query: str):
    QuarantinedRecordFactory(environment=sandbox)
    page(developer, "quarantine-list", query=query)


def test_the_faulty_line_is_marked_with_rule_and_hint(developer: Client, sandbox: Environment):
    record = push(sandbox, GOOD, BAD)
    html = page(developer, "quarantine-detail", record.pk)
    faulty = re.search(r"<li[^>]*data-faulty[^>]*>(.*?)</li>", html, re.DOTALL).group(1)
    assert "country_code" in faulty
    assert "ISO 3166-1" in faulty
    assert html.count("data-faulty") == 1
    assert "eve@example.com" in html
    assert "Rule" in html
    assert "Hint" in html


def test_viewers_see_neither_names_nor_addresses_nor_unknown_fields(viewer: Client, sandbox: Environment):
    record = push(
        sandbox,
        {**BAD, "first_name": "Eve", "e_mail": "misspelt@example.com", "last_name": {"nested": "Nested"}},
    )
    for html in (page(viewer, "quarantine-list"), page(viewer, "quarantine-detail", record.pk)):
        for value in ("eve@example.com", "Eve", "misspelt@example.com", "Nested"):
            assert value not in html
        assert "cst_2" in html


def test_viewers_do_not_read_a_name_in_a_message(viewer: Client, sandbox: Environment):
    record = push(sandbox, {**GOOD, "email": "not-an-address-of-eve"})
    assert "not-an-address-of-eve" not in page(viewer, "quarantine-detail", record.pk)
    assert "not-an-address-of-eve" not in page(viewer, "quarantine-list")


@pytest.mark.parametrize("payload", [None, 7, "text", ["a"], [], {}, {"customer_id": {"a": [1]}}, {"~/": "x", "": 1}])
def test_whatever_was_sent_can_be_shown(developer: Client, viewer: Client, sandbox: Environment, payload: Any):
    record = push(sandbox, GOOD, payload)
    for client in (developer, viewer):
        page(client, "quarantine-list")
        page(client, "quarantine-detail", record.pk)


def test_an_empty_quarantine_says_how_a_record_gets_there(developer: Client, sandbox: Environment):
    html = page(developer, "quarantine-list")
    assert "Nothing in quarantine" in html
    assert "handling=lenient" in html


def test_paging_shows_every_record_once(developer: Client, sandbox: Environment):
    records = QuarantinedRecordFactory.create_batch(60, environment=sandbox)
    html = page(developer, "quarantine-list")
    following = re.search(r'href="[^"]*(\?before=\d+)" rel="next"', html).group(1)
    shown = re.findall(r"/quarantine/(\d+)/", html + page(developer, "quarantine-list", query=following))
    assert shown == [str(record.pk) for record in reversed(records)]
