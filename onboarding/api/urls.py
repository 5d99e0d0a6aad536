"""Addresses of the automation API that stand on the walk. Without a slash at the end: the middleware takes one away."""

from __future__ import annotations

from django.urls import URLPattern, path

from onboarding.api import affiliates, checklist, erasure, freshness, mappings, reconciliation, samples
from onboarding.api.schema import OpenApi

urlpatterns: list[URLPattern] = [
    path("api/schema", OpenApi.as_view(), name="openapi"),
    *checklist.urlpatterns,
    *erasure.urlpatterns,
    *freshness.urlpatterns,
    *mappings.urlpatterns,
    *affiliates.urlpatterns,
    *samples.urlpatterns,
    *reconciliation.urlpatterns,
]
