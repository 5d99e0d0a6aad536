"""Addresses of this app. Records stand in them by their internal number: the partner's ids may hold any character."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from entities import quarantine_views, views

pages = [
    path("customers/", views.customer_list, name="customer-list"),
    path("customers/<int:number>/", views.customer_detail, name="customer-detail"),
    path("transactions/", views.transaction_list, name="transaction-list"),
    path("transactions/<int:number>/", views.transaction_detail, name="transaction-detail"),
    path("activity/", views.activity_list, name="activity-list"),
    path("activity/<int:number>/", views.activity_detail, name="activity-detail"),
    path("quarantine/", quarantine_views.quarantine_list, name="quarantine-list"),
    path("quarantine/<int:number>/", quarantine_views.quarantine_detail, name="quarantine-detail"),
]

urlpatterns: list[URLPattern | URLResolver] = [
    path("p/<slug:partner_slug>/<slug:environment_kind>/", include(pages)),
]
