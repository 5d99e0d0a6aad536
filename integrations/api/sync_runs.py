"""`/api/v1/sync-runs`: what is fetched, and how it goes."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from rest_framework.request import Request

from entities.models import Entity
from integrations import run_selectors, runs
from integrations.api.answers import json_answer
from integrations.api.log_views import envelope
from integrations.api.manage import Json, ManageView, Operation, refused_by
from integrations.api.parameters import Parameter, moment, one_of, text
from integrations.api.shapes import COUNT, MOMENT, TEXT, data, or_null, record
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.models import SyncEvent, SyncRun
from integrations.pull import schedule
from integrations.tasks import ring
from track360.problems import Problem

ID: Json = {"type": "string", "format": "uuid"}
COUNTS = ("read", "created", "updated", "unchanged", "stale", "rejected", "differing")
RUN = record(
    {
        "id": ID,
        "feed": ID,
        "entity": {"type": "string", "enum": list(Entity.values)},
        "kind": {"type": "string", "enum": list(SyncRun.Kind.values)},
        "state": {"type": "string", "enum": list(SyncRun.State.values)},
        "requested_at": MOMENT,
        "requested_by": or_null(TEXT) | {"description": "The person's name."},
        "client_id": or_null(TEXT),
        "due_at": MOMENT,
        "started_at": or_null(MOMENT),
        "finished_at": or_null(MOMENT),
        "since": or_null(TEXT) | {"description": "Null: from the beginning."},
        "until": or_null(TEXT) | {"description": "Exclusive; null: to the end."},
        "cursor_before": or_null(TEXT),
        "cursor_after": or_null(TEXT),
        "attempts": COUNT | {"description": "Tries in a row that brought nothing."},
        "pages": COUNT,
        "counts": record(dict.fromkeys(COUNTS, COUNT)),
        "expected": or_null(COUNT) | {"description": "Rows in the window, where the source can be asked."},
        "busy_seconds": {"type": "number", "minimum": 0},
        "rows_per_second": or_null({"type": "number"}),
        "estimated_end": or_null(MOMENT),
        "problem": or_null(TEXT),
        "problem_party": {"enum": [*SyncRun.Party.values, None], "description": "Who has to act."},
    }
)
EVENT = record(
    {
        "id": COUNT,
        "at": MOMENT,
        "kind": {"type": "string", "enum": list(SyncEvent.Kind.values)},
        "text": TEXT,
        "url": or_null(TEXT) | {"description": "Of a database: the relation. Without secrets."},
        "status": or_null({"type": "integer"}),
        "duration_ms": or_null(COUNT),
        "size": or_null(COUNT) | {"description": "Bytes of the answer."},
        "records": or_null(COUNT),
    }
)
NEW_RUN: Json = {
    "type": "object",
    "required": ["feed"],
    "properties": {
        "feed": ID,
        "first_day": {"type": "string", "format": "date", "description": "With last_day: fetch these days (UTC)."},
        "last_day": {"type": "string", "format": "date", "description": "Included."},
    },
    "additionalProperties": False,
}
FILTERS: dict[str, Parameter] = {
    "feed": text("Id of the feed.", pattern="[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    "entity": one_of("The entity.", tuple(Entity.values)),
    "state": one_of("The state.", tuple(SyncRun.State.values)),
    "kind": one_of("The kind.", tuple(SyncRun.Kind.values)),
    "from": moment("Due at or after this moment."),
    "to": moment("Due before this moment."),
}
AS_THEY_ARE = (
    *("id", "entity", "kind", "state", "requested_at", "due_at", "started_at", "finished_at"),
    *("attempts", "pages", "expected", "busy_seconds"),
)
FIELDS = {"first_day", "last_day"}


class RunList(ManageView):
    parameters = {"GET": PAGING | FILTERS}
    operations = {
        "GET": Operation("List the runs, the latest first", {200: ("A page.", envelope_shape(RUN))}),
        "POST": Operation(
            "Fetch a feed now, or certain days beside its schedule",
            {201: ("The run: a new one, or the one of this feed that is open already.", data(RUN))},
            body=NEW_RUN,
        ),
    }

    def get(self, request: Request) -> HttpResponse:
        place = paging(self.query)
        found = run_selectors.run_page(self.environment(request), filters=self.query, **place)
        return json_answer(envelope(found, [rendered(run) for run in found.rows]))

    def post(self, request: Request) -> HttpResponse:
        body = self.body(request)
        feed = run_selectors.feeds_for(self.environment(request)).filter(pk=uuid.UUID(body["feed"])).first()
        if feed is None:
            raise refused_by(
                ValidationError("There is no such feed in this environment.", code="unknown"), field="feed"
            )
        days = {name: dt.date.fromisoformat(body[name]) if name in body else None for name in ("first_day", "last_day")}
        try:
            run = runs.fetch(feed, **days, actor=self.actor(request))
        except ValidationError as refusal:
            code = getattr(refusal, "code", None)
            raise refused_by(refusal, field=code if code in FIELDS else None) from None
        ring(run)
        return json_answer({"data": rendered(run)}, status=201)


class OneRun(ManageView):
    """What the addresses of one run share."""

    def run(self, request: Request, run_id: uuid.UUID) -> SyncRun:
        run = run_selectors.run_for(self.environment(request), run_id)
        if run is None:
            raise Problem("not_found", "No such run in this environment.")
        return run


class RunDetail(OneRun):
    operations = {"GET": Operation("One run", {200: ("The run.", data(RUN))})}

    def get(self, request: Request, *, run_id: uuid.UUID) -> HttpResponse:
        return json_answer({"data": rendered(self.run(request, run_id))})


class RunEvents(OneRun):
    parameters = {"GET": PAGING}
    operations = {
        "GET": Operation(
            "The log of a run from its beginning: the requests made, notes and problems",
            {200: ("A page.", envelope_shape(EVENT))},
        )
    }

    def get(self, request: Request, *, run_id: uuid.UUID) -> HttpResponse:
        found = run_selectors.event_page(self.run(request, run_id), **paging(self.query))
        return json_answer(envelope(found, [rendered_event(event) for event in found.rows]))


class RunAction(OneRun):
    """A button of the run's page; `action` is the engine's."""

    action: ClassVar[Callable[..., SyncRun]]

    def post(self, request: Request, *, run_id: uuid.UUID) -> HttpResponse:
        try:
            run = type(self).action(self.run(request, run_id), actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        if run.state == SyncRun.State.DUE:
            ring(run)
        return json_answer({"data": rendered(run)})


def _pressed(summary: str) -> Mapping[str, Operation]:
    return {"POST": Operation(summary, {200: ("The run.", data(RUN))})}


class RunStop(RunAction):
    action = staticmethod(schedule.stop_run)
    operations = _pressed("Stop a run; what it has stored stays")


class RunPause(RunAction):
    action = staticmethod(schedule.pause_run)
    operations = _pressed("Pause a run where it is")


class RunResume(RunAction):
    action = staticmethod(runs.go_on)
    operations = _pressed("Resume a run from where it was, and its feed where that is paused")


def rendered(run: SyncRun) -> Json:
    or_none = ("client_id", "since", "until", "cursor_before", "cursor_after", "problem", "problem_party")
    values: dict[str, Any] = {name: getattr(run, name) for name in AS_THEY_ARE}
    values |= {name: getattr(run, name) or None for name in or_none}
    return values | {
        "feed": run.feed_id,
        "requested_by": run.requested_by.get_full_name() if run.requested_by else None,
        "counts": {name: getattr(run, name) for name in COUNTS},
        "rows_per_second": run_selectors.rows_a_second(run),
        "estimated_end": run_selectors.estimated_end(run, now=timezone.now()),
    }


def rendered_event(event: SyncEvent) -> Json:
    values = {name: getattr(event, name) for name in EVENT["properties"]}
    return values | {"url": event.url or None}


_ONE = "api/v1/sync-runs/<uuid:run_id>"
urlpatterns: list[URLPattern] = [
    path("api/v1/sync-runs", RunList.as_view()),
    path(_ONE, RunDetail.as_view()),
    path(f"{_ONE}/events", RunEvents.as_view()),
    path(f"{_ONE}/stop", RunStop.as_view()),
    path(f"{_ONE}/pause", RunPause.as_view()),
    path(f"{_ONE}/resume", RunResume.as_view()),
]
