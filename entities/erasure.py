"""Erasing a customer: what is personal goes from the record, its history, the quarantine and differences.

Two steps, so that the environment is held only for a moment. The first one, with the environment's lock to itself,
writes the `Erasure` and empties the record and its history: no batch is under way then, and each later one finds the
erasure (`pipeline.erased`). The second one may look through much, and can be run again until it has come to its end.
"""

from __future__ import annotations

import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection
from django.db.models import Q, QuerySet

from entities.models import Customer, Difference, Erasure, QuarantinedRecord
from entities.pipeline.erased import concerns, plain_fields, without_personal
from entities.pipeline.report import PII_FIELDS
from entities.pipeline.transaction import in_transaction
from track360 import audit, exact_json
from track360.audit import Actor
from track360.chunks import in_chunks
from track360.models import Environment

CHUNK = 500
REASON_LENGTH = 500


def erasure_of(environment: Environment, customer_id: str) -> Erasure | None:
    if "\x00" in customer_id:
        return None
    return Erasure.objects.filter(environment=environment, customer_id=customer_id).first()


def is_stored(environment: Environment, customer_id: str) -> bool:
    """Whether there is such a customer, or a refused record that is about him."""
    if not customer_id or "\x00" in customer_id:
        return False
    if Customer.objects.filter(environment=environment, customer_id=customer_id).exists():
        return True
    return any(customer_id in _concerned(record) for record in in_chunks(_mentions(environment, customer_id), CHUNK))


def checked_reason(reason: str) -> str:
    """Raises ValidationError `reason`."""
    reason = reason.strip()
    if len(reason) > REASON_LENGTH or any(unicodedata.category(sign) == "Cc" for sign in reason if sign not in "\r\n"):
        raise ValidationError(
            f"Give the reason in at most {REASON_LENGTH} characters, without control characters.", code="reason"
        )
    return reason


def erase_records(environment: Environment, customer_id: str, *, actor: Actor, reason: str) -> Erasure:
    """The first step. Erasing somebody again gives what is there already."""

    def erase() -> Erasure:
        if found := erasure_of(environment, customer_id):
            return found
        erasure = Erasure(
            environment=environment,
            customer_id=customer_id,
            by=actor.user,
            client_id=actor.client_id,
            reason=reason,
        )
        erasure.counts = _empty(erasure)
        erasure.save(force_insert=True)
        audit.record(
            "customer.erased",
            actor=actor,
            environment=environment,
            target=customer_id,
            erasure=str(erasure.pk),
            reason=reason,
        )
        return erasure

    return in_transaction(environment, erase, alone=True)


def _empty(erasure: Erasure) -> dict[str, int]:
    """Rows of each store in which something was.

    The record gets a new `updated_at`, so that whoever follows the changes learns of it, and with that a version in
    its history, as each change that a walk has to know of.
    """
    nothing = ", ".join(f"{name} = NULL" for name in sorted(PII_FIELDS))
    nulls = exact_json.dumps(dict.fromkeys(sorted(PII_FIELDS)))
    anything = f"coalesce({', '.join(sorted(PII_FIELDS))}) IS NOT NULL"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id FROM entities_customer WHERE environment_id = %s AND customer_id = %s",
            [erasure.environment_id, erasure.customer_id],
        )
        number = next((row[0] for row in cursor.fetchall()), None)
        if number is None:
            return {"customers": 0, "history": 0}
        cursor.execute(
            """
            UPDATE entities_recordchange SET old = old || %s::jsonb
             WHERE environment_id = %s AND entity = 'customers' AND record_id = %s
               AND coalesce(old->>'first_name', old->>'last_name', old->>'email') IS NOT NULL
            """,
            [nulls, erasure.environment_id, number],
        )
        history = cursor.rowcount
        cursor.execute(
            f"""
            WITH changed AS (
                INSERT INTO entities_recordchange
                       (environment_id, entity, record_id, changed_at, batch_id, removed, old)
                SELECT environment_id, 'customers', id, statement_timestamp(), %s, false, to_jsonb(c) || %s::jsonb
                  FROM entities_customer c WHERE environment_id = %s AND id = %s AND {anything}
            )
            UPDATE entities_customer SET {nothing}, updated_at = statement_timestamp()
             WHERE environment_id = %s AND id = %s AND {anything}
            """,
            [erasure.pk, nulls, erasure.environment_id, number, erasure.environment_id, number],
        )
        return {"customers": cursor.rowcount, "history": history}


def erase_quarantine(environment: Environment, customer_id: str) -> int:
    """A part of the second step: the refused records about the customer keep their plain fields; gives how many."""
    changed = 0
    for record in in_chunks(_mentions(environment, customer_id), CHUNK):
        if customer_id not in _concerned(record):
            continue
        payload = without_personal(record.entity, record.payload)
        edited = None if record.edited is None else without_personal(record.entity, record.edited)
        errors = scrubbed_findings(record.errors)
        if (payload, edited, errors) != (record.payload, record.edited, record.errors):
            QuarantinedRecord.objects.filter(environment=environment, pk=record.pk).update(
                payload=payload, edited=edited, errors=errors
            )
            changed += 1
    return changed


def erase_differences(environment: Environment, customer_id: str) -> int:
    """A part of the second step: pulled versions of the customer, kept beside the pushed one; gives how many."""
    changed = 0
    found = Difference.objects.filter(environment=environment, payload__contains=as_written(customer_id)).order_by("id")
    for difference in in_chunks(found, CHUNK):
        payload = without_personal(difference.entity, difference.payload)
        if customer_id in concerns(difference.payload) and payload != difference.payload:
            Difference.objects.filter(environment=environment, pk=difference.pk).update(payload=payload)
            changed += 1
    return changed


def scrubbed_findings(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Findings about a record of an erased customer: a value stays where it is that of a plain field."""
    plain = plain_fields()
    return [
        one
        if one.get("field") in plain and not str(one.get("value", "")).startswith(("{", "["))
        else {name: value for name, value in one.items() if name != "value"}
        for one in findings
    ]


def as_written(customer_id: str) -> str:
    """The id as it stands in JSON text that `exact_json` wrote."""
    return exact_json.dumps(customer_id)[1:-1]


def _mentions(environment: Environment, customer_id: str) -> QuerySet[QuarantinedRecord]:
    """The refused records in whose text the id stands somewhere, as sent or as edited."""
    written = as_written(customer_id)
    return QuarantinedRecord.objects.filter(
        Q(payload__contains=written) | Q(edited__contains=written), environment=environment
    ).order_by("id")


def _concerned(record: QuarantinedRecord) -> set[str]:
    return concerns(record.payload) | concerns(record.edited)
