"""`/api/v1/affiliates`: those the partner registered, and those that came unknown."""

from __future__ import annotations

from dataclasses import asdict

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from entities.mapping_selectors import UnknownAffiliate, unknown_affiliates_of
from entities.models import Affiliate
from integrations.api.answers import json_answer
from integrations.api.log_views import envelope
from integrations.api.manage import Json, ManageView, Operation, no_content
from integrations.api.parameters import text
from integrations.api.shapes import COUNT, MOMENT, TEXT, data, or_null, record
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.selectors import page_by_id
from onboarding.affiliates import (
    MAX_ID_LENGTH,
    MAX_LIST,
    MAX_NAME_LENGTH,
    Entry,
    add_affiliates,
    remove_affiliate,
)
from onboarding.api.lists import page_of
from track360.problems import Problem

UNKNOWN_LISTED = 2000
LOOKED_AT = 50_000  # ids of each environment
AFFILIATE = record({"affiliate_id": TEXT, "name": TEXT, "registered_at": MOMENT})
ENTRY: Json = {
    "type": "object",
    "required": ["affiliate_id"],
    "properties": {
        "affiliate_id": {"type": "string", "minLength": 1, "maxLength": MAX_ID_LENGTH},
        "name": {"type": "string", "maxLength": MAX_NAME_LENGTH, "default": ""},
    },
    "additionalProperties": False,
}
ENTRIES: Json = {"type": "array", "items": ENTRY, "minItems": 1, "maxItems": MAX_LIST}
ADDED = data(record({"new": COUNT, "renamed": COUNT, "known": COUNT, "removed": COUNT}))
UNKNOWN = record(
    {
        "affiliate_id": TEXT,
        "customers": COUNT | {"description": "How many name it; counted up to 10,000 of each environment."},
        "first_seen_at": or_null(MOMENT),
    }
)


class AffiliateList(ManageView):
    parameters = {"GET": PAGING | {"affiliate_id": text("This one only.", max_length=MAX_ID_LENGTH)}}
    operations = {
        "GET": Operation("List the registered affiliates", {200: ("A page.", envelope_shape(AFFILIATE))}),
        "POST": Operation(
            "Register affiliates, all or nothing",
            {200: ("Registered; an id that stands already takes the name.", ADDED)},
            body=ENTRIES,
        ),
        "PUT": Operation(
            "Replace the list of affiliates, all or nothing",
            {200: ("The list is what was sent: the others are off it.", ADDED)},
            body=ENTRIES,
        ),
    }

    def get(self, request: Request) -> HttpResponse:
        place = paging(self.query)
        rows = Affiliate.objects.filter(partner=self.partner(request), **self.query)
        salt = f"affiliates {self.partner(request).pk} {sorted(self.query.items())}"
        found = page_by_id(rows, salt=salt, **place)
        return json_answer(envelope(found, [_affiliate(row) for row in found.rows]))

    def post(self, request: Request) -> HttpResponse:
        return self._register(request, replace=False)

    def put(self, request: Request) -> HttpResponse:
        return self._register(request, replace=True)

    def _register(self, request: Request, *, replace: bool) -> HttpResponse:
        entries = [Entry(entry["affiliate_id"], entry.get("name", "")) for entry in self.body(request)]
        try:
            added = add_affiliates(self.partner(request), entries, actor=self.actor(request), replace=replace)
        except ValidationError as refusal:
            errors = [_refusal(error) for error in refusal.error_list]
            raise Problem("validation_failed", "Nothing was registered.", errors=errors) from None
        return json_answer({"data": asdict(added)})


class AffiliateDetail(ManageView):
    operations = {"DELETE": Operation("Take an affiliate off the list", {204: ("It is off the list.", None)})}

    def delete(self, request: Request, *, affiliate_id: str) -> HttpResponse:
        return _remove(self, request, affiliate_id)


class UnknownAffiliates(ManageView):
    """Here an affiliate whose id is `unknown` is taken off the list too: any other id has an address like this one."""

    parameters = {"GET": PAGING}
    operations = {
        "GET": Operation(
            "List the affiliates that customers name and nobody registered, the most frequent first",
            {200: ("A page.", envelope_shape(UNKNOWN))},
        ),
        "DELETE": Operation("Take the affiliate called unknown off the list", {204: ("It is off the list.", None)}),
    }

    def get(self, request: Request) -> HttpResponse:
        partner = self.partner(request)
        rows = unknown_affiliates_of(partner, limit=UNKNOWN_LISTED, probes=LOOKED_AT)
        return json_answer(page_of(rows, _unknown, salt=f"unknown affiliates {partner.pk}", **paging(self.query)))

    def delete(self, request: Request) -> HttpResponse:
        return _remove(self, request, "unknown")


def _remove(view: ManageView, request: Request, affiliate_id: str) -> HttpResponse:
    if not remove_affiliate(view.partner(request), affiliate_id, actor=view.actor(request)):
        raise Problem("not_found", "No such affiliate is registered.")
    return no_content()


def _refusal(error: ValidationError) -> Json:
    index = (error.params or {}).get("index")
    return {
        "index": index,
        "pointer": f"/{index}",
        "field": "affiliate_id",
        "code": "identifier",
        "message": " ".join(error.messages),
    }


def _affiliate(row: Affiliate) -> Json:
    return {"affiliate_id": row.affiliate_id, "name": row.name, "registered_at": row.created_at}


def _unknown(row: UnknownAffiliate) -> Json:
    return asdict(row)


urlpatterns: list[URLPattern] = [
    path("api/v1/affiliates", AffiliateList.as_view()),
    path("api/v1/affiliates/unknown", UnknownAffiliates.as_view()),
    path("api/v1/affiliates/<path:affiliate_id>", AffiliateDetail.as_view()),
]
