"""The team's page of lost second factors."""

from __future__ import annotations

import uuid
from typing import cast

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from track360 import factor_resets
from track360.access import audit_actor, staff_view
from track360.models import SecondFactorReset, User
from track360.people_forms import ReasonForm

DECIDED_SHOWN = 50


@never_cache
@staff_view
def reset_list(request: HttpRequest) -> HttpResponse:
    """What waits for a colleague, the form to ask, and what was decided."""
    form = ReasonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = _person(form.cleaned_data["email"])
            factor_resets.request_reset(user, reason=form.cleaned_data["reason"], actor=audit_actor(request))
            messages.success(request, f"Asked. A colleague decides on the reset for {user.email}.")
            return redirect("staff-reset-list")
        except ValidationError as refusal:
            form.add_refusal(refusal)
    resets = SecondFactorReset.objects.select_related("user", "requested_by", "decided_by")
    waiting = list(resets.filter(decided_at=None).order_by("requested_at"))
    me = cast(User, request.user)
    for reset in waiting:
        reset.is_mine = me.pk in (reset.requested_by_id, reset.user_id)  # type: ignore[attr-defined]
    context = {
        "form": form,
        "waiting": waiting,
        "decided": resets.exclude(decided_at=None).order_by("-decided_at")[:DECIDED_SHOWN],
        "state": _state(waiting),
    }
    return render(request, "track360/reset_list.html", context)


@staff_view
@require_POST
def reset_approve(request: HttpRequest, number: uuid.UUID) -> HttpResponse:
    reset = get_object_or_404(SecondFactorReset.objects.select_related("user"), pk=number)
    try:
        factor_resets.approve_reset(reset, actor=audit_actor(request))
        messages.success(request, f"The second factor of {reset.user.email} is off, and the sessions have ended.")
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
    return redirect("staff-reset-list")


@staff_view
@require_POST
def reset_refuse(request: HttpRequest, number: uuid.UUID) -> HttpResponse:
    reset = get_object_or_404(SecondFactorReset.objects.select_related("user"), pk=number)
    try:
        factor_resets.refuse_reset(reset, actor=audit_actor(request))
        messages.success(request, f"Refused. {reset.user.email} keeps the second factor.")
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
    return redirect("staff-reset-list")


def _person(email: str) -> User:
    found = User.objects.filter(email__iexact=email.strip()).first()
    if found is None:
        raise ValidationError("Nobody has an account with this address.", code="email")
    return found


def _state(waiting: list[SecondFactorReset]) -> str:
    if not waiting:
        return "Nothing waits. Two of the team take a lost second factor off an account: one asks, another approves."
    count = len(waiting)
    return f"{count} reset{' waits' if count == 1 else 's wait'} for a colleague of whoever asked."
