"""Every address of the product, by the app that answers it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path, re_path

from track360 import account_pages, audit_pages, people_pages, reset_pages, staff_pages, views
from track360.styleguide import styleguide

team_pages: list[URLPattern | URLResolver] = [
    path("", people_pages.team, name="team"),
    path("invite/", people_pages.team_invite, name="team-invite"),
    path("invitations/<uuid:number>/send/", people_pages.team_invitation_send, name="team-invitation-send"),
    path("invitations/<uuid:number>/revoke/", people_pages.team_invitation_revoke, name="team-invitation-revoke"),
    path("<int:number>/", people_pages.team_member, name="team-member"),
    path("<int:number>/remove/", people_pages.team_remove, name="team-remove"),
]
audit_of_partner: list[URLPattern | URLResolver] = [
    path("", audit_pages.audit_list, name="audit-list"),
    path("export/", audit_pages.audit_export, name="audit-export"),
    path("<uuid:event_id>/", audit_pages.audit_detail, name="audit-detail"),
]
# What the integrations team alone opens, about no partner or about all of them.
staff: list[URLPattern | URLResolver] = [
    path("audit/", audit_pages.staff_audit_list, name="staff-audit-list"),
    path("audit/export/", audit_pages.staff_audit_export, name="staff-audit-export"),
    path("audit/<uuid:event_id>/", audit_pages.staff_audit_detail, name="staff-audit-detail"),
    path("partners/<slug:slug>/view-as/", staff_pages.viewing_start, name="viewing-start"),
    path("resets/", reset_pages.reset_list, name="staff-reset-list"),
    path("resets/<uuid:number>/approve/", reset_pages.reset_approve, name="staff-reset-approve"),
    path("resets/<uuid:number>/refuse/", reset_pages.reset_refuse, name="staff-reset-refuse"),
    path("viewing/stop/", staff_pages.viewing_stop, name="viewing-stop"),
]

urlpatterns = [
    # First, since most requests are for them; that of the onboarding before the last, which answers for all of /api.
    path("", include("integrations.api.record_urls")),
    path("", include("onboarding.api.urls")),
    path("", include("integrations.api.urls")),
    path("", views.home, name="home"),
    path("admin/", admin.site.urls),
    # Who takes over an open session must not move the account to an address of his own: the team changes addresses.
    path("accounts/email/", views.not_offered),
    # People are invited, by a link that proves the address; nobody signs up, and nobody is without a password.
    path("accounts/signup/", views.not_offered),
    re_path("^accounts/confirm-email/", views.not_offered),
    path("accounts/password/set/", views.not_offered),
    path("accounts/login/code/confirm/", views.not_offered),
    path("accounts/", include("allauth.account.urls")),
    path("accounts/2fa/", include("allauth.mfa.urls")),
    path("accounts/sessions/", account_pages.session_list, name="session-list"),
    path("accounts/sessions/end/", account_pages.session_end_others, name="session-end-others"),
    path("accounts/sessions/<int:number>/end/", account_pages.session_end, name="session-end"),
    path("theme/", views.set_theme, name="theme"),
    path("styleguide/", styleguide, name="styleguide"),
    path("invitations/<str:token>/", people_pages.invitation, name="invitation"),
    path("p/<slug:partner_slug>/<slug:environment_kind>/team/", include(team_pages)),
    path("p/<slug:partner_slug>/<slug:environment_kind>/audit/", include(audit_of_partner)),
    path("staff/", include(staff)),
    path("", include("entities.urls")),
    path("", include("integrations.urls")),
    path("", include("onboarding.urls")),
]

handler400 = views.bad_request
handler403 = views.permission_denied
handler404 = views.page_not_found
handler429 = views.too_many_requests  # read by allauth
handler500 = views.server_error
