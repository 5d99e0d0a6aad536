"""What people do with samples: try one, say which column is which, mend it. They live in the sandbox."""

from __future__ import annotations

import csv
import datetime as dt
import io
import uuid
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.utils import timezone

from onboarding.models import ColumnMapping, Sample
from onboarding.sample_checks import OPEN, WITHOUT_COLUMNS, is_without_columns, payload_of, read_if_small, storable
from onboarding.sample_columns import guess_columns, is_certain, required_fields
from onboarding.sample_reading import Text, Unreadable, chunks, csv_rows, look
from track360 import audit, exact_json
from track360.audit import Actor
from track360.chunks import in_chunks
from track360.models import Environment, Partner

# -- Making one ---------------------------------------------------------------


@transaction.atomic
def create_sample(
    environment: Environment,
    *,
    entity: str,
    payload: bytes,
    origin: str,
    actor: Actor,
    name: str = "",
    mends: Sample | None = None,
    columns: Mapping[str, str] | None = None,
) -> Sample:
    """Keep a payload to be checked. A CSV whose columns cannot be told waits for `set_columns`.

    Raises ValidationError where no record can be read from it; a large one shows that only to the worker.
    """
    try:
        text = look(payload)
    except Unreadable as error:
        raise ValidationError(str(error), code="unreadable") from None
    sample = Sample.objects.create(
        environment=environment,
        entity=entity,
        origin=origin,
        mends=mends,
        name=storable(name)[:200],
        format=text.format,
        size=len(payload),
        body=zlib.compress(payload),
        columns=_certain_columns(environment.partner, entity, text, mends) if columns is None else dict(columns),
        created_by=actor.user,
        client_id=actor.client_id,
        notices=[storable(notice) for notice in text.notices],
    )
    audit.record(
        "sample.mended" if mends else "sample.created",
        actor=actor,
        environment=environment,
        target=str(sample.pk),
        entity=entity,
        size=sample.size,
        origin=origin,
    )
    read_if_small(sample, text)
    return sample


def _certain_columns(partner: Partner, entity: str, text: Text, mends: Sample | None) -> dict[str, str]:
    """Empty where somebody has to say which column is which."""
    if text.format != Sample.Format.CSV:
        return {}
    remembered = remembered_columns(partner, entity)
    if mends is not None and mends.entity == entity:
        remembered |= mends.columns
    columns = guess_columns(entity, text.header, remembered)
    return columns if is_certain(entity, columns, remembered) else {}


def remembered_columns(partner: Partner, entity: str) -> dict[str, str]:
    return ColumnMapping.objects.filter(partner=partner, entity=entity).values_list("columns", flat=True).first() or {}


@transaction.atomic
def set_columns(sample: Sample, *, entity: str, columns: Mapping[str, str], actor: Actor) -> Sample:
    """Say which column holds which field; remembered for the partner's next sample of the entity.

    A sample that was waiting for it is given them; of one that has been checked a new one is made. `entity` may differ
    from the sample's, where it turned out to be of another one. Raises ValidationError.
    """
    fields = [field for field in columns.values() if field]
    missing = [field for field in required_fields(entity) if field not in fields]
    if missing:
        words = ", ".join(missing)
        raise ValidationError(f"No column holds {words}, which every record must have.", code="missing")
    doubled = [field for field, count in Counter(fields).items() if count > 1]
    if doubled:
        raise ValidationError(f"Two columns hold {doubled[0]}. Choose one of them.", code="doubled")
    partner = sample.environment.partner
    kept = remembered_columns(partner, entity) | dict(columns)
    ColumnMapping.objects.update_or_create(
        partner=partner, entity=entity, defaults={"columns": kept, "updated_at": timezone.now()}
    )
    sample = Sample.objects.select_for_update(of=("self",)).select_related("environment__partner").get(pk=sample.pk)
    if not is_without_columns(sample):
        return create_sample(
            sample.environment,
            entity=entity,
            payload=payload_of(sample),
            origin=_origin_of_mend(sample),
            actor=actor,
            name=sample.name,
            mends=sample,
            columns=columns,
        )
    sample.entity, sample.columns = entity, dict(columns)
    sample.save(update_fields=["entity", "columns"])
    audit.record(
        "sample.columns_set", actor=actor, environment=sample.environment, target=str(sample.pk), entity=entity
    )
    try:
        read_if_small(sample, look(payload_of(sample)))
    except Unreadable as error:
        raise ValidationError(str(error), code="unreadable") from None
    return sample


@transaction.atomic
def switch_entity(sample: Sample, *, entity: str, actor: Actor) -> Sample:
    """It was one of another entity: check it again as that, in its own row, so that it counts for the right one."""
    sample = Sample.objects.select_for_update(of=("self",)).select_related("environment__partner").get(pk=sample.pk)
    if sample.state in OPEN and not is_without_columns(sample):
        raise ValidationError("It is being checked. Switch it when that is done.", code="checking")
    if entity == sample.entity:
        return sample
    text = look(payload_of(sample))
    audit.record(
        "sample.switched",
        actor=actor,
        environment=sample.environment,
        target=str(sample.pk),
        before=sample.entity,
        after=entity,
    )
    sample.chunks.all().delete()
    sample.entity = entity
    sample.columns = _certain_columns(sample.environment.partner, entity, text, None)
    sample.state, sample.started_at, sample.finished_at = Sample.State.WAITING, None, None
    sample.total = sample.checked = sample.invalid = sample.error_count = sample.warning_count = 0
    sample.groups, sample.problem = [], ""
    sample.save()
    read_if_small(sample, text)
    return sample


def mend_sample(sample: Sample, *, payload: bytes, actor: Actor) -> Sample:
    """A new sample from an old one's text as it was mended on the page. Raises ValidationError."""
    return create_sample(
        sample.environment,
        entity=sample.entity,
        payload=payload,
        origin=_origin_of_mend(sample),
        actor=actor,
        name=sample.name,
        mends=sample,
    )


def mend_records(sample: Sample, *, indexes: Collection[int], payload: bytes, actor: Actor) -> Sample:
    """A new sample in which the records at these positions gave way to those of `payload`, all others stay.

    Raises ValidationError.
    """
    try:
        whole = _replaced(sample, set(indexes), payload)
    except Unreadable as error:
        raise ValidationError(str(error), code="unreadable") from None
    return mend_sample(sample, payload=whole, actor=actor)


def _replaced(sample: Sample, indexes: set[int], payload: bytes) -> bytes:
    first = min(indexes)
    if sample.format == Sample.Format.CSV:
        text = look(payload_of(sample))
        edited = look(payload)
        if edited.header != text.header:
            raise Unreadable("Keep the header as it is: all other rows stand under it.")
        new = list(csv_rows(edited.text, edited.delimiter))[1:]
        out = io.StringIO()
        writer = csv.writer(out, delimiter=text.delimiter)
        rows = (row for row, _ in csv_rows(text.text, text.delimiter) if any(row))
        for index, row in enumerate(rows, start=-1):  # the header has no position
            if index == first:
                writer.writerows(row for row, _ in new)
            if index not in indexes:
                writer.writerow(row)
        return out.getvalue().encode()
    edited_records = [record for chunk in chunks(look(payload), sample.entity, {}) for record in chunk.records]
    old = (record for chunk in in_chunks(sample.chunks.order_by("number"), 1) for record in chunk.records)
    records: list[Any] = []
    for index, record in enumerate(old):
        if index == first:
            records += edited_records
        if index not in indexes:
            records.append(record)
    return payload_from(records)


def payload_from(records: Iterable[Any]) -> bytes:
    """Records as a JSON array with a line for each."""
    return ("[\n" + ",\n".join(map(exact_json.dumps, records)) + "\n]").encode()


def _origin_of_mend(sample: Sample) -> str:
    """A lesson stays one, however well it was mended: it is nothing that the partner's platform made."""
    return Sample.Origin.LESSON if sample.origin == Sample.Origin.LESSON else Sample.Origin.MENDED


# -- What is waiting ----------------------------------------------------------


def waiting_samples(*, since: dt.datetime) -> list[uuid.UUID]:
    """Ids of samples made before `since` of which something is left to check."""
    samples = Sample.objects.filter(state__in=OPEN, created_at__lt=since).exclude(WITHOUT_COLUMNS)
    return list(samples.order_by("created_at").values_list("pk", flat=True)[:1000])
