"""A difference that somebody accepts, with a reason: of a day's figures, or of records."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from entities.models import Difference
from integrations.models import Waiver
from integrations.reconciliation.compare import State, compared
from integrations.reconciliation.words import checked_reason, target_of
from track360 import audit
from track360.audit import Actor
from track360.models import Environment


@transaction.atomic
def waive(
    environment: Environment,
    entity: str,
    day: dt.date,
    *,
    currency: str,
    type: str,
    reason: str,
    time_zone: str,
    actor: Actor,
) -> Waiver:
    """Accept the difference as it stands now; once it is another one the waiver holds no more.

    Raises ValidationError: `reason`, or `difference` where nothing differs.
    """
    reason = checked_reason(reason, missing="Say why the difference is accepted.")
    Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)  # two at once: one after the other
    now = timezone.now()
    found = compared(environment, [day], time_zone=time_zone, now=now, entities=[entity])[entity, day]
    cell = next((cell for cell in found.cells if (cell.currency, cell.type) == (currency, type)), None)
    if cell is None or cell.state != State.DIFFERS:
        raise ValidationError("Nothing differs here that is not accepted already.", code="difference")
    _standing(environment, entity, day, currency, type).update(withdrawn_at=now)
    waiver = Waiver.objects.create(
        environment=environment,
        entity=entity,
        day=day,
        currency=currency,
        type=type,
        count_difference=cell.count_difference,
        sum_difference=cell.sum_difference,
        reason=reason,
        at=now,
        by=actor.user,
        client_id=actor.client_id,
    )
    audit.record(
        "difference.waived",
        actor=actor,
        environment=environment,
        target=_name(entity, day, currency, type),
        count=cell.count_difference,
        sum=str(cell.sum_difference),
        reason=reason,
    )
    return waiver


@transaction.atomic
def withdraw_waiver(
    environment: Environment, entity: str, day: dt.date, *, currency: str, type: str, actor: Actor
) -> None:
    """Raises ValidationError `waiver` where none stands."""
    if not _standing(environment, entity, day, currency, type).update(withdrawn_at=timezone.now()):
        raise ValidationError("There is no waiver to withdraw.", code="waiver")
    name = _name(entity, day, currency, type)
    audit.record("difference.waiver_withdrawn", actor=actor, environment=environment, target=name)


def _standing(environment: Environment, entity: str, day: dt.date, currency: str, type: str) -> QuerySet[Waiver]:
    return Waiver.objects.select_for_update().filter(
        environment=environment, entity=entity, day=day, currency=currency, type=type, withdrawn_at=None
    )


def _name(entity: str, day: dt.date, currency: str, type: str) -> str:
    return " ".join(part for part in (entity, "of", str(day), currency, type) if part)


@transaction.atomic
def waive_records(
    environment: Environment, entity: str, differences: Sequence[Difference], *, reason: str, actor: Actor
) -> int:
    """Leave records as pushed though the pulled ones differ; gives how many. The same pulled version opens none again.

    Raises ValidationError `reason`.
    """
    reason = checked_reason(reason, missing="Say why the pushed versions stay.")
    open_ones = Difference.objects.filter(
        environment=environment, entity=entity, pk__in=[row.pk for row in differences], closed_at=None
    )
    waived = list(open_ones.select_for_update().order_by("record_id"))  # the order in which a batch notes them
    open_ones.update(
        outcome=Difference.Outcome.WAIVED,
        reason=reason,
        closed_at=timezone.now(),
        closed_by=actor.user,
        client_id=actor.client_id,
    )
    if waived:
        audit.record(
            "difference.waived", actor=actor, environment=environment, reason=reason, **target_of(entity, waived)
        )
    return len(waived)
