"""A second factor for everybody of the integrations team, before anything else opens to them."""

from __future__ import annotations

from typing import Any

from allauth.mfa.models import Authenticator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from track360.models import User

# Recovery codes are no factor of their own.
SECOND_FACTORS = Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)
# By name: setting one up (and saying again who one is before that), signing out, and the theme of those pages.
OPEN_WITHOUT = ("mfa_", "account_reauthenticate", "account_logout", "theme")
# These know no session; programs call them.
NOT_PAGES = ("/api/", "/oauth/", "/.well-known/")


def has_second_factor(user: User) -> bool:
    return SECOND_FACTORS.filter(user=user).exists()


class SecondFactorMiddleware:
    """However a member of the team got a session: without a second factor it leads to setting one up."""

    def __init__(self, get_response: Any) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        name = (request.resolver_match and request.resolver_match.url_name) or ""
        if name.startswith(OPEN_WITHOUT) or request.path_info.startswith(NOT_PAGES):
            return None
        user = request.user
        if not isinstance(user, User) or not user.is_staff or has_second_factor(user):
            return None
        return redirect("mfa_index")
