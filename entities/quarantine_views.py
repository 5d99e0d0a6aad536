"""Pages of what was refused: read only, by cause and one by one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, cast

from django.http import Http404, HttpResponse

from entities.addresses import page_addresses, portal_url, request_url
from entities.findings import ERROR_CODES
from entities.forms import QuarantineFilterForm
from entities.history import requests_of
from entities.models import QuarantinedRecord
from entities.paging import Page, keyset_page
from entities.pipeline.report import PII_FIELDS
from entities.privacy import masked_payload, sees_personal_data
from entities.quarantine_selectors import (
    GROUPED,
    Cause,
    quarantine_causes,
    quarantined_after,
    quarantined_by_number,
)
from entities.snippets import lenient_command
from track360.access import portal_view
from track360.htmx import PortalRequest, render_page
from track360.payload import payload_lines

EXCERPT_LENGTH = 120


@dataclass(frozen=True)
class QuarantineRow:
    pk: int
    key: str
    entity: str
    code: str
    received_at: Any
    message: str  # of the first error
    more_errors: int
    excerpt: str


@portal_view()
def quarantine_list(request: PortalRequest) -> HttpResponse:
    form = QuarantineFilterForm(request.GET)
    page: Page[QuarantinedRecord] = Page([], None, None, True)
    if form.is_valid():
        page = keyset_page(
            quarantined_after(request.environment, **form.cleaned_data),
            model=QuarantinedRecord,
            before=request.GET.get("before", ""),
            after=request.GET.get("after", ""),
        )
    causes = quarantine_causes(request.environment)
    personal = sees_personal_data(request)
    context = {
        "form": form,
        "clear": request.path if form.is_filtered else "",
        "state": _list_state(causes),
        "causes": [(cause, _meaning(cause.code)) for cause in causes],
        "records": [_row(record, personal=personal) for record in page.rows],
        "shown": f"{len(page.rows)} refused {_records(len(page.rows))}, the newest first",
        **page_addresses(request, page),
    }
    if not causes:
        context["command"] = lenient_command()
    return render_page(request, "entities/quarantine_list.html", context, fragment="records")


def _list_state(causes: list[Cause]) -> str:
    if not causes:
        return "Empty: no record waits here."
    count = sum(cause.count for cause in causes)
    most = causes[0]
    where = f" in {most.field}" if most.field else ""
    return (
        f"{count:,}{'+' if count == GROUPED else ''} refused {_records(count)}."
        f" Next: look at {most.code}{where}, the commonest cause."
    )


def _row(record: QuarantinedRecord, *, personal: bool) -> QuarantineRow:
    errors = _errors(record)
    payload = record.payload if personal else masked_payload(record.entity, record.payload)
    return QuarantineRow(
        pk=record.pk,
        key=record.key,
        entity=record.entity,
        code=record.code,
        received_at=record.received_at,
        message=_sentence(errors[0], personal=personal) if errors else "",
        more_errors=max(len(errors) - 1, 0),
        excerpt=json.dumps(payload, ensure_ascii=False, default=str)[:EXCERPT_LENGTH],
    )


@portal_view()
def quarantine_detail(request: PortalRequest, number: int) -> HttpResponse:
    record = quarantined_by_number(request.environment, number)
    if record is None:
        raise Http404("No such record.")
    personal = sees_personal_data(request)
    errors = _errors(record)
    payload = record.payload if personal else masked_payload(record.entity, record.payload)
    # Pointers lead into the body as sent; here the record stands alone.
    places = [
        (error["pointer"].removeprefix(f"/{record.index}"), _message(error, personal=personal)) for error in errors
    ]
    title = record.key or "A record without a key"
    batch_requests = requests_of(request.environment, {record.batch_id})
    context = {
        "record": record,
        "title": title,
        "state": f"Refused: {_sentence(errors[0], personal=personal)}." if errors else "Refused.",
        "breadcrumbs": [("Quarantine", portal_url(request, "quarantine-list")), (title, None)],
        "position": f"Record {record.index} of its batch, counted from 0",
        "personal": personal,
        "lines": payload_lines(payload, places),
        "errors": [_explained(error, personal=personal) for error in errors],
        "request_url": request_url(request, batch_requests.get(record.batch_id)),
    }
    return render_page(request, "entities/quarantine_detail.html", context)


def _errors(record: QuarantinedRecord) -> list[dict[str, Any]]:
    """The errors as the API gave them (contract, section 5)."""
    return cast(list[dict[str, Any]], record.errors)


def _explained(error: dict[str, Any], *, personal: bool) -> dict[str, Any]:
    """An error with the rule behind it and what to do about it."""
    finding = ERROR_CODES.get(error["code"])
    return {
        "title": error["field"] or "The record",
        "code": error["code"],
        "message": _message(error, personal=personal),
        "meaning": finding.meaning if finding else "",
        "hint": finding.hint if finding else "",
    }


def _message(error: dict[str, Any], *, personal: bool) -> str:
    """What was said; about a personal field viewers read the rule, not a sentence that may quote the value."""
    if not personal and error["field"] in PII_FIELDS:
        return _meaning(error["code"]) or "is not allowed"
    return str(error["message"])


def _sentence(error: dict[str, Any], *, personal: bool) -> str:
    """Messages go on where the field's name ends: `lang_id must be an ISO 639-1 language code`."""
    return f"{error['field'] or 'The record'} {_message(error, personal=personal)}"


def _meaning(code: str) -> str:
    finding = ERROR_CODES.get(code)
    return finding.meaning if finding else ""


def _records(count: int) -> str:
    return "record" if count == 1 else "records"
