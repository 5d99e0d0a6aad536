"""The JSON Schemas as enforced: the guide's, with null allowed in optional fields and the limits of our columns."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema_rs

from entities.pipeline.report import PII_FIELDS, VALUE_LENGTH, RecordError

MAX_RECORDS = 1000

# The size of numbers is in the schema for those who read it; the rules name it, with all else that is wrong with them.
_LEFT_TO_RULES = frozenset({"maximum", "exclusiveMinimum", "exclusiveMaximum"})
_CODES = {
    "type": "type",
    "enum": "enum",
    "pattern": "pattern",
    "minLength": "min_length",
    "maxLength": "max_length",
    "minimum": "minimum",
    "format": "format",
}
# Times that RFC 3339 can write but no clock of ours can hold: `date_time`, not `format`, says what is wrong.
_IMPOSSIBLE_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt](24:\d\d:\d\d|\d\d:\d\d:60)(\.\d+)?([Zz]|[+-]\d\d:\d\d)"
    r"|\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?[+-](1[6-9]|[2-9]\d):\d\d)",
    re.ASCII,
)
DATE_TIME_MESSAGE = (
    "must be a moment from 1900-01-01 to one day from now, with an offset of at most 15:59, "
    "no hour 24 and no leap second"
)


@cache
def schema_for(entity: str) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one record of the entity."""
    path = Path(__file__).parent.parent / "schemas" / f"{entity}.json"
    schema: dict[str, Any] = json.loads(path.read_text())
    return schema


@cache
def _record_validator(entity: str) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema_for(entity), validate_formats=True)


@cache
def _batch_validator(entity: str) -> jsonschema_rs.Draft202012Validator:
    schema = {"type": "array", "items": schema_for(entity)}
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def pointer_to(index: int | None, field: str | None = None) -> str:
    """RFC 6901: `/3/currency`, or `/currency` where the body is a single object."""
    if field is not None and ("~" in field or "/" in field):
        field = field.replace("~", "~0").replace("/", "~1")
    if index is None:
        return "" if field is None else f"/{field}"
    return f"/{index}" if field is None else f"/{index}/{field}"


def shown(value: Any) -> Any:
    """A value as an error may show it: text cut at 64 characters, numbers as written."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else str(value)[:VALUE_LENGTH]
    text = value if isinstance(value, str) else _plain(value)
    return text[:VALUE_LENGTH]


def _plain(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else json.dumps(value, default=str)


def finding(index: int | None, field: str | None, code: str, message: str, record: Any = None) -> RecordError:
    """An error or warning about a field of a record; the value is shown unless it is PII."""
    if field is None or not isinstance(record, dict) or field not in record or field in PII_FIELDS:
        return RecordError(index, pointer_to(index, field), field, code, message)
    return RecordError(index, pointer_to(index, field), field, code, message, shown(record[field]), has_value=True)


def schema_errors(entity: str, records: list[Any], *, single: bool = False) -> list[RecordError]:
    """Everything the schema refuses, by index; one call in native code when there is nothing."""
    if _batch_validator(entity).is_valid(records):
        return []
    validator = _record_validator(entity)
    errors: list[RecordError] = []
    for position, record in enumerate(records):
        index = None if single else position
        for error in validator.iter_errors(record):
            errors.extend(_translate(error, index, record, entity))
    return errors


def _translate(
    error: jsonschema_rs.ValidationError, index: int | None, record: Any, entity: str
) -> Iterator[RecordError]:
    kind = error.kind
    if kind.name in _LEFT_TO_RULES:
        return
    if kind.name == "required":
        message = f"{kind.property} is required"  # type: ignore[attr-defined]
        yield finding(index, kind.property, "required", message)  # type: ignore[attr-defined]
        return
    if kind.name == "additionalProperties":
        for name in kind.unexpected:  # type: ignore[attr-defined]
            # Neither name nor value of an unknown property is echoed beyond the pointer: it may be anything.
            yield finding(index, name, "additional_property", "is not a field of this entity")
        return
    field = str(error.instance_path[0]) if error.instance_path else None
    if field is None:
        yield finding(index, None, "type", "must be a JSON object")
        return
    if record[field] is None:
        yield finding(index, field, "required", f"{field} is required and may not be null")
        return
    code = _CODES[kind.name]
    value = record[field]
    if code == "format" and isinstance(value, str) and _IMPOSSIBLE_TIME.fullmatch(value):
        code = "date_time"
    yield finding(index, field, code, _message(code, field, entity), record)


def _message(code: str, field: str, entity: str) -> str:
    """One sentence that says what to send, made from the schema."""
    rule = schema_for(entity)["properties"][field]
    kinds = rule["type"] if isinstance(rule["type"], str) else rule["type"][0]
    messages = {
        "type": f"must be of type {kinds}",
        "enum": f"must be one of {', '.join(rule.get('enum', ()))}",
        "pattern": f"must match {rule.get('pattern')}",
        "min_length": f"must have at least {rule.get('minLength')} character",
        "max_length": f"must have at most {rule.get('maxLength')} characters",
        "minimum": f"must be {rule.get('minimum')} or more",
        "format": f"must be a valid {rule.get('format')} (RFC 3339)"
        if rule.get("format") != "email"
        else "must be a valid email address",
        "date_time": DATE_TIME_MESSAGE,
    }
    return messages[code]
