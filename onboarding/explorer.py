"""The API explorer: Swagger UI over our own schema, with a sandbox token at a press."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST
from oauth2_provider.settings import oauth2_settings

from integrations.clients import issue_token
from integrations.models import Client
from onboarding import docs
from track360.access import MANAGERS, portal_view
from track360.htmx import PortalRequest
from track360.models import Environment, Membership
from track360.proxy import client_ip

CLIENTS_OFFERED = 50


def swagger(request: HttpRequest) -> HttpResponse:
    """Swagger UI over our own schema, with a token for one of the reader's sandbox clients at a press.

    It runs under the policy of every other page: scripts and styles are files of ours, nothing is inline.
    """
    context = {
        "breadcrumbs": [("Docs", docs.address(request, "")), ("API explorer", None)],
        "schema_url": reverse("openapi"),
        "clients": explorer_clients(request),
    }
    return render(request, "docs/swagger.html", context)


portal_swagger = portal_view()(swagger)


def explorer_clients(request: HttpRequest) -> list[Client]:
    """The live sandbox clients whose token this reader may have: of the open partner, or of all he may open."""
    user = request.user
    if not user.is_authenticated:
        return []
    environment: Environment | None = getattr(request, "environment", None)
    clients = Client.objects.filter(revoked_at=None, environment__kind=Environment.Kind.SANDBOX)
    if environment is not None:
        clients = clients.filter(environment__partner=environment.partner)
    if not user.is_staff:
        mine = Membership.objects.filter(user=user, role__in=MANAGERS).values("partner")
        clients = clients.filter(environment__partner__in=mine)
    found = clients.select_related("environment__partner").order_by("environment__partner__name", "-id")
    # A client with a list of addresses will most likely refuse the reader's browser: last.
    return sorted(found[:CLIENTS_OFFERED], key=lambda client: bool(client.allowed_ip_ranges))


@never_cache
@portal_view(roles=MANAGERS)
@require_POST
def sandbox_token(request: PortalRequest) -> HttpResponse:
    """A token of a sandbox client for the API explorer, as JSON. It ends with its client or secret like any other."""
    client_id = request.POST.get("client_id", "").replace("\x00", "")
    client = get_object_or_404(Client, environment=request.environment, client_id=client_id)
    try:
        token = issue_token(client, actor=request.user, ip=client_ip(request))
    except ValidationError as refusal:
        return JsonResponse({"detail": refusal.messages[0]}, status=409)
    lifetime = oauth2_settings.ACCESS_TOKEN_EXPIRE_SECONDS
    return JsonResponse({"access_token": token, "expires_in": lifetime, "client": client.name})
