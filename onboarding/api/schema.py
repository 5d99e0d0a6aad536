"""The OpenAPI document at its address: of the whole API, so it stands above all apps that have a part in it."""

from __future__ import annotations

from functools import cache
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from integrations.api.answers import json_answer
from integrations.api.base import ApiView
from integrations.api.schema import document_of


class OpenApi(ApiView):
    """`GET /api/schema/`."""

    authentication_classes = []
    permission_classes = []

    def get(self, request: Request) -> HttpResponse:
        return json_answer(document(), headers={"Access-Control-Allow-Origin": "*"})


@cache
def document() -> dict[str, Any]:
    from onboarding.api.urls import urlpatterns  # the address book holds this view

    return document_of(urlpatterns)
