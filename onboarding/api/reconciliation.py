"""`/api/v1/reconciliation`: the books of both sides day by day, and what is done about a difference."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from django.utils import timezone
from rest_framework.request import Request

from entities.door_lists import Cell, Which, differences_in, records_in
from entities.models import Difference, Entity
from entities.selectors import DEFAULT_PER_PAGE
from entities.totals import Line
from integrations.api.answers import json_answer
from integrations.api.manage import Json, ManageView, Operation, no_content, refused_by
from integrations.api.parameters import date as a_date
from integrations.api.parameters import one_of, read_date, text
from integrations.api.shapes import data, envelope
from integrations.api.views import PAGING, paging
from integrations.models import DayTotals, DoubledDay, Waiver
from integrations.reconciliation.compare import EntityDay, State, compared
from integrations.reconciliation.control import put_control_totals
from integrations.reconciliation.days import DAY, FIRST_DAY, bounds_of, day_of, days_between
from integrations.reconciliation.doubled import doubled_days, say_which_is_right
from integrations.reconciliation.taking import MOST_TAKEN, take_pulled
from integrations.reconciliation.waivers import waive, waive_records, withdraw_waiver
from onboarding.api import reconciliation_shapes as shapes
from onboarding.api.lists import page_of, read_cursor
from onboarding.days import time_zone_of
from onboarding.reconciliation_pages import as_json
from onboarding.reconciliation_view import record_rows
from onboarding.tasks import start_count
from track360.problems import Problem

LISTED_DAYS = 31
MOST_DAYS = 400
CELL = {
    "currency": text("Of this currency.", max_length=3),
    "type": text("Of this transaction type.", max_length=32),
}


class DayList(ManageView):
    parameters = {
        "GET": PAGING
        | {
            "entity": one_of("Of this entity.", tuple(Entity.values)),
            "state": one_of("Days that stand so.", tuple(State)),
            "from": a_date(f"From this day on; without it, the last {LISTED_DAYS} days."),
            "to": a_date(f"Before this day. At most {MOST_DAYS} days are listed."),
        }
    }
    operations = {
        "GET": Operation(
            "List the days of which somebody said something, the latest first",
            {200: ("A page.", envelope(shapes.DAY_IN_LIST))},
        )
    }

    def get(self, request: Request) -> HttpResponse:
        place = paging(self.query)
        environment, now = self.environment(request), timezone.now()
        time_zone = time_zone_of(environment.partner)
        days = self._days(day_of(now, time_zone))
        entities = [self.query["entity"]] if "entity" in self.query else list(Entity.values)
        found = compared(environment, days, time_zone=time_zone, now=now, entities=entities)
        rows = [
            found[entity, day]
            for day in reversed(days)
            for entity in entities
            if found[entity, day].totals and self.query.get("state") in (None, found[entity, day].state)
        ]
        salt = f"reconciliation {environment.pk} {sorted((name, str(value)) for name, value in self.query.items())}"
        return json_answer(page_of(rows, shapes.day_in_list, salt=salt, **place))

    def _days(self, today: dt.date) -> list[dt.date]:
        until = self.query.get("to", today + DAY)
        if until <= FIRST_DAY:
            return []
        last = min(until - DAY, today)
        first = max(self.query.get("from", last - (LISTED_DAYS - 1) * DAY), FIRST_DAY)
        if (last - first).days >= MOST_DAYS:
            raise Problem("invalid_parameter", f"Ask for at most {MOST_DAYS} days at once, by from and to.")
        return days_between(first, last)


class OfDay(ManageView):
    """A call about one day of one entity. Whatever is no such day is not found."""

    def place(self, request: Request, entity: str, day: str) -> None:
        self.now = timezone.now()
        self.env = self.environment(request)
        self.time_zone = time_zone_of(self.env.partner)
        try:
            self.day = read_date(day)
        except ValueError:
            raise Problem("not_found", "The address names no day, such as 2026-03-15.") from None
        if entity not in Entity.values or not FIRST_DAY <= self.day <= day_of(self.now, self.time_zone):
            raise Problem("not_found", "No such entity, or a day that lies ahead.")
        self.kind = Entity(entity)

    def compared(self) -> EntityDay:
        """Raises Problem where nobody has said anything of the day."""
        found = compared(self.env, [self.day], time_zone=self.time_zone, now=self.now, entities=[self.kind.value])
        one = found[self.kind.value, self.day]
        if not one.totals:
            raise Problem("not_found", "Nothing is known of this day here.")
        return one

    def answer(self) -> HttpResponse:
        one = self.compared()
        flagged = [row for row in doubled_days(self.env, first=self.day, last=self.day) if row.entity == self.kind]
        versions = DayTotals.objects.filter(environment=self.env, entity=self.kind, day=self.day)
        return json_answer(
            {
                "data": shapes.day_in_full(
                    one,
                    bounds=bounds_of(self.day, self.time_zone),
                    time_zone=self.time_zone,
                    doubled=flagged,
                    versions=list(versions.select_related("by").order_by("-at", "-pk")[: shapes.VERSIONS]),
                )
            }
        )

    def cell(self, filters: dict[str, Any]) -> Cell:
        bounds = bounds_of(self.day, self.time_zone)
        start, end = (self.day, self.day + DAY) if self.kind == Entity.ACTIVITY else bounds
        return Cell(self.env, self.kind, start, end, filters.get("currency", ""), filters.get("type", ""))


class DayDetail(OfDay):
    operations = {
        "GET": Operation("How a day of an entity compares", {200: ("The day.", data(shapes.DAY))}, path=shapes.PATH),
        "PUT": Operation(
            "Say what you have of a day: it becomes exactly these lines",
            {200: ("The day, compared with that.", data(shapes.DAY))},
            body=shapes.CONTROL_TOTALS,
            path=shapes.PATH,
        ),
    }

    def get(self, request: Request, *, entity: str, date: str) -> HttpResponse:
        self.place(request, entity, date)
        return self.answer()

    def put(self, request: Request, *, entity: str, date: str) -> HttpResponse:
        self.place(request, entity, date)
        lines = [_line(entry) for entry in self.body(request)["totals"]]
        try:
            put_control_totals(
                self.env,
                self.kind.value,
                self.day,
                lines,
                origin=DayTotals.Origin.API,
                time_zone=self.time_zone,
                actor=self.actor(request),
            )
        except ValidationError as refusal:
            errors = [_refusal(error) for error in getattr(refusal, "error_list", [refusal])]
            raise Problem("validation_failed", f"Nothing was changed: {errors[0]['message']}", errors=errors) from None
        return self.answer()


def _line(entry: Json) -> Line:
    amount = entry.get("sum")
    return Line(
        entry.get("currency") or "",
        entry.get("type") or "",
        int(entry["count"]),
        None if amount is None else Decimal(str(amount)),
    )


def _refusal(error: ValidationError) -> Json:
    index = (error.params or {}).get("index")
    field = error.code if error.code in ("currency", "type", "count", "sum") else None
    pointer = "" if index is None else f"/totals/{index}" + (f"/{field}" if field else "")
    return {"index": index, "pointer": pointer, "field": field, "code": error.code, "message": error.messages[0]}


class Differences(OfDay):
    parameters = {
        "GET": {name: PAGING[name] for name in ("per_page", "cursor")}
        | CELL
        | {"list": one_of("Which records; without it, those that differ.", tuple(Which))}
    }
    operations = {
        "GET": Operation(
            "List the records that came by one door only, or differ between the two, waived or not",
            {200: ("A page; by the records' date and id.", shapes.RECORD_PAGE)},
            path=shapes.PATH,
        )
    }

    def get(self, request: Request, *, entity: str, date: str) -> HttpResponse:
        self.place(request, entity, date)
        self.compared()
        which, cell = Which(self.query.get("list", Which.DIFFERENT)), self.cell(self.query)
        per_page = self.query.get("per_page", DEFAULT_PER_PAGE)
        salt = f"differences {self.env.pk} {self.kind} {self.day} {which} {cell.currency} {cell.type}"
        found = records_in(cell, which, after=_position(self.query.get("cursor"), salt), limit=per_page + 1)
        rows, more = found[:per_page], len(found) > per_page
        last = [rows[-1].pk, getattr(rows[-1], cell.order[0]).isoformat()] if more else None
        meta = {"per_page": per_page, "next_cursor": signing.dumps(last, salt=salt) if last else None}
        records = record_rows(self.kind, rows, personal=True)
        return json_answer({"data": [as_json(row) | {"id": row.difference_id} for row in records], "meta": meta})


def _position(cursor: str | None, salt: str) -> tuple[str, int] | None:
    if cursor is None:
        return None
    number, moment = read_cursor(cursor, salt=salt)
    return moment, number


class OfRecords(OfDay):
    """A call about records that differ: those of the ids, else all of the cell."""

    def meant(self, body: Json) -> list[Difference]:
        numbers = [int(number) for number in body["ids"]] if "ids" in body else None
        found = differences_in(self.cell(body), numbers=numbers, limit=MOST_TAKEN)
        if not found:
            raise Problem("not_found", "No open difference of this day is meant by that.")
        return found


class Take(OfRecords):
    operations = {
        "POST": Operation(
            f"Take the pulled versions of records that differ, up to {MOST_TAKEN:,} at once",
            {200: ("What became of them.", data(shapes.TAKEN))},
            body=shapes.TAKE,
            path=shapes.PATH,
        )
    }

    def post(self, request: Request, *, entity: str, date: str) -> HttpResponse:
        self.place(request, entity, date)
        found = self.meant(self.body(request))
        taken = take_pulled(self.env, self.kind.value, found, actor=self.actor(request))
        return json_answer({"data": {"taken": taken.taken, "kept": taken.kept, "refused": taken.refused}})


class WaiveRecords(OfRecords):
    operations = {
        "POST": Operation(
            f"Leave records that differ as pushed, with a reason, up to {MOST_TAKEN:,} at once",
            {200: ("How many.", data(shapes.WAIVED))},
            body=shapes.WAIVE_RECORDS,
            path=shapes.PATH,
        )
    }

    def post(self, request: Request, *, entity: str, date: str) -> HttpResponse:
        self.place(request, entity, date)
        body = self.body(request)
        found = self.meant(body)
        try:
            waived = waive_records(self.env, self.kind.value, found, reason=body["reason"], actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return json_answer({"data": {"waived": waived}})


class Waive(OfDay):
    parameters = {"DELETE": CELL}
    operations = {
        "POST": Operation(
            "Accept a difference of the figures with a reason; it holds for just that difference",
            {200: ("Accepted.", data(shapes.WAIVER))},
            body=shapes.WAIVE,
            path=shapes.PATH,
        ),
        "DELETE": Operation("Withdraw a waiver", {204: ("The difference is open again.", None)}, path=shapes.PATH),
    }

    def post(self, request: Request, *, entity: str, date: str) -> HttpResponse:
        self.place(request, entity, date)
        body = self.body(request)
        try:
            waiver: Waiver = waive(
                self.env,
                self.kind.value,
                self.day,
                currency=body.get("currency", ""),
                type=body.get("type", ""),
                reason=body["reason"],
                time_zone=self.time_zone,
                actor=self.actor(request),
            )
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return json_answer({"data": shapes.waiver(waiver)})

    def delete(self, request: Request, *, entity: str, date: str) -> HttpResponse:
        self.place(request, entity, date)
        currency, type_ = self.query.get("currency", ""), self.query.get("type", "")
        try:
            withdraw_waiver(
                self.env, self.kind.value, self.day, currency=currency, type=type_, actor=self.actor(request)
            )
        except ValidationError as refusal:
            raise Problem("not_found", refusal.messages[0]) from None
        return no_content()


class Verdict(ManageView):
    operations = {
        "POST": Operation(
            "Say which total of a doubled day is right",
            {200: ("Said.", data(shapes.DOUBLED))},
            body=shapes.VERDICT,
        )
    }

    def post(self, request: Request, *, number: int) -> HttpResponse:
        body = self.body(request)
        try:
            row: DoubledDay | None = None
            if number < 2**63:
                row = say_which_is_right(
                    self.environment(request),
                    number,
                    verdict=body["verdict"],
                    reason=body["reason"],
                    actor=self.actor(request),
                )
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        if row is None:
            raise Problem("not_found", "No such doubled day.")
        return json_answer({"data": shapes.doubled_day(row)})


class Count(ManageView):
    operations = {
        "POST": Operation(
            "Have days counted at your database, where the entity is fetched from one",
            {202: ("Asked for: what comes of it stands among the versions of each day.", data(shapes.COUNTED))},
            body=shapes.COUNTED,
            path={"entity": shapes.PATH["entity"]},
        )
    }

    def post(self, request: Request, *, entity: str) -> HttpResponse:
        body = self.body(request)
        if entity not in Entity.values:
            raise Problem("not_found", "No such entity.")
        try:
            first, last = read_date(body["first"]), read_date(body["last"])
        except ValueError as error:
            raise Problem("validation_failed", f"A day {error}.") from None
        try:
            start_count(self.environment(request), entity, first=first, last=last, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return json_answer({"data": body}, status=202)


OF_DAY = "api/v1/reconciliation/<str:entity>/days/<str:date>"
urlpatterns: list[URLPattern] = [
    path("api/v1/reconciliation", DayList.as_view()),
    path("api/v1/reconciliation/doubled/<int:number>", Verdict.as_view()),
    path("api/v1/reconciliation/<str:entity>/count", Count.as_view()),
    path(OF_DAY, DayDetail.as_view()),
    path(f"{OF_DAY}/differences", Differences.as_view()),
    path(f"{OF_DAY}/differences/waive", WaiveRecords.as_view()),
    path(f"{OF_DAY}/take", Take.as_view()),
    path(f"{OF_DAY}/waive", Waive.as_view()),
]
