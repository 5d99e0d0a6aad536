"""The addresses that most calls are for; they stand first of all, see `track360.urls`."""

from __future__ import annotations

from django.urls import URLPattern, path

from entities.models import Entity
from integrations.api import views

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


urlpatterns: list[URLPattern] = [pattern for entity in Entity for pattern in _of_entity(entity)]
