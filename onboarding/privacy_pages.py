"""Erasing a customer: the page that says what goes and what stays, and the certificate."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from entities.addresses import portal_url
from entities.erasure import erasure_of
from entities.models import Customer
from onboarding.erasure import STORES, certificate, erase_customer, erasures_of, is_finished
from onboarding.privacy_forms import EraseForm
from track360 import exact_json
from track360.access import OWNERS, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page

SHOWN = 100


@never_cache
@portal_view(roles=OWNERS)
@require_safe
def erasure_list(request: PortalRequest) -> HttpResponse:
    erasures = list(erasures_of(request.environment)[: SHOWN + 1])
    count = f"{len(erasures)} customer{'s' * (len(erasures) != 1)}" if len(erasures) <= SHOWN else f"Over {SHOWN}"
    context = {
        "state": f"{count} erased in this {request.environment.kind}, the newest first."
        if erasures
        else f"Nobody has been erased in this {request.environment.kind}.",
        "erasures": erasures[:SHOWN],
        "breadcrumbs": [("Settings", portal_url(request, "settings")), ("Erasures", None)],
        "erase_url": portal_url(request, "settings-erase"),
    }
    return render_page(request, "onboarding/erasure_list.html", context)


@never_cache
@portal_view(roles=OWNERS, also_closed=True)
def erase(request: PortalRequest) -> HttpResponse:
    """Whoever was erased before has a certificate already; a link from his page then leads there."""
    customer_id = request.GET.get("customer_id", "")
    if request.method != "POST" and (erasure := erasure_of(request.environment, customer_id)):
        return redirect(portal_url(request, "settings-erasure", erasure.pk))
    form = EraseForm(request.POST or None, initial={"customer_id": customer_id[:128].replace("\x00", "")})
    if request.method == "POST" and form.is_valid():
        try:
            erasure = erase_customer(
                request.environment,
                form.cleaned_data["customer_id"],
                actor=audit_actor(request),
                reason=form.cleaned_data["reason"],
            )
            return redirect(portal_url(request, "settings-erasure", erasure.pk))
        except ValidationError as refusal:
            form.add_refusal(refusal)
    back = portal_url(request, "settings-erasures")
    context = {
        "form": form,
        "breadcrumbs": [("Settings", portal_url(request, "settings")), ("Erasures", back), ("Erase a customer", None)],
        "cancel_url": back,
    }
    return render_page(request, "onboarding/erase.html", context)


@never_cache
@portal_view(roles=OWNERS)
@require_safe
def erasure_detail(request: PortalRequest, erasure_id: uuid.UUID) -> HttpResponse:
    erasure = get_object_or_404(erasures_of(request.environment), pk=erasure_id)
    customer = Customer.objects.filter(environment=request.environment, customer_id=erasure.customer_id).first()
    finished = is_finished(erasure)
    context = {
        "erasure": erasure,
        "finished": finished,
        "state": f"Erased on {erasure.erased_at:%-d %B %Y}. What is sent for this id from now on is stored without the "
        "person."
        if finished
        else "Under way: the record is erased, other stores are still searched. It ends by itself within minutes.",
        "by": certificate(erasure)["erased_by"],
        "stores": [(title, erasure.counts.get(store)) for store, title in STORES.items()],
        "customer_url": portal_url(request, "customer-detail", customer.pk) if customer else "",
        "download_url": portal_url(request, "settings-erasure-download", erasure.pk),
        "breadcrumbs": [
            ("Settings", portal_url(request, "settings")),
            ("Erasures", portal_url(request, "settings-erasures")),
            (erasure.customer_id, None),
        ],
    }
    return render_page(request, "onboarding/erasure_detail.html", context)


@never_cache
@portal_view(roles=OWNERS)
@require_safe
def erasure_download(request: PortalRequest, erasure_id: uuid.UUID) -> HttpResponse:
    erasure = get_object_or_404(erasures_of(request.environment), pk=erasure_id)
    text = exact_json.dumps({"partner": request.partner.slug, **certificate(erasure)}, indent=True)
    name = f"erasure-{request.partner.slug}-{erasure.pk}.json"
    return HttpResponse(
        f"{text}\n", content_type="application/json", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
