"""Addresses of pages, for views: of this partner and environment, and of a list further on."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.urls import reverse

from entities.paging import Page
from track360.htmx import PortalRequest


def portal_url(request: PortalRequest, name: str, *more: Any) -> str:
    return reverse(name, args=[request.partner.slug, request.environment.kind, *more])


def request_url(request: PortalRequest, request_id: uuid.UUID | None) -> str:
    """The page of the API call with this id, which the app above this one serves; empty for None."""
    return portal_url(request, "request-detail", request_id) if request_id else ""


def run_url(request: PortalRequest, run_id: uuid.UUID | None) -> str:
    """The page of the sync run with this id, which the app above serves; empty for None."""
    return portal_url(request, "sync-run-detail", run_id) if run_id else ""


def page_addresses(request: PortalRequest, page: Page[Any]) -> dict[str, str]:
    """What `components/pager.html` links to: this list with its filters, further on, back, or from the top."""
    filters = {name: value for name, value in request.GET.items() if name not in ("before", "after") and value}

    def address(position: dict[str, str] | None) -> str:
        return "" if position is None else f"{request.path}?{urlencode({**filters, **position})}"

    return {
        "first_url": "" if page.is_first else f"{request.path}?{urlencode(filters)}",
        "previous_url": address(page.newer),
        "next_url": address(page.older),
    }
