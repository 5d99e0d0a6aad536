"""`/api/v1/mappings`: what the partner's status values stand for, and every change of it."""

from __future__ import annotations

import uuid
from typing import Any

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from entities.models import MappingChange, StatusField
from integrations.api.answers import json_answer
from integrations.api.manage import Json, ManageView, Operation, no_content
from integrations.api.parameters import flag, one_of, text
from integrations.api.shapes import COUNT, MOMENT, TEXT, data, envelope, or_null, record
from integrations.api.views import PAGING, paging
from onboarding.api.lists import page_of
from onboarding.mapping_table import ValueRow, field_tables
from onboarding.mappings import MAX_DECLARED, MAX_VALUE_LENGTH, Wish, newest_change, save_mappings, undo_change
from track360.problems import Problem

FIELD: Json = {"type": "string", "enum": list(StatusField.values)}
VALUE: Json = {"type": "string", "minLength": 1, "maxLength": MAX_VALUE_LENGTH, "pattern": "^[^\\u0000]*$"}
MAPPING = record(
    {
        "field": FIELD,
        "value": TEXT,
        "canonical_value": or_null(TEXT),
        "declared": {"type": "boolean"},
        "records": COUNT | {"description": "How many records bear the value; see records_exact."},
        "records_exact": {"type": "boolean"},
        "first_seen_at": or_null(MOMENT),
        "last_seen_at": or_null(MOMENT),
    }
)
CHANGE = record(
    {
        "id": {"type": "string", "format": "uuid"},
        "at": MOMENT,
        "by": TEXT,
        "undoes": or_null({"type": "string", "format": "uuid"}),
        "lines": {
            "type": "array",
            "items": record({"field": FIELD, "value": TEXT, "before": or_null(TEXT), "after": or_null(TEXT)}),
        },
    }
)
WISHES: Json = {
    "type": "object",
    "required": ["mappings"],
    "properties": {
        "mappings": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_DECLARED,
            "items": {
                "type": "object",
                "required": ["field", "value", "canonical_value"],
                "properties": {
                    "field": FIELD,
                    "value": VALUE,
                    "canonical_value": {
                        "type": ["string", "null"],
                        "maxLength": 64,
                        "description": "null declares the value without a meaning yet.",
                    },
                },
                "additionalProperties": False,
            },
        },
        "base": {
            "type": "string",
            "format": "uuid",
            "description": "`data.base` as last read: a value that was changed after it is refused. "
            "Without it the last word wins.",
        },
    },
    "additionalProperties": False,
}
SAVED = data(record({"base": {"type": "string", "format": "uuid"}, "changed": COUNT}))


class MappingList(ManageView):
    parameters = {
        "GET": PAGING
        | {
            "field": one_of("Of this field.", tuple(StatusField.values)),
            "unmapped": flag("1: only values without a meaning."),
        },
        "DELETE": {
            "field": one_of("The field.", tuple(StatusField.values)),
            "value": text("The value, as sent.", max_length=MAX_VALUE_LENGTH),
        },
    }
    operations = {
        "GET": Operation("List the status values, seen or declared", {200: ("A page.", envelope(MAPPING))}),
        "PUT": Operation("Say what values stand for, all or nothing", {200: ("Saved.", SAVED)}, body=WISHES),
        "DELETE": Operation("Take a value out of the mapping", {204: ("Taken out.", None)}),
    }

    def get(self, request: Request) -> HttpResponse:
        place = paging(self.query)
        rows = [
            row
            for table in field_tables(self.partner(request))
            for row in table.rows
            if self.query.get("field") in (None, row.field)
            and (not self.query.get("unmapped") or row.canonical_value is None)
        ]
        salt = f"mappings {self.partner(request).pk} {sorted(self.query.items())}"
        return json_answer(page_of(rows, _mapping, salt=salt, **place))

    def put(self, request: Request) -> HttpResponse:
        body = self.body(request)
        wishes = [Wish(entry["field"], entry["value"], entry["canonical_value"]) for entry in body["mappings"]]
        base = uuid.UUID(body["base"]) if "base" in body else None
        change = _saved(self, request, wishes, base)
        changed = change.lines.count() if change else 0
        return json_answer({"data": {"base": newest_change(self.partner(request)), "changed": changed}})

    def delete(self, request: Request) -> HttpResponse:
        if set(self.query) != {"field", "value"}:
            raise Problem("invalid_parameter", "Name both field and value.")
        if _saved(self, request, [Wish(self.query["field"], self.query["value"], remove=True)], None) is None:
            raise Problem("not_found", "The mapping has no such value.")
        return no_content()


def _saved(view: ManageView, request: Request, wishes: list[Wish], base: uuid.UUID | None) -> MappingChange | None:
    try:
        return save_mappings(view.partner(request), wishes, actor=view.actor(request), base=base)
    except ValidationError as refusal:
        places = {wish.key: index for index, wish in enumerate(wishes)}
        errors = [_refusal(error, places) for error in getattr(refusal, "error_list", [refusal])]
        raise Problem("validation_failed", " ".join(refusal.messages), errors=errors) from None


def _refusal(error: ValidationError, places: dict[tuple[str, str], int]) -> Json:
    about: dict[str, Any] = error.params or {}
    index = places.get((about.get("field", ""), about.get("value", "")))
    return {
        "index": index,
        "pointer": "" if index is None else f"/mappings/{index}/{error.code}",
        "field": None if index is None else error.code,
        "code": "enum" if index is not None else error.code or "invalid",
        "message": " ".join(error.messages),
    }


class ChangeList(ManageView):
    parameters = {"GET": PAGING}
    operations = {
        "GET": Operation("List the changes of the mapping, the latest first", {200: ("A page.", envelope(CHANGE))})
    }

    def get(self, request: Request) -> HttpResponse:
        partner = self.partner(request)
        rows = MappingChange.objects.filter(partner=partner).select_related("by").prefetch_related("lines")
        return json_answer(
            page_of(rows.order_by("-at"), _change, salt=f"mapping changes {partner.pk}", **paging(self.query))
        )


class ChangeUndo(ManageView):
    operations = {
        "POST": Operation(
            "Take a change back",
            {200: ("What was put back.", data(CHANGE))},
            body={"type": "object", "maxProperties": 0},
        )
    }

    def post(self, request: Request, *, change_id: uuid.UUID) -> HttpResponse:
        self.body(request)
        change = MappingChange.objects.filter(partner=self.partner(request), pk=change_id).first()
        if change is None:
            raise Problem("not_found", "No such change of this mapping.")
        try:
            undone = undo_change(change, actor=self.actor(request))
        except ValidationError as refusal:
            raise Problem("validation_failed", " ".join(refusal.messages)) from None
        return json_answer({"data": _change(undone)})


def _mapping(row: ValueRow) -> Json:
    use = row.use
    return {
        "field": row.field,
        "value": row.raw_value,
        "canonical_value": row.canonical_value,
        "declared": row.declared,
        "records": use.count if use else 0,
        "records_exact": use.is_exact if use else True,
        "first_seen_at": use.first_seen_at if use else None,
        "last_seen_at": use.last_seen_at if use else None,
    }


def _change(change: MappingChange) -> Json:
    return {
        "id": change.pk,
        "at": change.at,
        "by": change.by.email if change.by else change.client_id,
        "undoes": change.undoes_id,
        "lines": [
            {"field": line.field, "value": line.raw_value, "before": line.before_value, "after": line.after_value}
            for line in change.lines.all()
        ],
    }


urlpatterns: list[URLPattern] = [
    path("api/v1/mappings", MappingList.as_view()),
    path("api/v1/mappings/changes", ChangeList.as_view()),
    path("api/v1/mappings/changes/<uuid:change_id>/undo", ChangeUndo.as_view()),
]
