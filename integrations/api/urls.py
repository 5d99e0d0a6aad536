"""Addresses of the API. They are written without a slash at the end: the middleware takes one away."""

from __future__ import annotations

from django.urls import URLPattern, path, re_path

from entities.models import Entity
from integrations.api import clients, conformance, connections, feeds, log_views, pages, quarantine, sync_runs, views

IGAMING = "api/v1/igaming"
RESULTS = {"results": views.RESULTS}


def _of_entity(entity: Entity) -> list[URLPattern]:
    lists = {"GET": views.PAGING | {"updated_since": views.UPDATED_SINCE} | views.FILTERS[entity]}
    return [
        path(f"{IGAMING}/{entity}", views.RecordList.as_view(entity=entity, parameters=lists)),
        path(
            f"{IGAMING}/{entity}/bulk",
            views.RecordBulk.as_view(entity=entity, parameters={"POST": RESULTS}),
        ),
        path(f"{IGAMING}/{entity}/validate", views.RecordValidate.as_view(entity=entity)),
        path(f"{IGAMING}/schemas/{entity}", views.Schema.as_view(entity=entity)),
    ]


urlpatterns = [
    *(pattern for entity in Entity for pattern in _of_entity(entity)),
    path(f"{IGAMING}/customers/<path:key>", views.RecordDetail.as_view(entity=Entity.CUSTOMERS)),
    path(f"{IGAMING}/transactions/<path:key>", views.RecordDetail.as_view(entity=Entity.TRANSACTIONS)),
    path(f"{IGAMING}/activity/days/<str:day>", views.ActivityDay.as_view()),
    path("api/v1/requests", log_views.RequestList.as_view()),
    path("api/v1/requests/<str:request_id>", log_views.RequestDetail.as_view()),
    *quarantine.urlpatterns,
    *clients.urlpatterns,
    *connections.urlpatterns,
    *feeds.urlpatterns,
    *conformance.urlpatterns,
    *sync_runs.urlpatterns,
    re_path(r"^api(/|$)", views.Unknown.as_view()),
    path("problems/<str:code>", pages.problem, name="problem"),
]
