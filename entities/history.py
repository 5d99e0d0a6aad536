"""A record's history as a reader wants it: what changed from what to what, when, and what brought it."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast

from entities.models import Batch, Entity, Record
from entities.privacy import masked_value
from entities.selectors import history_of
from track360.models import Environment

SHOWN_VERSIONS = 50

# The guide's fields, in its order; of the computed values those that a person would miss.
FIELDS: dict[Entity, tuple[str, ...]] = {
    Entity.CUSTOMERS: (
        "customer_id",
        "signup_date",
        "last_modified_date",
        "affiliate_id",
        "campaign_id",
        "click_id",
        "lang_id",
        "country_code",
        "kyc_status_id",
        "sales_status_id",
        "first_name",
        "last_name",
        "email",
    ),
    Entity.TRANSACTIONS: (
        "transaction_id",
        "customer_id",
        "transaction_type",
        "transaction_subtype",
        "amount_currency",
        "currency",
        "transaction_date",
        "status",
        "note",
        "amount_usd",
    ),
    Entity.ACTIVITY: (
        "date",
        "customer_id",
        "game_type",
        "currency",
        "bets_count",
        "total_bets",
        "wins",
        "ggr",
        "ngr",
    ),
}


@dataclass(frozen=True)
class Version:
    """One version of a record: when it was stored, by which batch and door, and what it changed."""

    at: dt.datetime
    title: str
    source: str
    batch_id: uuid.UUID
    changes: list[tuple[str, str | None, str | None]]  # field, old, new


@dataclass(frozen=True)
class History:
    """The newest 50 versions, newest first; `is_complete` where the first one is among them."""

    versions: list[Version]
    is_complete: bool


def versions_of(environment: Environment, entity: Entity, record: Record, *, personal: bool) -> History:
    """What happened to `record`; without `personal` the values of the PII fields are dots."""
    rows = history_of(environment, entity, record.pk).annotate(old_text=Cast("old", TextField())).defer("old")
    changes = list(rows[: SHOWN_VERSIONS + 1])
    # As text, so that no amount passes through a binary float.
    olds = [_values(type(record), entity, json.loads(change.old_text, parse_float=Decimal)) for change in changes]
    newer = [{name: getattr(record, name) for name in (*FIELDS[entity], "source")}, *olds]
    versions = [
        Version(
            at=change.changed_at,
            title="Changed",
            source=str(now["source"]),
            batch_id=change.batch_id,
            changes=_differences(entity, old, now, personal=personal),
        )
        for change, old, now in zip(changes, olds, newer, strict=False)
    ]
    complete = len(changes) <= SHOWN_VERSIONS
    if complete:
        oldest = json.loads(changes[-1].old_text) if changes else {}
        versions.append(
            Version(
                at=record.received_at,
                title="Received",
                source=str(newer[-1]["source"]),
                batch_id=uuid.UUID(oldest["batch_id"]) if oldest.get("batch_id") else record.batch_id,
                changes=[],
            )
        )
    return History(versions[:SHOWN_VERSIONS], complete)


def requests_of(environment: Environment, batch_ids: Iterable[uuid.UUID]) -> dict[uuid.UUID, uuid.UUID]:
    """Batch id -> id of the request that brought it; batches that came by another door are left out."""
    batches = Batch.objects.filter(environment=environment, id__in=set(batch_ids), request_id__isnull=False)
    return {batch: request for batch, request in batches.values_list("id", "request_id") if request}


def _values(model: type[Record], entity: Entity, old: dict[str, Any]) -> dict[str, Any]:
    """The old values as the columns hold them: moments as moments, so that they compare and read alike."""
    columns = {field.attname: field for field in model._meta.fields}
    values = {name: columns[name].to_python(old.get(name)) for name in FIELDS[entity]}
    return {**values, "source": old.get("source", "")}


def _differences(
    entity: Entity, old: dict[str, Any], new: dict[str, Any], *, personal: bool
) -> list[tuple[str, str | None, str | None]]:
    def shown(name: str, value: Any) -> str | None:
        return _text(value if personal else masked_value(name, value))

    return [(name, shown(name, old[name]), shown(name, new[name])) for name in FIELDS[entity] if old[name] != new[name]]


def _text(value: Any) -> str | None:
    if isinstance(value, dt.datetime):
        return f"{value.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(value, Decimal):
        return f"{value:,.2f}"
    return None if value is None else str(value)
