"""Where a person is signed in: noted as pages are opened, listed, and ended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from allauth.usersessions.models import UserSession
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from track360 import audit
from track360.models import User
from track360.second_factor import NOT_PAGES

SEEN_EVERY = timedelta(minutes=5)
SEEN = "seen"  # key in the session: when it was last noted, in seconds of the epoch


def note_seen(request: HttpRequest) -> None:
    request.session[SEEN] = int(timezone.now().timestamp())


class LastSeenMiddleware:
    """When a session was last used, to 5 minutes. The session itself says when to write, so that few pages do."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> None:
        if request.session.session_key is None or request.path_info.startswith(NOT_PAGES):
            return
        seen, now = request.session.get(SEEN), timezone.now()
        if seen is not None and now.timestamp() - seen > SEEN_EVERY.total_seconds():
            UserSession.objects.filter(session_key=request.session.session_key).update(last_seen_at=now)
            note_seen(request)


@transaction.atomic
def end_sessions(user: User, *, actor: audit.Actor, keep: str | None = None, only: int | None = None) -> int:
    """Sign this person out everywhere, but in the session with the key `keep`; or end the session `only`. How many."""
    sessions = UserSession.objects.filter(user=user).exclude(session_key=keep or "")
    if only is not None:
        sessions = sessions.filter(pk=only)
    ended = list(sessions)
    for session in ended:
        session.end()
    if ended:
        audit.record("session.ended", actor=actor, target=user.email, sessions=len(ended))
    return len(ended)
