"""Addresses of the settings pages, under a partner's own."""

from __future__ import annotations

from django.urls import URLPattern, path

from onboarding import privacy_pages, settings_pages

urlpatterns: list[URLPattern] = [
    path("", settings_pages.overview, name="settings"),
    path("retention/", settings_pages.retention, name="settings-retention"),
    path("reset/", settings_pages.reset, name="settings-reset"),
    path("export/", settings_pages.export, name="settings-export"),
    path("export/<uuid:export_id>/", settings_pages.export_download, name="settings-export-download"),
    path("close/", settings_pages.close, name="settings-close"),
    path("erasures/", privacy_pages.erasure_list, name="settings-erasures"),
    path("erasures/new/", privacy_pages.erase, name="settings-erase"),
    path("erasures/<uuid:erasure_id>/", privacy_pages.erasure_detail, name="settings-erasure"),
    path("erasures/<uuid:erasure_id>/download/", privacy_pages.erasure_download, name="settings-erasure-download"),
]
