"""From a kept payload to its result: read into chunks, each checked by the pipeline in a dry run, once.

What is left to do stands in the sample: `total` is 0 until it has been read, `checked` says how many of its records
have been through the pipeline.
"""

from __future__ import annotations

import uuid
import zlib
from collections import Counter
from typing import Any

import orjson
from django.core.exceptions import ValidationError
from django.db import DatabaseError, transaction
from django.db.models import Q, QuerySet, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from entities.models import Batch, Entity
from entities.pipeline import RecordError, ingest
from entities.pipeline.erased import storable as as_kept
from entities.pipeline.validate import pointer_to
from onboarding.checklist import judge_after_commit
from onboarding.erasure import scrub_sample
from onboarding.models import Sample, SampleChunk
from onboarding.sample_reading import Text, Unreadable, chunks, look
from track360.alone import alone
from track360.models import Environment

READ_AT_ONCE = 2 * 1024 * 1024  # bytes; what is longer is read by the worker
KEPT_PER_RECORD = 20  # findings; all are counted
KEPT_GROUPS = 100
OPEN = (Sample.State.WAITING, Sample.State.CHECKING)
WITHOUT_COLUMNS = Q(format=Sample.Format.CSV, columns={})


def is_without_columns(sample: Sample) -> bool:
    return sample.format == Sample.Format.CSV and not sample.columns and sample.state == Sample.State.WAITING


def payload_of(sample: Sample) -> bytes:
    """As sent. Raises ValidationError where it was erased."""
    body = bytes(sample.body)
    if not body:
        raise ValidationError("Its payload was erased with a customer's personal data. Send it again.", code="erased")
    return zlib.decompress(body)


def check_sample(sample_id: uuid.UUID) -> None:
    """Read it into chunks, then check chunk after chunk from where an earlier attempt stopped.

    Only one process at a time does it: the lock belongs to the database session, and ends with it where the process is
    killed. What is done, or is done by another, is left alone.
    """
    with alone(sample_id) as mine:
        samples = Sample.objects.filter(pk=sample_id, state__in=OPEN).exclude(WITHOUT_COLUMNS)
        sample = samples.select_related("environment__partner").first() if mine else None
        if sample is None:
            return
        if not sample.total:
            try:
                _read(sample, look(payload_of(sample)))
            except Unreadable as error:
                _finish(sample, state=Sample.State.UNREADABLE, problem=storable(str(error)))
                return
            except ValidationError as error:
                _finish(sample, state=Sample.State.UNREADABLE, problem=error.messages[0])
                return
        try:
            _check_chunks(sample)
        except DatabaseError:
            if Sample.objects.filter(pk=sample_id).exists():
                raise
            # The sandbox was emptied meanwhile: there is nothing left to check.


def _check_chunks(sample: Sample) -> None:
    known = frozenset() if sample.entity == Entity.CUSTOMERS else known_customers(sample.environment)
    while chunk := sample.chunks.filter(first__gte=sample.checked).order_by("number").first():
        _check_chunk(sample, chunk, known)
    _finish(sample, state=Sample.State.DONE)


def read_if_small(sample: Sample, text: Text) -> None:
    """A fault in a small payload is told in the answer to the form that brought it. Raises ValidationError."""
    if is_without_columns(sample) or sample.size > READ_AT_ONCE:
        return
    try:
        _read(sample, text)
    except Unreadable as error:
        raise ValidationError(str(error), code="unreadable") from None


@transaction.atomic
def _read(sample: Sample, text: Text) -> None:
    """Write its chunks, unchecked but for what is wrong with how the file was written. Raises Unreadable."""
    total = 0
    for number, chunk in enumerate(chunks(text, sample.entity, sample.columns)):
        errors = [
            RecordError(position, pointer_to(position), None, finding.code, finding.message).as_dict()
            for position, finding in chunk.findings.items()
        ]
        SampleChunk.objects.create(
            sample=sample,
            number=number,
            first=total,
            records=chunk.records,
            lines=chunk.lines,
            errors=errors,
            warnings=[],
        )
        total += len(chunk.records)
    sample.total, sample.started_at, sample.state = total, timezone.now(), Sample.State.CHECKING
    sample.save(update_fields=["total", "started_at", "state"])


def _check_chunk(sample: Sample, chunk: SampleChunk, known: frozenset[str]) -> None:
    report = ingest(
        sample.environment,
        sample.entity,
        chunk.records,
        shape="array",
        door=Batch.Door.SAMPLE,
        dry_run=True,
        known_customers=known,
    )
    # In a row with a cell too few or too many all others may have slipped: only that is said.
    misread = {error["index"] for error in chunk.errors}
    errors = chunk.errors + [as_kept(error) for error in report.errors if error.index not in misread]
    warnings = [as_kept(warning) for warning in report.warnings if warning.index not in misread]
    chunk.errors, chunk.warnings = _first_of_each(errors), _first_of_each(warnings)
    chunk.invalid = len({error["index"] for error in errors})
    sample.checked += len(chunk.records)
    sample.invalid += chunk.invalid
    sample.error_count += len(errors)
    sample.warning_count += len(warnings)
    sample.groups = _grouped(sample.groups, errors, first=chunk.first)
    with transaction.atomic():
        chunk.save(update_fields=["errors", "warnings", "invalid"])
        sample.save(update_fields=["checked", "invalid", "error_count", "warning_count", "groups"])


def _first_of_each(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The first findings of each record: one with ten thousand unknown fields is not worth ten thousand lines."""
    count: Counter[int] = Counter()
    kept = []
    for finding in sorted(findings, key=lambda finding: finding["index"]):
        count[finding["index"]] += 1
        if count[finding["index"]] <= KEPT_PER_RECORD:
            kept.append(finding)
    return kept


def _grouped(groups: list[dict[str, Any]], errors: list[dict[str, Any]], *, first: int) -> list[dict[str, Any]]:
    """The groups with these errors counted in, the commonest first; `first` turns an index into a position."""
    by_cause = {(group["code"], group["field"]): dict(group) for group in groups}
    for error in errors:
        field = storable(error["field"] or "")[:200]
        cause = error["code"], field
        if cause not in by_cause and len(by_cause) < KEPT_GROUPS:
            message = storable(error["message"])[:500]
            position = first + error["index"]
            by_cause[cause] = {"code": cause[0], "field": field, "count": 0, "first": position, "message": message}
        if cause in by_cause:
            by_cause[cause]["count"] += 1
    return sorted(by_cause.values(), key=lambda group: (-group["count"], group["code"], group["field"]))


@transaction.atomic
def _finish(sample: Sample, *, state: str, problem: str = "") -> None:
    sample.state, sample.problem, sample.finished_at = state, problem, timezone.now()
    scrub_sample(sample)
    sample.save(update_fields=["state", "problem", "finished_at"])
    judge_after_commit(sample.environment.partner)


def storable(text: str) -> str:
    """Text that a column takes: a NUL in it is shown by its sign."""
    return text.replace("\x00", "\N{SYMBOL FOR NULL}")


def known_customers(environment: Environment) -> frozenset[str]:
    """The ids in the newest valid customer sample: they count as known in samples (contract, section 7, step 4)."""
    newest = valid_samples(environment).filter(entity=Entity.CUSTOMERS).order_by("-created_at").first()
    if newest is None:
        return frozenset()
    texts = newest.chunks.annotate(text=Cast("records", TextField())).values_list("text", flat=True)
    records = (record for text in texts for record in orjson.loads(text))
    return frozenset(record["customer_id"] for record in records if "customer_id" in record)


def valid_samples(environment: Environment) -> QuerySet[Sample]:
    """Those without errors, lessons left out."""
    checked = Sample.objects.filter(environment=environment, state=Sample.State.DONE, invalid=0, total__gt=0)
    return checked.exclude(origin=Sample.Origin.LESSON).defer("body")
