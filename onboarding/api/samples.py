"""`/api/v1/samples`: try records as a dry run, and read what was found. They are the sandbox's with any token."""

from __future__ import annotations

import uuid
from typing import ClassVar

import orjson
from django.core import signing
from django.core.exceptions import ValidationError
from django.http import HttpResponse
from django.urls import URLPattern, path
from rest_framework.request import Request

from entities.models import Entity
from entities.selectors import DEFAULT_PER_PAGE
from integrations.api.answers import LISTED_ERRORS, json_answer
from integrations.api.log_views import envelope
from integrations.api.manage import Json, ManageView, Operation, refused_by
from integrations.api.parameters import one_of
from integrations.api.shapes import COUNT, MOMENT, TEXT, data, or_null, record, ref
from integrations.api.shapes import envelope as envelope_shape
from integrations.api.views import PAGING, paging
from integrations.selectors import page_by_time
from onboarding.api.lists import place_in
from onboarding.models import Sample
from onboarding.sample_reading import MAX_SAMPLE_RECORDS
from onboarding.sample_results import Checked, checked_records, sample_for, samples_for
from onboarding.sample_view import View
from onboarding.samples import create_sample, payload_from
from onboarding.tasks import start_check
from track360 import exact_json
from track360.problems import Problem

GROUP = record({"code": TEXT, "field": or_null(TEXT), "count": COUNT, "first": COUNT, "message": TEXT, "hint": TEXT})
SUMMARY: Json = {
    "id": {"type": "string", "format": "uuid"},
    "entity": {"type": "string", "enum": list(Entity.values)},
    "origin": {"type": "string", "enum": list(Sample.Origin.values)},
    "format": {"type": "string", "enum": list(Sample.Format.values)},
    "state": {"type": "string", "enum": list(Sample.State.values)},
    "mends": or_null({"type": "string", "format": "uuid"}),
    "created_at": MOMENT,
    "finished_at": or_null(MOMENT),
    "total": COUNT,
    "checked": COUNT,
    "invalid": COUNT,
    "error_count": COUNT,
    "warning_count": COUNT,
    "groups": {"type": "array", "items": GROUP},
    "notices": {"type": "array", "items": TEXT},
    "problem": or_null(TEXT),
}
FINDINGS: Json = {"type": "array", "items": ref("Finding")}
RESULT = data(record(SUMMARY | {"errors": FINDINGS | {"maxItems": LISTED_ERRORS}}))
REFUSED = record({"index": COUNT, "line": or_null(COUNT), "record": {}, "errors": FINDINGS})
BODY: Json = {
    "type": "object",
    "required": ["entity", "records"],
    "properties": {
        "entity": {"type": "string", "enum": list(Entity.values)},
        "records": {
            "type": "array",
            "minItems": 1,
            "maxItems": MAX_SAMPLE_RECORDS,
            "description": "As they would be pushed. Up to 1,000 are checked before the answer.",
        },
    },
    "additionalProperties": False,
}
IN_PATH: Json = {"sample_id": {"type": "string", "format": "uuid"}}


class SampleList(ManageView):
    """`GET` and `POST /samples`."""

    parameters = {
        "GET": PAGING
        | {
            "entity": one_of("The entity.", tuple(Entity.values)),
            "state": one_of("How far it is.", tuple(Sample.State.values)),
        }
    }
    operations: ClassVar = {
        "GET": Operation("List samples, the newest first", {200: ("A page.", envelope_shape(record(SUMMARY)))}),
        "POST": Operation(
            "Try records as a dry run",
            {201: ("The result.", RESULT), 202: ("Being checked: read it until its state is `done`.", RESULT)},
            body=BODY,
        ),
    }

    def get(self, request: Request) -> HttpResponse:
        environment = self.sandbox(request)
        place = paging(self.query)
        salt = f"samples {environment.pk} {sorted(self.query.items())}"
        rows = samples_for(environment).filter(**self.query)
        found = page_by_time(rows, column="created_at", salt=salt, **place)
        return json_answer(envelope(found, [summary(row) for row in found.rows]))

    def post(self, request: Request) -> HttpResponse:
        body = self.body(request)
        environment = self.sandbox(request)
        try:
            sample = create_sample(
                environment,
                entity=body["entity"],
                payload=payload_from(body["records"]),
                origin=Sample.Origin.API,
                actor=self.actor(request),
            )
        except ValidationError as refusal:
            raise refused_by(refusal, field="records") from None
        start_check(sample)
        checked = sample_for(environment, sample.pk)
        if checked is None:
            raise Problem("not_found", "The sandbox was emptied before the sample was checked. Send it again.")
        return json_answer({"data": result(checked)}, status=201 if checked.finished_at else 202)


class OneSample(ManageView):
    """What the addresses of one sample share."""

    def sample(self, request: Request, sample_id: str) -> Sample:
        try:
            found = sample_for(self.sandbox(request), uuid.UUID(sample_id))
        except ValueError:
            found = None
        if found is None:
            raise Problem("not_found", "No such sample.")
        return found


class SampleDetail(OneSample):
    operations: ClassVar = {
        "GET": Operation("Read a sample's result", {200: ("With its first 100 errors.", RESULT)}, path=IN_PATH)
    }

    def get(self, request: Request, *, sample_id: str) -> HttpResponse:
        return json_answer({"data": result(self.sample(request, sample_id))})


class SampleRefused(OneSample):
    parameters = {"GET": PAGING}
    operations: ClassVar = {
        "GET": Operation("List a sample's refused records", {200: ("A page.", envelope_shape(REFUSED))}, path=IN_PATH)
    }

    def get(self, request: Request, *, sample_id: str) -> HttpResponse:
        sample = self.sample(request, sample_id)
        place = paging(self.query)
        page, start = place_in(salt=_salt(sample), **place)
        per_page = place.get("per_page", DEFAULT_PER_PAGE)
        found = checked_records(sample, faulty=True, start=start, limit=per_page) if sample.finished_at else []
        end = start + len(found)
        more = bool(found) and end < sample.invalid
        meta = {
            "total": sample.invalid,
            "page": page,
            "per_page": per_page,
            "next_cursor": signing.dumps([page + 1, end], salt=_salt(sample)) if more else None,
        }
        return json_answer({"data": [refused(sample, checked) for checked in found], "meta": meta})


def _salt(sample: Sample) -> str:
    return f"refused of sample {sample.pk}"


def summary(sample: Sample) -> Json:
    groups = View(sample, personal=True).groups()
    return {
        "id": sample.pk,
        "entity": sample.entity,
        "origin": sample.origin,
        "format": sample.format,
        "state": sample.state,
        "mends": sample.mends_id,
        "created_at": sample.created_at,
        "finished_at": sample.finished_at,
        "total": sample.total,
        "checked": sample.checked,
        "invalid": sample.invalid,
        "error_count": sample.error_count,
        "warning_count": sample.warning_count,
        "groups": [
            {name: group[name] for name in ("code", "count", "first", "message", "hint")}
            | {"field": group["field"] or None}
            for group in groups
        ],
        "notices": sample.notices,
        "problem": sample.problem or None,
    }


def result(sample: Sample) -> Json:
    found = checked_records(sample, faulty=True, limit=LISTED_ERRORS) if sample.finished_at else []
    errors = [error for checked in found for error in findings(sample, checked)]
    return summary(sample) | {"errors": errors[:LISTED_ERRORS]}


def refused(sample: Sample, checked: Checked) -> Json:
    return {
        "index": checked.index,
        "line": checked.line or None,
        "record": orjson.Fragment(exact_json.dumps(checked.record)),
        "errors": findings(sample, checked),
    }


def findings(sample: Sample, checked: Checked) -> list[Json]:
    """The record's errors with their place in the sample; pointers into the body where it was sent by this API."""
    body = "/records" if sample.origin == Sample.Origin.API else ""
    place = f"{body}/{checked.index}"
    return [
        error | {"index": checked.index, "pointer": place + error["pointer"].removeprefix(f"/{error['index']}")}
        for error in checked.errors
    ]


urlpatterns: list[URLPattern] = [
    path("api/v1/samples", SampleList.as_view()),
    path("api/v1/samples/<str:sample_id>", SampleDetail.as_view()),
    path("api/v1/samples/<str:sample_id>/refused", SampleRefused.as_view()),
]
