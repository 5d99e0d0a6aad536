"""Every address of the product, by the app that answers it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("", include("entities.urls")),
    path("", include("integrations.urls")),
    path("", include("onboarding.urls")),
]
