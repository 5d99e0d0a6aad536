"""The team's desk: the board of partners, a new one, and what the team does about one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils import timezone

from onboarding.desk import SHOWN, columns_of, desk_row, desk_rows, sentence
from onboarding.desk_forms import DeskFilterForm, PartnerForm, ReasonForm, view_as_choices
from track360 import partners, people
from track360.access import audit_actor, staff_view
from track360.audit import Actor
from track360.audit_trail import events_of
from track360.audit_words import phrase
from track360.htmx import render_page
from track360.models import Membership, Partner

LATEST = 8  # events on a partner's page


@staff_view
def partner_list(request: HttpRequest) -> HttpResponse:
    form = DeskFilterForm(request.GET.dict())
    wanted = form.wanted()
    rows = desk_rows(closed=bool(wanted and wanted.status == Partner.Status.CLOSED), now=timezone.now())
    found = [row for row in rows if wanted.takes(row)] if wanted else []
    is_list = request.GET.get("view") == "list"
    kept = {name: value for name, value in request.GET.dict().items() if name in form.fields and value}
    views = [
        ("Board", _with(request.path, kept), not is_list),
        ("List", _with(request.path, {**kept, "view": "list"}), is_list),
    ]
    shown = found if "all" in request.GET else found[:SHOWN]
    context = {
        "form": form,
        "is_list": is_list,
        "views": views,
        "state": sentence(rows),
        "next": next((row for row in rows if row.needs), None),
        "has_partners": bool(rows) or form.is_filtered,
        "rows": shown,
        "columns": [] if is_list else columns_of(found),
        "count": len(found),
        "all_url": _with(request.path, {**kept, "view": "list", "all": "1"}),
        "is_cut": is_list and len(found) > len(shown),
        "phase_url": _with(request.path, {"view": "list", **kept, "phase": ""}) if "phase" not in kept else "",
        "clear_url": _with(request.path, {"view": "list"} if is_list else {}) if form.is_filtered else "",
    }
    return render_page(request, "onboarding/partner_list.html", context, fragment="partners")


def _with(url: str, query: dict[str, str]) -> str:
    return f"{url}?{urlencode(query)}" if query else url


@staff_view
def partner_new(request: HttpRequest) -> HttpResponse:
    form = PartnerForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        wanted, actor = form.cleaned_data, audit_actor(request)
        try:
            with transaction.atomic():
                partner = partners.create_partner(name=wanted["name"], slug=wanted["slug"], actor=actor)
                people.invite(partner, email=wanted["email"], role=Membership.Role.OWNER, actor=actor)
        except ValidationError as refusal:
            form.add_refusal(refusal)
        else:
            messages.success(request, f"{partner.name} is created, and {wanted['email']} is invited as its owner.")
            return redirect("partner-detail", slug=partner.slug)
    return render_page(request, "onboarding/partner_new.html", {"form": form})


@staff_view
def partner_detail(request: HttpRequest, slug: str) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.select_related("onboarding"), slug=slug)
    events = events_of(partner).order_by("-at", "-id")[:LATEST]
    context: dict[str, Any] = {
        "partner": partner,
        "row": desk_row(partner, now=timezone.now()),
        "members": list(partner.memberships.select_related("user").order_by("role", "user__email")),
        "invitations": list(people.open_invitations(partner).order_by("email")),
        "events": [(event, phrase(event.action, event.target)) for event in events],
        "view_as": view_as_choices(),
        "breadcrumbs": [("Partners", reverse("partner-list")), (partner.name, None)],
    }
    context["state"] = _state(partner, context["row"], context["members"], context["invitations"])
    return render_page(request, "onboarding/partner_detail.html", context)


def _state(partner: Partner, row: Any, members: list[Any], invitations: list[Any]) -> str:
    if partner.status == Partner.Status.SUSPENDED:
        return "Suspended: every call gets 401, and its people read but change nothing."
    if partner.status == Partner.Status.CLOSED:
        return "Closed: nobody but the team opens its pages."
    if not members:
        who = invitations[0].email if invitations else ""
        return f"Nobody has joined yet. Next: {who} follows the invitation." if who else "Nobody is invited yet."
    if not row.is_computed:
        return "Its steps have not been computed yet."
    if not row.step:
        return "Live: all eight steps are done."
    waits = (
        f" Waits for {'you' if row.waits_for_team else 'the partner'}."
        if row.waiting_for in ("team", "partner")
        else ""
    )
    return f"{row.done} of 8 steps done. Next: step {row.step}.{waits}"


@staff_view
def partner_suspend(request: HttpRequest, slug: str) -> HttpResponse:
    partner = get_object_or_404(Partner, slug=slug)
    texts = {
        "title": f"Suspend {partner.name}?",
        "body": "The very next call of every program gets 401, in sandbox and production. Its people read their "
        "pages and change nothing. Nothing is deleted, and it can be lifted at any time.",
        "submit": "Suspend",
        "done": f"{partner.name} is suspended.",
    }
    return _decide(request, partner, partners.suspend_partner, texts, danger=True)


@staff_view
def partner_lift(request: HttpRequest, slug: str) -> HttpResponse:
    partner = get_object_or_404(Partner, slug=slug)
    texts = {
        "title": f"Lift the suspension of {partner.name}?",
        "body": "Its clients fetch tokens again, and tokens that have not expired work at once.",
        "submit": "Lift the suspension",
        "done": f"The suspension of {partner.name} is lifted.",
    }
    return _decide(request, partner, partners.lift_suspension, texts, danger=False)


def _decide(
    request: HttpRequest, partner: Partner, action: Callable[..., None], texts: dict[str, str], *, danger: bool
) -> HttpResponse:
    """Ask for the reason; with one, do it."""
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        actor: Actor = audit_actor(request)
        try:
            action(partner, reason=form.cleaned_data["reason"], actor=actor)
        except ValidationError as refusal:
            form.add_error(None, refusal)
        else:
            messages.success(request, texts["done"])
            return redirect("partner-detail", slug=partner.slug)
    context = {**texts, "partner": partner, "form": form, "danger": danger, "action": request.path}
    return render_page(request, "onboarding/partner_decide.html", context)
