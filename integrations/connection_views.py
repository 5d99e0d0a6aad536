"""The connections pages: where we fetch, its test, and its switch. Nothing here calls out: a worker does."""

from __future__ import annotations

import uuid

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from entities.addresses import portal_url
from entities.models import Entity
from entities.privacy import sees_personal_data
from integrations import connection_pages as pages
from integrations import connections, feeds, submissions, tasks
from integrations.clients import Override
from integrations.connection_forms import FORMS, ReasonForm, SecretForm
from integrations.connection_tests import newest_test
from integrations.models import Connection
from track360.access import MANAGERS, STAFF_ROLE, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page
from track360.templatetags.ui import Breadcrumbs

KINDS = (
    (Connection.Kind.REST, "An HTTP API that answers with JSON: your platform's own, or one that you build for this."),
    (Connection.Kind.POSTGRESQL, "A read replica or a warehouse that speaks PostgreSQL: a table, a view or a SELECT."),
    (Connection.Kind.MYSQL, "The same from a MySQL or MariaDB server."),
)


def found(request: PortalRequest, connection_id: uuid.UUID) -> Connection:
    rows = pages.connections_for(request.environment).select_related("created_by")
    connection = get_object_or_404(rows, pk=connection_id)
    connection.environment = request.environment
    return connection


def crumbs(request: PortalRequest, connection: Connection | None = None, last: str = "") -> Breadcrumbs:
    trail: Breadcrumbs = [("Connections", portal_url(request, "connection-list"))]
    if connection is not None:
        here = portal_url(request, "connection-detail", connection.pk)
        trail.append((connection.name, here if last else None))
    return [*trail, (last, None)] if last else trail


@portal_view()
def connection_list(request: PortalRequest) -> HttpResponse:
    states = pages.connection_states(pages.connections_for(request.environment))
    context = {
        "state": pages.sentence_for_list(states),
        "connections": states,
        "may_change": request.role in MANAGERS,
        "may_add": len(states) < connections.MOST,
    }
    return render_page(request, "integrations/connection_list.html", context)


@portal_view(roles=MANAGERS)
def connection_new(request: PortalRequest) -> HttpResponse:
    context = {
        "kinds": [(kind, note, portal_url(request, "connection-new-kind", kind.value)) for kind, note in KINDS],
        "breadcrumbs": crumbs(request, last="New connection"),
    }
    return render_page(request, "integrations/connection_new.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def connection_new_kind(request: PortalRequest, kind: str) -> HttpResponse:
    if kind not in FORMS:
        raise Http404("No such kind.")
    form = FORMS[kind](request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                if not submissions.is_first(request, form.cleaned_data["submission"]):
                    messages.info(request, "The connection exists already.")
                    return redirect(portal_url(request, "connection-list"))
                connection = connections.create_connection(
                    request.environment,
                    kind=kind,
                    values=form.values(),
                    secret=form.secret_to_set(),
                    actor=audit_actor(request),
                )
            messages.success(request, f"{connection.name} is there. Next: say what it fetches.")
            return redirect(portal_url(request, "connection-detail", connection.pk))
        except ValidationError as refusal:
            form.add_refusal(refusal)
    context = {
        "title": f"New connection: {Connection.Kind(kind).label}",
        "state": "It fetches nothing until a test has passed and you switch it on.",
        "breadcrumbs": crumbs(request, last="New connection"),
        "form": form,
        "submit": "Create connection",
        "cancel_url": portal_url(request, "connection-list"),
    }
    return render_page(request, "integrations/connection_form.html", context)


@never_cache
@portal_view()
def connection_detail(request: PortalRequest, connection_id: uuid.UUID) -> HttpResponse:
    connection = found(request, connection_id)
    (state,) = pages.connection_states(pages.connections_for(request.environment).filter(pk=connection.pk))
    test = newest_test(connection)
    personal = sees_personal_data(request)
    taken = {one.feed.entity for one in state.feeds}
    feeds = pages.feeds_in_order(request.environment)
    free = [entity for entity in Entity if entity not in {feed.entity for feed in feeds}]
    context = {
        "connection": connection,
        "one": state,
        "state": pages.sentence_for(state, test, may_add=bool(free)),
        "test": test,
        "is_testing": pages.still_open(test),
        "results": pages.test_views(test, personal=personal) if test else [],
        "is_older": test is not None and bool(state.feeds) and not set(test.feeds) >= taken,
        "personal": personal,
        "new_feeds": [
            (entity, portal_url(request, "connection-feed-new", connection.pk, entity.value)) for entity in free
        ],
        "elsewhere": [feed for feed in feeds if feed.connection_id != connection.pk],
        "may_change": request.role in MANAGERS,
        "breadcrumbs": crumbs(request, connection),
    }
    return render_page(request, "integrations/connection_detail.html", context, fragment="connection")


@never_cache
@portal_view(roles=MANAGERS)
def connection_edit(request: PortalRequest, connection_id: uuid.UUID) -> HttpResponse:
    connection = found(request, connection_id)
    here = portal_url(request, "connection-detail", connection.pk)
    form = FORMS[connection.kind](request.POST or None, connection=connection)
    if request.method == "POST" and form.is_valid():
        try:
            changed = connections.change_connection(
                connection, values=form.values(), secret=form.secret_to_set(), actor=audit_actor(request)
            )
            stands = changed.passed_at is not None or connection.passed_at is None
            messages.success(request, "Changed." if stands else "Changed, and off until it is tested again.")
            return redirect(here)
        except ValidationError as refusal:
            form.add_refusal(refusal)
    context = {
        "title": f"Change {connection.name}",
        "state": "Where it leads, or how it signs in: then it is off until it is tested again.",
        "breadcrumbs": crumbs(request, connection, "Change"),
        "form": form,
        "submit": "Save",
        "cancel_url": here,
    }
    return render_page(request, "integrations/connection_form.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def connection_secret(request: PortalRequest, connection_id: uuid.UUID) -> HttpResponse:
    connection = found(request, connection_id)
    here = portal_url(request, "connection-detail", connection.pk)
    form = SecretForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            connections.set_secret(connection, secret=form.cleaned_data["secret"], actor=audit_actor(request))
            messages.success(request, "The secret is set. Next: test the connection.")
            return redirect(here)
        except ValidationError as refusal:
            form.add_error("secret", refusal)
    context = {
        "title": f"{'Replace' if connection.sealed_secret else 'Set'} the secret of {connection.name}",
        "state": "The connection is off until it is tested with it.",
        "breadcrumbs": crumbs(request, connection, "Secret"),
        "form": form,
        "submit": "Set the secret",
        "cancel_url": here,
    }
    return render_page(request, "integrations/client_form.html", context)


@portal_view(roles=MANAGERS)
@require_POST
def connection_test(request: PortalRequest, connection_id: uuid.UUID) -> HttpResponse:
    connection = found(request, connection_id)
    try:
        _, is_new = tasks.start_test(connection, actor=audit_actor(request))
        if not is_new:
            messages.info(request, "A test is on its way already.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return redirect(portal_url(request, "connection-detail", connection.pk))


@portal_view(roles=MANAGERS)
@require_POST
def connection_switch(request: PortalRequest, connection_id: uuid.UUID) -> HttpResponse:
    connection = found(request, connection_id)
    here = portal_url(request, "connection-detail", connection.pk)
    on, reason = request.POST.get("to") == "on", request.POST.get("reason")
    actor = audit_actor(request)
    form = ReasonForm(request.POST if reason is not None else None)
    overrides = request.role == STAFF_ROLE and form.is_valid()
    override = Override(by=request.user, reason=form.cleaned_data["reason"]) if overrides else None
    try:
        with transaction.atomic():
            connections.switch_connection(connection, on=on, actor=actor, override=override)
            if on:
                feeds.switch_on_tested(Connection.objects.get(pk=connection.pk), actor=actor)
        messages.success(request, f"{connection.name} is {'on, with the feeds that have passed' if on else 'off'}.")
    except ValidationError as refusal:
        if refusal.code == "not_ready" and request.role == STAFF_ROLE:
            context = {
                "title": f"Switch on {connection.name} before its time?",
                "body": " ".join(refusal.messages),
                "action": request.path,
                "submit": "Switch on all the same",
                "form": form,
                "danger": True,
                "cancel_url": here,
                "breadcrumbs": crumbs(request, connection, "Switch on"),
            }
            return render_page(request, "integrations/connection_confirm.html", context)
        messages.error(request, " ".join(refusal.messages))
    return redirect(here)


@never_cache
@portal_view(roles=MANAGERS)
def connection_remove(request: PortalRequest, connection_id: uuid.UUID) -> HttpResponse:
    connection = found(request, connection_id)
    if request.method == "POST":
        connections.remove_connection(connection, actor=audit_actor(request))
        messages.success(request, f"{connection.name} is removed, and its secret is wiped.")
        return redirect(portal_url(request, "connection-list"))
    context = {
        "title": f"Remove {connection.name}?",
        "body": "It fetches nothing more, nor do its feeds, and its secret is wiped. What it fetched stays, and so do "
        "its runs. It cannot be undone.",
        "action": request.path,
        "submit": "Remove connection",
        "danger": True,
        "cancel_url": portal_url(request, "connection-detail", connection.pk),
        "breadcrumbs": crumbs(request, connection, "Remove"),
    }
    return render_page(request, "integrations/connection_confirm.html", context)
