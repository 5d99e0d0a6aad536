"""Pages of what was refused: by cause, one by one, and to take away."""

from __future__ import annotations

import uuid
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, StreamingHttpResponse

from entities.addresses import page_addresses, portal_url, request_url, run_url
from entities.forms import QuarantineFilterForm
from entities.history import requests_of
from entities.models import QuarantinedRecord
from entities.paging import Page, keyset_page
from entities.privacy import sees_personal_data
from entities.quarantine_causes import GROUPED, Cause, causes_with_money
from entities.quarantine_download import csv_lines, json_lines
from entities.quarantine_selectors import (
    events_of,
    is_outdated,
    quarantined_after,
    quarantined_by_number,
    quarantined_for,
)
from entities.quarantine_shown import Shown, meaning_of, records
from entities.replays import newest_replays
from entities.retries import MENDED
from entities.snippets import lenient_command
from track360.access import MANAGERS, portal_view
from track360.htmx import PortalRequest, render_page

SHOWN_REPLAYS = 3
FORMATS = {"csv": ("text/csv", csv_lines), "jsonl": ("application/jsonl", json_lines)}
HELD = QuarantinedRecord.State.HELD


@portal_view()
def quarantine_list(request: PortalRequest) -> HttpResponse:
    form = QuarantineFilterForm(request.GET)
    page: Page[QuarantinedRecord] = Page([], None, None, True)
    query = ""
    if form.is_valid():
        page = keyset_page(
            quarantined_after(request.environment, **form.filters()),
            model=QuarantinedRecord,
            before=request.GET.get("before", ""),
            after=request.GET.get("after", ""),
        )
        query = urlencode(form.filters())
    run_id = form.run_id()
    causes = causes_with_money(request.environment, run_id=run_id)
    personal = sees_personal_data(request)
    context = {
        "form": form,
        "clear": request.path if form.is_filtered else "",
        "state": _list_state(causes, of_run=run_id is not None),
        "causes": [(cause, meaning_of(cause.code), urlencode(_filters(cause, run_id))) for cause in causes],
        "with_money": any(cause.money or cause.first_deposits for cause in causes),
        "replays": newest_replays(request.environment, SHOWN_REPLAYS),
        "records": [Shown(record, personal).row() for record in page.rows],
        "query": query,
        "may_change": request.role in MANAGERS and not request.viewing_as,
        "is_of_held": form.is_of_held,
        "cause": form.cause() if form.is_valid() else {},
        "run_url": run_url(request, run_id),
        "shown": f"{len(page.rows)} refused {records(len(page.rows))}, the newest first",
        **page_addresses(request, page),
    }
    if not causes and run_id is None:
        context["command"] = lenient_command()
    return render_page(request, "entities/quarantine_list.html", context, fragment="records")


def _filters(cause: Cause, run_id: uuid.UUID | None) -> dict[str, str]:
    of_run = {"run": str(run_id)} if run_id else {}
    return {"entity": cause.entity, "code": cause.code, "field": cause.field} | of_run


def _list_state(causes: list[Cause], *, of_run: bool) -> str:
    if not causes:
        return "Of what this run fetched no record waits here." if of_run else "Empty: no record waits here."
    count = sum(cause.count for cause in causes)
    so_many = f"{count:,}{'+' if count == GROUPED else ''} refused {records(count)}{' of one run' if of_run else ''}"
    most = causes[0]
    if most.code == MENDED:
        return f"{so_many}. Next: replay the {most.count:,} that {'is' if most.count == 1 else 'are'} mended."
    where = f" in {most.field}" if most.field not in ("", most.code) else ""
    return f"{so_many}. Next: look at the {most.count:,} with {most.code}{where}, the commonest cause."


@portal_view()
def quarantine_download(request: PortalRequest) -> HttpResponse:
    """The records of the list's filters, each with what is wrong with it in a column of its own."""
    form = QuarantineFilterForm(request.GET)
    kind = request.GET.get("format", "csv")
    if not form.is_valid() or kind not in FORMATS:
        raise Http404("No such download.")
    content_type, lines = FORMATS[kind]
    rows = quarantined_for(request.environment, **form.filters())
    response = StreamingHttpResponse(
        lines(rows, entity=form.cleaned_data["entity"], personal=sees_personal_data(request)),
        content_type=f"{content_type}; charset=utf-8",
    )
    name = f"refused-{form.cleaned_data['entity'] or 'records'}.{kind}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response  # type: ignore[return-value]


@portal_view()
def quarantine_detail(request: PortalRequest, number: int) -> HttpResponse:
    record = quarantined_by_number(request.environment, number)
    if record is None:
        raise Http404("No such record.")
    shown = Shown(record, sees_personal_data(request))
    title = record.key or "A record without a key"
    outdated = is_outdated(record)
    context = {
        "record": record,
        "title": title,
        "state": _state(shown, outdated=outdated),
        "breadcrumbs": [("Quarantine", portal_url(request, "quarantine-list")), (title, None)],
        "position": f"Record {record.index} of its batch, counted from 0",
        "personal": shown.personal,
        "lines": shown.lines(),
        "sent_lines": Shown(_as_it_came(record), shown.personal).lines() if record.edited is not None else [],
        "errors": shown.explained(),
        "events": events_of(record),
        "outdated": outdated,
        "is_mended": record.code == MENDED,
        "may_change": request.role in MANAGERS and not request.viewing_as and record.state == HELD,
        "mapping_url": portal_url(request, "quarantine-mapping", record.pk) if shown.may_be_the_mapping else "",
        "run_url": run_url(request, record.run_id),
        "request_url": request_url(request, requests_of(request.environment, {record.batch_id}).get(record.batch_id)),
    }
    return render_page(request, "entities/quarantine_detail.html", context)


def _as_it_came(record: QuarantinedRecord) -> QuarantinedRecord:
    return QuarantinedRecord(entity=record.entity, index=record.index, payload=record.payload, errors=[])


def _state(shown: Shown, *, outdated: bool) -> str:
    record = shown.record
    if record.state == QuarantinedRecord.State.STORED:
        return "Stored: nothing is left to do."
    if record.state == QuarantinedRecord.State.SUPERSEDED:
        return "Superseded: a newer version of this record came."
    if record.state == QuarantinedRecord.State.DROPPED:
        return "Dropped: it will not be stored."
    if outdated:
        return "A newer version of this record is held: that one will be stored, this one will not."
    if record.code == MENDED:
        return "Mended: nothing is wrong with it any more. Next: replay it."
    if record.waits_for is not None:
        return f"Waits for the customer {record.waits_for}: once he is stored, it is stored by itself."
    return f"Refused: {shown.sentence(shown.errors[0])}." if shown.errors else "Refused."
