"""`/api/v1/quarantine`: what was refused and kept, why, and what is done about it."""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from entities import replays
from entities.erasure import REASON_LENGTH
from entities.mending import drop_records, edit_record
from entities.models import Entity, QuarantinedRecord, QuarantineEvent, Replay
from entities.pipeline import OUTCOMES
from entities.quarantine_causes import Cause, causes_with_money
from entities.quarantine_selectors import events_of, quarantined_by_number
from entities.tasks import start_work
from integrations.api import renderers, shapes
from integrations.api.answers import json_answer
from integrations.api.log_views import envelope
from integrations.api.manage import Json, ManageView, Operation, refused_by
from integrations.api.parameters import flag, moment, one_of, text
from integrations.api.shapes import COUNT, MOMENT, TEXT, data, or_null, record, ref
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.selectors import page_by_time, quarantine_page
from track360.problems import Problem

ANY = "any"
HELD = QuarantinedRecord.State.HELD.value
ENTITY: Json = {"type": "string", "enum": list(Entity.values)}
UUID: Json = {"type": "string", "format": "uuid"}
RUN = text("Id of the run that fetched them.", pattern="[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
REASON: Json = {"type": "string", "minLength": 1, "maxLength": REASON_LENGTH}
CHOICE: Json = {
    "entity": ENTITY,
    "code": {"type": "string", "pattern": "^[a-z_]{1,32}$"},
    "field": {"type": "string", "maxLength": 500, "description": "Of the first error; empty: it has none."},
    "run": UUID | {"description": "The run that fetched them."},
    "ids": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
        "minItems": 1,
        "maxItems": replays.MOST_IDS,
        "description": "Instead of entity, code, field and run.",
    },
}
EVENT = record(
    {
        "at": MOMENT,
        "kind": {"type": "string", "enum": list(QuarantineEvent.Kind.values)},
        "by": or_null(TEXT | {"description": "A person's name, or the id of a client; null: the system."}),
        "batch_id": or_null(UUID),
        "outcome": or_null({"type": "string", "enum": list(OUTCOMES)}),
        "reason": or_null(TEXT),
    }
)
CAUSE = record(
    {
        "entity": ENTITY,
        "code": TEXT,
        "field": or_null(TEXT),
        "count": COUNT,
        "last_at": MOMENT,
        "money": {
            "type": "object",
            "additionalProperties": {"type": "number"},
            "description": "By currency: the amounts of the transactions that are held up.",
        },
        "first_deposits": COUNT | {"description": "Customers whose deposit is held up and of whom none is stored."},
    }
)
REPLAY = record(
    {
        "id": UUID,
        "state": {"type": "string", "enum": list(Replay.State.values)},
        "filters": {"type": "object"},
        "total": COUNT,
        "would_pass": COUNT,
        "would_fail": COUNT,
        "done": COUNT,
        "passed": COUNT,
        "failed": COUNT,
        "cancel_requested": {"type": "boolean"},
        "requested_at": MOMENT,
        "finished_at": or_null(MOMENT),
        "problem": or_null(TEXT),
    }
)
ONE_REPLAY = data(REPLAY)
NUMBER: Json = {"number": {"type": "integer", "minimum": 0, "maximum": 2**63 - 1}}


def _object(properties: Json, *required: str) -> Json:
    return {
        "type": "object",
        "required": list(required),
        "properties": properties,
        "additionalProperties": False,
    }


class QuarantineList(ManageView):
    parameters = {
        "GET": PAGING
        | {
            "entity": one_of("The entity.", tuple(Entity.values)),
            "code": text("Code of the record's first error; `mended` where an edit left none.", pattern="[a-z_]{1,32}"),
            "field": text("Field of the record's first error."),
            "state": one_of("What became of it; `held` unless said.", (*QuarantinedRecord.State.values, ANY)),
            "run": RUN,
            "waits_for": text("Held until this customer is stored."),
            "edited": flag("1: only those that somebody edited."),
            "from": moment("Received at or after this moment."),
            "to": moment("Received before this moment."),
        }
    }
    operations: ClassVar = {
        "GET": Operation(
            "List the refused records that were kept, by default those still held",
            {200: ("A page.", envelope_shape(ref("QuarantinedRecord")))},
        )
    }

    def get(self, request: Request) -> HttpResponse:
        place = paging(self.query)
        filters = {"state": HELD} | self.query
        if filters["state"] == ANY:
            del filters["state"]
        found = quarantine_page(self.environment(request), filters=filters, **place)
        return json_answer(envelope(found, [renderers.quarantined(row) for row in found.rows]))


class QuarantineCauses(ManageView):
    parameters = {"GET": {"run": RUN}}
    operations: ClassVar = {
        "GET": Operation(
            "Why records are held, the commonest cause first",
            {200: ("Of the newest 5,000.", data({"type": "array", "items": CAUSE}))},
        )
    }

    def get(self, request: Request) -> HttpResponse:
        run = self.query.get("run")
        causes = causes_with_money(self.environment(request), run_id=uuid.UUID(run) if run else None)
        return json_answer({"data": [_cause(cause) for cause in causes]})


class QuarantineDrop(ManageView):
    operations: ClassVar = {
        "POST": Operation(
            "Drop held records for good; nothing is deleted",
            {200: ("How many.", data(record({"dropped": COUNT})))},
            body=_object(CHOICE | {"reason": REASON}, "reason"),
        )
    }

    def post(self, request: Request) -> HttpResponse:
        body = self.body(request)
        reason = body.pop("reason")
        try:
            dropped = drop_records(self.environment(request), filters=body, reason=reason, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return json_answer({"data": {"dropped": dropped}})


# -- One record ----------------------------------------------------------------


class OneRecord(ManageView):
    """What the addresses of one refused record share."""

    def record(self, request: Request, number: int) -> QuarantinedRecord:
        found = quarantined_by_number(self.environment(request), number)
        if found is None:
            raise Problem("not_found", "No such refused record in this environment.")
        return found

    def answer(self, request: Request, number: int) -> HttpResponse:
        found = self.record(request, number)
        return json_answer(
            {"data": renderers.quarantined(found) | {"history": [_event(event) for event in events_of(found)]}}
        )


WITH_EVENTS = (
    "The record, with what became of it.",
    data(record(shapes.QUARANTINED | {"history": {"type": "array", "items": EVENT}})),
)


class QuarantineDetail(OneRecord):
    operations: ClassVar = {
        "GET": Operation("Read one refused record", {200: WITH_EVENTS}, path=NUMBER),
        "PUT": Operation(
            "Mend a held record; as sent it stays",
            {200: ("The record, with the errors that it has now.", WITH_EVENTS[1])},
            body=_object({"record": {"type": "object"}}, "record"),
            path=NUMBER,
        ),
    }

    def get(self, request: Request, *, number: int) -> HttpResponse:
        return self.answer(request, number)

    def put(self, request: Request, *, number: int) -> HttpResponse:
        found = self.record(request, number)
        try:
            edit_record(found, payload=self.body(request)["record"], actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal, field="record") from None
        return self.answer(request, number)


class QuarantineDropOne(OneRecord):
    operations: ClassVar = {
        "POST": Operation(
            "Drop a held record for good; nothing is deleted",
            {200: WITH_EVENTS},
            body=_object({"reason": REASON}, "reason"),
            path=NUMBER,
        )
    }

    def post(self, request: Request, *, number: int) -> HttpResponse:
        found = self.record(request, number)
        try:
            dropped = drop_records(
                self.environment(request),
                filters={"ids": [found.pk]},
                reason=self.body(request)["reason"],
                actor=self.actor(request),
            )
        except ValidationError as refusal:
            raise refused_by(refusal, field="reason") from None
        if not dropped:
            closed = ValidationError(f"It is {found.state} already: only what is held is dropped.", code="closed")
            raise refused_by(closed)
        return self.answer(request, number)


# -- Replays -------------------------------------------------------------------


class ReplayList(ManageView):
    parameters = {"GET": PAGING}
    operations: ClassVar = {
        "GET": Operation("List replays, the newest first", {200: ("A page.", envelope_shape(REPLAY))}),
        "POST": Operation(
            "Ask how many held records would pass if they were tried again",
            {
                201: (f"The estimate; up to {replays.SMALL} records are tried before the answer.", ONE_REPLAY),
                202: ("Being estimated: read it until its state is `estimated`.", ONE_REPLAY),
            },
            body=_object(CHOICE),
        ),
    }

    def get(self, request: Request) -> HttpResponse:
        environment = self.environment(request)
        rows = Replay.objects.filter(environment=environment)
        found = page_by_time(rows, column="requested_at", salt=f"replays {environment.pk}", **paging(self.query))
        return json_answer(envelope(found, [_replay(row) for row in found.rows]))

    def post(self, request: Request) -> HttpResponse:
        try:
            replay = replays.request_replay(
                self.environment(request), filters=self.body(request), actor=self.actor(request)
            )
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return _worked(replay, done=201)


class OneReplay(ManageView):
    def replay(self, request: Request, replay_id: uuid.UUID) -> Replay:
        found = replays.replay_for(self.environment(request), replay_id)
        if found is None:
            raise Problem("not_found", "No such replay in this environment.")
        return found


class ReplayDetail(OneReplay):
    operations: ClassVar = {"GET": Operation("Read how far a replay is", {200: ("The replay.", ONE_REPLAY)})}

    def get(self, request: Request, *, replay_id: uuid.UUID) -> HttpResponse:
        return json_answer({"data": _replay(self.replay(request, replay_id))})


class ReplayRun(OneReplay):
    operations: ClassVar = {
        "POST": Operation(
            "Run a replay whose estimate stands",
            {
                200: ("Done.", ONE_REPLAY),
                202: ("Running: read it until its state is `done`.", ONE_REPLAY),
            },
        )
    }

    def post(self, request: Request, *, replay_id: uuid.UUID) -> HttpResponse:
        try:
            replay = replays.confirm_replay(self.replay(request, replay_id), actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return _worked(replay, done=200)


class ReplayCancel(OneReplay):
    operations: ClassVar = {
        "POST": Operation(
            "Cancel a replay; what it stored stays",
            {200: ("Cancelled, or to be after the batch under way.", ONE_REPLAY)},
        )
    }

    def post(self, request: Request, *, replay_id: uuid.UUID) -> HttpResponse:
        try:
            replay = replays.cancel_replay(self.replay(request, replay_id), actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return json_answer({"data": _replay(replay)})


def _worked(replay: Replay, *, done: int) -> HttpResponse:
    start_work(replay)
    replay.refresh_from_db()
    return json_answer({"data": _replay(replay)}, status=202 if replay.state in replays.AT_WORK else done)


# -- Rendering -----------------------------------------------------------------


def _event(event: QuarantineEvent) -> Json:
    return {
        "at": event.at,
        "kind": event.kind,
        "by": event.by.get_full_name() if event.by else event.client_id or None,
        "batch_id": event.batch_id,
        "outcome": event.outcome or None,
        "reason": event.reason or None,
    }


def _cause(cause: Cause) -> Json:
    return {
        "entity": cause.entity,
        "code": cause.code,
        "field": cause.field or None,
        "count": cause.count,
        "last_at": cause.last_at,
        "money": cause.money,
        "first_deposits": cause.first_deposits,
    }


def _replay(replay: Replay) -> Json:
    shown: dict[str, Any] = {name: getattr(replay, name) for name in REPLAY["properties"]}
    return shown | {"problem": replay.problem or None}


urlpatterns: list[URLPattern] = [
    path("api/v1/quarantine", QuarantineList.as_view()),
    path("api/v1/quarantine/causes", QuarantineCauses.as_view()),
    path("api/v1/quarantine/drop", QuarantineDrop.as_view()),
    path("api/v1/quarantine/replays", ReplayList.as_view()),
    path("api/v1/quarantine/replays/<uuid:replay_id>", ReplayDetail.as_view()),
    path("api/v1/quarantine/replays/<uuid:replay_id>/run", ReplayRun.as_view()),
    path("api/v1/quarantine/replays/<uuid:replay_id>/cancel", ReplayCancel.as_view()),
    path("api/v1/quarantine/<int:number>", QuarantineDetail.as_view()),
    path("api/v1/quarantine/<int:number>/drop", QuarantineDropOne.as_view()),
]
