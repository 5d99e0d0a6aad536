"""The records and what explains them; each table starts from its environment or its partner."""

from __future__ import annotations

from entities.models.activity import Activity, GgrSource
from entities.models.affiliate import Affiliate
from entities.models.base import Entity, JsonTextField, Record, Source
from entities.models.batch import Batch, BatchHour, RecordCounter
from entities.models.customer import Customer
from entities.models.erasure import Erasure
from entities.models.fx_rate import FxRate
from entities.models.quarantine import QuarantinedRecord, QuarantineEvent, Replay
from entities.models.reconciling import Difference, Sighting
from entities.models.record_change import RecordChange
from entities.models.status_mapping import (
    CANONICAL,
    CANONICAL_VALUES,
    CanonicalValue,
    MappingChange,
    MappingChangeLine,
    SeenStatus,
    StatusField,
    StatusMapping,
)
from entities.models.transaction import FxSource, Transaction

__all__ = [
    "CANONICAL",
    "CANONICAL_VALUES",
    "Activity",
    "Affiliate",
    "Batch",
    "BatchHour",
    "CanonicalValue",
    "Customer",
    "Difference",
    "Entity",
    "Erasure",
    "FxRate",
    "FxSource",
    "GgrSource",
    "JsonTextField",
    "MappingChange",
    "MappingChangeLine",
    "QuarantineEvent",
    "QuarantinedRecord",
    "Record",
    "RecordChange",
    "RecordCounter",
    "Replay",
    "SeenStatus",
    "Sighting",
    "Source",
    "StatusField",
    "StatusMapping",
    "Transaction",
]
