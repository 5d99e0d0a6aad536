"""The walk of a partner to production, what he tried on the way, and what he is told."""

from __future__ import annotations

from onboarding.models.checklist import (
    Onboarding,
    Pattern,
    RehearsalWindow,
    Scope,
    SignOff,
    StepChange,
    StepNote,
    StepOverride,
    StepState,
)
from onboarding.models.closing import PartnerExport, SandboxReset
from onboarding.models.notification import Delivery, Notification
from onboarding.models.sample import ColumnMapping, Sample, SampleChunk

__all__ = [
    "ColumnMapping",
    "Delivery",
    "Notification",
    "Onboarding",
    "PartnerExport",
    "Pattern",
    "RehearsalWindow",
    "Sample",
    "SampleChunk",
    "SandboxReset",
    "Scope",
    "SignOff",
    "StepChange",
    "StepNote",
    "StepOverride",
    "StepState",
]
