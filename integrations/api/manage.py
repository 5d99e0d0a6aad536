"""What the calls of the automation API (contract, section 6) have in common: scope, body, actor, documentation.

A view declares its operations once: the schema that refuses a body is the one that the OpenAPI document shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, ClassVar

import jsonschema_rs
import orjson
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from rest_framework.request import Request

from entities.pipeline.validate import shown
from integrations.api.authentication import require_scope
from integrations.api.base import ApiView
from integrations.api.parsers import read_json
from track360.audit import Actor
from track360.models import Environment, Partner
from track360.problems import Problem
from track360.proxy import client_ip

Json = dict[str, Any]


@dataclass(frozen=True)
class Operation:
    """One method of one address, as the document shows it. `answers`: status -> (description, JSON Schema or None)."""

    summary: str
    answers: Mapping[int, tuple[str, Json | None]]
    body: Json | None = None
    path: Mapping[str, Json] = field(default_factory=dict)  # the schemas of the parameters in the path


class ManageView(ApiView):
    """One address of the automation API. `operations` is by method, in capitals; `parameters` as in `ApiView`."""

    permission_classes = [require_scope("manage")]
    operations: ClassVar[Mapping[str, Operation]] = {}

    def body(self, request: Request) -> Any:
        """The parsed body. Raises Problem with each place where it breaks the schema of the operation."""
        operation = self.operations[request.method or ""]
        body = read_json(request._request).value
        errors = body_errors(operation.body or {}, body)
        if errors:
            where = f", at {errors[0]['pointer']}" if errors[0]["pointer"] else ""
            detail = f"Nothing was changed: {errors[0]['message']}{where}"
            raise Problem("validation_failed", detail, errors=errors)
        return body

    def actor(self, request: Request) -> Actor:
        return Actor(client_id=self.caller(request).client_identifier, ip=client_ip(request._request))

    def partner(self, request: Request) -> Partner:
        return self.environment(request).partner

    def sandbox(self, request: Request) -> Environment:
        """The partner's sandbox, whichever environment the token is of."""
        return self.partner(request).environments.get(kind=Environment.Kind.SANDBOX)


def body_errors(schema: Json, body: Any) -> list[Json]:
    """What the schema refuses, as section 5 of the contract lists errors.

    A list that is too long is not looked into: each of its millions of elements may be an error.
    """
    if isinstance(body, dict):
        for name, member in schema.get("properties", {}).items():
            found, most = body.get(name), member.get("maxItems")
            if most is not None and isinstance(found, list) and len(found) > most:
                return [_too_long(name, len(found), most)]
    return [_error(_closest(error), body) for error in _validator(orjson.dumps(schema)).iter_errors(body)]


@cache
def _validator(schema: bytes) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(orjson.loads(schema), validate_formats=True)


_CODES = {
    "required": "required",
    "additionalProperties": "additional_property",
    "enum": "enum",
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minimum": "minimum",
    "format": "format",
    "minItems": "empty_batch",
    "maxItems": "too_many_records",
}


def _too_long(name: str, length: int, most: int) -> Json:
    return {
        "index": None,
        "pointer": f"/{name}",
        "field": name,
        "code": _CODES["maxItems"],
        "message": f"{name} holds at most {most:,} elements, not {length:,}.",
    }


def _closest(error: jsonschema_rs.ValidationError) -> jsonschema_rs.ValidationError:
    """Of a choice of schemas, what the one says whose type the value has; that none fits helps nobody."""
    while isinstance(error.kind, jsonschema_rs.ValidationErrorKind.AnyOf):
        of_its_type = [
            branch[0]
            for branch in error.kind.context
            if len(branch[0].instance_path) > len(error.instance_path)
            or not isinstance(branch[0].kind, jsonschema_rs.ValidationErrorKind.Type)
        ]
        if not of_its_type:
            return error
        error = of_its_type[0]
    return error


def _error(error: jsonschema_rs.ValidationError, body: Any) -> Json:
    path = list(error.instance_path)
    names = [part for part in path if isinstance(part, str)]
    found: Json = {
        "index": next((part for part in path if isinstance(part, int)), None),
        "pointer": "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in path),
        "field": names[-1] if names else None,
        "code": _CODES.get(error.kind.name, "type"),
        "message": error.message[:500],
    }
    value = body
    for part in path:
        value = value[part]
    if not isinstance(value, dict | list):
        found["value"] = shown(value)
    return found


def refused_by(refusal: ValidationError, *, field: str | None = None) -> Problem:
    """An action's refusal as an answer: 422, each message with its code."""
    errors = [
        {
            "index": None,
            "pointer": f"/{field}" if field else "",
            "field": field,
            "code": getattr(error, "code", None) or "invalid",
            "message": " ".join(error.messages),
        }
        for error in getattr(refusal, "error_list", [refusal])
    ]
    return Problem("validation_failed", " ".join(refusal.messages), errors=errors)


def no_content() -> HttpResponse:
    """204, for what was taken away."""
    response = HttpResponse(status=204)
    del response["Content-Type"]
    return response
