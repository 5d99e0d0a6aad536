"""Pages that change what is refused: edit one record, drop some, replay some; and how far a replay is."""

from __future__ import annotations

import uuid
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from entities.addresses import portal_url
from entities.forms import DropForm, EditForm, QuarantineFilterForm
from entities.mending import drop_records, edit_record
from entities.models import QuarantinedRecord, Replay
from entities.privacy import sees_personal_data
from entities.quarantine_selectors import quarantined_by_number
from entities.quarantine_shown import Shown, records
from entities.replays import (
    AT_WORK,
    Filters,
    cancel_replay,
    chosen,
    confirm_replay,
    replay_for,
    request_replay,
)
from entities.tasks import start_work
from track360.access import MANAGERS, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page

HELD = QuarantinedRecord.State.HELD


def _record(request: PortalRequest, number: int) -> QuarantinedRecord:
    record = quarantined_by_number(request.environment, number)
    if record is None:
        raise Http404("No such record.")
    return record


def _cause(data: Any) -> Filters:
    """The filters that a link of the list bears. Raises Http404."""
    form = QuarantineFilterForm(data)
    if not form.is_valid():
        raise Http404("No such cause.")
    return form.cause()


# -- One record ----------------------------------------------------------------


@portal_view(roles=MANAGERS)
def quarantine_edit(request: PortalRequest, number: int) -> HttpResponse:
    record = _record(request, number)
    address = portal_url(request, "quarantine-detail", record.pk)
    if record.state != HELD or not sees_personal_data(request):
        return HttpResponseRedirect(address)
    shown = Shown(record, personal=True)
    form = EditForm(request.POST or None, initial={"text": "\n".join(line.text for line in shown.lines())})
    if request.method == "POST" and form.is_valid():
        try:
            record = edit_record(record, payload=form.cleaned_data["text"], actor=audit_actor(request))
            return _edited(request, record)
        except ValidationError as refusal:
            form.add_error("text", refusal)
    title = record.key or "A record without a key"
    context = {
        "record": record,
        "form": form,
        "lines": shown.lines(),
        "errors": shown.explained(),
        "state": f"Refused: {shown.sentence(shown.errors[0])}." if shown.errors else "Nothing is wrong with it.",
        "breadcrumbs": [("Quarantine", portal_url(request, "quarantine-list")), (title, address), ("Edit", None)],
        "cancel_url": address,
    }
    return render_page(request, "entities/quarantine_edit.html", context)


def _edited(request: PortalRequest, record: QuarantinedRecord) -> HttpResponse:
    if record.errors:
        so_many = "One thing is" if len(record.errors) == 1 else f"{len(record.errors)} things are"
        messages.warning(request, f"Saved. {so_many} still wrong with it, marked below.")
        return HttpResponseRedirect(portal_url(request, "quarantine-edit", record.pk))
    if "replay" in request.POST:
        return _replayed(request, record)
    messages.success(request, "Saved: nothing is wrong with it any more. Replay it when you like.")
    return HttpResponseRedirect(portal_url(request, "quarantine-detail", record.pk))


@portal_view(roles=MANAGERS)
@require_POST
def quarantine_replay_one(request: PortalRequest, number: int) -> HttpResponse:
    return _replayed(request, _record(request, number))


def _replayed(request: PortalRequest, record: QuarantinedRecord) -> HttpResponse:
    """One record needs no estimate."""
    actor = audit_actor(request)
    try:
        replay = request_replay(request.environment, filters={"ids": [record.pk]}, actor=actor)
        start_work(replay)
        start_work(confirm_replay(replay, actor=actor))
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
        return HttpResponseRedirect(portal_url(request, "quarantine-detail", record.pk))
    record.refresh_from_db()
    if record.state == HELD:
        messages.warning(request, "It was tried again, and refused again.")
    elif record.state == QuarantinedRecord.State.STORED:
        messages.success(request, "It is stored.")
    return HttpResponseRedirect(portal_url(request, "quarantine-detail", record.pk))


# -- Dropping ------------------------------------------------------------------


@portal_view(roles=MANAGERS)
def quarantine_drop_one(request: PortalRequest, number: int) -> HttpResponse:
    record = _record(request, number)
    address = portal_url(request, "quarantine-detail", record.pk)
    if record.state != HELD:
        return HttpResponseRedirect(address)
    return _drop(request, {"ids": [record.pk]}, address, what=record.key or "a record without a key")


@portal_view(roles=MANAGERS)
def quarantine_drop(request: PortalRequest) -> HttpResponse:
    """All that is held for the cause in the address."""
    cause = _cause(request.GET)
    address = f"{portal_url(request, 'quarantine-list')}?{urlencode(cause)}"
    return _drop(request, cause, address, what=_in_words(cause))


def _in_words(cause: Filters) -> str:
    words = f"all {cause['entity']} that are held" if "entity" in cause else "all that is held"
    words += f" for {cause['code']}" if "code" in cause else ""
    words += f" in {cause['field']}" if "field" in cause else ""
    return words + (" and came by one run" if "run" in cause else "")


def _drop(request: PortalRequest, filters: Filters, back: str, *, what: str) -> HttpResponse:
    form = DropForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        try:
            count = drop_records(
                request.environment, filters=filters, reason=form.cleaned_data["reason"], actor=audit_actor(request)
            )
        except ValidationError as refusal:
            form.add_error("reason", refusal)
        else:
            messages.success(request, f"{count:,} {records(count)} dropped.")
            return HttpResponseRedirect(back if "ids" in filters else portal_url(request, "quarantine-list"))
    count = chosen(request.environment, filters).count()
    context = {
        "title": f"Drop {count:,} {records(count)}?",
        "body": f"{what[0].upper()}{what[1:]}. They will not be stored, and nothing is deleted: each stays under "
        "Dropped, as it was sent, with your reason.",
        "form": form,
        "action": request.get_full_path(),
        "cancel_url": back,
        "breadcrumbs": [("Quarantine", portal_url(request, "quarantine-list")), ("Drop", None)],
        "submit": f"Drop {count:,} {records(count)}",
    }
    return render_page(request, "entities/quarantine_drop.html", context)


# -- Replays -------------------------------------------------------------------


@portal_view(roles=MANAGERS)
@require_POST
def replay_new(request: PortalRequest) -> HttpResponse:
    """All that is held for the cause that the form bears: how many would pass."""
    cause = _cause(request.POST)
    try:
        replay = request_replay(request.environment, filters=cause, actor=audit_actor(request))
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
        return HttpResponseRedirect(f"{portal_url(request, 'quarantine-list')}?{urlencode(cause)}")
    start_work(replay)
    return HttpResponseRedirect(portal_url(request, "quarantine-replay", replay.pk))


def _replay(request: PortalRequest, replay_id: uuid.UUID) -> Replay:
    replay = replay_for(request.environment, replay_id)
    if replay is None:
        raise Http404("No such replay.")
    return replay


@portal_view()
def replay_detail(request: PortalRequest, replay_id: uuid.UUID) -> HttpResponse:
    replay = _replay(request, replay_id)
    cause = {name: value for name, value in replay.filters.items() if name != "ids"}
    context = {
        "replay": replay,
        "state": _sentence(replay),
        "is_at_work": replay.state in AT_WORK,
        "checked": replay.would_pass + replay.would_fail,
        "would_supersede": replay.total - replay.would_pass - replay.would_fail
        if replay.state == Replay.State.ESTIMATED
        else 0,
        "superseded": replay.done - replay.passed - replay.failed,
        "cause": cause,
        "still_held": f"{portal_url(request, 'quarantine-list')}?{urlencode(cause)}",
        "may_change": request.role in MANAGERS and not request.viewing_as,
        "breadcrumbs": [("Quarantine", portal_url(request, "quarantine-list")), ("Replay", None)],
    }
    return render_page(request, "entities/replay_detail.html", context, fragment="replay")


def _sentence(replay: Replay) -> str:
    state, total = Replay.State, replay.total
    match replay.state:
        case state.ESTIMATED:
            next_step = "Next: run it." if replay.would_pass else "Nothing to run: mend the records first."
            return f"Replay {total:,}: {replay.would_pass:,} would pass. {next_step}"
        case state.DONE:
            return f"Done: {replay.passed:,} of {total:,} {records(total)} stored, {replay.failed:,} refused again."
        case state.CANCELLED:
            return f"Cancelled after {replay.done:,} of {total:,} {records(total)}: what was stored stays stored."
        case state.FAILED:
            return f"Broke off after {replay.done:,} of {total:,} {records(total)}."
    if replay.cancel_requested:
        return "Being cancelled: the batch under way is finished first."
    if replay.state == state.RUNNING:
        return f"Running: {replay.done:,} of {total:,} {records(total)}."
    return f"Trying {total:,} {records(total)} without storing anything."


@portal_view(roles=MANAGERS)
@require_POST
def replay_run(request: PortalRequest, replay_id: uuid.UUID) -> HttpResponse:
    replay = _replay(request, replay_id)
    try:
        start_work(confirm_replay(replay, actor=audit_actor(request)))
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
    return HttpResponseRedirect(portal_url(request, "quarantine-replay", replay.pk))


@portal_view(roles=MANAGERS)
@require_POST
def replay_cancel(request: PortalRequest, replay_id: uuid.UUID) -> HttpResponse:
    replay = _replay(request, replay_id)
    try:
        cancel_replay(replay, actor=audit_actor(request))
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
    return HttpResponseRedirect(portal_url(request, "quarantine-replay", replay.pk))
