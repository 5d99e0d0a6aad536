"""The OpenAPI 3.1 document of sections 2 to 6 of the contract, made from what the server itself goes by.

The parameters are the views' own, the records are the schemas that the pipeline enforces, the errors are
`track360.problems`; a test holds the paths and methods to the address book.
"""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus

from django.conf import settings
from django.urls import URLPattern

from entities.models import Entity
from entities.pipeline.validate import MAX_RECORDS
from integrations.api import clients, conformance, connections, feeds, log_views, quarantine, shapes, sync_runs, views
from integrations.api.managed_schema import managed_paths
from integrations.api.oauth_schema import oauth_paths
from integrations.api.operations import Json, operation, query
from integrations.api.shapes import ref
from track360.problems import PROBLEM_TYPES

IGAMING = "/api/v1/igaming"
# Part of the path -> where the operation is listed.
GROUPS = {
    "/oauth": "Tokens",
    "/.well-known": "Tokens",
    "/customers": "Customers",
    "/transactions": "Transactions",
    "/activity": "Activity",
    "/partner": "Partner",
    "/checklist": "Checklist",
    "/freshness": "Freshness",
    "/clients": "Clients",
    "/connections": "Connections",
    "/mappings": "Mappings and affiliates",
    "/affiliates": "Mappings and affiliates",
    "/samples": "Samples",
    "/reconciliation": "Reconciliation",
    "/sync-runs": "Runs",
    "/requests": "Requests and quarantine",
    "/quarantine": "Requests and quarantine",
}
SINGULAR = {Entity.CUSTOMERS: "Customer", Entity.TRANSACTIONS: "Transaction", Entity.ACTIVITY: "Activity"}


def document_of(managed: Iterable[URLPattern]) -> Json:
    """The whole document; `managed` are the addresses of the automation API that apps above bring."""
    own = (clients, connections, feeds, conformance, sync_runs, quarantine)
    paths: Json = managed_paths([*managed, *(pattern for module in own for pattern in module.urlpatterns)])
    for entity in Entity:
        paths |= _entity_paths(entity)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Track360 iGaming API",
            "version": "1",
            "description": "Send customers, transactions and daily activity; read back what is stored.",
        },
        "servers": [{"url": settings.BASE_URL}],
        "security": [{"token": []}],
        "paths": _grouped(oauth_paths() | paths | _day_path() | _log_paths() | _schema_path()),
        "components": {
            "securitySchemes": {
                "token": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": f"{settings.BASE_URL}/oauth/token",
                            "scopes": {
                                "read": "Read records.",
                                "write": "Send records.",
                                "manage": "What people do in the portal, by a program.",
                            },
                        }
                    },
                }
            },
            "schemas": shapes.components(),
            "responses": {f"Problem{status}": _problem_response(status) for status in _statuses()},
        },
    }


def _entity_paths(entity: Entity) -> Json:
    name, root = SINGULAR[entity], f"{IGAMING}/{entity}"
    record, bulk = ref(f"{name}Input"), _array(ref(f"{name}Input"), low=1)
    lists = views.PAGING | {"updated_since": views.UPDATED_SINCE} | views.FILTERS[entity]
    paths: Json = {
        root: {
            "get": operation(
                f"List {entity}",
                scope="read",
                parameters=query(lists),
                answers={200: ("A page.", shapes.envelope(ref(name), watermark=True))},
            ),
            "post": operation(
                f"Send one of the {entity}",
                scope="write",
                body=record,
                answers={
                    201: ("Created.", shapes.stored(ref(name))),
                    200: ("Updated, unchanged, or older than what is stored.", shapes.stored(ref(name))),
                },
            ),
        },
        f"{root}/bulk": {
            "post": operation(
                f"Send up to {MAX_RECORDS} {entity}, all or nothing",
                scope="write",
                parameters=[*query({"results": views.RESULTS}), shapes.PREFER],
                body=bulk,
                answers={200: ("Stored.", ref("BulkResult"))},
            )
        },
        f"{root}/validate": {
            "post": operation(
                f"Check {entity} without storing them",
                scope="write",
                # Whatever is in the records is told, not refused.
                body={"anyOf": [record, bulk, {"type": "object"}, _array({}, low=1)]},
                answers={200: ("Checked.", ref("ValidationResult"))},
            )
        },
        f"{IGAMING}/schemas/{entity}": {
            "get": operation(
                f"The JSON Schema of {entity}",
                scope=None,
                answers={200: ("JSON Schema, draft 2020-12.", {"type": "object"})},
            )
        },
    }
    if entity in (Entity.CUSTOMERS, Entity.TRANSACTIONS):
        key = f"{name.lower()}_id"
        paths[f"{root}/{{{key}}}"] = {
            "get": operation(
                f"One of the {entity}",
                scope="read",
                parameters=[_path(key, {"type": "string", "minLength": 1})],
                answers={200: ("The record.", shapes.data(ref(name)))},
            )
        }
    return paths


def _day_path() -> Json:
    return {
        f"{IGAMING}/activity/days/{{date}}": {
            "put": operation(
                "Replace a day of activity",
                scope="write",
                parameters=[
                    _path("date", {"type": "string", "format": "date"}),
                    *query(views.DAY_PARAMETERS),
                ],
                body=_array(ref("ActivityInput"), low=0),
                answers={200: ("The day is exactly this.", ref("DayResult"))},
            )
        }
    }


def _log_paths() -> Json:
    return {
        "/api/v1/requests": {
            "get": operation(
                "List the calls made, the latest first",
                scope="manage",
                parameters=query(views.PAGING | log_views.REQUEST_FILTERS),
                answers={200: ("A page.", shapes.envelope(ref("ApiRequest")))},
            )
        },
        "/api/v1/requests/{request_id}": {
            "get": operation(
                "One call, with what was refused of it",
                scope="manage",
                parameters=[_path("request_id", {"type": "string", "format": "uuid"})],
                answers={200: ("The call.", shapes.data(ref("ApiRequest")))},
            )
        },
    }


def _schema_path() -> Json:
    answers = {200: ("OpenAPI 3.1.", {"type": "object"})}
    return {"/api/schema/": {"get": operation("This document", scope=None, answers=answers)}}


def _grouped(paths: Json) -> Json:
    """Each operation with the name of its group, under which the explorer lists it."""
    for path, operations in paths.items():
        group = next((group for part, group in GROUPS.items() if part in path), "This API")
        for documented in operations.values():
            documented["tags"] = [group]
    return paths


def _statuses() -> list[int]:
    return sorted({problem_type.status for problem_type in PROBLEM_TYPES.values()})


def _problem_response(status: int) -> Json:
    codes = [problem_type.code for problem_type in PROBLEM_TYPES.values() if problem_type.status == status]
    narrowed = {"properties": {"status": {"const": status}, "code": {"enum": codes}}}
    headers = shapes.HEADERS | shapes.PROBLEM_HEADERS.get(status, {})
    return {
        "description": f"{HTTPStatus(status).phrase}: {', '.join(codes)}.",
        "headers": headers,
        "content": {"application/problem+json": {"schema": {"allOf": [ref("Problem"), narrowed]}}},
    }


def _path(name: str, schema: Json) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": schema}


def _array(items: Json, *, low: int) -> Json:
    return {"type": "array", "items": items, "minItems": low, "maxItems": MAX_RECORDS}
