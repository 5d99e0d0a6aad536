"""`/api/v1/freshness`: how long new records take from the event to us, as the page shows it."""

from __future__ import annotations

import math

from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from rest_framework.request import Request

from entities.freshness import (
    PERIODS,
    ActivityDay,
    DayState,
    Figures,
    Freshness,
    activity_days,
    freshness_of,
    target_of,
)
from entities.models import Entity
from integrations.api.answers import json_answer
from integrations.api.manage import Json, ManageView, Operation
from integrations.api.parameters import one_of
from integrations.api.shapes import COUNT, MOMENT, data, or_null, record

SECONDS: Json = {"type": "number", "minimum": 0}
FIGURES: Json = {
    "created": COUNT | {"description": "New records of live calls and fetches."},
    "in_time": COUNT | {"description": "Of these, within the target."},
    "p50_seconds": or_null(SECONDS) | {"description": "The lag of half of them at most; null: none, or over 24 hours."},
    "p95_seconds": or_null(SECONDS) | {"description": "The same of 95 %."},
    "partner_seconds": or_null(SECONDS) | {"description": "Mean: from the event to where our part begins."},
    "own_seconds": or_null(SECONDS) | {"description": "Mean: waiting for our fetch, and storing."},
}
STEPS: Json = {"type": "array", "items": record({"from": MOMENT, **FIGURES})}
ENTITY = record(
    {
        "entity": {"type": "string", "enum": Entity.values},
        "target_seconds": COUNT | {"description": "From the event; of activity from the end of its day, UTC."},
        **FIGURES,
        "steps": STEPS,
    }
)
DAY = record(
    {
        "date": {"type": "string", "format": "date"},
        "state": {"type": "string", "enum": [state.value for state in DayState]},
        "last_received_at": or_null(MOMENT),
    }
)
FRESHNESS = record(
    {
        "from": MOMENT,
        "to": MOMENT,
        "entities": {"type": "array", "items": ENTITY},
        "activity_days": {"type": "array", "items": DAY},
    }
)


class FreshnessDetail(ManageView):
    parameters = {
        "GET": {"period": one_of("By the hour, by 6 hours, or by the day; without it `24h`.", tuple(PERIODS))}
    }
    operations = {
        "GET": Operation(
            "How fresh the records of this environment are, and whose time it was",
            {200: ("The figures by entity, and the last 30 days of activity.", data(FRESHNESS))},
        )
    }

    def get(self, request: Request) -> HttpResponse:
        environment, now = self.environment(request), timezone.now()
        period = PERIODS[self.query.get("period", "24h")]
        found = freshness_of(environment, period=period, now=now)
        shown = {
            "from": period.starts(now)[0],
            "to": now,
            "entities": [_entity(one) for one in found.values()],
            "activity_days": [_day(one) for one in activity_days(environment, now=now)],
        }
        return json_answer({"data": shown})


def _entity(one: Freshness) -> Json:
    return {
        "entity": one.entity.value,
        "target_seconds": int(target_of(one.entity).total_seconds()),
        **_figures(one.whole),
        "steps": [{"from": step.start, **_figures(step.figures)} for step in one.steps],
    }


def _figures(figures: Figures) -> Json:
    return {name: _number(getattr(figures, name)) for name in FIGURES}


def _number(value: float | None) -> float | None:
    return None if value is None or math.isinf(value) else value


def _day(one: ActivityDay) -> Json:
    return {"date": one.day, "state": one.state.value, "last_received_at": one.last_at}


urlpatterns: list[URLPattern] = [path("api/v1/freshness", FreshnessDetail.as_view())]
