"""With and without a trailing slash, never by a redirect."""

from __future__ import annotations

from django.urls import re_path

from integrations.oauth import views

urlpatterns = [
    re_path(r"^oauth/token/?$", views.token, name="oauth-token"),
    re_path(r"^oauth/revoke/?$", views.revoke, name="oauth-revoke"),
    re_path(r"^oauth(?:/|$)", views.unknown),
    re_path(r"^\.well-known/oauth-authorization-server/?$", views.metadata, name="oauth-metadata"),
    re_path(r"^\.well-known/jwks\.json/?$", views.jwks, name="oauth-jwks"),
]
