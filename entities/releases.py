"""Refused records that lacked only their customer, stored by themselves once he has come by any door."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, QuerySet

from entities.models import Customer, QuarantinedRecord, QuarantineEvent
from entities.retries import HELD, Moved, batches, read_for_retry, retry
from track360.audit import Actor
from track360.models import Environment

SYSTEM = Actor()
HAS_COME = Exists(Customer.objects.filter(environment=OuterRef("environment"), customer_id=OuterRef("waits_for")))


def _arrived() -> QuerySet[QuarantinedRecord]:
    return QuarantinedRecord.objects.filter(HAS_COME, state=HELD, waits_for__isnull=False)


def environments_to_release() -> QuerySet[Environment]:
    """Those in which somebody has come for whom a record waits."""
    return Environment.objects.filter(Exists(_arrived().filter(environment=OuterRef("pk")))).order_by("pk")


def release_waiting(environment: Environment) -> int:
    """Store what waits for customers who are there now, in the order in which it was refused; gives how many.

    Where another does the same at this moment it is left to that one. Raises Problem `unavailable`.
    """
    released = after = 0
    arrived = _arrived().filter(environment=environment)
    while records := read_for_retry(arrived, after=after):
        for batch in batches(records):
            try:
                tried = retry(environment, batch, actor=SYSTEM, stored_as=QuarantineEvent.Kind.RELEASED)
            except Moved:
                continue
            released += tried.passed
        after = records[-1].pk
    return released
