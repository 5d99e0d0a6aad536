"""What libraries do about signing in, written into the audit trail. Their signals; ours we have none.

An address that has an account is named; of any other only a digest is kept, since it may be a password in the wrong
field.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from allauth.account import signals as account
from allauth.mfa import signals as mfa
from django.contrib.auth.signals import user_logged_out, user_login_failed
from django.dispatch import receiver
from django.http import HttpRequest

from track360 import audit
from track360.models import User
from track360.proxy import client_ip
from track360.sessions import end_sessions, note_seen

CHANGES = {
    account.password_changed: "password.changed",
    account.password_reset: "password.reset",
    account.password_set: "password.set",
    mfa.authenticator_added: "second_factor.added",
    mfa.authenticator_removed: "second_factor.removed",
    mfa.authenticator_reset: "second_factor.codes_made",
}


def _actor(request: HttpRequest | None, user: User | None) -> audit.Actor:
    return audit.Actor(user=user, ip=client_ip(request) if request else None)


@receiver(account.user_logged_in)
def _signed_in(request: HttpRequest, user: User, **_: Any) -> None:
    records = request.session.get("account_authentication_methods", [])
    ways = [record.get("type") or record.get("method") for record in records]
    note_seen(request)
    audit.record("sign_in.done", actor=_actor(request, user), target=user.email, by=ways)


@receiver(user_login_failed)
def _refused(credentials: dict[str, Any], request: HttpRequest | None = None, **_: Any) -> None:
    email = str(credentials.get("email") or credentials.get("username") or "")
    known = "\x00" not in email and User.objects.filter(email__iexact=email).first()
    if known:
        audit.record("sign_in.refused", actor=_actor(request, None), target=known.email, by="password")
    else:
        digest = sha256(email.lower().encode(errors="replace")).hexdigest()
        audit.record("sign_in.refused", actor=_actor(request, None), by="password", address_sha256=digest)


@receiver(mfa.authentication_failed)
def _code_refused(request: HttpRequest, user: User, authenticator: Any, **_: Any) -> None:
    audit.record("sign_in.refused", actor=_actor(request, None), target=user.email, by=authenticator.type)


@receiver(user_logged_out)
def _signed_out(request: HttpRequest, user: User | None, **_: Any) -> None:
    if user is not None:
        audit.record("sign_in.ended", actor=_actor(request, user), target=user.email)


@receiver(list(CHANGES))
def _changed(signal: Any, request: HttpRequest, user: User, authenticator: Any = None, **_: Any) -> None:
    detail = {"type": authenticator.type} if authenticator is not None else {}
    audit.record(CHANGES[signal], actor=_actor(request, user), target=user.email, **detail)


@receiver([account.password_changed, account.password_set, account.password_reset])
def _sessions_end(request: HttpRequest, user: User, **_: Any) -> None:
    """Django no longer takes them, since the password's hash is part of each; here they leave the list too."""
    end_sessions(user, actor=_actor(request, user), keep=request.session.session_key)
