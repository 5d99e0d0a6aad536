"""The conformance pages of a feed: how its source behaves, for both sides, and what it did earlier."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache

from entities.addresses import portal_url
from integrations import tasks
from integrations.conformance import reports
from integrations.conformance.checks import CHECKS
from integrations.connection_pages import feeds_for
from integrations.connection_views import crumbs
from integrations.models import ConformanceReport, Feed
from track360.access import MANAGERS, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page

EARLIER = 20
NEVER = "Never checked. Next: see how the source behaves when it is fetched from."


@never_cache
@portal_view()
def conformance_new(request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
    """Asks for a report; opened by its address it shows the newest one."""
    feed = _found(request, connection_id, feed_id)
    if request.method != "POST":
        return _page(request, feed, reports.reports_of(feed).select_related("requested_by").first())
    if request.role not in MANAGERS:
        raise PermissionDenied("Your role at this partner does not allow this.")
    try:
        report, is_new = tasks.start_conformance(feed, actor=audit_actor(request))
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
        return redirect(portal_url(request, "connection-detail", connection_id))
    if not is_new:
        messages.info(request, "It is being checked already.")
    return redirect(portal_url(request, "conformance-detail", connection_id, feed.pk, report.pk))


@never_cache
@portal_view()
def conformance_detail(
    request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID, report_id: uuid.UUID
) -> HttpResponse:
    feed = _found(request, connection_id, feed_id)
    report = get_object_or_404(reports.reports_of(feed).select_related("requested_by"), pk=report_id)
    return _page(request, feed, report)


def _found(request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID) -> Feed:
    feed = get_object_or_404(feeds_for(request.environment), connection=connection_id, pk=feed_id)
    feed.environment = feed.connection.environment = request.environment
    return feed


def _page(request: PortalRequest, feed: Feed, report: ConformanceReport | None) -> HttpResponse:
    others = reports.reports_of(feed)
    earlier = others.exclude(pk=report.pk)[:EARLIER] if report else others.none()
    rows: list[dict[str, Any]] = report.checks if report else []
    context = {
        "feed": feed,
        "report": report,
        "title": f"Conformance of {feed.entity}",
        "state": reports.sentence_for(report) if report else NEVER,
        "is_open": report is not None and report.state in reports.OPEN,
        "rows": rows,
        "most": len(CHECKS),
        "calls": [(row, call) for row in rows for call in row["calls"]],
        "address": reports.address_in(report) if report else reports.address_of(feed),
        "earlier": [(one, reports.sentence_for(one)) for one in earlier],
        "may_ask": request.role in MANAGERS,
        "breadcrumbs": crumbs(request, feed.connection, f"Conformance of {feed.entity}"),
    }
    return render_page(request, "integrations/conformance_detail.html", context, fragment="report")
