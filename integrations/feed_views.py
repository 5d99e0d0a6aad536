"""A feed's pages: made, changed, switched, set back, filled with the past, removed."""

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
from integrations import connection_pages as pages
from integrations import feeds, submissions, tasks
from integrations.connection_tests import newest_test
from integrations.connection_views import crumbs
from integrations.connection_views import found as found_connection
from integrations.feed_forms import BackfillForm, CursorForm, FeedForm
from integrations.models import Connection, Feed
from integrations.pull import schedule
from track360.access import MANAGERS, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page


def _found(request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID) -> Feed:
    feed = get_object_or_404(pages.feeds_for(request.environment), connection=connection_id, pk=feed_id)
    feed.environment = feed.connection.environment = request.environment
    return feed


def _detail(request: PortalRequest, connection: Connection) -> str:
    return portal_url(request, "connection-detail", connection.pk)


@never_cache
@portal_view(roles=MANAGERS)
def feed_new(request: PortalRequest, connection_id: uuid.UUID, entity: str) -> HttpResponse:
    connection = found_connection(request, connection_id)
    if entity not in Entity.values:
        raise Http404("No such entity.")
    seen = pages.seen_names(newest_test(connection), entity)
    form = FeedForm(request.POST or None, connection=connection, entity=entity, feed=None, seen=seen)
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                if not submissions.is_first(request, form.cleaned_data["submission"]):
                    messages.info(request, "The feed exists already.")
                    return redirect(_detail(request, connection))
                feeds.create_feed(connection, entity=entity, values=form.values(), actor=audit_actor(request))
            messages.success(request, f"The feed of {entity} is there. Next: test the connection.")
            return redirect(_detail(request, connection))
        except ValidationError as refusal:
            form.add_refusal(refusal)
    context = {
        "title": f"New feed: {Entity(entity).label}",
        "state": f"How we read {entity} from {connection.name}, and when.",
        "breadcrumbs": crumbs(request, connection, "New feed"),
        "form": form,
        "submit": "Create feed",
        "cancel_url": _detail(request, connection),
    }
    return render_page(request, "integrations/feed_form.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def feed_edit(request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
    feed = _found(request, connection_id, feed_id)
    here = _detail(request, feed.connection)
    seen = pages.seen_names(newest_test(feed.connection), feed.entity)
    form = FeedForm(request.POST or None, connection=feed.connection, entity=feed.entity, feed=feed, seen=seen)
    if request.method == "POST" and form.is_valid():
        try:
            changed = feeds.change_feed(feed, values=form.values(), actor=audit_actor(request))
            stands = changed.passed_at is not None or feed.passed_at is None
            messages.success(request, "Changed." if stands else "Changed, and off until it is tested again.")
            return redirect(here)
        except ValidationError as refusal:
            form.add_refusal(refusal)
    context = {
        "title": f"Change the feed of {feed.entity}",
        "state": "Is it read another way, it is off until it is tested again.",
        "breadcrumbs": crumbs(request, feed.connection, f"Feed of {feed.entity}"),
        "form": form,
        "submit": "Save",
        "cancel_url": here,
    }
    return render_page(request, "integrations/feed_form.html", context)


@portal_view(roles=MANAGERS)
@require_POST
def feed_switch(request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
    feed = _found(request, connection_id, feed_id)
    on = request.POST.get("to") == "on"
    try:
        feeds.switch_feed(feed, on=on, actor=audit_actor(request))
        messages.success(request, f"The feed of {feed.entity} is {'on' if on else 'off'}.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return redirect(_detail(request, feed.connection))


@never_cache
@portal_view(roles=MANAGERS)
def feed_cursor(request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
    feed = _found(request, connection_id, feed_id)
    form = CursorForm(request.POST or None, feed=feed)
    if request.method == "POST" and form.is_valid():
        try:
            schedule.set_cursor(feed, cursor=form.cleaned_data["cursor"], actor=audit_actor(request))
            messages.success(request, f"The next run of {feed.entity} reads from there.")
            return redirect(_detail(request, feed.connection))
        except ValidationError as refusal:
            form.add_error("cursor", refusal)
    context = {
        "feed": feed,
        "title": f"Set the cursor of {feed.entity}",
        "state": f"It stands at {feed.cursor}." if feed.cursor else "It stands at the beginning.",
        "form": form,
        "cancel_url": _detail(request, feed.connection),
        "breadcrumbs": crumbs(request, feed.connection, "Cursor"),
    }
    return render_page(request, "integrations/feed_cursor.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def feed_backfill(request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
    feed = _found(request, connection_id, feed_id)
    form = BackfillForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        days = {name: form.cleaned_data[name] for name in ("first_day", "last_day")}
        try:
            with transaction.atomic():
                if not submissions.is_first(request, form.cleaned_data["submission"]):
                    messages.info(request, "These days are asked for already.")
                    return redirect(_detail(request, feed.connection))
                run = schedule.request_backfill(feed, **days, actor=audit_actor(request))
                tasks.ring(run)
            messages.success(request, f"{feed.get_entity_display()} of these days are being fetched.")
            return redirect(portal_url(request, "sync-run-detail", run.pk))
        except ValidationError as refusal:
            form.add_refusal(refusal)
    context = {
        "title": f"Fetch past days of {feed.entity}",
        "state": "Beside the schedule: the cursor stays where it is.",
        "breadcrumbs": crumbs(request, feed.connection, "Past days"),
        "form": form,
        "submit": "Fetch these days",
        "cancel_url": _detail(request, feed.connection),
    }
    return render_page(request, "integrations/client_form.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def feed_remove(request: PortalRequest, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
    feed = _found(request, connection_id, feed_id)
    here = _detail(request, feed.connection)
    if request.method == "POST":
        feeds.remove_feed(feed, actor=audit_actor(request))
        messages.success(request, f"The feed of {feed.entity} is removed.")
        return redirect(here)
    context = {
        "title": f"Remove the feed of {feed.entity}?",
        "body": "It fetches nothing more, and forgets how far it has come. What it fetched stays, and so do its runs. "
        "It cannot be undone; a new feed begins at the beginning.",
        "action": request.path,
        "submit": "Remove feed",
        "danger": True,
        "cancel_url": here,
        "breadcrumbs": crumbs(request, feed.connection, "Remove feed"),
    }
    return render_page(request, "integrations/connection_confirm.html", context)
