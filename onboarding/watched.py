"""What a look finds that somebody must be told."""

from __future__ import annotations

from dataclasses import dataclass

from django.urls import reverse

from track360.models import Environment


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is so now: what `tell` takes."""

    environment: Environment
    subject: str
    title: str
    text: str
    path: str


def page_of_environment(name: str, environment: Environment, *more: str) -> str:
    return reverse(name, args=[environment.partner.slug, environment.kind, *more])
