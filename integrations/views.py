"""The portal's credentials and requests pages."""

from __future__ import annotations

import uuid
from datetime import timedelta
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.core.validators import slug_re
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache

from integrations import client_pages, clients, request_pages, submissions
from integrations.api.pages import EXPLANATIONS
from integrations.forms import ClientForm, RequestFilterForm, RotateForm
from integrations.models import Client
from track360.access import MANAGERS, portal_view
from track360.htmx import PortalRequest, render_page
from track360.models import Environment
from track360.proxy import client_ip
from track360.templatetags.ui import duration

TWO_SECRETS = "This client has two live secrets already. Revoke one of them first, or wait until the older one ends."
CLIENTS_IN_FILTER = 100
FIRST_CURL = """curl -s {base_url}/api/v1/igaming/customers \\
  -H "Authorization: Bearer $TOKEN\""""
NOT_READY_HINT = (
    "Production credentials can be made once steps 1 to 7 of going live are green, or overridden by the team."
)


# -- Credentials --------------------------------------------------------------


@never_cache
@portal_view()
def client_list(request: PortalRequest) -> HttpResponse:
    page = client_pages.newest_clients(
        request.environment, before=request.GET.get("before", ""), after=request.GET.get("after", "")
    )
    states = [client_pages.client_state(client) for client in page.rows]
    revoked = client_pages.newest_clients(request.environment, revoked=True).rows
    here = _url(request, "client-list")
    context = {
        "state": client_pages.sentence_for_list(states),
        "clients": states,
        "is_first": page.is_first,
        "older_url": f"{here}?before={page.older['before']}" if page.older else "",
        "newer_url": f"{here}?after={page.newer['after']}" if page.newer else "",
        "first_url": "" if page.is_first else here,
        "revoked": revoked,
        "revoked_label": f"Revoked clients ({len(revoked)})",
        "may_change": request.role in MANAGERS,
    }
    return render_page(request, "integrations/client_list.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def client_new(request: PortalRequest) -> HttpResponse:
    form = ClientForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                if not submissions.is_first(request, form.cleaned_data["submission"]):
                    return _sent_before(request, _url(request, "client-list"), "The client exists already.")
                new = clients.create_client(
                    request.environment,
                    name=form.cleaned_data["name"],
                    actor=request.user,
                    scopes=form.cleaned_data["scopes"],
                    ip_ranges=form.cleaned_data["ip_ranges"],
                    ip=client_ip(request),
                )
            return _show_once(request, new, title=f"{new.client.name} is ready", state="One secret, shown once.")
        except ValidationError as refusal:
            form.add_refusal(refusal)
    is_production = request.environment.kind == Environment.Kind.PRODUCTION
    context = {
        "title": "New client",
        "state": f"For one of your programs, in {request.environment.kind}.",
        "breadcrumbs": [("Credentials", _url(request, "client-list")), ("New client", None)],
        "form": form,
        "submit": "Create client",
        "cancel_url": _url(request, "client-list"),
        "notice": NOT_READY_HINT if is_production and not form.errors else "",
    }
    return render_page(request, "integrations/client_form.html", context)


@never_cache
@portal_view()
def client_detail(request: PortalRequest, client_id: str) -> HttpResponse:
    client = get_object_or_404(
        client_pages.clients_for(request.environment).select_related("created_by"), client_id=client_id
    )
    state = client_pages.client_state(client)
    context = {
        "client": client,
        "state": client_pages.sentence_for(state),
        "secrets": state.secrets,
        "safe": state.safe_to_revoke,
        "may_rotate": state.may_rotate,
        "last_used_at": state.last_used_at,
        "breadcrumbs": [("Credentials", _url(request, "client-list")), (client.name, None)],
        "client_requests_url": f"{_url(request, 'request-list')}?client={client.client_id}",
        "curl": _token_curl(client),
        "may_change": request.role in MANAGERS,
    }
    return render_page(request, "integrations/client_detail.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def client_rotate(request: PortalRequest, client_id: str) -> HttpResponse:
    client = get_object_or_404(client_pages.clients_for(request.environment), client_id=client_id)
    here = _url(request, "client-detail", client_id=client_id)
    form = RotateForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        overlap = form.cleaned_data["overlap"]
        try:
            with transaction.atomic():
                if not submissions.is_first(request, form.cleaned_data["submission"]):
                    return _sent_before(request, here, "The secret was rotated already.")
                new = clients.rotate_secret(client, actor=request.user, overlap=overlap, ip=client_ip(request))
            end = f"works for another {duration(overlap)}" if overlap else "has ended"
            state = f"Deploy it; the old secret {end}."
            return _show_once(request, new, title=f"A new secret for {client.name}", state=state)
        except ValidationError as refusal:
            form.add_error(None, refusal)
    context = {
        "title": f"Rotate the secret of {client.name}",
        "state": "Makes a second secret, shown once, and gives the current one an end.",
        "breadcrumbs": [("Credentials", _url(request, "client-list")), (client.name, here), ("Rotate", None)],
        "form": form,
        "submit": "Make a new secret",
        "cancel_url": here,
        "notice": "" if client_pages.client_state(client).may_rotate or form.errors else TWO_SECRETS,
    }
    return render_page(request, "integrations/client_form.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def client_revoke(request: PortalRequest, client_id: str) -> HttpResponse:
    client = get_object_or_404(client_pages.clients_for(request.environment), client_id=client_id)
    here = _url(request, "client-detail", client_id=client_id)
    if request.method == "POST":
        clients.revoke_client(client, actor=request.user, ip=client_ip(request))
        messages.success(request, f"{client.name} is revoked. Its secrets and tokens have ended.")
        return redirect(here)
    state = client_pages.client_state(client)
    context = {
        "title": f"Revoke {client.name}?",
        "body": "Every program that uses this client stops at once: its secrets and tokens end with the very next "
        "request. It cannot be undone. What it sent stays, and so does its request log.",
        "last_used_at": state.last_used_at,
        "token_count": client_pages.live_token_count(client),
        "what_is_left": "Nothing of this client. Create another one first if a program still needs it.",
        "action": request.path,
        "submit": "Revoke client",
        "cancel_url": here,
        "breadcrumbs": [("Credentials", _url(request, "client-list")), (client.name, here), ("Revoke", None)],
    }
    return render_page(request, "integrations/revoke.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def secret_revoke(request: PortalRequest, client_id: str, secret_id: uuid.UUID) -> HttpResponse:
    client = get_object_or_404(client_pages.clients_for(request.environment), client_id=client_id)
    secret = get_object_or_404(client.secrets.all(), pk=secret_id)
    here = _url(request, "client-detail", client_id=client_id)
    if request.method == "POST":
        clients.revoke_secret(secret, actor=request.user, ip=client_ip(request))
        messages.success(request, f"The secret ending in {secret.last_four} is revoked. Its tokens have ended.")
        return redirect(here)
    others = [entry for entry in client_pages.client_state(client).live if entry.secret.pk != secret.pk]
    left = f"The secret ending in {others[0].secret.last_four}." if others else "No live secret: the client stops."
    context = {
        "title": f"Revoke the secret ending in {secret.last_four}?",
        "body": f"Programs that still use this secret of {client.name} stop at once: the tokens it fetched end with "
        "the very next request. It cannot be undone.",
        "last_used_at": secret.last_used_at,
        "token_count": client_pages.live_token_count(client, secret=secret),
        "what_is_left": left,
        "action": request.path,
        "submit": "Revoke secret",
        "cancel_url": here,
        "breadcrumbs": [("Credentials", _url(request, "client-list")), (client.name, here), ("Revoke a secret", None)],
    }
    return render_page(request, "integrations/revoke.html", context)


def _show_once(request: PortalRequest, new: clients.NewSecret, *, title: str, state: str) -> HttpResponse:
    """The answer that bears the secret, and the only one: no redirect, so that it lies in no session and no address."""
    here = _url(request, "client-detail", client_id=new.client.client_id)
    context = {
        "title": title,
        "state": state,
        "client": new.client,
        "secret_facts": [("Client id", new.client.client_id), ("Client secret", new.clear)],
        "warning": "",
        "curl": _token_curl(new.client),
        "breadcrumbs": [("Credentials", _url(request, "client-list")), (new.client.name, here), ("New secret", None)],
    }
    return render_page(request, "integrations/client_secret.html", context)


def _sent_before(request: PortalRequest, url: str, what: str) -> HttpResponse:
    messages.info(request, f"{what} Its secret was shown once; rotate the client to get another one.")
    return redirect(url)


def _token_curl(client: Client) -> str:
    return (
        f"curl -s {settings.BASE_URL}/oauth/token \\\n"
        "  -d grant_type=client_credentials \\\n"
        f"  -d client_id={client.client_id} \\\n"
        '  -d client_secret="$TRACK360_SECRET"'
    )


# -- Requests -----------------------------------------------------------------


@portal_view()
def request_list(request: PortalRequest) -> HttpResponse:
    names = list(client_pages.clients_for(request.environment).values_list("client_id", "name")[:CLIENTS_IN_FILTER])
    data = request.GET.dict()
    form = RequestFilterForm(data, client_names=[*names, *_unlisted(data.get("client", ""), names)])
    filters = form.cleaned_data if form.is_valid() else None
    page = request_pages.newest_requests(
        request.environment, filters=filters, before=data.get("before", ""), after=data.get("after", "")
    )
    here = _url(request, "request-list")
    kept = {name: value for name, value in data.items() if name in form.fields and value}
    refused = request_pages.recent_refusals(request.environment)
    context = {
        "state": _sentence(refused),
        "refused": refused,
        "refused_url": f"{here}?status=4xx",
        "form": form,
        "rows": page.rows,
        "client_names": dict(names),
        "is_first": page.is_first,
        "here": here,
        "is_live": "live" in data and page.is_first,
        "live_url": _with(here, {**kept, **({} if "live" in data else {"live": "1"})}),
        "clear_url": here if form.is_filtered else "",
        "first_url": "" if page.is_first else _with(here, kept),
        "newer_url": _with(here, {**kept, **page.newer}) if page.newer else "",
        "older_url": _with(here, {**kept, **page.older}) if page.older else "",
        "first_curl": FIRST_CURL.format(base_url=settings.BASE_URL),
    }
    return render_page(request, "integrations/request_list.html", context, fragment="request-table")


@portal_view()
def request_detail(request: PortalRequest, request_id: uuid.UUID) -> HttpResponse:
    row = get_object_or_404(request_pages.requests_of(request.environment), pk=request_id)
    client = Client.objects.filter(environment=request.environment, client_id=row.client_id).first()
    explained = request_pages.explain(row)
    context = {
        "row": row,
        "client": client,
        "title": f"{row.method} {row.path}",
        "state": request_pages.sentence_for(row),
        "explained": explained,
        "remedy": None if explained.groups else EXPLANATIONS.get(row.error_code),
        "kept_until": row.at + timedelta(days=request_pages.KEPT_DAYS),
        "breadcrumbs": [("Requests", _url(request, "request-list")), (str(row.pk), None)],
        "duration_seconds": row.duration_ms / 1000,
        "errors_url": reverse("docs-page", kwargs={"slug": "errors", **_place(request)}),
    }
    return render_page(request, "integrations/request_detail.html", context)


def _sentence(refused: int) -> str:
    kept = f"Every call is kept {request_pages.KEPT_DAYS} days."
    if not refused:
        return f"Nothing was refused in the last 24 hours. {kept}"
    shown = f"{refused:,}" if refused < request_pages.COUNTED else f"{request_pages.COUNTED:,} or more"
    return f"{shown} call{'s were' if refused > 1 else ' was'} refused in the last 24 hours. {kept}"


def _unlisted(client_id: str, names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """A client of the query string that the menu does not hold is a choice too, as itself."""
    is_one = slug_re.fullmatch(client_id) and client_id not in dict(names)
    return [(client_id, client_id)] if is_one else []


def _with(url: str, parameters: dict[str, str]) -> str:
    return f"{url}?{urlencode(parameters)}" if parameters else url


def _place(request: PortalRequest) -> dict[str, str]:
    return {"partner_slug": request.partner.slug, "environment_kind": request.environment.kind}


def _url(request: PortalRequest, name: str, **kwargs: str) -> str:
    return reverse(name, kwargs={**_place(request), **kwargs})
