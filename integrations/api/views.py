"""The addresses of section 3 of the contract: records in, records out."""

from __future__ import annotations

import datetime as dt
from typing import Any

from django.http import HttpResponse
from rest_framework.request import Request

from entities.models import Entity
from entities.pipeline import Report
from entities.pipeline.report import CREATED
from entities.pipeline.validate import schema_for
from entities.selectors import (
    DEFAULT_PER_PAGE,
    MAX_PER_PAGE,
    activity_for,
    customer_for,
    records_for,
    transaction_for,
)
from integrations.api import renderers
from integrations.api.answers import LISTED_ERRORS, json_answer
from integrations.api.base import ApiView
from integrations.api.parameters import Parameter, date, flag, integer, moment, one_of, read_date, text
from integrations.api.parsers import read_json
from integrations.api.prefer import handling
from integrations.api.presumed import PushView
from track360.models import Environment
from track360.problems import Problem

PAGING = {
    "page": integer("The page by its number; not together with cursor.", low=1, high=2**31 - 1, default=1),
    "per_page": integer("Records a page.", low=1, high=MAX_PER_PAGE, default=DEFAULT_PER_PAGE),
    "cursor": text(
        "`meta.next_cursor` of the page before, with the same filters.", pattern="[A-Za-z0-9_.:-]*", max_length=2000
    ),
}
UPDATED_SINCE = moment(
    "Only what was stored or changed at or after this moment, in that order. Begin with any moment, then pass "
    "`meta.watermark` of the first page of the last walk."
)
ID = "Records of this {}."
FILTERS: dict[str, dict[str, Parameter]] = {
    Entity.CUSTOMERS: {
        "affiliate_id": text(ID.format("affiliate")),
        "campaign_id": text(ID.format("campaign")),
        "country_code": text("ISO 3166-1 alpha-2.", pattern="[A-Z]{2}"),
        "kyc_status_id": text("The status as sent."),
        "signup_from": moment("Signed up at or after this moment."),
        "signup_to": moment("Signed up before this moment."),
    },
    Entity.TRANSACTIONS: {
        "customer_id": text(ID.format("customer")),
        "transaction_type": one_of(
            "The type.", tuple(schema_for(Entity.TRANSACTIONS)["properties"]["transaction_type"]["enum"])
        ),
        "status": text("The status as sent."),
        "currency": text("ISO 4217.", pattern="[A-Z]{3}"),
        "from": moment("Dated at or after this moment."),
        "to": moment("Dated before this moment."),
    },
    Entity.ACTIVITY: {
        "customer_id": text(ID.format("customer")),
        "game_type": text("The type of game as sent."),
        "currency": text("ISO 4217.", pattern="[A-Z]{3}"),
        "from": date("On or after this day."),
        "to": date("Before this day."),
    },
}

RESULTS = flag("1 adds the outcome of each index.")
DAY_PARAMETERS = {
    "customer_id": text("Replace only the day of this customer.", max_length=128),
    "results": RESULTS,
}


def paging(query: dict[str, Any]) -> dict[str, Any]:
    """Take `page`, `per_page` and `cursor` out of the query. Raises Problem where two of them clash."""
    if "page" in query and "cursor" in query:
        raise Problem("invalid_parameter", "Send page or cursor, not both.")
    return {name: query.pop(name) for name in PAGING if name in query}


class RecordList(PushView):
    """`GET /{entity}` and `POST /{entity}`."""

    def get(self, request: Request) -> HttpResponse:
        place = paging(self.query)
        found = records_for(self.environment(request), self.entity, filters=self.query, **place)
        return json_answer(renderers.page(found, entity=self.entity))

    def post(self, request: Request) -> HttpResponse:
        body = read_json(request._request)
        report = self.ingest(request, body, shape="object")
        if report.refused:
            raise refused(report)
        (outcome,) = report.outcomes
        record = report.record or _stored(self.environment(request), self.entity, body.value)
        return json_answer(
            {
                # Null where somebody replaced its day in the meantime.
                "data": None if record is None else renderers.RENDERERS[self.entity](record),
                "outcome": outcome,
                "warnings": renderers.findings(report.warnings),
            },
            status=201 if outcome == CREATED else 200,
        )


def _stored(environment: Environment, entity: str, body: dict[str, Any]) -> Any:
    """The version that stands after the call, which may be newer than the one sent."""
    if entity == Entity.CUSTOMERS:
        return customer_for(environment, body["customer_id"])
    if entity == Entity.TRANSACTIONS:
        return transaction_for(environment, body["transaction_id"])
    key = ("date", "customer_id", "game_type", "currency")
    return activity_for(environment, **{name: body[name] for name in key})


class RecordBulk(PushView):
    """`POST /{entity}/bulk`."""

    def post(self, request: Request) -> HttpResponse:
        preferred = handling(request.META.get("HTTP_PREFER", ""))
        report = self.ingest(request, read_json(request._request), shape="array", lenient=preferred == "lenient")
        if report.refused:
            raise refused(report)
        headers = {"Preference-Applied": f"handling={preferred}"} if preferred else None
        return json_answer(bulk_body(report, with_results=self.query.get("results", False)), headers=headers)


class RecordValidate(ApiView):
    """`POST /{entity}/validate`."""

    def post(self, request: Request) -> HttpResponse:
        report = self.ingest(request, read_json(request._request), shape="either", dry_run=True)
        if is_misshapen(report):
            raise refused(report)
        invalid = len(report.bad_indexes())
        return json_answer(
            {
                "data": {"received": report.received, "valid": report.received - invalid, "invalid": invalid},
                "errors": renderers.findings(report.errors),
                "warnings": renderers.findings(report.warnings),
            }
        )


class ActivityDay(ApiView):
    """`PUT /activity/days/{date}`."""

    entity = Entity.ACTIVITY
    parameters = {"PUT": DAY_PARAMETERS}

    def put(self, request: Request, *, day: str) -> HttpResponse:
        report = self.ingest(
            request,
            read_json(request._request),
            shape="array",
            replace_day=_day(day),
            replace_customer_id=self.query.get("customer_id"),
        )
        if report.refused:
            raise refused(report)
        return json_answer(bulk_body(report, with_results=self.query.get("results", False), removed=report.removed))


def _day(text: str) -> dt.date:
    try:
        return read_date(text)
    except ValueError as error:
        raise Problem("invalid_parameter", f"The day in the address {error}.") from None


class RecordDetail(ApiView):
    """`GET /customers/{customer_id}` and `GET /transactions/{transaction_id}`."""

    def get(self, request: Request, *, key: str) -> HttpResponse:
        find: Any = customer_for if self.entity == Entity.CUSTOMERS else transaction_for
        # The slash that counts for nothing elsewhere may be the end of an id.
        sent = request._request.sent_path.partition(f"/{self.entity}/")[2]  # type: ignore[attr-defined]
        environment = self.environment(request)
        record = (find(environment, sent) if sent != key else None) or find(environment, key)
        if record is None:
            raise Problem("not_found", f"No such record among the {self.entity} of this environment.")
        return json_answer({"data": renderers.RENDERERS[self.entity](record)})


class Schema(ApiView):
    """`GET /schemas/{entity}`."""

    authentication_classes = []
    permission_classes = []

    def get(self, request: Request) -> HttpResponse:
        return json_answer(schema_for(self.entity))


class Unknown(ApiView):
    """Any other address under /api."""

    def refusal(self, request: Any) -> Problem | None:
        return Problem("not_found", "There is nothing at this address.")


def refused(report: Report) -> Problem:
    """The 422 of a batch that was not stored; it lists the first errors and counts all."""
    count, records = len(report.errors), len(report.bad_indexes())
    first = report.errors[0]
    if is_misshapen(report):
        detail = f"Nothing was stored: {first.message}."
    else:
        of = "the record" if first.index is None else f"{records} of {report.received} records"
        detail = f"Nothing was stored: {count} error{'s' * (count > 1)} in {of}."
    return Problem(
        "validation_failed", detail, errors=renderers.findings(report.errors[:LISTED_ERRORS]), error_count=count
    )


def is_misshapen(report: Report) -> bool:
    """Whether the body as a whole was refused, not single records."""
    return any(error.index is None and not error.pointer for error in report.errors)


def bulk_body(report: Report, *, with_results: bool, removed: int | None = None) -> dict[str, Any]:
    data: dict[str, Any] = report.counts()
    if removed is not None:
        data["removed"] = removed
    if with_results:
        data["results"] = [{"index": index, "outcome": outcome} for index, outcome in enumerate(report.outcomes)]
    return {
        "data": data,
        "warnings": renderers.findings(report.warnings),
        "errors": renderers.findings(report.errors),
    }
