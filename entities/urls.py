"""Addresses of this app. Records stand in them by their internal number: the partner's ids may hold any character."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from entities import quarantine_views, replay_views, views

pages = [
    path("customers/", views.customer_list, name="customer-list"),
    path("customers/<int:number>/", views.customer_detail, name="customer-detail"),
    path("transactions/", views.transaction_list, name="transaction-list"),
    path("transactions/<int:number>/", views.transaction_detail, name="transaction-detail"),
    path("activity/", views.activity_list, name="activity-list"),
    path("activity/<int:number>/", views.activity_detail, name="activity-detail"),
    path("quarantine/", quarantine_views.quarantine_list, name="quarantine-list"),
    path("quarantine/download/", quarantine_views.quarantine_download, name="quarantine-download"),
    path("quarantine/drop/", replay_views.quarantine_drop, name="quarantine-drop"),
    path("quarantine/replays/", replay_views.replay_new, name="quarantine-replay-new"),
    path("quarantine/replays/<uuid:replay_id>/", replay_views.replay_detail, name="quarantine-replay"),
    path("quarantine/replays/<uuid:replay_id>/run/", replay_views.replay_run, name="quarantine-replay-run"),
    path("quarantine/replays/<uuid:replay_id>/cancel/", replay_views.replay_cancel, name="quarantine-replay-cancel"),
    path("quarantine/<int:number>/", quarantine_views.quarantine_detail, name="quarantine-detail"),
    path("quarantine/<int:number>/edit/", replay_views.quarantine_edit, name="quarantine-edit"),
    path("quarantine/<int:number>/replay/", replay_views.quarantine_replay_one, name="quarantine-replay-one"),
    path("quarantine/<int:number>/drop/", replay_views.quarantine_drop_one, name="quarantine-drop-one"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("p/<slug:partner_slug>/<slug:environment_kind>/", include(pages)),
]
