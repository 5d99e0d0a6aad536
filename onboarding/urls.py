"""Addresses of this app."""

from __future__ import annotations

from django.urls import URLPattern, URLResolver, include, path

from onboarding import (
    affiliate_pages,
    checklist_pages,
    desk_pages,
    docs,
    explorer,
    freshness_pages,
    mapping_pages,
    notification_views,
    reconciliation_actions,
    reconciliation_pages,
    sample_pages,
    views,
    webhook_views,
)

PORTAL = "p/<slug:partner_slug>/<slug:environment_kind>"

MAPPINGS: list[URLPattern | URLResolver] = [
    path("", mapping_pages.mapping_list, name="mapping-list"),
    path("history/", mapping_pages.mapping_history, name="mapping-history"),
    path("history/<uuid:change_id>/undo/", mapping_pages.mapping_undo, name="mapping-undo"),
    path("canonical/", mapping_pages.mapping_canonical, name="mapping-canonical"),
]

AFFILIATES: list[URLPattern | URLResolver] = [
    path("", affiliate_pages.affiliate_list, name="affiliate-list"),
    path("add/", affiliate_pages.affiliate_add, name="affiliate-add"),
    path("remove/", affiliate_pages.affiliate_remove, name="affiliate-remove"),
]

SAMPLES: list[URLPattern | URLResolver] = [
    path("", sample_pages.sample_list, name="sample-list"),
    path("new/", sample_pages.sample_new, name="sample-new"),
    path("lesson/<slug:entity>/", sample_pages.sample_lesson, name="sample-lesson"),
    path("<uuid:sample_id>/", sample_pages.sample_detail, name="sample-detail"),
    path("<uuid:sample_id>/columns/", sample_pages.sample_columns, name="sample-columns"),
    path("<uuid:sample_id>/switch/", sample_pages.sample_switch, name="sample-switch"),
    path("<uuid:sample_id>/mend/", sample_pages.sample_mend, name="sample-mend"),
    path("<uuid:sample_id>/records/<int:index>/", sample_pages.sample_record, name="sample-record"),
    path("<uuid:sample_id>/refused/", sample_pages.sample_refused, name="sample-refused"),
]

RECONCILIATION: list[URLPattern | URLResolver] = [
    path("", reconciliation_pages.month, name="reconciliation"),
    path("totals/", reconciliation_actions.totals, name="reconciliation-totals"),
    path("count/", reconciliation_actions.count, name="reconciliation-count"),
    path("doubled/<int:number>/", reconciliation_actions.verdict, name="reconciliation-verdict"),
    path("<slug:day>/", reconciliation_pages.day, name="reconciliation-day"),
    path("<slug:day>/<slug:entity>/", reconciliation_pages.cell, name="reconciliation-cell"),
    path("<slug:day>/<slug:entity>/download/", reconciliation_pages.download, name="reconciliation-download"),
    path("<slug:day>/<slug:entity>/take/", reconciliation_actions.take, name="reconciliation-take"),
    path("<slug:day>/<slug:entity>/leave/", reconciliation_actions.leave, name="reconciliation-leave"),
    path("<slug:day>/<slug:entity>/waive/", reconciliation_actions.waive_difference, name="reconciliation-waive"),
    path("<slug:day>/<slug:entity>/withdraw/", reconciliation_actions.withdraw, name="reconciliation-withdraw"),
]

# The docs stand twice under the same names: for everybody, and with the reader's own ids in a partner's pages.
urlpatterns: list[URLPattern | URLResolver] = [
    path("partners/", desk_pages.partner_list, name="partner-list"),
    path("partners/new/", desk_pages.partner_new, name="partner-new"),
    path("staff/partners/<slug:slug>/", desk_pages.partner_detail, name="partner-detail"),
    path("staff/partners/<slug:slug>/suspend/", desk_pages.partner_suspend, name="partner-suspend"),
    path("staff/partners/<slug:slug>/lift/", desk_pages.partner_lift, name="partner-lift"),
    path(f"{PORTAL}/", views.overview, name="overview"),
    path(f"{PORTAL}/freshness/", freshness_pages.freshness, name="freshness"),
    path(f"{PORTAL}/onboarding/", include(checklist_pages)),
    path(f"{PORTAL}/mappings/", include(MAPPINGS)),
    path(f"{PORTAL}/affiliates/", include(AFFILIATES)),
    path(f"{PORTAL}/samples/", include(SAMPLES)),
    path(f"{PORTAL}/reconciliation/", include(RECONCILIATION)),
    path(f"{PORTAL}/notifications/", include(notification_views)),
    path(f"{PORTAL}/settings/webhooks/", include(webhook_views)),
    path(f"{PORTAL}/settings/", include("onboarding.settings_urls")),
    path("docs/", docs.page, name="docs"),
    path("docs/api/", explorer.swagger, name="swagger"),
    path("docs/<slug:slug>/", docs.page, name="docs-page"),
    path(f"{PORTAL}/docs/", docs.portal_page, name="docs"),
    path(f"{PORTAL}/docs/api/", explorer.portal_swagger, name="swagger"),
    path(f"{PORTAL}/docs/token/", explorer.sandbox_token, name="docs-token"),
    path(f"{PORTAL}/docs/<slug:slug>/", docs.portal_page, name="docs-page"),
]
