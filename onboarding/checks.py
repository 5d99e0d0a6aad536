"""What a step asks for, one thing at a time, and the page where it is mended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.urls import NoReverseMatch, reverse

from onboarding.models.checklist import Side
from track360.models import Partner


@dataclass(frozen=True)
class Check:
    """One thing that a step asks for. `reason` says why it is not met, and `url_name` with `query` where to mend it.

    `kind` is the environment of that page, `waiting_for` the side that mends it, `todo` what that side does, as the end
    of "Next: ". What is counted says how far it is: `figure` in words, `share` from 0 to 1; `group` heads those that
    belong together. It is stored as an object of the same members.
    """

    text: str
    met: bool
    reason: str = ""
    url_name: str = ""
    query: str = ""
    kind: str = "sandbox"
    url_kwargs: Mapping[str, str] = field(default_factory=dict)
    waiting_for: str = Side.PARTNER.value
    todo: str = ""
    figure: str = ""
    share: float | None = None
    group: str = ""

    def as_object(self) -> dict[str, Any]:
        return vars(self) | {"url_kwargs": dict(self.url_kwargs)}


def page_of(number: int, partner: Partner) -> str:
    """The page of a step."""
    return url_of(
        Check("", met=False, url_name="checklist-step", url_kwargs={"number": str(number)}).as_object(), partner
    )


def url_of(check: Mapping[str, Any], partner: Partner) -> str:
    """The page where a check of `StepState.evidence` is mended; empty where there is none."""
    if not check["url_name"]:
        return ""
    names = {"partner_slug": partner.slug, "environment_kind": check["kind"], **check["url_kwargs"]}
    try:
        return reverse(check["url_name"], kwargs=names) + check["query"]
    except NoReverseMatch:
        return ""
