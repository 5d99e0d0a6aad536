"""The part of the OpenAPI document that the views of the automation API declare themselves."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from django.urls import URLPattern

from integrations.api.manage import ManageView, Operation
from integrations.api.operations import Json, operation, query

PATH_PARAMETER = re.compile(r"<(\w+):(\w+)>")
CONVERTERS: Mapping[str, Json] = {
    "int": {"type": "integer", "minimum": 0, "maximum": 2**31 - 1},
    "uuid": {"type": "string", "format": "uuid"},
    "str": {"type": "string", "minLength": 1},
    "slug": {"type": "string", "pattern": "^[-a-zA-Z0-9_]+$"},
    "path": {"type": "string", "minLength": 1},
}


def managed_paths(patterns: Iterable[URLPattern]) -> Json:
    """Each address of a `ManageView` with its operations; other views document themselves elsewhere."""
    paths: Json = {}
    for pattern in patterns:
        view: Any = getattr(pattern.callback, "view_class", None)
        if view is None or not issubclass(view, ManageView):
            continue
        route = str(pattern.pattern)
        settings: dict[str, Any] = getattr(pattern.callback, "view_initkwargs", {})
        parameters = settings.get("parameters", view.parameters)
        paths["/" + PATH_PARAMETER.sub(r"{\2}", route)] = {
            method.lower(): _documented(route, declared, query(parameters.get(method, {})))
            for method, declared in settings.get("operations", view.operations).items()
        }
    return paths


def _documented(route: str, declared: Operation, parameters: list[Json]) -> Json:
    in_path = [
        {"name": name, "in": "path", "required": True, "schema": declared.path.get(name, CONVERTERS[converter])}
        for converter, name in PATH_PARAMETER.findall(route)
    ]
    return operation(
        declared.summary,
        scope="manage",
        answers=dict(declared.answers),
        parameters=in_path + parameters,
        body=declared.body,
    )
