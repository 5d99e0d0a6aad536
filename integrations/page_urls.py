"""Addresses of this app's portal pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from integrations import quarantine_pages, views

client_pages: list[URLPattern | URLResolver] = [
    path("", views.client_detail, name="client-detail"),
    path("rotate/", views.client_rotate, name="client-rotate"),
    path("revoke/", views.client_revoke, name="client-revoke"),
    path("secrets/<uuid:secret_id>/revoke/", views.secret_revoke, name="secret-revoke"),
]
pages: list[URLPattern | URLResolver] = [
    path("credentials/", views.client_list, name="client-list"),
    path("credentials/new/", views.client_new, name="client-new"),
    path("credentials/<slug:client_id>/", include(client_pages)),
    path("requests/", views.request_list, name="request-list"),
    path("requests/<uuid:request_id>/", views.request_detail, name="request-detail"),
    path("quarantine/<int:number>/mapping/", quarantine_pages.quarantine_mapping, name="quarantine-mapping"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("p/<slug:partner_slug>/<slug:environment_kind>/", include(pages)),
]
