"""Pages that belong to no app: the way in, the theme, the errors."""

from __future__ import annotations

from datetime import timedelta
from typing import cast

from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect, HttpResponseServerError
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from track360.access import partners_for
from track360.models import Environment, User
from track360.templatetags.frame import THEMES

A_YEAR = timedelta(days=365)


@require_POST
def set_theme(request: HttpRequest) -> HttpResponse:
    """Remember light or dark for this browser, and go back to where the reader was."""
    back = request.POST.get("next", "")
    if not url_has_allowed_host_and_scheme(back, allowed_hosts={request.get_host()}):
        back = "/"
    response = HttpResponseRedirect(back)
    theme = request.POST.get("theme")
    if theme in THEMES:
        response.set_cookie(
            "theme",
            theme,
            max_age=A_YEAR,
            samesite="Lax",
            httponly=True,
            secure=request.is_secure(),
        )
    return response


def not_offered(request: HttpRequest) -> HttpResponse:
    """Stands before a page that a library brings and the portal does not have."""
    raise Http404("No such page.")


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/400.html", status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/403.html", {"reason": str(exception)}, status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    return render(request, "errors/403_csrf.html", status=403)


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return render(request, "errors/404.html", status=404)


def too_large(request: HttpRequest) -> HttpResponse:
    """By `track360.uploads`, before anything of the request was read."""
    return render(request, "errors/413.html", {"limit": "10 MB"}, status=413)


def too_many_requests(request: HttpRequest) -> HttpResponse:
    return render(request, "errors/429.html", status=429)


def server_error(request: HttpRequest) -> HttpResponse:
    """Without request and context processors: the database may be what is broken."""
    try:
        return render(None, "errors/500.html", status=500)
    except ValueError:  # a static file without its hashed name: collectstatic has not been run
        return HttpResponseServerError("Something went wrong on our side. It is logged.", content_type="text/plain")


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Where a signed-in person belongs: the team's list of partners, or the sandbox of his first partner."""
    user = cast(User, request.user)
    if user.is_staff:
        return redirect("partner-list")
    partner = partners_for(user).order_by("name", "id").first()
    if partner is None:
        return render(request, "track360/no_partner.html")
    return redirect("overview", partner_slug=partner.slug, environment_kind=Environment.Kind.SANDBOX)
