"""Who may send, and what was sent."""

from __future__ import annotations

from integrations.models.client import Client, ClientSecret, TokenOrigin
from integrations.models.request_log import ApiRequest
from integrations.models.webhook import WebhookEndpoint

__all__ = ["ApiRequest", "Client", "ClientSecret", "TokenOrigin", "WebhookEndpoint"]
