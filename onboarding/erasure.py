"""The whole erasure of a customer: the records' own part (`entities.erasure`), samples, tests, and exports with him in.

The request log needs no erasing: it masks what is personal before it is written (`integrations.payloads`). Money, and
free text such as the note of a transaction, stay: they are the partner's books.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from typing import Any
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet

from entities import erasure as entities_erasure
from entities.erasure import as_written, checked_reason, erasure_of, is_stored, scrubbed_findings
from entities.models import Erasure
from entities.pipeline.erased import concerns, erased_among, without_personal
from entities.pipeline.locks import INGEST_LOCK
from integrations.shown_rows import erase_rows, shows
from onboarding.exports import delete_exports
from onboarding.models import Sample, SampleChunk
from track360.audit import Actor
from track360.chunks import in_chunks
from track360.models import Environment

# Store -> what its count in the certificate means. An erasure is finished when each of them has been counted.
STORES = {
    "customers": "The record itself",
    "history": "Earlier versions of the record",
    "quarantine": "Refused records",
    "differences": "Pulled versions that differ",
    "samples": "Samples",
    "tests": "Rows that tests of connections showed",
    "exports": "Exports of the partner, deleted whole",
}


def erase_customer(environment: Environment, customer_id: str, *, actor: Actor, reason: str = "") -> Erasure:
    """The certificate. Erasing somebody again, or once more after a breakdown, gives the same one.

    Whoever is known from a refused record, a sample or a test of a connection alone can be erased too.
    Raises ValidationError: `unknown_customer`, `reason`.
    """
    reason = checked_reason(reason)
    erasure = erasure_of(environment, customer_id)
    if erasure is None:
        known = is_stored(environment, customer_id) or _in_a_sample(environment, customer_id)
        if not known and not shows(environment, customer_id):
            raise ValidationError("This environment knows no customer with this id.", code="unknown_customer")
        erasure = entities_erasure.erase_records(environment, customer_id, actor=actor, reason=reason)
    return finish(erasure)


def finish(erasure: Erasure) -> Erasure:
    """Each store that has not been counted yet, in a transaction of its own; two at once take turns."""
    stores: dict[str, Callable[[Environment, str], int]] = {
        "quarantine": entities_erasure.erase_quarantine,
        "differences": entities_erasure.erase_differences,
        "samples": _erase_samples,
        "tests": erase_rows,
        "exports": lambda environment, customer_id: delete_exports(environment.partner),
    }
    for store, erase in stores.items():
        with transaction.atomic():
            erasure = Erasure.objects.select_for_update(of=("self",)).select_related("by").get(pk=erasure.pk)
            if store not in erasure.counts:
                erasure.counts[store] = erase(erasure.environment, erasure.customer_id)
                erasure.save(update_fields=["counts"])
    return erasure


def erasures_of(environment: Environment) -> QuerySet[Erasure]:
    return Erasure.objects.filter(environment=environment).select_related("by").order_by("-erased_at")


def is_finished(erasure: Erasure) -> bool:
    return set(STORES) <= set(erasure.counts)


def unfinished() -> QuerySet[Erasure]:
    """Erasures whose process ended half way: a task takes them up again."""
    return Erasure.objects.exclude(counts__has_keys=list(STORES))


def certificate(erasure: Erasure) -> dict[str, Any]:
    """The certificate as JSON: what was erased where, when and by whom, never what it said."""
    return {
        "id": str(erasure.pk),
        "environment": erasure.environment.kind,
        "customer_id": erasure.customer_id,
        "erased_at": erasure.erased_at.isoformat().replace("+00:00", "Z"),
        "erased_by": erasure.by.get_full_name() if erasure.by else f"client {erasure.client_id}",
        "reason": erasure.reason,
        "erased": {store: erasure.counts.get(store, 0) for store in STORES},
    }


# -- Samples ------------------------------------------------------------------


def scrub_sample(sample: Sample) -> None:
    """Take erased customers out of a sample that has just been checked; in the transaction that ends the check.

    Under the environment's lock, so that an erasure either comes after the check and finds it done, or is seen here.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock_shared(%s, %s)", [INGEST_LOCK, sample.environment_id])
    erasures = Erasure.objects.filter(environment=sample.environment_id)
    if not erasures.exists():
        return
    if sample.state == Sample.State.UNREADABLE:
        if _body_names(sample, erasures.values_list("customer_id", flat=True).iterator()):
            _blank([sample.pk])
        return
    chunks = SampleChunk.objects.filter(sample=sample).order_by("number")
    mentioned: set[str] = set()
    for chunk in in_chunks(chunks, 10):
        for record in chunk.records:
            mentioned |= concerns(record)
    erased = erased_among(sample.environment, mentioned)
    if erased and any([_scrub_chunk(chunk, erased) for chunk in in_chunks(chunks, 10)]):
        _blank([sample.pk])


def _erase_samples(environment: Environment, customer_id: str) -> int:
    """Samples that held something of the customer; what was uploaded is gone, the checked records stay without him."""
    blanked = set()
    for chunk in in_chunks(_chunks_with(environment, customer_id).select_related("sample"), 10):
        if _scrub_chunk(chunk, frozenset({customer_id})):
            blanked.add(chunk.sample_id)
    unread = Sample.objects.filter(environment=environment, chunks=None)
    blanked |= {sample.pk for sample in in_chunks(unread, 1) if _body_names(sample, [customer_id])}
    _blank(blanked)
    return len(blanked)


def _scrub_chunk(chunk: SampleChunk, erased: frozenset[str]) -> bool:
    """Whether it held one of them. Findings of their records stay, without values that may be personal."""
    held = [place for place, record in enumerate(chunk.records) if concerns(record) & erased]
    if not held:
        return False
    records = list(chunk.records)
    for place in held:
        records[place] = without_personal(chunk.sample.entity, records[place])
    chunk.records = records
    chunk.errors, chunk.warnings = scrubbed_findings(chunk.errors), scrubbed_findings(chunk.warnings)
    chunk.save(update_fields=["records", "errors", "warnings"])
    return True


def _blank(sample_ids: Iterable[UUID]) -> None:
    Sample.objects.filter(pk__in=sample_ids).update(body=b"")


def _chunks_with(environment: Environment, customer_id: str) -> QuerySet[SampleChunk]:
    return SampleChunk.objects.filter(
        sample__environment=environment, records__contains=as_written(customer_id)
    ).order_by("id")


def _in_a_sample(environment: Environment, customer_id: str) -> bool:
    if not customer_id or "\x00" in customer_id:
        return False
    chunks = in_chunks(_chunks_with(environment, customer_id), 10)
    return any(customer_id in concerns(record) for chunk in chunks for record in chunk.records)


def _body_names(sample: Sample, customer_ids: Iterable[str]) -> bool:
    """Whether one of the ids stands in what was uploaded; what cannot be unpacked may hold anybody."""
    try:
        body = zlib.decompress(sample.body)
    except zlib.error:
        return bool(sample.body)
    return any(one.encode() in body for one in customer_ids)
