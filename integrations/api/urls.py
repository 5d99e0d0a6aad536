"""Addresses of the API. They are written without a slash at the end: the middleware takes one away."""

from __future__ import annotations

from django.urls import path, re_path

from entities.models import Entity
from integrations.api import clients, conformance, connections, feeds, log_views, pages, quarantine, sync_runs, views
from integrations.api.record_urls import IGAMING

urlpatterns = [
    path(f"{IGAMING}/customers/<path:key>", views.RecordDetail.as_view(entity=Entity.CUSTOMERS)),
    path(f"{IGAMING}/transactions/<path:key>", views.RecordDetail.as_view(entity=Entity.TRANSACTIONS)),
    path(f"{IGAMING}/activity/days/<str:day>", views.ActivityDay.as_view()),
    path("api/v1/requests", log_views.RequestList.as_view()),
    path("api/v1/requests/<str:request_id>", log_views.RequestDetail.as_view()),
    *quarantine.urlpatterns,
    *clients.urlpatterns,
    *connections.urlpatterns,
    *feeds.urlpatterns,
    *conformance.urlpatterns,
    *sync_runs.urlpatterns,
    re_path(r"^api(/|$)", views.Unknown.as_view()),
    path("problems/<str:code>", pages.problem, name="problem"),
]
