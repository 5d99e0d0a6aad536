"""The rows that a test of a connection shows, and the customers in them: who is erased goes from there too.

A test that ends after an erasure leaves him out by itself (`connection_tests`).
"""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet

from entities.erasure import as_written, scrubbed_findings
from entities.pipeline.erased import concerns, without_personal
from integrations.models import ConnectionTest
from track360.models import Environment

Rows = dict[str, list[dict[str, Any]]]  # as of ConnectionTest.rows


def erase_rows(environment: Environment, customer_id: str) -> int:
    """Take the customer out of the tests that are kept; gives in how many he was."""
    changed = 0
    for test in _mentions(environment, customer_id).iterator():
        rows = _without(test.rows, customer_id)
        if rows != test.rows:
            ConnectionTest.objects.filter(pk=test.pk).update(rows=rows)
            changed += 1
    return changed


def shows(environment: Environment, customer_id: str) -> bool:
    """Whether a test shows a record that is about the customer."""
    if not customer_id or "\x00" in customer_id:
        return False
    tests = _mentions(environment, customer_id).iterator()
    return any(
        customer_id in concerns(row["record"]) for test in tests for shown in test.rows.values() for row in shown
    )


def _without(rows: Rows, customer_id: str) -> Rows:
    return {
        entity: [
            {
                **row,
                "record": without_personal(entity, row["record"]),
                "errors": scrubbed_findings(row["errors"]),
                "warnings": scrubbed_findings(row["warnings"]),
            }
            if customer_id in concerns(row["record"])
            else row
            for row in shown
        ]
        for entity, shown in rows.items()
    }


def _mentions(environment: Environment, customer_id: str) -> QuerySet[ConnectionTest]:
    return ConnectionTest.objects.filter(environment=environment, rows__contains=as_written(customer_id)).order_by("pk")
