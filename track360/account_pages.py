"""Where a person is signed in."""

from __future__ import annotations

from typing import cast

from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from track360.access import audit_actor
from track360.models import User
from track360.sessions import end_sessions
from track360.user_agents import device

LISTED = 50


@never_cache
@login_required
def session_list(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    sessions = sorted(
        UserSession.objects.purge_and_list(user),
        key=lambda session: (session.is_current(), session.last_seen_at),
        reverse=True,
    )
    others = len(sessions) - any(session.is_current() for session in sessions)
    context = {
        "sessions": [(session, device(session.user_agent)) for session in sessions[:LISTED]],
        "others": others,
        "state": _state(others),
    }
    return render(request, "usersessions/session_list.html", context)


@login_required
@require_POST
def session_end(request: HttpRequest, number: int) -> HttpResponse:
    """One session, or the one this browser has, which is signing out."""
    user = cast(User, request.user)
    is_here = UserSession.objects.filter(user=user, pk=number, session_key=request.session.session_key).exists()
    if is_here:
        return redirect("account_logout")
    ended = end_sessions(user, actor=audit_actor(request), only=number)
    messages.success(request, "That session has ended." if ended else "That session had ended already.")
    return redirect("session-list")


@login_required
@require_POST
def session_end_others(request: HttpRequest) -> HttpResponse:
    user = cast(User, request.user)
    ended = end_sessions(user, actor=audit_actor(request), keep=request.session.session_key)
    messages.success(request, f"{ended} other session{'' if ended == 1 else 's'} ended.")
    return redirect("session-list")


def _state(others: int) -> str:
    if not others:
        return "You are signed in here and nowhere else."
    return f"You are signed in here and in {others} other place{'' if others == 1 else 's'}. End what you do not know."
