"""One operation as the OpenAPI document shows it: what it takes, what it answers, how it can fail."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from integrations.api import shapes
from integrations.api.parameters import Parameter

Json = dict[str, Any]
# What a call can meet whatever it does, what it can meet with a token, and what it can meet with a body.
ANY, WITH_TOKEN, WITH_BODY = (400, 403, 404, 405, 406, 422, 503), (401, 429), (411, 413, 415)


def operation(
    summary: str,
    *,
    scope: str | None,
    answers: Mapping[int, tuple[str, Mapping[str, Any] | None]],
    parameters: list[Json] | None = None,
    body: Json | None = None,
) -> Json:
    """One operation. `answers`: status -> (description, schema, or None for an answer without a body)."""
    statuses = {*ANY, *(WITH_TOKEN if scope else ()), *(WITH_BODY if body is not None else ())}
    documented: Json = {
        "summary": summary,
        "security": [{"token": [scope]}] if scope else [],
        "parameters": parameters or [],
        "responses": {
            **{
                str(status): {
                    "description": text,
                    "headers": shapes.HEADERS | (shapes.RATE_HEADERS if scope else {}),
                    **({"content": {"application/json": {"schema": schema}}} if schema is not None else {}),
                }
                for status, (text, schema) in answers.items()
            },
            **{str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(statuses)},
        },
    }
    if any(parameter["in"] == "query" for parameter in parameters or []):
        # The web server itself, before there is a call to answer.
        documented["responses"]["414"] = {"description": "The address is too long.", "content": {"text/html": {}}}
    if body is not None:
        documented["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return documented


def query(parameters: Mapping[str, Parameter]) -> list[Json]:
    return [
        {"name": name, "in": "query", "description": parameter.description, "schema": parameter.schema}
        for name, parameter in parameters.items()
    ]
