"""Addresses of this app."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from onboarding import docs, explorer, views

PORTAL = "p/<slug:partner_slug>/<slug:environment_kind>"

# The docs stand twice under the same names: for everybody, and with the reader's own ids in a partner's pages.
urlpatterns: list[URLPattern | URLResolver] = [
    path("partners/", views.partner_list, name="partner-list"),
    path(f"{PORTAL}/", views.overview, name="overview"),
    path("docs/", docs.page, name="docs"),
    path("docs/api/", explorer.swagger, name="swagger"),
    path("docs/<slug:slug>/", docs.page, name="docs-page"),
    path(f"{PORTAL}/docs/", docs.portal_page, name="docs"),
    path(f"{PORTAL}/docs/api/", explorer.portal_swagger, name="swagger"),
    path(f"{PORTAL}/docs/token/", explorer.sandbox_token, name="docs-token"),
    path(f"{PORTAL}/docs/<slug:slug>/", docs.portal_page, name="docs-page"),
]
