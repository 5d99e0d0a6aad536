"""The portal's pages of reconciliation: a month, a day, and the records behind a line."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, cast
from urllib.parse import urlencode

from django.http import Http404, HttpResponse, StreamingHttpResponse
from django.utils import timezone

from entities.addresses import page_addresses, portal_url
from entities.door_lists import Cell, Which, all_in, page_of_cell
from entities.listings import LISTINGS
from entities.models import Entity, Record
from entities.paging import Fetch, keyset_page
from entities.privacy import sees_personal_data
from entities.quarantine_shown import records
from integrations.api.parameters import read_date
from integrations.models import DoubledDay
from integrations.reconciliation.compare import State, compared
from integrations.reconciliation.days import DAY, FIRST_DAY, bounds_of, day_of
from integrations.reconciliation.doubled import doubled_days
from integrations.reconciliation.taking import MOST_TAKEN
from onboarding import reconciliation_view as shown
from onboarding.days import difference_words, time_zone_of
from onboarding.evidence import patterns_of
from track360 import exact_json
from track360.access import MANAGERS, portal_view
from track360.htmx import PortalRequest, render_page


@dataclass(frozen=True)
class Place:
    """A day of the partner's, in the time zone of his scope."""

    day: dt.date
    time_zone: str
    now: dt.datetime

    @property
    def today(self) -> dt.date:
        return day_of(self.now, self.time_zone)

    @property
    def bounds(self) -> tuple[dt.datetime, dt.datetime]:
        return bounds_of(self.day, self.time_zone)


def place_of(request: PortalRequest, day: str) -> Place:
    """Raises Http404 for what is no day, and for one that lies ahead."""
    place = Place(FIRST_DAY, time_zone_of(request.partner), timezone.now())
    try:
        date = read_date(day)
    except ValueError:
        raise Http404("No such day.") from None
    if not FIRST_DAY <= date <= place.today:
        raise Http404("No such day.")
    return Place(date, place.time_zone, place.now)


def entity_of(text: str) -> Entity:
    if text not in Entity.values:
        raise Http404("No such entity.")
    return Entity(text)


# -- A month ----------------------------------------------------------------------


@portal_view()
def month(request: PortalRequest) -> HttpResponse:
    now, time_zone = timezone.now(), time_zone_of(request.partner)
    today = day_of(now, time_zone)
    chosen = shown.month_of(request.GET.get("month", ""), today)
    flagged = doubled_days(request.environment, first=chosen.first, last=chosen.last)
    entities = list(patterns_of(request.partner))
    rows = shown.matrix(request.environment, chosen, entities=entities, doubled=flagged, time_zone=time_zone, now=now)
    state, next_day = shown.sentence_of_month(rows, chosen)
    needs_total = next_day and all(row.state == State.UNSAID for row in rows if row.day == next_day)
    context = {
        "state": state,
        "next_day": next_day,
        "needs_total": needs_total,
        "month": chosen,
        "month_after": chosen.after(today),
        "rows": rows,
        "labels": [Entity(entity).label for entity in entities],
        "time_zone": time_zone,
        "may_change": request.role in MANAGERS,
    }
    return render_page(request, "onboarding/reconciliation.html", context, fragment="month")


# -- A day ------------------------------------------------------------------------


@portal_view()
def day(request: PortalRequest, day: str) -> HttpResponse:
    place = place_of(request, day)
    found = compared(request.environment, [place.day], time_zone=place.time_zone, now=place.now)
    scope = list(patterns_of(request.partner))
    tables = [
        shown.table_of(found[entity, place.day])
        for entity in Entity.values
        if entity in scope or found[entity, place.day].totals
    ]
    flagged = doubled_days(request.environment, first=place.day, last=place.day)
    title = f"{place.day:%-d %B %Y}"
    context = {
        "title": title,
        "state": shown.sentence_of_tables(tables, flagged),
        "breadcrumbs": breadcrumbs(request, place.day, None),
        "day": place.day,
        "day_before": place.day - DAY if place.day > FIRST_DAY else None,
        "day_after": place.day + DAY if place.day < place.today else None,
        "bounds": place.bounds,
        "time_zone": place.time_zone,
        "tables": tables,
        "doubled": [_judged(row) for row in flagged],
        "versions": shown.versions_of_day(request.environment, place.day),
        "verdicts": DoubledDay.Verdict.choices,
        "may_change": request.role in MANAGERS,
    }
    return render_page(request, "onboarding/reconciliation_day.html", context)


def _judged(row: DoubledDay) -> dict[str, Any]:
    return {
        "row": row,
        "name": " ".join(part for part in (Entity(row.entity).label, row.currency, row.type) if part),
        "earlier": shown.lines_in_words(row.earlier),
        "later": shown.lines_in_words(row.later),
    }


def breadcrumbs(request: PortalRequest, day: dt.date, here: str | None) -> list[tuple[str, str | None]]:
    listed = f"{portal_url(request, 'reconciliation')}?month={day:%Y-%m}"
    name = f"{day:%-d %B %Y}"
    if here is None:
        return [("Reconciliation", listed), (name, None)]
    return [
        ("Reconciliation", listed),
        (name, portal_url(request, "reconciliation-day", day.isoformat())),
        (here, None),
    ]


# -- The records behind a line ------------------------------------------------------


def cell_of(request: PortalRequest, place: Place, entity: Entity, data: Any) -> Cell:
    start, end = (place.day, place.day + DAY) if entity == Entity.ACTIVITY else place.bounds
    currency, type_ = (data.get(name, "").replace("\x00", "")[:64] for name in ("currency", "type"))
    return Cell(request.environment, entity, start, end, currency, type_)


def lists_of(cell: Cell) -> dict[Which, Fetch[Record]]:
    """What each list is read with; the first page once, be it to see whether there is a record and then to show it."""
    return {which: cache(page_of_cell(cell, which)) for which in Which}


def which_of(data: Any, lists: Mapping[Which, Fetch[Record]]) -> Which:
    """The list asked for; else the first that has a record, those that differ before all."""
    try:
        return Which(data.get("list", ""))
    except ValueError:
        sought = (Which.DIFFERENT, Which.ONLY_PULLED, Which.ONLY_PUSHED)
        return next((one for one in sought if lists[one](None, False)), Which.DIFFERENT)


@portal_view()
def cell(request: PortalRequest, day: str, entity: str) -> HttpResponse:
    place, kind = place_of(request, day), entity_of(entity)
    place_in_day = cell_of(request, place, kind, request.GET)
    lists = lists_of(place_in_day)
    which = which_of(request.GET, lists)
    page = keyset_page(
        lists[which],
        model=LISTINGS[kind].model,
        columns=place_in_day.order,
        before=request.GET.get("before", ""),
        after=request.GET.get("after", ""),
    )
    found = compared(request.environment, [place.day], time_zone=place.time_zone, now=place.now, entities=[kind])
    wanted = (place_in_day.currency, place_in_day.type)
    figures = next((one for one in found[kind, place.day].cells if (one.currency, one.type) == wanted), None)
    name = " ".join(part for part in (kind.label, *wanted) if part)
    filters = {key: value for key, value in zip(("currency", "type"), wanted, strict=True) if value}
    context = {
        "title": f"{name} of {place.day:%-d %B %Y}",
        "state": _sentence(kind, figures),
        "breadcrumbs": breadcrumbs(request, place.day, name),
        "day": place.day,
        "entity": kind,
        "figures": figures,
        "table": shown.Row(kind, figures, False, kind != Entity.CUSTOMERS) if figures else None,
        "differs": figures is not None and figures.state == State.DIFFERS,
        "filters": filters,
        "which": which,
        "lists": [(one, shown.TITLES[one], urlencode(filters | {"list": one.value})) for one in Which],
        "download": urlencode(filters | {"list": which.value}),
        "rows": shown.record_rows(kind, page.rows, personal=sees_personal_data(request)),
        "record_page": f"{kind.removesuffix('s')}-detail",
        "most_taken": MOST_TAKEN,
        "may_change": request.role in MANAGERS,
        "shown": f"{len(page.rows)} {records(len(page.rows))}, the latest first",
        **page_addresses(request, page),
    }
    return render_page(request, "onboarding/reconciliation_cell.html", context, fragment="records")


def _sentence(entity: Entity, figures: Any) -> str:
    if figures is None or figures.state in (State.UNSAID, State.OPEN):
        return "There is no control total to compare with at this line. Here is what came by one door only."
    if figures.state == State.AGREES:
        return "It agrees with the control total."
    words = difference_words(entity, figures)
    if figures.state == State.WAIVED:
        return f"Accepted with a reason: {words}."
    return f"{words}. Next: look which records are missing or differ, and send them again or take the pulled ones."


@portal_view()
def download(request: PortalRequest, day: str, entity: str) -> HttpResponse:
    """All records of a list: CSV of keys and figures, or a JSON object a line, with the fields that differ."""
    place, kind = place_of(request, day), entity_of(entity)
    place_in_day, as_json = cell_of(request, place, kind, request.GET), request.GET.get("as") == "jsonl"
    which, personal = which_of(request.GET, lists_of(place_in_day)), sees_personal_data(request)
    listed = all_in(place_in_day, which)
    rows = (row for record in listed for row in shown.record_rows(kind, [record], personal=personal))
    lines = _json_lines(rows) if as_json else shown.resend_csv(rows, shown.RESEND_COLUMNS)
    response: Any = StreamingHttpResponse(
        lines, content_type="application/x-ndjson" if as_json else "text/csv; charset=utf-8"
    )
    name = f"{which.value.replace('_', '-')}-{kind}-{place.day}.{'jsonl' if as_json else 'csv'}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return cast(HttpResponse, response)


def _json_lines(rows: Iterator[shown.RecordRow]) -> Iterator[str]:
    for row in rows:
        yield exact_json.dumps(as_json(row)) + "\n"


def as_json(row: shown.RecordRow) -> dict[str, Any]:
    accepted = row.accepted
    return {
        "key": row.key,
        "date": row.date,
        "currency": row.currency or None,
        "amount": row.amount,
        "updated_at": row.updated_at,
        "fields": [{"name": pair.name, "stored": pair.here, "pulled": pair.there} for pair in row.fields],
        "waiver": {"reason": accepted.reason, "at": accepted.at, "by": accepted.by or None} if accepted else None,
    }
