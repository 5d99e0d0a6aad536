"""The team pages of a partner, and the page on which an invitation is accepted."""

from __future__ import annotations

import uuid
from typing import Any, cast

from allauth.account.utils import perform_login
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from track360 import people
from track360.access import OWNERS, STAFF_ROLE, audit_actor, portal_view
from track360.htmx import PortalRequest
from track360.models import Environment, Invitation, Membership, Partner, User
from track360.people_forms import InviteForm, NewPersonForm, RoleForm
from track360.proxy import client_ip
from track360.second_factor import SECOND_FACTORS
from track360.templatetags.frame import portal_url

# -- The team -----------------------------------------------------------------


@never_cache
@portal_view()
def team(request: PortalRequest) -> HttpResponse:
    """Who may open this partner, how well each sign-in is protected, and who is asked to join."""
    return _team_page(request, InviteForm())


@never_cache
@portal_view(roles=OWNERS)
def team_invite(request: PortalRequest) -> HttpResponse:
    form = InviteForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            return _sent(
                request,
                *people.invite(
                    request.partner,
                    email=form.cleaned_data["email"],
                    role=form.cleaned_data["role"],
                    actor=audit_actor(request),
                ),
            )
        except ValidationError as refusal:
            form.add_refusal(refusal)
    return _team_page(request, form)


@never_cache
@portal_view(roles=OWNERS)
@require_POST
def team_invitation_send(request: PortalRequest, number: uuid.UUID) -> HttpResponse:
    invitation = get_object_or_404(Invitation, partner=request.partner, pk=number)
    try:
        return _sent(request, *people.send_invitation_again(invitation, actor=audit_actor(request)))
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
    return redirect(_url(request, "team"))


@portal_view(roles=OWNERS)
@require_POST
def team_invitation_revoke(request: PortalRequest, number: uuid.UUID) -> HttpResponse:
    invitation = get_object_or_404(Invitation, partner=request.partner, pk=number)
    try:
        people.revoke_invitation(invitation, actor=audit_actor(request))
        messages.success(request, f"The invitation of {invitation.email} is revoked. Its link has ended.")
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
    return redirect(_url(request, "team"))


@never_cache
@portal_view(roles=OWNERS)
def team_member(request: PortalRequest, number: int) -> HttpResponse:
    """Another role for a member."""
    member = get_object_or_404(_members(request.partner), pk=number)
    form = RoleForm(request.POST or None, initial={"role": member.role})
    if request.method == "POST" and form.is_valid():
        try:
            people.change_role(member, role=form.cleaned_data["role"], actor=audit_actor(request))
            member.refresh_from_db()
            messages.success(request, f"{member.user.get_full_name()} is {member.get_role_display().lower()} now.")
            return redirect(_url(request, "team"))
        except ValidationError as refusal:
            form.add_refusal(refusal)
    context = {
        "member": member,
        "form": form,
        "state": f"{member.user.email}, {member.get_role_display().lower()} at {request.partner.name}.",
        "breadcrumbs": [("Team", _url(request, "team")), (member.user.get_full_name(), None)],
    }
    return render(request, "track360/team_member.html", context)


@never_cache
@portal_view(roles=OWNERS)
def team_remove(request: PortalRequest, number: int) -> HttpResponse:
    member = get_object_or_404(_members(request.partner), pk=number)
    error = ""
    if request.method == "POST":
        try:
            people.remove_member(member, actor=audit_actor(request))
            messages.success(request, f"{member.user.email} no longer belongs to {request.partner.name}.")
            is_out = member.user_id == request.user.pk and request.role != STAFF_ROLE
            return redirect("home" if is_out else _url(request, "team"))
        except ValidationError as refusal:
            error = refusal.messages[0]
    context = {"member": member, "error": error, "cancel_url": _url(request, "team")}
    return render(request, "track360/team_remove.html", context)


def _team_page(request: PortalRequest, form: InviteForm) -> HttpResponse:
    members = list(_members(request.partner))
    invitations = list(people.open_invitations(request.partner).select_related("invited_by").order_by("-created_at"))
    now = timezone.now()
    for invitation in invitations:
        invitation.state = _invitation_state(invitation, now=now)  # type: ignore[attr-defined]
    context = {
        "members": members,
        "invitations": invitations,
        "form": form,
        "may_change": request.role in OWNERS,
        "state": _team_state(members, invitations),
        "without_second_factor": any(
            member.user_id == request.user.pk and not member.has_second_factor  # type: ignore[attr-defined]
            for member in members
        ),
    }
    return render(request, "track360/team.html", context)


def _members(partner: Partner) -> QuerySet[Membership]:
    return (
        Membership.objects.filter(partner=partner)
        .select_related("user")
        .annotate(has_second_factor=Exists(SECOND_FACTORS.filter(user=OuterRef("user"))))
        .order_by("user__email")
    )


def _invitation_state(invitation: Invitation, *, now: Any) -> tuple[str, str]:
    """Tone and word of its badge."""
    if invitation.expires_at <= now:
        return "neutral", "Expired"
    if invitation.mailed_at is None:
        return "danger", "Not mailed"
    return "warning", "Waiting"


def _team_state(members: list[Any], invitations: list[Any]) -> str:
    count = len(members)
    not_mailed = sum(invitation.state[1] == "Not mailed" for invitation in invitations)
    if not_mailed:
        what = "An invitation was not mailed" if not_mailed == 1 else f"{not_mailed} invitations were not mailed"
        return f"{what}. Next: send again."
    if not members:
        return "Nobody of the partner's own yet. Next: invite an owner."
    people_ = "1 person" if count == 1 else f"{count} people"
    unprotected = [member.user.email for member in members if not member.has_second_factor]
    if not unprotected:
        return f"{people_}, all with a second factor."
    if len(unprotected) == count > 1:
        return f"{people_}, none with a second factor."
    if len(unprotected) == 1:
        return f"{people_}. {unprotected[0]} signs in without a second factor."
    return f"{people_}. {len(unprotected)} sign in without a second factor."


def _sent(request: PortalRequest, invitation: Invitation, token: str) -> HttpResponse:
    """What became of the mail.

    Whoever opens the link counts as the reader of that mailbox, so the partner's own people do not see it: one of them
    could make an account in somebody else's name. The integrations team may hand it over where no mail arrives.
    """
    invitation.refresh_from_db(fields=["mailed_at"])
    if request.role == STAFF_ROLE:
        return _show_link_once(request, invitation, token)
    if invitation.mailed_at:
        messages.success(request, f"The invitation is on its way to {invitation.email}.")
    else:
        messages.error(
            request,
            f"The mail to {invitation.email} did not go out. Send it again later, or ask the integrations team.",
        )
    return redirect(_url(request, "team"))


def _show_link_once(request: PortalRequest, invitation: Invitation, token: str) -> HttpResponse:
    """The answer that bears the link: no redirect, so that it lies in no session and no address of this person's."""
    state = (
        f"The link is on its way to {invitation.email}."
        if invitation.mailed_at
        else f"The mail to {invitation.email} did not go out. Hand over the link yourself, or send it again later."
    )
    context = {
        "invitation": invitation,
        "state": state,
        "facts": [("Link", people.invitation_link(token))],
        "breadcrumbs": [("Team", _url(request, "team")), ("Invitation", None)],
    }
    return render(request, "track360/team_invited.html", context)


def _url(request: PortalRequest, name: str) -> str:
    return portal_url(request.partner, request.environment.kind, name)


# -- The invited person -------------------------------------------------------


@never_cache
def invitation(request: HttpRequest, token: str) -> HttpResponse:
    """Who invites, to what, as what; and the way in for whoever holds the link."""
    found = people.invitation_for(token)
    if found is None:
        return _no_way_in(request, "This link is not valid. Copy the whole of it from the mail.", status=404)
    user = request.user if isinstance(request.user, User) else None
    if user is not None and found.accepted_by_id == user.pk:
        return redirect(_first_page(found.partner))  # a second click
    reason = people.why_closed(found, now=timezone.now())
    if reason:
        return _no_way_in(request, people.CLOSED[reason], status=410)
    if user is not None:
        return _accept_signed_in(request, found, user)
    if User.objects.filter(email__iexact=found.email).exists():
        return _invitation_page(request, found, needs_sign_in=True)
    return _accept_new(request, found)


def _accept_signed_in(request: HttpRequest, found: Invitation, user: User) -> HttpResponse:
    if user.email.lower() != found.email.lower():
        return _invitation_page(request, found, somebody_else=True, status=403)
    if request.method == "POST":
        try:
            people.accept_invitation(found, actor=audit_actor(request))
            return redirect(_first_page(found.partner))
        except ValidationError as refusal:
            return _no_way_in(request, refusal.messages[0], status=410)
    return _invitation_page(request, found)


def _accept_new(request: HttpRequest, found: Invitation) -> HttpResponse:
    form = NewPersonForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            user = people.accept_as_new_person(found, ip=client_ip(request), **form.cleaned_data)
            return cast(HttpResponse, perform_login(request, user, redirect_url=_first_page(found.partner)))
        except ValidationError as refusal:
            if getattr(refusal, "code", None) in people.CLOSED:
                return _no_way_in(request, refusal.messages[0], status=410)
            form.add_refusal(refusal)
    return _invitation_page(request, found, form=form)


def _first_page(partner: Partner) -> str:
    sandbox = Environment.Kind.SANDBOX
    return portal_url(partner, sandbox, "checklist") or portal_url(partner, sandbox, "overview")


def _invitation_page(request: HttpRequest, found: Invitation, *, status: int = 200, **context: Any) -> HttpResponse:
    login_url = f"{reverse('account_login')}?next={request.path}"
    context = {"invitation": found, "login_url": login_url, **context}
    return render(request, "track360/invitation.html", context, status=status)


def _no_way_in(request: HttpRequest, sentence: str, *, status: int) -> HttpResponse:
    return render(request, "track360/invitation_closed.html", {"sentence": sentence}, status=status)
