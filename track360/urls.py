"""Every address of the product, by the app that answers it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

from track360 import views
from track360.styleguide import styleguide

urlpatterns = [
    path("", views.home, name="home"),
    path("admin/", admin.site.urls),
    # Who takes over an open session must not move the account to an address of his own: the team changes addresses.
    path("accounts/email/", views.not_offered),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("theme/", views.set_theme, name="theme"),
    path("styleguide/", styleguide, name="styleguide"),
    path("p/<slug:partner_slug>/<slug:environment_kind>/team/", views.team, name="team"),
    path("", include("onboarding.api.urls")),  # before those of integrations, which answer for all of /api
    path("", include("entities.urls")),
    path("", include("integrations.urls")),
    path("", include("onboarding.urls")),
]

handler400 = views.bad_request
handler403 = views.permission_denied
handler404 = views.page_not_found
handler429 = views.too_many_requests  # read by allauth
handler500 = views.server_error
