"""One URL, one view, one template: the whole page for a browser, the named fragment for htmx."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django_htmx.middleware import HtmxDetails

if TYPE_CHECKING:
    from track360.models import Environment, Partner, User


class PortalRequest(HttpRequest):
    """What a page under `/p/<partner>/<environment>/` gets, once `access.portal_view` has let it in."""

    user: User
    htmx: HtmxDetails
    partner: Partner
    environment: Environment
    role: str
    viewing_as: str | None  # the role as which a member of the team looks, read only; `role` is the same then
    memberships: Sequence[Partner] | QuerySet[Partner]  # where this person may switch to


def wants_fragment(request: HttpRequest) -> bool:
    """A boosted link or a restored history entry replaces the page, so it needs all of it."""
    htmx: HtmxDetails = request.htmx  # type: ignore[attr-defined]
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request


def render_page(
    request: HttpRequest,
    template_name: str,
    context: dict[str, Any] | None = None,
    *,
    fragment: str | None = None,
    status: int | None = None,
) -> HttpResponse:
    """Render `template_name`, or only its partial `fragment` when htmx asks; its name is its element's id."""
    if fragment and wants_fragment(request):
        template_name = f"{template_name}#{fragment}"
    response = render(request, template_name, context, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response
