"""The shapes of answers, for the OpenAPI document. Records as sent are the schemas that the pipeline enforces."""

from __future__ import annotations

from typing import Any

from entities.models import Entity, QuarantinedRecord, Source
from entities.models.status_mapping import CANONICAL_VALUES, StatusField
from entities.pipeline import OUTCOMES
from entities.pipeline.validate import schema_for

Json = dict[str, Any]

MOMENT: Json = {"type": "string", "format": "date-time"}
TEXT: Json = {"type": "string"}
COUNT: Json = {"type": "integer", "minimum": 0}
HEADERS: Json = {"X-Request-ID": {"required": True, "schema": {"type": "string", "format": "uuid"}}}
RATE_HEADERS: Json = {
    name: {"schema": {"type": "integer"}} for name in ("RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset")
}
RETRY_AFTER: Json = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}}}
CHALLENGE: Json = {"WWW-Authenticate": {"schema": TEXT}}
PROBLEM_HEADERS: dict[int, Json] = {
    401: CHALLENGE,
    403: CHALLENGE,
    405: {"Allow": {"required": True, "schema": TEXT}},
    429: RETRY_AFTER,
    503: RETRY_AFTER,
}
PREFER: Json = {
    "name": "Prefer",
    "in": "header",
    "description": "`handling=lenient`: store the good records, set the bad ones aside (RFC 7240).",
    "schema": TEXT,
    "examples": {"lenient": {"value": "handling=lenient"}},
}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def or_null(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def record(properties: Json) -> Json:
    """An object with all of these members and no other."""
    return {
        "type": "object",
        "required": list(properties),
        "properties": properties,
        "additionalProperties": False,
    }


def data(schema: Json) -> Json:
    return record({"data": schema})


def stored(schema: Json) -> Json:
    """The answer to a single record."""
    outcome = {"type": "string", "enum": [name for name in OUTCOMES if name != "rejected"]}
    return record({"data": or_null(schema), "outcome": outcome, "warnings": _list(ref("Finding"))})


def envelope(items: Json, *, watermark: bool = False) -> Json:
    meta = record(
        {
            "total": COUNT,
            "page": {"type": "integer", "minimum": 1},
            "per_page": {"type": "integer", "minimum": 1},
            "next_cursor": or_null(TEXT),
        }
    )
    meta["properties"] |= {"total_capped": {"const": True}, **({"watermark": MOMENT} if watermark else {})}
    return record({"data": _list(items), "meta": meta})


QUARANTINED: Json = {
    "id": {"type": "integer"},
    "entity": {"type": "string", "enum": list(Entity.values)},
    "batch_id": {"type": "string", "format": "uuid"},
    "run_id": or_null({"type": "string", "format": "uuid", "description": "The run that fetched it."}),
    "index": COUNT,
    "received_at": MOMENT,
    "key": TEXT,
    "code": TEXT,
    "field": or_null(TEXT),
    "record": {"description": "As it came."},
    "edited": or_null({"type": "object", "description": "What somebody made of it: this is tried by a replay."}),
    "errors": {"type": "array", "items": ref("Finding"), "description": "Of the last try."},
    "waits_for": or_null(TEXT | {"description": "The customer whose coming is all it lacks."}),
    "state": {"type": "string", "enum": list(QuarantinedRecord.State.values)},
    "closed_at": or_null(MOMENT),
}


FX: Json = record(
    {
        "source": {"type": "string", "enum": ["partner", "ecb", "manual"]},
        "rate": or_null({"type": "number"}),
        "rate_date": or_null({"type": "string", "format": "date"}),
    }
)


def components() -> Json:
    return {
        "CustomerInput": _sent(Entity.CUSTOMERS),
        "TransactionInput": _sent(Entity.TRANSACTIONS),
        "ActivityInput": _sent(Entity.ACTIVITY),
        "Customer": _given(
            Entity.CUSTOMERS,
            kyc_status=_canonical(StatusField.KYC_STATUS),
            sales_status=_canonical(StatusField.SALES_STATUS),
        ),
        "Transaction": _given(
            Entity.TRANSACTIONS,
            canonical_status=_canonical(StatusField.TRANSACTION_STATUS),
            fx=or_null(FX),
        ),
        "Activity": _given(
            Entity.ACTIVITY, ggr_source={"type": ["string", "null"], "enum": ["partner", "computed", None]}
        ),
        "Finding": _finding(),
        "Problem": record(
            {
                "type": {"type": "string", "format": "uri"},
                "title": TEXT,
                "status": {"type": "integer"},
                "code": TEXT,
                "detail": TEXT,
                "request_id": {"type": "string", "format": "uuid"},
                "error_count": COUNT,
                "errors": _list(ref("Finding")) | {"maxItems": 100},
            }
        ),
        "BulkResult": _batch({}),
        "DayResult": _batch({"removed": COUNT}),
        "ValidationResult": record(
            {
                "data": record({"received": COUNT, "valid": COUNT, "invalid": COUNT}),
                "errors": _list(ref("Finding")),
                "warnings": _list(ref("Finding")),
            }
        ),
        "ApiRequest": _api_request(),
        "QuarantinedRecord": record(QUARANTINED),
    }


def _list(items: Json) -> Json:
    return {"type": "array", "items": items}


def _sent(entity: Entity) -> Json:
    return {name: value for name, value in schema_for(entity).items() if name != "$schema"}


def _given(entity: Entity, **more: Json) -> Json:
    """A record as given back: the fields as sent, null where absent, and what is stored beside them."""
    sent = schema_for(entity)
    properties: Json = {}
    for name, rule in sent["properties"].items():
        kind = rule["type"] if isinstance(rule["type"], list) else [rule["type"]]
        kept = {"type": kind if name in sent["required"] else sorted({*kind, "null"})}
        properties[name] = kept | ({"format": rule["format"]} if rule.get("format", "").startswith("date") else {})
    standing = {"received_at": MOMENT, "updated_at": MOMENT, "source": {"type": "string", "enum": list(Source.values)}}
    return record(properties | more | standing)


def _canonical(field: StatusField) -> Json:
    values = ", ".join(CANONICAL_VALUES[field])
    return {"type": ["string", "null"], "description": f"{values}, or one that the team added; null while unmapped."}


def _finding() -> Json:
    finding = record(
        {
            "index": or_null(COUNT),
            "pointer": {"type": "string", "description": "RFC 6901, into the body as sent."},
            "field": or_null(TEXT),
            "code": TEXT,
            "message": TEXT,
        }
    )
    finding["properties"]["value"] = {"description": "Cut at 64 characters; left out for data of people."}
    return finding


def _batch(more: Json) -> Json:
    counts = record({"received": COUNT, **dict.fromkeys(OUTCOMES, COUNT), **more})
    counts["properties"]["results"] = _list(
        record({"index": COUNT, "outcome": {"type": "string", "enum": list(OUTCOMES)}})
    )
    return record({"data": counts, "warnings": _list(ref("Finding")), "errors": _list(ref("Finding"))})


def _api_request() -> Json:
    shape = record(
        {
            "request_id": {"type": "string", "format": "uuid"},
            "at": MOMENT,
            "client_id": TEXT,
            "token_last_four": TEXT,
            "method": TEXT,
            "path": TEXT,
            "query": TEXT,
            "entity": or_null(TEXT),
            "status": {"type": "integer"},
            "duration_ms": COUNT,
            "request_bytes": COUNT,
            "ip": or_null(TEXT),
            "user_agent": TEXT,
            "counts": or_null(record({"received": COUNT, **dict.fromkeys(OUTCOMES, COUNT)})),
            "error_code": or_null(TEXT),
            "error_summary": or_null(TEXT),
        }
    )
    shape["properties"]["detail"] = {"description": "Only of a single call: what was refused."}
    return shape
