"""Addresses of this app."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, path

from onboarding import views

urlpatterns: list[URLPattern | URLResolver] = [
    path("partners/", views.partner_list, name="partner-list"),
    path("p/<slug:partner_slug>/<slug:environment_kind>/", views.overview, name="overview"),
]
