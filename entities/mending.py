"""What a person does to refused records: mend one, drop some. As sent they stay as they are."""

from __future__ import annotations

import unicodedata
from typing import Any

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.utils import timezone

from entities.erasure import REASON_LENGTH, checked_reason
from entities.models import Batch, QuarantinedRecord, QuarantineEvent
from entities.pipeline import ingest
from entities.pipeline.erased import concerns, erased_among, without_personal
from entities.pipeline.quarantine import readable_key
from entities.pipeline.transaction import in_transaction
from entities.replays import Filters, chosen
from entities.retries import HELD, set_errors
from track360 import audit, exact_json
from track360.audit import Actor
from track360.models import Environment

EDITABLE = 256 * 1024  # characters of a record
EVENTS = """
INSERT INTO entities_quarantineevent (record_id, at, kind, by_id, client_id, batch_id, outcome, reason)
SELECT number, %(at)s, %(kind)s, %(by)s, %(client)s, NULL, '', %(reason)s FROM unnest(%(numbers)s) AS number
"""


def edit_record(record: QuarantinedRecord, *, payload: Any, actor: Actor) -> QuarantinedRecord:
    """Keep what a person made of the record, and check it again; it stays held.

    What is personal of an erased customer is dropped. Raises ValidationError `type`, `too_large`, `closed`.
    """
    if not isinstance(payload, dict):
        raise ValidationError("The record must be one JSON object.", code="type")
    if len(exact_json.dumps(payload)) > EDITABLE:
        raise ValidationError(f"A record has at most {EDITABLE // 1024} kB.", code="too_large")
    environment, entity = record.environment, record.entity
    report = ingest(environment, entity, [payload], shape="array", door=Batch.Door.REPLAY, lenient=True, dry_run=True)

    def keep() -> QuarantinedRecord:
        found = QuarantinedRecord.objects.select_for_update().get(pk=record.pk)
        if found.state != HELD:
            raise ValidationError(f"It is {found.state} already: a record is edited while it is held.", code="closed")
        # An erasure takes the environment for itself: none comes between this look and the end.
        is_erased = erased_among(environment, concerns(payload) | concerns(found.payload))
        found.edited = without_personal(entity, payload) if is_erased else payload
        found.key = readable_key(entity, found.edited)
        set_errors(found, report.errors)
        found.save(update_fields=["edited", "key", "errors", "code", "field", "waits_for"])
        QuarantineEvent.objects.create(
            record=found, kind=QuarantineEvent.Kind.EDITED, by=actor.user, client_id=actor.client_id
        )
        audit.record(
            "quarantine.edited",
            actor=actor,
            environment=environment,
            target=found.key or str(found.pk),
            record=found.pk,
            entity=entity,
            errors=len(report.errors),
        )
        return found

    return in_transaction(environment, keep)


@transaction.atomic
def drop_records(environment: Environment, *, filters: Filters, reason: str, actor: Actor) -> int:
    """Close held records for good, with the reason; nothing is deleted. Gives how many.

    Raises ValidationError `filters`, `reason`.
    """
    reason = checked_reason(reason)
    if not any(unicodedata.category(sign)[0] not in "CZ" for sign in reason):
        raise ValidationError(
            f"Say why they are not needed, in at most {REASON_LENGTH} characters: it stays with each of them.",
            code="reason",
        )
    numbers = list(chosen(environment, filters).select_for_update().order_by("pk").values_list("pk", flat=True))
    if not numbers:
        return 0
    now = timezone.now()
    QuarantinedRecord.objects.filter(pk__in=numbers).update(state=QuarantinedRecord.State.DROPPED, closed_at=now)
    with connection.cursor() as cursor:
        cursor.execute(
            EVENTS,
            {
                "at": now,
                "kind": QuarantineEvent.Kind.DROPPED.value,
                "by": actor.user.pk if actor.user else None,
                "client": actor.client_id,
                "reason": reason,
                "numbers": numbers,
            },
        )
    audit.record(
        "quarantine.dropped",
        actor=actor,
        environment=environment,
        target=str(filters.get("entity", "any entity")),
        filters=filters,
        records=len(numbers),
        reason=reason,
    )
    return len(numbers)
