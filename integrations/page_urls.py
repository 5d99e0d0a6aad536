"""Addresses of this app's portal pages."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from integrations import conformance_views, connection_views, feed_views, quarantine_pages, run_views, views

client_pages: list[URLPattern | URLResolver] = [
    path("", views.client_detail, name="client-detail"),
    path("rotate/", views.client_rotate, name="client-rotate"),
    path("revoke/", views.client_revoke, name="client-revoke"),
    path("secrets/<uuid:secret_id>/revoke/", views.secret_revoke, name="secret-revoke"),
]
connection_feed_pages: list[URLPattern | URLResolver] = [
    path("edit/", feed_views.feed_edit, name="connection-feed-edit"),
    path("switch/", feed_views.feed_switch, name="connection-feed-switch"),
    path("cursor/", feed_views.feed_cursor, name="connection-feed-cursor"),
    path("backfill/", feed_views.feed_backfill, name="connection-feed-backfill"),
    path("remove/", feed_views.feed_remove, name="connection-feed-remove"),
    path("conformance/", conformance_views.conformance_new, name="conformance-new"),
    path("conformance/<uuid:report_id>/", conformance_views.conformance_detail, name="conformance-detail"),
]
connection_pages: list[URLPattern | URLResolver] = [
    path("", connection_views.connection_detail, name="connection-detail"),
    path("edit/", connection_views.connection_edit, name="connection-edit"),
    path("secret/", connection_views.connection_secret, name="connection-secret"),
    path("test/", connection_views.connection_test, name="connection-test"),
    path("switch/", connection_views.connection_switch, name="connection-switch"),
    path("remove/", connection_views.connection_remove, name="connection-remove"),
    path("feeds/new/<slug:entity>/", feed_views.feed_new, name="connection-feed-new"),
    path("feeds/<uuid:feed_id>/", include(connection_feed_pages)),
]
pages: list[URLPattern | URLResolver] = [
    path("credentials/", views.client_list, name="client-list"),
    path("credentials/new/", views.client_new, name="client-new"),
    path("credentials/<slug:client_id>/", include(client_pages)),
    path("connections/", connection_views.connection_list, name="connection-list"),
    path("connections/new/", connection_views.connection_new, name="connection-new"),
    path("connections/new/<slug:kind>/", connection_views.connection_new_kind, name="connection-new-kind"),
    path("connections/<uuid:connection_id>/", include(connection_pages)),
    path("connections/runs/", include(run_views)),
    path("requests/", views.request_list, name="request-list"),
    path("requests/<uuid:request_id>/", views.request_detail, name="request-detail"),
    path("quarantine/<int:number>/mapping/", quarantine_pages.quarantine_mapping, name="quarantine-mapping"),
]
urlpatterns: list[URLPattern | URLResolver] = [
    path("p/<slug:partner_slug>/<slug:environment_kind>/", include(pages)),
]
