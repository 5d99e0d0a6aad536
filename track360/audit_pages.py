"""Who did what: the trail of one partner in its own pages, and the whole one for the integrations team."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_safe

from track360.access import MANAGERS, portal_view, staff_view
from track360.audit_trail import AuditFilterForm, csv_lines, events_of, facts_of, page_of
from track360.audit_words import phrase
from track360.htmx import PortalRequest, render_page
from track360.models import AuditEvent, Environment, Partner
from track360.templatetags.ui import when


@portal_view(roles=MANAGERS)
@require_safe
def audit_list(request: PortalRequest) -> HttpResponse:
    return _list(request, request.partner)


@portal_view(roles=MANAGERS)
@require_safe
def audit_export(request: PortalRequest) -> HttpResponse:
    return _export(request, request.partner, back=_here(request, "audit-list"))


@portal_view(roles=MANAGERS)
@require_safe
def audit_detail(request: PortalRequest, event_id: uuid.UUID) -> HttpResponse:
    return _detail(request, request.partner, event_id, back=_here(request, "audit-list"))


@staff_view
@require_safe
def staff_audit_list(request: HttpRequest) -> HttpResponse:
    return _list(request, None)


@staff_view
@require_safe
def staff_audit_export(request: HttpRequest) -> HttpResponse:
    return _export(request, None, back=reverse("staff-audit-list"))


@staff_view
@require_safe
def staff_audit_detail(request: HttpRequest, event_id: uuid.UUID) -> HttpResponse:
    return _detail(request, None, event_id, back=reverse("staff-audit-list"))


def _here(request: PortalRequest, name: str) -> str:
    return reverse(name, args=[request.partner.slug, request.environment.kind])


def _list(request: HttpRequest, partner: Partner | None) -> HttpResponse:
    form = AuditFilterForm(request.GET.dict(), across=partner is None)
    page = page_of(
        events_of(partner),
        form.condition(),
        before=request.GET.get("before", ""),
        after=request.GET.get("after", ""),
    )
    kept = {name: value for name, value in request.GET.dict().items() if name in form.fields and value}
    context = {
        "partner": partner,
        "form": form,
        "state": _state(partner, page.rows, is_filtered=form.is_filtered or not page.is_first),
        "rows": [(event, phrase(event.action, event.target), f"{request.path}{event.pk}/") for event in page.rows],
        "is_filtered": form.is_filtered,
        "clear_url": request.path if form.is_filtered else "",
        "export_url": _with(f"{request.path}export/", kept),
        "first_url": "" if page.is_first else _with(request.path, kept),
        "newer_url": _with(request.path, {**kept, "after": page.newer}) if page.newer else "",
        "older_url": _with(request.path, {**kept, "before": page.older}) if page.older else "",
    }
    return render_page(request, "track360/audit_list.html", context, fragment="audit-table")


def _with(url: str, query: dict[str, str]) -> str:
    return f"{url}?{urlencode(query)}" if query else url


def _state(partner: Partner | None, rows: list[AuditEvent], *, is_filtered: bool) -> str:
    """The newest thing done, in words."""
    if is_filtered or not rows:
        return "Who did what, when and from where. Nobody can change or delete it."
    newest = rows[0]
    where = f" at {newest.partner.name}" if partner is None and newest.partner else ""
    return f"Last: {_who(newest)} {phrase(newest.action, newest.target)}{where}. Nobody can change or delete it."


def _who(event: AuditEvent) -> str:
    if event.actor is not None:
        return event.actor.get_full_name()
    return f"client {event.client_id}" if event.client_id else "the system"


def _export(request: HttpRequest, partner: Partner | None, *, back: str) -> HttpResponse:
    """The rows of the list, all of them. Filters that cannot be read lead back to the list, which says why."""
    condition = AuditFilterForm(request.GET.dict(), across=partner is None).condition()
    if condition is None:
        return redirect(_with(back, request.GET.dict()))
    name = f"audit-{partner.slug}" if partner else "audit"
    response = StreamingHttpResponse(csv_lines(events_of(partner), condition), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    return response  # type: ignore[return-value]


def _detail(request: HttpRequest, partner: Partner | None, event_id: uuid.UUID, *, back: str) -> HttpResponse:
    event = get_object_or_404(events_of(partner), pk=event_id)
    did = phrase(event.action, event.target)
    kind = event.environment.kind if event.environment else Environment.Kind.SANDBOX
    facts: list[tuple[str, Any]] = [
        ("When", when(event.at, exact=True)),
        ("Who", _who(event)),
        ("Email", event.actor.email if event.actor else ""),
        ("From", event.ip),
        ("Action", event.action),
        ("Target", event.target),
        ("Partner", event.partner.name if event.partner else ""),
        ("Environment", event.environment.kind if event.environment else "both" if event.partner else ""),
    ]
    context = {
        "title": f"{_who(event)} {did}",
        "breadcrumbs": [("Audit", back), (event.action, None)],
        "facts": facts,
        "detail": facts_of(event.detail),
        "same_target": _with(back, {"target": event.target}) if event.target else "",
        "open_partner": reverse("overview", args=[event.partner.slug, kind]) if not partner and event.partner else "",
        "event": event,
    }
    return render_page(request, "track360/audit_detail.html", context)
