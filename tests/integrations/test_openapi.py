"""The document at /api/schema/ names what there is: no more, no less."""

from __future__ import annotations

import re

from django.test import Client as Browser

from integrations.api.record_urls import urlpatterns as record_patterns
from integrations.api.schema import GROUPS
from integrations.api.urls import urlpatterns
from integrations.api.views import Unknown
from onboarding.api.schema import document
from onboarding.api.urls import urlpatterns as walk_patterns

METHODS = ("get", "post", "put", "delete")


def documented() -> set[tuple[str, str]]:
    return {
        (method, re.sub(r"\{\w+\}", "{}", path.strip("/")))
        for path, operations in document()["paths"].items()
        for method in operations
        if path.startswith("/api")
    }


def served() -> set[tuple[str, str]]:
    found = set()
    for pattern in [*record_patterns, *walk_patterns, *urlpatterns]:
        view = getattr(pattern.callback, "view_class", None)
        if view is None or view is Unknown:
            continue
        path = re.sub(r"<\w+:\w+>", "{}", str(pattern.pattern))
        found |= {(method, path) for method in METHODS if hasattr(view, method)}
    return found


def test_every_address_and_method_is_documented_and_none_besides() -> None:
    assert documented() == served()


def test_every_operation_says_what_it_takes_to_call_it() -> None:
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            statuses = set(operation["responses"])
            if operation["security"]:
                assert {"401", "403", "429"} <= statuses, (method, path)
            if "requestBody" in operation and path.startswith("/api"):
                assert {"400", "411", "413", "415", "422"} <= statuses, (method, path)


def test_every_operation_stands_in_a_group() -> None:
    for path, operations in document()["paths"].items():
        for operation in operations.values():
            about_itself = path.startswith(("/api/schema", "/api/v1/igaming/schemas"))
            assert about_itself or operation["tags"][0] in GROUPS.values(), path


def test_every_reference_leads_somewhere() -> None:
    text = str(document())
    for kind, name in re.findall(r"#/components/(\w+)/(\w+)", text):
        assert name in document()["components"][kind]


def test_the_document_is_open_to_all(client: Browser) -> None:
    answer = client.get("/api/schema/")
    assert (answer.status_code, answer.json()["openapi"]) == (200, "3.1.0")
