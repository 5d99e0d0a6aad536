"""The checklist's pages: how the eight steps stand, each step by itself, the scope, and the rehearsal.

They are the partner's, and look the same from both environments.
"""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.db import transaction
from django.db.models import Count
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_POST

from entities.addresses import portal_url
from integrations import submissions
from integrations.forms import SubmissionForm
from onboarding import agreements
from onboarding.agreements import newest_scope
from onboarding.checklist import NO_TIME, RIGHT_WITHIN, steps_for
from onboarding.checklist_view import WHY, action_of, fingerprint, next_words, walk_for
from onboarding.forms import NoteForm, OverrideForm, ScopeForm, time_zones
from onboarding.models import Scope, StepChange, StepNote, StepOverride, StepState
from onboarding.models.checklist import Side
from onboarding.scope_view import facts_of, state_of, versions_of
from onboarding.step_view import (
    notes_before,
    rehearsal_of,
    signatures_for,
)
from onboarding.steps import BY_NUMBER
from track360.access import MANAGERS, STAFF_ROLE, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page, wants_fragment
from track360.models import Membership

OWNER = Membership.Role.OWNER
SPEAKERS = frozenset({OWNER, STAFF_ROLE})  # who agrees to something for his side
CHANGES = 8
CHANGES_OF_A_STEP = 50
REHEARSAL, LIVE = 6, 8


def side_of(request: PortalRequest) -> Side:
    return Side.TEAM if request.role == STAFF_ROLE else Side.PARTNER


def _unchanged(request: PortalRequest, seen: str) -> bool:
    """Whether a page that polls shows this already: then it is left as it stands, with what is open or selected."""
    return wants_fragment(request) and request.GET.get("seen") == seen


def _steps(request: PortalRequest) -> list[StepState]:
    """What polls waits for what comes, and has the steps judged for each call; a page shows what it finds, and asks
    after two seconds."""
    return steps_for(request.partner, rests=NO_TIME if wants_fragment(request) else RIGHT_WITHIN)


# -- All steps ----------------------------------------------------------------


@portal_view()
def checklist(request: PortalRequest) -> HttpResponse:
    steps = _steps(request)
    notes = StepNote.objects.filter(partner=request.partner).order_by().values_list("number")
    counted = dict(notes.annotate(Count("pk")))
    seen = fingerprint(steps, sorted(counted.items()))
    if _unchanged(request, seen):
        return HttpResponse(status=204)
    walk = walk_for(request, steps, now=timezone.now(), overrides=_overrides(request), notes=counted)
    changes = StepChange.objects.filter(partner=request.partner).order_by("-at", "-id")[:CHANGES]
    context = {"walk": walk, "changes": _named(changes), "seen": seen}
    return render_page(request, "onboarding/checklist.html", context, fragment="checklist")


def _overrides(request: PortalRequest) -> dict[int, StepOverride]:
    standing = StepOverride.objects.filter(partner=request.partner, withdrawn_at=None).select_related("by")
    return {override.number: override for override in standing}


def _named(changes: Any) -> list[tuple[StepChange, Any]]:
    return [(change, BY_NUMBER[change.number]) for change in changes]


# -- One step -----------------------------------------------------------------


@portal_view()
def checklist_step(request: PortalRequest, number: int) -> HttpResponse:
    return _step_page(request, number)


def _step_page(
    request: PortalRequest,
    number: int,
    *,
    note_form: NoteForm | None = None,
    override_form: OverrideForm | None = None,
) -> HttpResponse:
    if number not in BY_NUMBER:
        raise Http404("There are the steps 1 to 8.")
    steps = _steps(request)
    rehearsal = rehearsal_of(request.partner) if number == REHEARSAL else None
    signatures = signatures_for(request.partner, request.role) if number == LIVE else []
    seen = fingerprint(steps, rehearsal, [str(signature.given) for signature in signatures])
    if _unchanged(request, seen):
        return HttpResponse(status=204)
    walk = walk_for(request, steps, now=timezone.now(), overrides=_overrides(request))
    row = next(row for row in walk.rows if row.step.number == number)
    changes = StepChange.objects.filter(partner=request.partner, number=number).order_by("-at", "-id")
    notes, earlier = notes_before(request.partner, number, request.GET.get("before", ""))
    context = {
        "walk": walk,
        "row": row,
        "state": f"{row.counted}. {next_words(request, row)}".strip(),
        "action": action_of(row) if not row.done and row.url != action_of(row)[0] else ("", ""),
        "why": WHY[number],
        "seen": seen,
        "breadcrumbs": [("Onboarding", portal_url(request, "checklist")), (f"Step {number}", None)],
        "changes": _named(changes[:CHANGES_OF_A_STEP]),
        "notes": notes,
        "earlier": earlier,
        "note_form": note_form or NoteForm(),
        "may_note": request.role in MANAGERS,
        "override_form": override_form or OverrideForm(),
        "may_override": request.role == STAFF_ROLE and number in agreements.OVERRIDABLE,
        "rehearsal": rehearsal,
        "rehearsal_form": SubmissionForm(),
        "signatures": signatures,
    }
    return render_page(request, "onboarding/checklist_step.html", context, fragment="step")


def _to_step(request: PortalRequest, number: int, place: str = "") -> HttpResponse:
    return HttpResponseRedirect(portal_url(request, "checklist-step", number) + place)


@portal_view(roles=MANAGERS)
@require_POST
def checklist_note(request: PortalRequest, number: int) -> HttpResponse:
    form = NoteForm(request.POST)
    if not form.is_valid():
        return _step_page(request, number, note_form=form)
    try:
        with transaction.atomic():
            if not submissions.is_first(request, form.cleaned_data["submission"]):
                return _to_step(request, number, "#notes")
            note = agreements.add_note(
                request.partner, number, text=form.cleaned_data["text"], actor=audit_actor(request)
            )
    except ValidationError as refusal:
        form.add_error("text", refusal.messages)
        return _step_page(request, number, note_form=form)
    told = ", ".join(sorted(user.email for user in note.mentioned.all()))
    messages.success(request, f"Noted. {told} will hear of it by email." if told else "Noted.")
    return _to_step(request, number, "#notes")


@portal_view(roles=frozenset({STAFF_ROLE}))
@require_POST
def checklist_override(request: PortalRequest, number: int) -> HttpResponse:
    """Count a step as done, or with `withdraw` no longer."""
    if number not in agreements.OVERRIDABLE:
        raise Http404("The steps 1 to 7 can be overridden.")
    form, actor = OverrideForm(request.POST), audit_actor(request)
    try:
        if "withdraw" in request.POST:
            agreements.withdraw_override(request.partner, number, actor=actor)
            messages.success(request, f"The override of step {number} is withdrawn: its evidence alone counts again.")
            return _to_step(request, number)
        if form.is_valid():
            agreements.override_step(request.partner, number, reason=form.cleaned_data["reason"], actor=actor)
            messages.success(request, f"Step {number} is overridden, with your name and reason.")
            return _to_step(request, number)
    except ValidationError as refusal:
        form.add_error(None, refusal.messages)
    return _step_page(request, number, override_form=form)


@portal_view(roles=SPEAKERS)
@require_POST
def checklist_sign_off(request: PortalRequest) -> HttpResponse:
    """One's own side says that the partner may go live, or with `withdraw` no longer."""
    side, actor = side_of(request), audit_actor(request)
    try:
        if "withdraw" in request.POST:
            agreements.withdraw_sign_off(request.partner, side=side, actor=actor)
            messages.success(request, "Your side's sign-off is withdrawn.")
        else:
            agreements.sign_off(request.partner, side=side, actor=actor)
            messages.success(request, "Signed off for your side.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return _to_step(request, LIVE, "#sign-off")


@portal_view()
def checklist_rehearsal(request: PortalRequest) -> HttpResponse:
    """A window is opened on the page of its step, and closes by itself."""
    if request.method == "POST":
        if request.role not in MANAGERS:
            raise PermissionDenied("Your role at this partner does not allow this.")
        form = SubmissionForm(request.POST)
        with transaction.atomic():
            if not form.is_valid() or submissions.is_first(request, form.cleaned_data["submission"]):
                agreements.open_rehearsal(request.partner, actor=audit_actor(request))
                messages.success(request, "The rehearsal window is open: what arrives in the sandbox counts from now.")
    return _to_step(request, REHEARSAL, "#rehearsal")


# -- Scope --------------------------------------------------------------------


@portal_view()
def checklist_scope(request: PortalRequest) -> HttpResponse:
    """What is agreed or proposed; the form where nothing is, with `?change`, and where one was refused."""
    may_speak = request.role in SPEAKERS
    newest = newest_scope(request.partner)
    form = None
    if request.method == "POST":
        if not may_speak:
            raise PermissionDenied("Only an owner proposes the scope for the partner.")
        form = ScopeForm(request.POST, scope=newest)
        if form.is_valid() and form.is_based_on(newest) and _proposed(request, form):
            messages.success(request, "Proposed and accepted for your side. The other side has to accept it.")
            return HttpResponseRedirect(portal_url(request, "checklist-scope"))
    elif may_speak and (newest is None or "change" in request.GET):
        form = ScopeForm(scope=newest)
    versions = versions_of(request.partner)
    side = side_of(request)
    context = {
        "state": state_of(newest, side=side, may_speak=may_speak, partner=request.partner),
        "breadcrumbs": [("Onboarding", portal_url(request, "checklist")), ("Scope", None)],
        "form": form,
        "time_zones": time_zones() if form else [],
        "versions": versions,
        "newest": versions[0] if versions else None,
        "facts": facts_of(newest) if newest else [],
        "sides": _sides(request, newest) if newest else [],
        "may_speak": may_speak,
        "may_accept": may_speak and newest is not None and getattr(newest, f"{side}_accepted_at") is None,
        "submit": "Propose and accept for your side",
    }
    return render_page(request, "onboarding/scope.html", context)


def _proposed(request: PortalRequest, form: ScopeForm) -> bool:
    try:
        agreements.propose_scope(request.partner, **form.agreed(), actor=audit_actor(request))
    except ValidationError as refusal:
        form.refuse(refusal)
        return False
    return True


def _sides(request: PortalRequest, scope: Scope) -> list[tuple[str, Any, str]]:
    """Each side: its name, when it accepted, and by whom."""
    return [
        (request.partner.name, scope.partner_accepted_at, scope.partner_accepted_by),
        ("The integrations team", scope.team_accepted_at, scope.team_accepted_by),
    ]


@portal_view(roles=SPEAKERS)
@require_POST
def checklist_scope_accept(request: PortalRequest) -> HttpResponse:
    """Accept the version that was read: `version` is its number, and a newer one is not accepted with it."""
    newest = newest_scope(request.partner)
    if newest is None or request.POST.get("version") != str(newest.pk):
        messages.error(request, "Another version has been proposed meanwhile. Read this one, and accept it.")
    else:
        try:
            agreements.accept_scope(newest, side=side_of(request), actor=audit_actor(request))
            messages.success(request, "The scope is accepted for your side.")
        except ValidationError as refusal:
            messages.error(request, " ".join(refusal.messages))
    return HttpResponseRedirect(portal_url(request, "checklist-scope"))


urlpatterns: list[URLPattern] = [
    path("", checklist, name="checklist"),
    path("<int:number>/", checklist_step, name="checklist-step"),
    path("<int:number>/note/", checklist_note, name="checklist-note"),
    path("<int:number>/override/", checklist_override, name="checklist-override"),
    path("scope/", checklist_scope, name="checklist-scope"),
    path("scope/accept/", checklist_scope_accept, name="checklist-scope-accept"),
    path("rehearsal/", checklist_rehearsal, name="checklist-rehearsal"),
    path("sign-off/", checklist_sign_off, name="checklist-sign-off"),
]
