"""Erasing a customer over the API."""

from __future__ import annotations

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.views.decorators.csrf import csrf_exempt
from rest_framework.request import Request

from entities.erasure import REASON_LENGTH
from entities.models import Entity
from integrations.api.answers import json_answer
from integrations.api.manage import ManageView, Operation, refused_by
from integrations.api.record_urls import IGAMING
from integrations.api.views import RecordDetail
from onboarding.erasure import STORES, certificate, erase_customer
from track360.problems import Problem

BODY = {
    "type": "object",
    "properties": {
        "reason": {
            "type": "string",
            "maxLength": REASON_LENGTH,
            "pattern": r"^[^\u0000-\u0009\u000b\u000c\u000e-\u001f\u007f-\u009f]*$",
            "description": "Why, as the certificate has it. Name nobody here.",
        }
    },
    "additionalProperties": False,
}
CERTIFICATE = {
    "type": "object",
    "properties": {
        "data": {
            "type": "object",
            "properties": {
                "id": {"type": "string", "format": "uuid"},
                "environment": {"type": "string", "enum": ["sandbox", "production"]},
                "customer_id": {"type": "string"},
                "erased_at": {"type": "string", "format": "date-time"},
                "erased_by": {"type": "string"},
                "reason": {"type": "string"},
                "erased": {
                    "type": "object",
                    "description": "Rows in which something was, by store.",
                    "properties": {store: {"type": "integer", "minimum": 0} for store in STORES},
                    "required": list(STORES),
                    "additionalProperties": False,
                },
            },
            "required": ["id", "environment", "customer_id", "erased_at", "erased_by", "reason", "erased"],
            "additionalProperties": False,
        }
    },
    "required": ["data"],
    "additionalProperties": False,
}


class CustomerErase(ManageView):
    """`POST /customers/{id}/erase`."""

    operations: ClassVar = {
        "POST": Operation(
            "Erase a customer",
            {
                200: ("The certificate; the same one however often it is asked for.", CERTIFICATE),
                404: ("This environment knows no customer with this id.", None),
            },
            body=BODY,
            path={"key": {"type": "string", "minLength": 1, "description": "The customer_id."}},
        )
    }
    entity = Entity.CUSTOMERS

    def post(self, request: Request, *, key: str) -> HttpResponse:
        """The body may be left out: `curl -X POST` is enough."""
        is_empty = request._request.META.get("CONTENT_LENGTH") in {None, "", "0"}
        reason = "" if is_empty else self.body(request).get("reason", "")
        try:
            erasure = erase_customer(self.environment(request), key, actor=self.actor(request), reason=reason)
        except ValidationError as refusal:
            if refusal.code == "unknown_customer":
                raise Problem("not_found", str(refusal.message)) from None
            raise refused_by(refusal, field="reason") from None
        return json_answer({"data": certificate(erasure)})


_erase = CustomerErase.as_view()
_read = RecordDetail.as_view(entity=Entity.CUSTOMERS)


@csrf_exempt
def erase_or_read(request: HttpRequest, key: str) -> HttpResponse:
    """An id may end in `/erase`: to read is to read that customer, to post is to erase the one before the ending."""
    return _read(request, key=f"{key}/erase") if request.method in {"GET", "HEAD"} else _erase(request, key=key)


erase_or_read.view_class = CustomerErase  # type: ignore[attr-defined]  # what is documented

urlpatterns: list[URLPattern] = [path(f"{IGAMING}/customers/<path:key>/erase", erase_or_read)]
