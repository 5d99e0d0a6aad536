"""`/api/v1/requests`: the request log, to read."""

from __future__ import annotations

import uuid
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from entities.models import Entity
from integrations.api import renderers
from integrations.api.answers import json_answer
from integrations.api.authentication import require_scope
from integrations.api.base import ApiView
from integrations.api.parameters import Parameter, moment, one_of, text
from integrations.api.views import PAGING, paging
from integrations.selectors import LogPage, request_for, request_page
from track360.problems import Problem

REQUEST_FILTERS: dict[str, Parameter] = {
    "from": moment("Calls at or after this moment."),
    "to": moment("Calls before this moment."),
    "status": text("A status, as 422, or a class of them, as 4xx.", pattern="[1-5](?:[0-9]{2}|xx)"),
    "method": one_of("The method.", ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")),
    "entity": one_of("The entity.", tuple(Entity.values)),
}


class RequestList(ApiView):
    permission_classes = [require_scope("manage")]
    parameters = {"GET": PAGING | REQUEST_FILTERS}

    def get(self, request: Request) -> HttpResponse:
        place = paging(self.query)
        found = request_page(self.environment(request), filters=self.query, **place)
        return json_answer(envelope(found, [renderers.api_request(row, with_detail=False) for row in found.rows]))


class RequestDetail(ApiView):
    permission_classes = [require_scope("manage")]

    def get(self, request: Request, *, request_id: str) -> HttpResponse:
        try:
            row = request_for(self.environment(request), uuid.UUID(request_id))
        except ValueError:
            row = None
        if row is None:
            raise Problem("not_found", "No such request in this environment's log.")
        return json_answer({"data": renderers.api_request(row, with_detail=True)})


def envelope(found: LogPage[Any], data: list[dict[str, Any]]) -> dict[str, Any]:
    """A page of any list that is not of records."""
    meta: dict[str, Any] = {
        "total": found.total,
        "page": found.page,
        "per_page": found.per_page,
        "next_cursor": found.next_cursor,
    }
    return {"data": data, "meta": meta | ({"total_capped": True} if found.total_capped else {})}
