"""`/api/v1/connections/{id}/feeds/{id}/conformance`: reports on how the source of a feed behaves."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from integrations import tasks
from integrations.api.answers import json_answer
from integrations.api.connections import UUID
from integrations.api.feeds import OneFeed
from integrations.api.log_views import envelope
from integrations.api.manage import Json, Operation, refused_by
from integrations.api.shapes import MOMENT, TEXT, data, or_null, record
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.conformance import reports
from integrations.conformance.examination import FAIL, PASS, SKIP, WARN
from integrations.models import ConformanceReport
from integrations.selectors import page_by_time
from track360.problems import Problem

COUNT: Json = {"type": "integer", "minimum": 0}
CALL = record(
    {
        "url": TEXT | {"description": "Without secrets; of a database the relation."},
        "status": or_null({"type": "integer"}),
        "ms": COUNT,
        "records": or_null(COUNT),
        "problem": TEXT,
    }
)
CHECK = record(
    {
        "code": TEXT,
        "title": TEXT,
        "verdict": {"type": "string", "enum": [PASS, WARN, FAIL, SKIP]},
        "detail": TEXT,
        "calls": {"type": "array", "items": CALL},
    }
)
REPORT = record(
    {
        "id": UUID,
        "state": {"type": "string", "enum": list(ConformanceReport.State.values)},
        "summary": TEXT | {"description": "How it stands, and what to do next."},
        "address": TEXT | {"description": "What is examined."},
        "requested_at": MOMENT,
        "started_at": or_null(MOMENT),
        "finished_at": or_null(MOMENT),
        "checks": {"type": "array", "items": CHECK},
        "problem": TEXT,
    }
)


class ConformanceList(OneFeed):
    parameters = {"GET": PAGING}
    operations = {
        "GET": Operation("List the conformance reports of a feed", {200: ("A page.", envelope_shape(REPORT))}),
        "POST": Operation(
            "Check how the source of a feed behaves",
            {
                202: ("Asked for: read it until its state is done or failed.", data(REPORT)),
                200: ("One waits or is made already: this one.", data(REPORT)),
            },
            body={"type": "object", "properties": {}, "additionalProperties": False},
        ),
    }

    def get(self, request: Request, *, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
        feed = self.feed(request, connection_id, feed_id)
        rows = reports.reports_of(feed).select_related("feed__connection")
        found = page_by_time(rows, column="requested_at", salt=f"conformance {feed.pk}", **paging(self.query))
        return json_answer(envelope(found, [rendered(row) for row in found.rows]))

    def post(self, request: Request, *, connection_id: uuid.UUID, feed_id: uuid.UUID) -> HttpResponse:
        feed = self.feed(request, connection_id, feed_id)
        self.body(request)
        try:
            report, is_new = tasks.start_conformance(feed, actor=self.actor(request))
        except ValidationError as refusal:
            raise refused_by(refusal) from None
        return json_answer({"data": rendered(report)}, status=202 if is_new else 200)


class ConformanceDetail(OneFeed):
    operations = {"GET": Operation("One conformance report", {200: ("The report.", data(REPORT))})}

    def get(
        self, request: Request, *, connection_id: uuid.UUID, feed_id: uuid.UUID, report_id: uuid.UUID
    ) -> HttpResponse:
        feed = self.feed(request, connection_id, feed_id)
        report = reports.reports_of(feed).select_related("feed__connection").filter(pk=report_id).first()
        if report is None:
            raise Problem("not_found", "This feed has no such report.")
        return json_answer({"data": rendered(report)})


def rendered(report: ConformanceReport) -> Json:
    told = {"summary": reports.sentence_for(report), "address": reports.address_in(report)}
    return {name: told[name] if name in told else getattr(report, name) for name in REPORT["properties"]}


many = "api/v1/connections/<uuid:connection_id>/feeds/<uuid:feed_id>/conformance"
urlpatterns: list[URLPattern] = [
    path(many, ConformanceList.as_view()),
    path(f"{many}/<uuid:report_id>", ConformanceDetail.as_view()),
]
