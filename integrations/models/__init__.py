"""Who may send, what was sent, and where we fetch."""

from __future__ import annotations

from integrations.models.client import Client, ClientSecret, TokenOrigin
from integrations.models.connection import Connection, ConnectionTest, Feed, default_overlap
from integrations.models.reconciliation import DayTotals, DoubledDay, TotalsWatermark, Waiver
from integrations.models.request_log import ApiRequest
from integrations.models.sync_run import ConformanceReport, SyncEvent, SyncRun
from integrations.models.webhook import WebhookEndpoint

__all__ = [
    "ApiRequest",
    "Client",
    "ClientSecret",
    "ConformanceReport",
    "Connection",
    "ConnectionTest",
    "DayTotals",
    "DoubledDay",
    "Feed",
    "SyncEvent",
    "SyncRun",
    "TokenOrigin",
    "TotalsWatermark",
    "Waiver",
    "WebhookEndpoint",
    "default_overlap",
]
