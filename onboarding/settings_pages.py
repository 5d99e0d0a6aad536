"""A partner's settings: what he is, how long what he sends is kept, and how all of it is taken away or ended."""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.core.files.storage import default_storage
from django.db import transaction
from django.http import FileResponse, Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import NoReverseMatch, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from entities.addresses import portal_url
from integrations.submissions import is_first
from onboarding import tasks
from onboarding.closing import EMPTIED, RUNS, UNNAMED, close_partner, newest_reset
from onboarding.exports import KEPT, available_exports, exports_of
from onboarding.jobs import OPEN
from onboarding.models import Scope
from onboarding.privacy_forms import CloseForm, ResetForm
from onboarding.retention import STORES
from track360 import audit
from track360.access import OWNERS, STAFF_ROLE, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page, wants_fragment
from track360.models import Environment, Partner

SHOWN_EXPORTS = 20
STAFF = frozenset({STAFF_ROLE})


@portal_view()
@require_safe
def overview(request: PortalRequest) -> HttpResponse:
    partner = request.partner
    owns = request.role in OWNERS
    scope = Scope.objects.filter(partner=partner).order_by("-id").first()
    context = {
        "state": _state(partner),
        "scope": scope,
        "scope_url": _page(request, "checklist-scope"),
        "webhooks_url": _page(request, "settings-webhooks"),
        "owns": owns,
        "is_staff": request.role == STAFF_ROLE,
        "is_sandbox": request.environment.kind == Environment.Kind.SANDBOX,
        "sandbox_reset_url": reverse("settings-reset", args=[partner.slug, Environment.Kind.SANDBOX]),
        "export": available_exports(partner).first() if owns else None,
    }
    return render_page(request, "onboarding/settings.html", context)


def _state(partner: Partner) -> str:
    if partner.status == Partner.Status.CLOSED:
        return "Closed: nobody but the integrations team sees these pages, and nothing can be changed."
    if partner.status == Partner.Status.SUSPENDED:
        return "Suspended: calls to the API are refused until the integrations team lifts it."
    return "What Track360 keeps for you, and how to take it away."


def _page(request: PortalRequest, name: str) -> str:
    """A page of another part of the portal; empty where this installation has none."""
    try:
        return portal_url(request, name)
    except NoReverseMatch:
        return ""


@portal_view()
@require_safe
def retention(request: PortalRequest) -> HttpResponse:
    context = {"stores": STORES, "breadcrumbs": _trail(request, "Retention")}
    return render_page(request, "onboarding/settings_retention.html", context)


def _job_page(request: PortalRequest, template: str, context: dict[str, Any]) -> HttpResponse:
    """The page asks how far the work is; once it is done the whole page is fetched anew, its sentence and its form."""
    response = render_page(request, template, context, fragment="job")
    if wants_fragment(request) and not context["under_way"]:
        response["HX-Refresh"] = "true"
    return response


# -- Sandbox ------------------------------------------------------------------


@never_cache
@portal_view(roles=OWNERS)
def reset(request: PortalRequest) -> HttpResponse:
    if request.environment.kind != Environment.Kind.SANDBOX:
        raise Http404("Production is never emptied.")
    form = ResetForm(request.POST or None, slug=request.partner.slug)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            if is_first(request, form.cleaned_data["submission"]):
                tasks.start_reset(request.environment, actor=audit_actor(request))
        return redirect(request.path)
    newest = newest_reset(request.environment)
    under_way = newest is not None and newest.state in OPEN
    named = [name for name in (*EMPTIED, RUNS) if name not in UNNAMED]
    context = {
        "form": form,
        "reset": newest,
        "under_way": under_way,
        "state": "Being emptied. Calls to the sandbox wait meanwhile, for 20 seconds at most."
        if under_way
        else "Takes away everything that was sent to the sandbox or fetched into it. It cannot be undone.",
        "emptied": named,
        "counts": [] if newest is None else [(name, newest.counts[name]) for name in named if name in newest.counts],
        "breadcrumbs": _trail(request, "Reset the sandbox"),
        "cancel_url": portal_url(request, "settings"),
    }
    return _job_page(request, "onboarding/settings_reset.html", context)


# -- Export -------------------------------------------------------------------


@never_cache
@portal_view(roles=OWNERS, also_closed=True)
def export(request: PortalRequest) -> HttpResponse:
    if request.method == "POST":
        tasks.start_export(request.partner, actor=audit_actor(request))
        return redirect(request.path)
    exports = list(exports_of(request.partner)[:SHOWN_EXPORTS])
    available = {one.pk for one in available_exports(request.partner)}
    under_way = any(one.state in OPEN for one in exports)
    context = {
        "exports": [(one, one.pk in available, sum(one.counts.values())) for one in exports],
        "under_way": under_way,
        "days": KEPT.days,
        "state": "Being made. This page shows when it is ready."
        if under_way
        else f"All data of both environments in one file, kept {KEPT.days} days.",
        "breadcrumbs": _trail(request, "Export"),
    }
    return _job_page(request, "onboarding/settings_export.html", context)


@never_cache
@portal_view(roles=OWNERS)
@require_safe
def export_download(request: PortalRequest, export_id: uuid.UUID) -> Any:
    if request.viewing_as:
        raise PermissionDenied("An export holds personal data. Stop viewing as somebody else first.")
    found = get_object_or_404(available_exports(request.partner), pk=export_id)
    try:
        file = default_storage.open(found.path)
    except FileNotFoundError:
        raise Http404("The file is gone.") from None
    audit.record(
        "export.downloaded",
        actor=audit_actor(request),
        partner=request.partner,
        target=str(found.pk),
        sha256=found.sha256,
    )
    name = f"{request.partner.slug}-{found.finished_at:%Y-%m-%d}.zip"
    # Packed already: the encoding keeps it from being compressed again, and its length known.
    return FileResponse(file, as_attachment=True, filename=name, headers={"Content-Encoding": "identity"})


# -- The end ------------------------------------------------------------------


@never_cache
@portal_view(roles=STAFF)
def close(request: PortalRequest) -> HttpResponse:
    if request.partner.status == Partner.Status.CLOSED:
        return redirect(portal_url(request, "settings"))
    form = CloseForm(request.POST or None, slug=request.partner.slug)
    if request.method == "POST" and form.is_valid():
        try:
            close_partner(request.partner, reason=form.cleaned_data["reason"], actor=audit_actor(request))
            messages.success(request, f"{request.partner.name} is closed. Every access has ended.")
            return redirect(portal_url(request, "settings"))
        except ValidationError as refusal:
            form.add_refusal(refusal)
    newest = available_exports(request.partner).first()
    context = {
        "form": form,
        "export": newest,
        "state": "Ends every access of this partner. It cannot be undone."
        if newest
        else "First make an export: the partner must be able to take his data with him.",
        "breadcrumbs": _trail(request, "Close the partner"),
        "cancel_url": portal_url(request, "settings"),
        "export_url": portal_url(request, "settings-export"),
    }
    return render_page(request, "onboarding/settings_close.html", context)


def _trail(request: PortalRequest, title: str) -> list[tuple[str, str | None]]:
    return [("Settings", portal_url(request, "settings")), (title, None)]
