"""`/api/v1/checklist` and `/api/v1/partner`: how the partner stands on his walk, and what he agrees to.

A program acts for the partner's side. Both environments' tokens see the same, which is the partner's.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from entities.models import Entity
from integrations.api.answers import json_answer
from integrations.api.log_views import envelope
from integrations.api.manage import Json, ManageView, Operation, refused_by
from integrations.api.shapes import COUNT, MOMENT, TEXT, data, or_null, record
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.selectors import page_by_id
from onboarding import agreements, checklist
from onboarding.checklist import PhaseProgress
from onboarding.checks import page_of, url_of
from onboarding.models import Pattern, RehearsalWindow, Scope, StepNote, StepOverride, StepState
from onboarding.models.checklist import Side
from onboarding.steps import BY_NUMBER
from track360.models import Environment, Partner
from track360.problems import Problem

SIDE: Json = {"type": "string", "enum": Side.values}
NUMBER: Json = {"type": "integer", "minimum": 1, "maximum": len(BY_NUMBER)}
WITHOUT_NUL = "^[^\\u0000]*$"


def written(longest: int, *, least: int = 1) -> Json:
    return {"type": "string", "minLength": least, "maxLength": longest, "pattern": WITHOUT_NUL}


CONTACT: Json = {
    "type": "object",
    "required": ["name", "email"],
    "properties": {
        "name": written(200),
        "email": written(254) | {"format": "email"},
        "role": written(100, least=0),
    },
    "additionalProperties": False,
}
AGREED = {
    "patterns": {
        "type": "object",
        "description": "How each entity in scope is sent; an entity that is left out is not sent.",
        "properties": {entity.value: {"type": "string", "enum": Pattern.values} for entity in Entity},
        "additionalProperties": False,
        "minProperties": 1,
    },
    "contacts": {"type": "array", "items": CONTACT, "minItems": 1, "maxItems": agreements.MOST_CONTACTS},
    "time_zone": written(64) | {"description": "Its IANA name; days of the reconciliation begin at its midnight."},
    "history_from": or_null({"type": "string", "format": "date"})
    | {"description": "The first day of the history to load; null: none."},
}
PROPOSAL: Json = {
    "type": "object",
    "required": ["patterns", "contacts", "time_zone"],
    "properties": AGREED,
    "additionalProperties": False,
}
SCOPE = record(
    {
        "version": COUNT,
        "created_at": MOMENT,
        **AGREED,
        "is_agreed": {"type": "boolean"},
        **{
            f"{side}_accepted_{what}": shape
            for side in ("partner", "team")
            for what, shape in (("at", or_null(MOMENT)), ("by", TEXT))
        },
    }
)
VERSION: Json = {
    "type": "object",
    "required": ["version"],
    "properties": {"version": {"type": "integer", "minimum": 1, "description": "The version that was read."}},
    "additionalProperties": False,
}
CHECK = record({"text": TEXT, "met": {"type": "boolean"}, "reason": TEXT, "waiting_for": SIDE, "url": or_null(TEXT)})
OVERRIDE = record({"by": TEXT, "reason": TEXT, "at": MOMENT})
STEP = record(
    {
        "number": NUMBER,
        "slug": TEXT,
        "name": TEXT,
        "summary": TEXT,
        "phase": COUNT,
        "state": {"type": "string", "enum": StepState.State.values},
        "waiting_for": SIDE,
        "due_at": MOMENT,
        "changed_at": MOMENT,
        "first_met_at": or_null(MOMENT),
        "url": or_null(TEXT),
        "override": or_null(OVERRIDE),
        "checks": {"type": "array", "items": CHECK},
    }
)
PHASE = record(
    {
        "number": COUNT,
        "name": TEXT,
        "state": {"type": "string", "enum": ["done", "current", "ahead", "back"]},
        "planned_days": COUNT,
        "planned_start": MOMENT,
        "due_at": MOMENT,
        "begun_at": or_null(MOMENT),
        "ended_at": or_null(MOMENT),
        "actual_days": {"type": "number", "minimum": 0},
    }
)
REHEARSAL = record(
    {
        "opened_at": MOMENT,
        "closes_at": MOMENT,
        "earned_at": or_null(MOMENT),
        "result": {"type": "object", "description": "The figures that earned it, by entity."},
    }
)
CHECKLIST = record(
    {
        "next_step": or_null(NUMBER),
        "waiting_for": SIDE,
        "steps": {"type": "array", "items": STEP},
        "phases": {"type": "array", "items": PHASE},
        "rehearsal": or_null(REHEARSAL),
    }
)
NOTE = record(
    {
        "id": COUNT,
        "at": MOMENT,
        "author": or_null(TEXT),
        "client_id": TEXT,
        "text": TEXT,
        "mentioned": {"type": "array", "items": TEXT},
    }
)
NEW_NOTE: Json = {
    "type": "object",
    "required": ["text"],
    "properties": {
        "text": written(agreements.LONGEST_TEXT)
        | {"description": "`@name@example.com` mentions somebody of the partner or of the team, who gets an email."}
    },
    "additionalProperties": False,
}
PARTNER = record(
    {
        "name": TEXT,
        "slug": TEXT,
        "status": TEXT,
        "created_at": MOMENT,
        "environments": {"type": "array", "items": {"type": "string", "enum": Environment.Kind.values}},
        "time_zone": or_null(TEXT),
        "contacts": {"type": "array", "items": record({"name": TEXT, "email": TEXT, "role": TEXT})},
        "you": record({"role": {"const": "program"}, "client_id": TEXT, "environment": TEXT, "scope": TEXT}),
    }
)


class PartnerDetail(ManageView):
    operations = {"GET": Operation("The partner, and who you are to it", {200: ("The partner.", data(PARTNER))})}

    def get(self, request: Request) -> HttpResponse:
        partner, caller = self.partner(request), self.caller(request)
        scope = agreements.newest_scope(partner)
        shown: Json = {
            "name": partner.name,
            "slug": partner.slug,
            "status": partner.status,
            "created_at": partner.created_at,
            "environments": list(partner.environments.order_by("-kind").values_list("kind", flat=True)),
            "time_zone": scope.time_zone if scope else None,
            "contacts": scope.contacts if scope else [],
            "you": {
                "role": "program",
                "client_id": caller.client_identifier,
                "environment": caller.environment.kind,
                "scope": " ".join(sorted(caller.scopes)),
            },
        }
        return json_answer({"data": shown})


class Checklist(ManageView):
    operations = {
        "GET": Operation("How the eight steps stand, and what is missing", {200: ("The checklist.", data(CHECKLIST))})
    }

    def get(self, request: Request) -> HttpResponse:
        partner = self.partner(request)
        steps = checklist.steps_for(partner)
        phases = checklist.phases_for(partner)
        overrides = StepOverride.objects.filter(partner=partner, withdrawn_at=None).select_related("by")
        by_number = {override.number: override for override in overrides}
        following = checklist.next_step(steps)
        window = RehearsalWindow.objects.filter(partner=partner).order_by("-opened_at", "-id").first()
        shown = {
            "next_step": following.number if following else None,
            "waiting_for": checklist.waiting_for(steps),
            "steps": [_step(state, partner, phases, by_number.get(state.number)) for state in steps],
            "phases": [_phase(phase) for phase in phases],
            "rehearsal": _members(window, REHEARSAL) if window else None,
        }
        return json_answer({"data": shown})


class ScopeDetail(ManageView):
    operations = {
        "GET": Operation("What is agreed or proposed", {200: ("The newest version.", data(or_null(SCOPE)))}),
        "PUT": Operation(
            "Propose a scope, and accept it for the partner; the integrations team has to accept it too",
            {200: ("The version that stands.", data(SCOPE))},
            body=PROPOSAL,
        ),
    }

    def get(self, request: Request) -> HttpResponse:
        scope = agreements.newest_scope(self.partner(request))
        return json_answer({"data": _scope(scope) if scope else None})

    def put(self, request: Request) -> HttpResponse:
        body = self.body(request)
        try:
            scope = agreements.propose_scope(
                self.partner(request),
                patterns=body["patterns"],
                contacts=body["contacts"],
                time_zone=body["time_zone"],
                history_from=_date(body.get("history_from")),
                actor=self.actor(request),
            )
        except ValidationError as refusal:
            raise _refused(refusal) from None
        return json_answer({"data": _scope(scope)})


class ScopeAccept(ManageView):
    operations = {
        "POST": Operation("Accept the newest scope for the partner", {200: ("The scope.", data(SCOPE))}, body=VERSION)
    }

    def post(self, request: Request) -> HttpResponse:
        version = self.body(request)["version"]
        partner = self.partner(request)
        scope = agreements.newest_scope(partner)
        if scope is None or scope.version != version:
            text = f"Version {version} is not the newest. Read that one, and accept it."
            raise refused_by(ValidationError(text, code="scope"), field="version")
        try:
            accepted = agreements.accept_scope(scope, side=Side.PARTNER, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal, field="version") from None
        return json_answer({"data": _scope(accepted)})


class Rehearsal(ManageView):
    operations = {
        "POST": Operation(
            "Open a rehearsal window in the sandbox, and give up what an earlier one earned",
            {201: ("The window.", data(REHEARSAL))},
        )
    }

    def post(self, request: Request) -> HttpResponse:
        window = agreements.open_rehearsal(self.partner(request), actor=self.actor(request))
        return json_answer({"data": _members(window, REHEARSAL)}, status=201)


class StepNotes(ManageView):
    parameters = {"GET": PAGING}
    operations = {
        "GET": Operation(
            "What partner and team said about a step", {200: ("A page.", envelope_shape(NOTE))}, path={"number": NUMBER}
        ),
        "POST": Operation(
            "Say something about a step", {201: ("The note.", data(NOTE))}, body=NEW_NOTE, path={"number": NUMBER}
        ),
    }

    def get(self, request: Request, *, number: int) -> HttpResponse:
        partner = self.partner(request)
        notes = StepNote.objects.filter(partner=partner, number=_known(number)).select_related("author")
        place = paging(self.query)
        found = page_by_id(notes.prefetch_related("mentioned"), salt=f"notes {partner.pk} {number}", **place)
        return json_answer(envelope(found, [_note(note) for note in found.rows]))

    def post(self, request: Request, *, number: int) -> HttpResponse:
        body = self.body(request)
        try:
            note = agreements.add_note(
                self.partner(request), _known(number), text=body["text"], actor=self.actor(request)
            )
        except ValidationError as refusal:
            raise _refused(refusal) from None
        return json_answer({"data": _note(note)}, status=201)


# -- Shapes -------------------------------------------------------------------


def _step(state: StepState, partner: Partner, phases: list[PhaseProgress], override: StepOverride | None) -> Json:
    step = BY_NUMBER[state.number]
    due_at = next(progress.due_at for progress in phases if progress.phase == step.phase)
    return {
        **_members(state, STEP, "number", "state", "waiting_for", "changed_at", "first_met_at"),
        **_members(step, STEP, "slug", "name", "summary"),
        "phase": step.phase.number,
        "due_at": due_at,
        "url": _absolute(page_of(state.number, partner)),
        "override": {"by": override.by.get_full_name(), "reason": override.reason, "at": override.at}
        if override
        else None,
        "checks": [_check(check, partner) for check in state.evidence],
    }


def _check(check: Json, partner: Partner) -> Json:
    shown: Json = {name: check[name] for name in ("text", "met", "reason", "waiting_for")}
    return {**shown, "url": _absolute(url_of(check, partner))}


def _phase(progress: PhaseProgress) -> Json:
    phase = progress.phase
    shown = {name: value for name, value in asdict(progress).items() if name != "phase"}
    return {"number": phase.number, "name": phase.name, "planned_days": phase.days, **shown}


def _scope(scope: Scope) -> Json:
    return _members(scope, SCOPE)


def _note(note: StepNote) -> Json:
    return {
        **_members(note, NOTE, "id", "at", "client_id", "text"),
        "author": note.author.get_full_name() if note.author else None,
        "mentioned": sorted(user.email for user in note.mentioned.all()),
    }


def _members(row: Any, shape: Json, *names: str) -> Json:
    return {name: getattr(row, name) for name in names or shape["properties"]}


def _absolute(url: str) -> str | None:
    return f"{settings.BASE_URL}{url}" if url else None


def _known(number: int) -> int:
    if number not in BY_NUMBER:
        raise Problem("not_found", "There are the steps 1 to 8.")
    return number


def _date(text: str | None) -> dt.date | None:
    """The schema lets year 0000 through, which is no date."""
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise ValidationError("Write the day as 2026-03-15.", code="history_from") from None


def _refused(refusal: ValidationError) -> Problem:
    """The actions' codes are the names of the members they refuse."""
    problem = refused_by(refusal)
    for error in problem.errors:
        error["field"], error["pointer"] = error["code"], f"/{error['code']}"
    return problem


urlpatterns: list[URLPattern] = [
    path("api/v1/partner", PartnerDetail.as_view()),
    path("api/v1/checklist", Checklist.as_view()),
    path("api/v1/checklist/scope", ScopeDetail.as_view()),
    path("api/v1/checklist/scope/accept", ScopeAccept.as_view()),
    path("api/v1/checklist/rehearsal", Rehearsal.as_view()),
    path("api/v1/checklist/steps/<int:number>/notes", StepNotes.as_view()),
]
