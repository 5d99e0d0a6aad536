"""A form that counts once: a double click, or a reload of its answer, must not make a second client or secret."""

from __future__ import annotations

from importlib import import_module
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import transaction
from django.http import HttpRequest

KEY = "submissions"
KEPT = 20  # the newest ones of a session


def is_first(request: HttpRequest, submission: UUID | None) -> bool:
    """Remember the form's id in the session; False where it is there already. To be called in a transaction.

    The session's row is locked, so that of two requests at once the second one waits and then sees the first. A form
    without an id (sent by a program) counts each time.
    """
    key = request.session.session_key
    if submission is None or key is None:
        return True
    list(Session.objects.select_for_update().filter(pk=key))
    store: Any = import_module(settings.SESSION_ENGINE).SessionStore(key)
    seen = store.get(KEY, [])
    if str(submission) in seen:
        return False
    seen = [*seen, str(submission)][-KEPT:]
    store[KEY] = seen
    store.save()
    # What the middleware saves later must not undo it, nor keep it where the action was refused: it may be sent again.
    transaction.on_commit(lambda: request.session.__setitem__(KEY, seen))
    return True
