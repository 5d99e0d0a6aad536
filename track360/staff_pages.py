"""What a member of the integrations team does to look at a partner with other eyes."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from track360 import viewing
from track360.access import audit_actor, staff_view
from track360.models import Environment, Membership, Partner


@staff_view
@require_POST
def viewing_start(request: HttpRequest, slug: str) -> HttpResponse:
    partner = get_object_or_404(Partner, slug=slug)
    try:
        role = Membership.Role(request.POST.get("role", ""))
    except ValueError:
        messages.error(request, "Choose whether to view the partner as an owner, a developer or a viewer.")
        return _overview(partner)
    viewing.start_viewing(request, partner, role=role, actor=audit_actor(request))
    return _overview(partner)


@staff_view
@require_POST
def viewing_stop(request: HttpRequest) -> HttpResponse:
    partner = viewing.stop_viewing(request, actor=audit_actor(request))
    if partner is None:
        return redirect("partner-list")
    messages.success(request, f"You see {partner.name} as yourself again.")
    return _overview(partner)


def _overview(partner: Partner) -> HttpResponse:
    return redirect("overview", partner_slug=partner.slug, environment_kind=Environment.Kind.SANDBOX)
