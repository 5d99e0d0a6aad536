"""Addresses of the automation API that stand on the walk. Without a slash at the end: the middleware takes one away."""

from __future__ import annotations

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
