"""The partner's webhooks: made, tried, looked at, switched and removed."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, URLResolver, include, path
from django.views.decorators.cache import never_cache

from entities.addresses import portal_url
from integrations import submissions, webhooks
from integrations.forms import SubmissionForm
from integrations.models import WebhookEndpoint
from onboarding import delivery, tasks
from onboarding.models import Delivery, Notification
from track360.access import MANAGERS, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page

SHOWN = 20


class WebhookForm(SubmissionForm):
    url = forms.CharField(
        label="Address",
        max_length=webhooks.URL_LENGTH,
        help_text="Where your server takes our calls, by https, such as https://hooks.example.com/track360.",
        widget=forms.URLInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def add_refusal(self, refusal: ValidationError) -> None:
        self.add_error("url" if getattr(refusal, "code", "") == "url" else None, refusal)


@portal_view(roles=MANAGERS)
def webhook_list(request: PortalRequest) -> HttpResponse:
    endpoints = list(WebhookEndpoint.objects.filter(partner=request.partner).order_by("created_at"))
    context = {
        "state": _list_state(endpoints),
        "endpoints": [(endpoint, webhooks.host_of(endpoint), _look(endpoint)) for endpoint in endpoints],
        "breadcrumbs": _crumbs(request),
        "may_add": len(endpoints) < webhooks.MOST,
    }
    return render_page(request, "onboarding/webhook_list.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def webhook_new(request: PortalRequest) -> HttpResponse:
    form = WebhookForm(request.POST or None)
    here = portal_url(request, "settings-webhooks")
    if request.method == "POST" and form.is_valid():
        try:
            with transaction.atomic():
                if not submissions.is_first(request, form.cleaned_data["submission"]):
                    messages.info(
                        request, "The webhook exists already. Its secret was shown once; rotate it for another."
                    )
                    return redirect(here)
                new = webhooks.create_endpoint(
                    request.partner, url=form.cleaned_data["url"], actor=audit_actor(request)
                )
            return _show_once(request, new, title="The webhook is ready")
        except ValidationError as refusal:
            form.add_refusal(refusal)
    context = {
        "title": "New webhook",
        "state": "We call it when a step turns, and when something needs you.",
        "breadcrumbs": _crumbs(request, "New"),
        "form": form,
        "submit": "Create webhook",
        "cancel_url": here,
    }
    return render_page(request, "integrations/client_form.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def webhook_detail(request: PortalRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    # By way of the partner's notifications, whose index has the order.
    sent = Delivery.objects.filter(endpoint=endpoint, notification__partner=request.partner)
    deliveries = list(sent.select_related("notification").order_by("-notification__at")[:SHOWN])
    context = {
        "endpoint": endpoint,
        "title": webhooks.host_of(endpoint),
        "state": _state(endpoint),
        "look": _look(endpoint),
        "deliveries": [(row, _delivery_look(row)) for row in deliveries],
        # A person waits for the answer to a test, so that the list asks for it.
        "is_live": any(row.next_try_at and row.notification.kind == Notification.Kind.TEST for row in deliveries),
        "breadcrumbs": _crumbs(request, webhooks.host_of(endpoint)),
    }
    return render_page(request, "onboarding/webhook_detail.html", context, fragment="deliveries")


@never_cache
@portal_view(roles=MANAGERS)
def webhook_test(request: PortalRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    if request.method == "POST":
        if delivery.test_is_on_its_way(endpoint):
            messages.info(request, "A test is on its way already; its answer shows below.")
        else:
            delivery.send_test(endpoint, actor=audit_actor(request))
            tasks.ring_for_webhooks()
            messages.success(request, "A test is on its way; its answer shows below.")
    return redirect(portal_url(request, "settings-webhook", endpoint.pk))


@never_cache
@portal_view(roles=MANAGERS)
def webhook_switch(request: PortalRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    if request.method == "POST":
        if request.POST.get("to") == "on":
            delivery.switch_on(endpoint, actor=audit_actor(request))
            messages.success(request, "The webhook is on. It is called from the next notification on.")
        else:
            webhooks.switch_endpoint(endpoint, on=False, actor=audit_actor(request))
            messages.success(request, "The webhook is off. Nothing is sent to it.")
    return redirect(portal_url(request, "settings-webhook", endpoint.pk))


@never_cache
@portal_view(roles=MANAGERS)
def webhook_rotate(request: PortalRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    here = portal_url(request, "settings-webhook", endpoint.pk)
    form = SubmissionForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            if not submissions.is_first(request, form.cleaned_data["submission"]):
                messages.info(request, "The secret was rotated already, and shown once. Rotate again for another.")
                return redirect(here)
            new = webhooks.rotate_secret(endpoint, actor=audit_actor(request))
        return _show_once(request, new, title="A new secret")
    context = {
        "title": "Rotate the secret?",
        "body": "Makes a new secret, shown once. For 24 hours calls bear two signatures, by the old and by the new "
        "one, so that nothing is lost while you change over.",
        "submit": "Make a new secret",
        "cancel_url": here,
        "form": form,
        "danger": False,
        "breadcrumbs": _crumbs(request, webhooks.host_of(endpoint)),
    }
    return render_page(request, "onboarding/webhook_confirm.html", context)


@never_cache
@portal_view(roles=MANAGERS)
def webhook_remove(request: PortalRequest, endpoint_id: uuid.UUID) -> HttpResponse:
    endpoint = _endpoint(request, endpoint_id)
    host = webhooks.host_of(endpoint)
    if request.method == "POST":
        delivery.remove_endpoint(endpoint, actor=audit_actor(request))
        messages.success(request, f"The webhook at {host} is removed.")
        return redirect(portal_url(request, "settings-webhooks"))
    context = {
        "title": f"Remove the webhook at {host}?",
        "body": "It is not called any more, its secret is forgotten, and so is what was sent there. "
        "Notifications stay, in the portal and by email.",
        "submit": "Remove webhook",
        "cancel_url": portal_url(request, "settings-webhook", endpoint.pk),
        "danger": True,
        "breadcrumbs": _crumbs(request, host),
    }
    return render_page(request, "onboarding/webhook_confirm.html", context)


# -- Words --------------------------------------------------------------------


def _endpoint(request: PortalRequest, endpoint_id: uuid.UUID) -> WebhookEndpoint:
    return get_object_or_404(WebhookEndpoint, partner=request.partner, pk=endpoint_id)


def _crumbs(request: PortalRequest, *last: str) -> list[tuple[str, str | None]]:
    settings: tuple[str, str | None] = ("Settings", portal_url(request, "settings"))
    if not last:
        return [settings, ("Webhooks", None)]
    return [settings, ("Webhooks", portal_url(request, "settings-webhooks")), (last[0], None)]


def _fails(endpoint: WebhookEndpoint) -> bool:
    failed, arrived = endpoint.last_error_at, endpoint.last_success_at
    return failed is not None and (arrived is None or arrived < failed)


def _look(endpoint: WebhookEndpoint) -> tuple[str, str]:
    """Tone and word of its badge."""
    if not endpoint.is_active:
        return "neutral", "Off"
    if _fails(endpoint):
        return "danger", "Failing"
    return ("success", "Works") if endpoint.last_success_at else ("neutral", "Not used yet")


def _list_state(endpoints: list[WebhookEndpoint]) -> str:
    failing = sum(endpoint.is_active and _fails(endpoint) for endpoint in endpoints)
    off = sum(not endpoint.is_active for endpoint in endpoints)
    if not endpoints:
        return "Let your own programs know what we tell you."
    if failing:
        return f"{failing} of {len(endpoints)} fail{'s' * (failing == 1)}. Open it to see what it answers."
    return f"{len(endpoints)} webhook{'s' * (len(endpoints) > 1)}" + (
        f", {off} switched off." if off else ", in order."
    )


def _state(endpoint: WebhookEndpoint) -> str:
    if not endpoint.is_active:
        return "Switched off: nothing is sent to it. Mend it, send a test, then switch it on."
    if _fails(endpoint):
        return "The last call failed. What waits is tried again for about three days; then it is switched off."
    return "The last call arrived." if endpoint.last_success_at else "Nothing was sent yet. Next: send a test."


def _delivery_look(row: Delivery) -> tuple[str, str]:
    if row.delivered_at:
        return "success", "Arrived"
    if row.next_try_at is None:
        return "danger", "Failed" if row.notification.kind == Notification.Kind.TEST else "Given up"
    return ("warning", "Waits") if row.tried_at else ("info", "On its way")


def _show_once(request: PortalRequest, new: webhooks.NewEndpoint, *, title: str) -> HttpResponse:
    """The answer that bears the secret, and the only one: no redirect, so that it lies in no session and no address."""
    context: dict[str, Any] = {
        "title": title,
        "state": "Put the secret where your server checks signatures, then send a test.",
        "secret_facts": [("Address", new.endpoint.url), ("Signing secret", new.secret)],
        "next_url": portal_url(request, "settings-webhook", new.endpoint.pk),
        "breadcrumbs": _crumbs(request, webhooks.host_of(new.endpoint)),
    }
    return render_page(request, "onboarding/webhook_secret.html", context)


one: list[URLPattern | URLResolver] = [
    path("", webhook_detail, name="settings-webhook"),
    path("test/", webhook_test, name="settings-webhook-test"),
    path("switch/", webhook_switch, name="settings-webhook-switch"),
    path("rotate/", webhook_rotate, name="settings-webhook-rotate"),
    path("remove/", webhook_remove, name="settings-webhook-remove"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("", webhook_list, name="settings-webhooks"),
    path("new/", webhook_new, name="settings-webhook-new"),
    path("<uuid:endpoint_id>/", include(one)),
]
