"""Reads of samples, for pages and the API: the newest, the history, the records with what was found in them."""

from __future__ import annotations

import itertools
import uuid
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from entities.paging import PER_PAGE
from entities.pipeline.validate import MAX_RECORDS
from onboarding.models import Sample
from onboarding.sample_checks import WITHOUT_COLUMNS
from onboarding.sample_columns import better_entity
from track360.models import Environment

Json = dict[str, Any]


def samples_for(environment: Environment) -> QuerySet[Sample]:
    """Without their payloads, which a list must not load."""
    return Sample.objects.filter(environment=environment).defer("body")


def counted_samples(environment: Environment) -> QuerySet[Sample]:
    """Those that step 4 goes by: no lessons, and none that waits for somebody to say which column is which."""
    return samples_for(environment).exclude(origin=Sample.Origin.LESSON).exclude(WITHOUT_COLUMNS)


def newest_samples(environment: Environment) -> dict[str, Sample]:
    """Entity -> the newest sample that counts."""
    newest = counted_samples(environment).order_by("entity", "-created_at").distinct("entity")
    return {sample.entity: sample for sample in newest.select_related("created_by")}


def sample_page(environment: Environment, *, entity: str, page: int) -> tuple[list[Sample], bool]:
    """A page of the history, newest first, and whether there is more; of all entities where `entity` is empty."""
    samples = samples_for(environment).select_related("created_by").order_by("-created_at", "id")
    if entity:
        samples = samples.filter(entity=entity)
    start = (page - 1) * PER_PAGE
    found = list(samples[start : start + PER_PAGE + 1])
    return found[:PER_PAGE], len(found) > PER_PAGE


def sample_for(environment: Environment, sample_id: uuid.UUID) -> Sample | None:
    found = Sample.objects.filter(environment=environment, pk=sample_id)
    return found.select_related("environment__partner", "created_by", "mends").defer("mends__body").first()


# -- The records, a page at a time --------------------------------------------


@dataclass(frozen=True)
class Checked:
    """One record of a sample, its place in it (from 0), the line where it begins, and what was found in it.

    `span` is how many lines lie between its beginning and the next one's.
    """

    index: int
    line: int
    record: Any
    errors: list[Json]
    warnings: list[Json]
    span: int = 1


def checked_records(sample: Sample, *, faulty: bool, start: int = 0, limit: int = PER_PAGE) -> list[Checked]:
    """Up to `limit` records from `start` on, counted among all or among the faulty ones only."""
    return list(itertools.islice(records_from(sample, faulty=faulty, start=start), limit))


def records_from(sample: Sample, *, faulty: bool, start: int = 0) -> Iterator[Checked]:
    """Only the chunks that hold something of what is asked for are read."""
    sizes = sample.chunks.order_by("number").values_list("pk", "first", "invalid")
    ends = [*(first for _, first, _ in sizes[1:]), sample.total][: len(sizes)]
    passed = 0
    for (pk, first, invalid), end in zip(sizes, ends, strict=True):
        count = invalid if faulty else end - first
        if count and passed + count > start:
            found = (record for record in _of_chunk(sample, pk) if record.errors or not faulty)
            yield from itertools.islice(found, max(start - passed, 0), None)
        passed += count


def _of_chunk(sample: Sample, pk: int) -> Iterator[Checked]:
    chunk = sample.chunks.get(pk=pk)
    errors, warnings = _by_index(chunk.errors), _by_index(chunk.warnings)
    lines = chunk.lines or [0] * len(chunk.records)
    for place, record in enumerate(chunk.records):
        before = min(place, len(lines) - 2)  # the last one is taken to be as long as the one before
        span = lines[before + 1] - lines[before] if before >= 0 else 1
        yield Checked(chunk.first + place, lines[place], record, errors[place], warnings[place], span)


def _by_index(findings: list[Json]) -> defaultdict[int, list[Json]]:
    found: defaultdict[int, list[Json]] = defaultdict(list)
    for finding in findings:
        found[finding["index"]].append(finding)
    return found


def page_of(sample: Sample, index: int) -> int:
    """On which page (from 1) of the faulty records the one at this position of the sample stands."""
    before = 0
    for pk, first, invalid in sample.chunks.order_by("number").values_list("pk", "first", "invalid"):
        if first + MAX_RECORDS > index:
            before += sum(1 for record in _of_chunk(sample, pk) if record.errors and record.index < index)
            break
        before += invalid
    return before // PER_PAGE + 1


def fitting_entity(sample: Sample) -> str | None:
    """The entity whose fields it has, where that is clearly another one."""
    if not any(group["code"] in {"additional_property", "required"} for group in sample.groups):
        return None
    chunk = sample.chunks.order_by("number").first()
    records = [record for record in (chunk.records[:20] if chunk else []) if isinstance(record, dict)]
    return better_entity(sample.entity, {name for record in records for name in record})
