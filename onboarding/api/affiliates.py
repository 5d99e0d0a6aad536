"""`/api/v1/affiliates`: those the partner registered, and those that came unknown."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from entities.models import Affiliate
from integrations.api.answers import json_answer
from integrations.api.log_views import envelope
from integrations.api.manage import Json, ManageView, Operation, no_content
from integrations.api.parameters import text
from integrations.api.shapes import COUNT, MOMENT, TEXT, data, record
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.selectors import page_by_id
from onboarding.affiliate_pages import unknown_of
from onboarding.affiliates import MAX_ID_LENGTH, MAX_NAME_LENGTH, Entry, add_affiliates, remove_affiliate
from onboarding.api.lists import page_of
from track360.problems import Problem

UNKNOWN_LISTED = 2000
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
ADDED = data(record({"new": COUNT, "renamed": COUNT, "known": COUNT}))


class AffiliateList(ManageView):
    parameters = {"GET": PAGING | {"affiliate_id": text("This one only.", max_length=MAX_ID_LENGTH)}}
    operations = {
        "GET": Operation("List the registered affiliates", {200: ("A page.", envelope_shape(AFFILIATE))}),
        "POST": Operation(
            "Register affiliates, all or nothing",
            {200: ("Registered; an id that stands already takes the name.", ADDED)},
            body={"type": "array", "items": ENTRY, "minItems": 1, "maxItems": 10_000},
        ),
    }

    def get(self, request: Request) -> HttpResponse:
        place = paging(self.query)
        rows = Affiliate.objects.filter(partner=self.partner(request), **self.query)
        salt = f"affiliates {self.partner(request).pk} {sorted(self.query.items())}"
        found = page_by_id(rows, salt=salt, **place)
        return json_answer(envelope(found, [_affiliate(row) for row in found.rows]))

    def post(self, request: Request) -> HttpResponse:
        entries = [Entry(entry["affiliate_id"], entry.get("name", "")) for entry in self.body(request)]
        try:
            added = add_affiliates(self.partner(request), entries, actor=self.actor(request))
        except ValidationError as refusal:
            errors = [
                {
                    "index": (error.params or {}).get("index"),
                    "pointer": f"/{(error.params or {}).get('index')}",
                    "field": "affiliate_id",
                    "code": "identifier",
                    "message": " ".join(error.messages),
                }
                for error in refusal.error_list
            ]
            raise Problem("validation_failed", "Nothing was registered.", errors=errors) from None
        return json_answer({"data": {"new": added.new, "renamed": added.renamed, "known": added.known}})


class AffiliateDetail(ManageView):
    operations = {"DELETE": Operation("Take an affiliate off the list", {204: ("It is off the list.", None)})}

    def delete(self, request: Request, *, affiliate_id: str) -> HttpResponse:
        if not remove_affiliate(self.partner(request), affiliate_id, actor=self.actor(request)):
            raise Problem("not_found", "No such affiliate is registered.")
        return no_content()


class UnknownAffiliates(ManageView):
    parameters = {"GET": PAGING}
    operations = {
        "GET": Operation(
            "List the affiliates that customers name and nobody registered, the most frequent first",
            {200: ("A page.", envelope_shape(record({"affiliate_id": TEXT, "customers": COUNT})))},
        )
    }

    def get(self, request: Request) -> HttpResponse:
        partner = self.partner(request)
        rows = list(unknown_of(partner, limit=UNKNOWN_LISTED).items())
        return json_answer(page_of(rows, _unknown, salt=f"unknown affiliates {partner.pk}", **paging(self.query)))


def _affiliate(row: Affiliate) -> Json:
    return {"affiliate_id": row.affiliate_id, "name": row.name, "registered_at": row.created_at}


def _unknown(row: tuple[str, int]) -> Json:
    return {"affiliate_id": row[0], "customers": row[1]}


urlpatterns: list[URLPattern] = [
    path("api/v1/affiliates", AffiliateList.as_view()),
    path("api/v1/affiliates/unknown", UnknownAffiliates.as_view()),
    path("api/v1/affiliates/<path:affiliate_id>", AffiliateDetail.as_view()),
]
