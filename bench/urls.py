"""The portal's addresses, and one that answers `{}`: what the server costs by itself."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.urls import include, path


def empty(request: HttpRequest) -> JsonResponse:
    return JsonResponse({})


urlpatterns = [path("", include("track360.urls")), path("bench/empty", empty)]
