"""What people do about a difference: give a control total, take the pulled records, accept it, say which is right."""

from __future__ import annotations

import datetime as dt
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from entities.addresses import portal_url
from entities.door_lists import differences_in
from entities.models import Difference, Entity
from entities.totals import MEASURES, Line
from integrations.api.parameters import read_date
from integrations.models import DoubledDay
from integrations.reconciliation.control import TYPES
from integrations.reconciliation.counting import countable_feed, last_counting
from integrations.reconciliation.days import DAY, Side, day_of, lines_of, newest_totals
from integrations.reconciliation.doubled import say_which_is_right
from integrations.reconciliation.taking import MOST_TAKEN, Taken, take_pulled
from integrations.reconciliation.waivers import waive, waive_records, withdraw_waiver
from onboarding.control_reading import TypedRow, give_control_totals, read_csv, read_row, typed_rows
from onboarding.days import time_zone_of
from onboarding.reconciliation_pages import cell_of, entity_of, place_of
from onboarding.tasks import start_count
from track360.access import MANAGERS, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page

BLANK_ROWS = 3


# -- Control totals -------------------------------------------------------------------


@portal_view(roles=MANAGERS)
def totals(request: PortalRequest) -> HttpResponse:
    """A day in a table of lines, or many days as CSV. Whatever cannot be is said, and nothing typed is lost."""
    time_zone = time_zone_of(request.partner)
    if request.method != "POST":
        return _show(request, time_zone=time_zone)
    try:
        days = _pasted(request) if "csv" in request.POST else _typed(request)
        give_control_totals(request.environment, days, time_zone=time_zone, actor=audit_actor(request))
    except ValidationError as refusal:
        return _show(request, time_zone=time_zone, refusal=refusal)
    messages.success(request, _given(days))
    named = {day for _, day in days}
    if len(named) == 1:
        return redirect(portal_url(request, "reconciliation-day", named.pop().isoformat()))
    return redirect(f"{portal_url(request, 'reconciliation')}?month={max(named):%Y-%m}")


def _pasted(request: PortalRequest) -> dict[tuple[str, dt.date], list[Line]]:
    return read_csv(request.POST.get("csv", ""))


def _typed(request: PortalRequest) -> dict[tuple[str, dt.date], list[Line]]:
    """Raises ValidationError: `day`, `entity`, or a line's with its index."""
    entity = request.POST.get("entity", "")
    if entity not in Entity.values:
        raise ValidationError("Choose what was counted.", code="entity")
    try:
        day = read_date(request.POST.get("day", ""))
    except ValueError:
        raise ValidationError("Choose the day.", code="day") from None
    lines, errors = [], []
    for index, row in enumerate(row for row in typed_rows(request.POST) if row.is_filled):
        try:
            lines.append(read_row(entity, row))
        except ValidationError as error:
            errors.append(ValidationError(error.messages[0], code=error.code, params={"index": index}))
    if errors:
        raise ValidationError(errors)
    if not lines and request.POST.get("empty") != "on":
        raise ValidationError("Give at least one line, or say that the day was empty.", code="lines")
    if lines and request.POST.get("empty") == "on":
        raise ValidationError("There are lines, and the day is said to be empty. Which is it?", code="lines")
    return {(entity, day): lines}


def _given(days: dict[tuple[str, dt.date], Any]) -> str:
    if len(days) > 1:
        return f"The control totals of {len(days)} days were taken in."
    (entity, day), *_ = days
    return f"The control total of {entity} of {day:%-d %B} was taken in."


def _show(request: PortalRequest, *, time_zone: str, refusal: ValidationError | None = None) -> HttpResponse:
    now = timezone.now()
    data = request.POST if request.method == "POST" else request.GET
    entity = data.get("entity", "") if data.get("entity") in Entity.values else Entity.TRANSACTIONS.value
    day = data.get("day", "").replace("\x00", "")[:10] or (day_of(now, time_zone) - DAY).isoformat()
    rows = typed_rows(request.POST) if request.method == "POST" else _known(request, entity, day)
    wrong = {error.params["index"]: error for error in getattr(refusal, "error_list", []) if error.params}
    if "csv" in request.POST:
        wrong = {}
    filled = [
        TypedRow(row.currency, row.type, row.count, row.sum, wrong[index].messages[0] if index in wrong else "")
        for index, row in enumerate(rows)
    ]
    context = {
        "state": f"A day is your day, in {time_zone}. What you say counts once the day is over.",
        "breadcrumbs": [("Reconciliation", portal_url(request, "reconciliation")), ("Control totals", None)],
        "errors": refusal.messages if refusal else [],
        "entities": Entity.choices,
        "entity": entity,
        "day": day,
        "today": day_of(now, time_zone).isoformat(),
        "is_empty": data.get("empty") == "on",
        "rows": [*filled, *[TypedRow()] * BLANK_ROWS],
        "types": TYPES,
        "has_type": MEASURES[entity].has_type,
        "csv": request.POST.get("csv", "")[:200_000].replace("\x00", ""),
        "countable": [
            (one.value, one.label) for one in Entity if countable_feed(request.environment, one.value) is not None
        ],
        "counting": last_counting(request.environment, now=now),
        "yesterday": (day_of(now, time_zone) - DAY).isoformat(),
    }
    return render_page(request, "onboarding/reconciliation_totals.html", context, fragment="counting")


@portal_view(roles=MANAGERS)
@require_POST
def count(request: PortalRequest) -> HttpResponse:
    """Ask for a count at the partner's database; the page of control totals shows how it goes."""
    try:
        first, last = (read_date(request.POST.get(name, "")) for name in ("first", "last"))
        start_count(
            request.environment, request.POST.get("entity", ""), first=first, last=last, actor=audit_actor(request)
        )
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    except ValueError:
        messages.error(request, "Choose the first and the last day.")
    return redirect(f"{portal_url(request, 'reconciliation-totals')}#counting")


def _known(request: PortalRequest, entity: str, day: str) -> list[TypedRow]:
    """The lines said last, to be corrected; else those for which something stands here, without its figures."""
    try:
        date = read_date(day)
    except ValueError:
        return []
    found = newest_totals(request.environment, [date], entities=[entity], sides=[Side.PARTNER, Side.STORED])
    said = found.get((entity, date, Side.PARTNER))
    if said:
        return [
            TypedRow(line.currency, line.type, str(line.count), "" if line.sum is None else str(line.sum))
            for line in lines_of(said)
        ]
    return [TypedRow(line.currency, line.type) for line in lines_of(found.get((entity, date, Side.STORED)))]


# -- Differences ------------------------------------------------------------------------


def _back(request: PortalRequest, day: str, entity: str) -> HttpResponse:
    """To the list from which the button was pressed."""
    cell = {name: request.POST.get(name, "") for name in ("currency", "type", "list") if request.POST.get(name)}
    return redirect(f"{portal_url(request, 'reconciliation-cell', day, entity)}?{urlencode(cell)}")


@portal_view(roles=MANAGERS)
@require_POST
def take(request: PortalRequest, day: str, entity: str) -> HttpResponse:
    kind = entity_of(entity)
    found = _meant(request, day, kind)
    if not found:
        messages.info(request, "Nothing was marked: nothing was taken.")
        return _back(request, day, entity)
    taken = take_pulled(request.environment, kind.value, found, actor=audit_actor(request))
    messages.success(request, words_of_taken(taken))
    return _back(request, day, entity)


def _meant(request: PortalRequest, day: str, kind: Entity) -> list[Difference]:
    """The differences that are marked, or with `all` the first thousand of the line."""
    cell = cell_of(request, place_of(request, day), kind, request.POST)
    marked = [
        int(text) for text in request.POST.getlist("difference") if text.isascii() and text.isdigit() and len(text) < 19
    ]
    return differences_in(cell, numbers=None if request.POST.get("all") else marked, limit=MOST_TAKEN)


def words_of_taken(taken: Taken) -> str:
    parts = [f"{taken.taken:,} taken: the pulled {'version stands' if taken.taken == 1 else 'versions stand'} now."]
    if taken.kept:
        parts.append(
            f"{taken.kept:,} left as pushed: a newer version had been pushed after the pulled one was fetched."
        )
    if taken.refused:
        parts.append(f"{taken.refused:,} refused: they do not pass the checks any more, and are in quarantine.")
    return " ".join(parts)


@portal_view(roles=MANAGERS)
@require_POST
def leave(request: PortalRequest, day: str, entity: str) -> HttpResponse:
    """Those that are marked, or all, stay as pushed."""
    kind = entity_of(entity)
    found = _meant(request, day, kind)
    if not found:
        messages.info(request, "Nothing was marked: nothing was waived.")
        return _back(request, day, entity)
    try:
        waived = waive_records(
            request.environment,
            kind.value,
            found,
            reason=request.POST.get("reason", ""),
            actor=audit_actor(request),
        )
        messages.success(request, f"{waived:,} waived: what was pushed stays, until either version changes.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return _back(request, day, entity)


@portal_view(roles=MANAGERS)
@require_POST
def waive_difference(request: PortalRequest, day: str, entity: str) -> HttpResponse:
    place, kind = place_of(request, day), entity_of(entity)
    cell = cell_of(request, place, kind, request.POST)
    try:
        waive(
            request.environment,
            kind.value,
            place.day,
            currency=cell.currency,
            type=cell.type,
            reason=request.POST.get("reason", ""),
            time_zone=place.time_zone,
            actor=audit_actor(request),
        )
        messages.success(request, "Accepted. It holds for just this difference.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return _back(request, day, entity)


@portal_view(roles=MANAGERS)
@require_POST
def withdraw(request: PortalRequest, day: str, entity: str) -> HttpResponse:
    place, kind = place_of(request, day), entity_of(entity)
    cell = cell_of(request, place, kind, request.POST)
    try:
        withdraw_waiver(
            request.environment,
            kind.value,
            place.day,
            currency=cell.currency,
            type=cell.type,
            actor=audit_actor(request),
        )
        messages.success(request, "Withdrawn: the difference is open again.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return _back(request, day, entity)


@portal_view(roles=MANAGERS)
@require_POST
def verdict(request: PortalRequest, number: int) -> HttpResponse:
    doubled = DoubledDay.objects.filter(environment=request.environment, pk=number).first() if number < 2**63 else None
    if doubled is None:
        raise Http404("No such day.")
    try:
        say_which_is_right(
            request.environment,
            doubled.pk,
            verdict=request.POST.get("verdict", ""),
            reason=request.POST.get("reason", ""),
            actor=audit_actor(request),
        )
        messages.success(request, "Said. The other total stays among the versions.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return redirect(portal_url(request, "reconciliation-day", doubled.day.isoformat()))
