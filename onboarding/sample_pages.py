"""The samples pages: what was tried, what is wrong with it line by line, and where it is mended.

Samples live in the sandbox: from production the same pages work on the sandbox of the same partner, and say so.
"""

from __future__ import annotations

import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from entities.addresses import portal_url
from entities.models import Entity
from entities.paging import PER_PAGE
from entities.privacy import sees_personal_data
from integrations import submissions
from onboarding import samples
from onboarding.models import Sample
from onboarding.sample_checks import is_without_columns, payload_of
from onboarding.sample_columns import better_entity, guess_columns
from onboarding.sample_forms import LIMIT, ColumnsForm, MendForm, SampleForm
from onboarding.sample_lessons import lesson_payload
from onboarding.sample_reading import look
from onboarding.sample_results import (
    checked_records,
    fitting_entity,
    newest_samples,
    page_of,
    sample_for,
    sample_page,
)
from onboarding.sample_view import (
    EDITABLE,
    MEND,
    View,
    editable_text,
    faulty_text,
    sentence_for,
    sentence_of_page,
)
from onboarding.tasks import start_check
from track360.access import MANAGERS, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page
from track360.models import Environment

MAX_PAGE = 10_000
NOT_STARTED = "Nothing tried yet."


def sandbox_of(request: PortalRequest) -> Environment:
    if request.environment.kind == Environment.Kind.SANDBOX:
        return request.environment
    return request.partner.environments.select_related("partner").get(kind=Environment.Kind.SANDBOX)


def _found(request: PortalRequest, sample_id: uuid.UUID) -> Sample:
    sample = sample_for(sandbox_of(request), sample_id)
    if sample is None:
        raise Http404("No such sample.")
    return sample


def _page_number(request: PortalRequest) -> int:
    """What a person cannot have typed into a button counts as the first page."""
    text = request.GET.get("page", "")
    return min(max(int(text), 1), MAX_PAGE) if text.isascii() and text.isdigit() and len(text) < 10 else 1


def _pager(request: PortalRequest, page: int, *, more: bool) -> dict[str, str]:
    def address(number: int) -> str:
        query = request.GET.copy()
        query["page"] = str(number)
        return f"{request.path}?{query.urlencode()}"

    return {
        "first_url": address(1) if page > 2 else "",
        "previous_url": address(page - 1) if page > 1 else "",
        "next_url": address(page + 1) if more else "",
    }


# -- The history --------------------------------------------------------------


@portal_view()
def sample_list(request: PortalRequest) -> HttpResponse:
    sandbox = sandbox_of(request)
    entity = request.GET.get("entity", "")
    entity = entity if entity in Entity.values else ""
    page = _page_number(request)
    rows, more = sample_page(sandbox, entity=entity, page=page)
    newest = newest_samples(sandbox)
    names = [("All", "", not entity), *((name.label, f"?entity={name.value}", name.value == entity) for name in Entity)]
    context = {
        "state": _list_state(newest),
        "newest": [(name, newest.get(name), _verdict(newest.get(name))) for name in Entity],
        "tabs": [(label, f"{request.path}{query}", current) for label, query, current in names],
        "rows": [(row, sentence_for(row)) for row in rows],
        "entities": list(Entity),
        "may_try": request.role in MANAGERS,
        "is_empty": not rows and not entity and page == 1,
        "shown": "Newest first. Kept 90 days, and the newest valid one of each entity for good.",
        **_pager(request, page, more=more),
    }
    return render_page(request, "onboarding/sample_list.html", context, fragment="samples")


def _verdict(sample: Sample | None) -> str:
    return sentence_for(sample) if sample else NOT_STARTED


def _list_state(newest: dict[str, Sample]) -> str:
    """What step 4 of the walk goes by: the newest sample of each entity."""
    faulty = [entity.label for entity in Entity if (found := newest.get(entity)) and not found.is_valid]
    missing = [entity.label.lower() for entity in Entity if entity not in newest]
    if faulty:
        return f"{faulty[0]}: {sentence_for(newest[faulty[0].lower()])}"
    if len(missing) == len(Entity):
        return "Nothing tried yet. Next: paste a few records, or break a sample on purpose."
    if missing:
        return f"What was tried is valid. Next: try {missing[0]}."
    return "The newest sample of each entity is valid."


# -- Trying one ---------------------------------------------------------------


@portal_view(roles=MANAGERS)
def sample_new(request: PortalRequest) -> HttpResponse:
    initial = {"entity": request.GET.get("entity", "")} if request.GET.get("entity") in Entity.values else {}
    form = SampleForm(request.POST, request.FILES) if request.method == "POST" else SampleForm(initial=initial)
    if request.method == "POST" and form.is_valid():
        file = form.cleaned_data["file"]
        try:
            with transaction.atomic():
                if not submissions.is_first(request, form.cleaned_data["submission"]):
                    messages.info(request, "The sample was sent already.")
                    return HttpResponseRedirect(portal_url(request, "sample-list"))
                sample = samples.create_sample(
                    sandbox_of(request),
                    entity=form.cleaned_data["entity"],
                    payload=form.payload,
                    origin=Sample.Origin.UPLOAD if file else Sample.Origin.PASTE,
                    actor=audit_actor(request),
                    name=(file.name or "") if file else "",
                )
            return _started(request, sample)
        except ValidationError as refusal:
            form.refuse(refusal)
    context = {
        "form": form,
        "state": "Checked like a push, as a dry run: nothing is stored among your records.",
        "breadcrumbs": [("Samples", portal_url(request, "sample-list")), ("Try a sample", None)],
        "cancel_url": portal_url(request, "sample-list"),
        "limit": LIMIT,
    }
    return render_page(request, "onboarding/sample_new.html", context)


@portal_view(roles=MANAGERS)
@require_POST
def sample_lesson(request: PortalRequest, entity: str) -> HttpResponse:
    """“Break it”: five faults to learn from, with one click."""
    if entity not in Entity.values:
        raise Http404("No such entity.")
    sample = samples.create_sample(
        sandbox_of(request),
        entity=entity,
        payload=lesson_payload(Entity(entity)),
        origin=Sample.Origin.LESSON,
        actor=audit_actor(request),
    )
    return _started(request, sample)


def _started(request: PortalRequest, sample: Sample) -> HttpResponse:
    """Checked at once where it is small; where its columns cannot be told, that is the next question."""
    start_check(sample)
    name = "sample-columns" if is_without_columns(sample) else "sample-detail"
    return HttpResponseRedirect(portal_url(request, name, sample.pk))


@portal_view(roles=MANAGERS)
def sample_columns(request: PortalRequest, sample_id: uuid.UUID) -> HttpResponse:
    """Which column holds which field; `?entity=` where the file turned out to be of another one."""
    sample = _found(request, sample_id)
    entity = request.GET.get("entity", "")
    entity = entity if entity in Entity.values else sample.entity
    if sample.format != Sample.Format.CSV or not sample.body:
        return HttpResponseRedirect(portal_url(request, "sample-detail", sample.pk))
    text = look(payload_of(sample))
    remembered = samples.remembered_columns(request.partner, entity) | (
        sample.columns if entity == sample.entity else {}
    )
    guessed = guess_columns(entity, text.header, remembered)
    form = ColumnsForm(request.POST or None, entity=entity, header=text.header, guessed=guessed)
    if request.method == "POST" and form.is_valid():
        try:
            return _started(
                request,
                samples.set_columns(sample, entity=entity, columns=form.columns(), actor=audit_actor(request)),
            )
        except ValidationError as refusal:
            form.add_error(None, refusal)
    better = better_entity(entity, text.header)
    count = sum(1 for field in guessed.values() if field)
    context = {
        "sample": sample,
        "entity": Entity(entity),
        "form": form,
        "notices": text.notices,
        "examples": _examples(sample, form, View(sample, sees_personal_data(request))),
        "better": Entity(better) if better else None,
        "state": _recognised(count, len(text.header)),
        "breadcrumbs": [
            ("Samples", portal_url(request, "sample-list")),
            ("Sample", portal_url(request, "sample-detail", sample.pk)),
            ("Columns", None),
        ],
    }
    return render_page(request, "onboarding/sample_columns.html", context)


def _recognised(count: int, of: int) -> str:
    if count == of:
        return f"All {of} columns were recognised. Next: look them over, and check the sample."
    return f"{count} of {of} columns were recognised. Next: say what the others hold."


def _examples(sample: Sample, form: ColumnsForm, view: View) -> list[tuple[Any, str]]:
    """Each column's form field with the first cells under it."""
    rows = view.first_rows(3)
    return [
        (form[f"column_{place}"], " · ".join(row[place] for row in rows if place < len(row) and row[place]))
        for place in range(len(form.header))
    ]


@portal_view(roles=MANAGERS)
@require_POST
def sample_switch(request: PortalRequest, sample_id: uuid.UUID) -> HttpResponse:
    sample = _found(request, sample_id)
    entity = request.POST.get("entity", "")
    if entity not in Entity.values:
        raise Http404("No such entity.")
    try:
        sample = samples.switch_entity(sample, entity=entity, actor=audit_actor(request))
    except ValidationError as refusal:
        messages.error(request, refusal.messages[0])
        return HttpResponseRedirect(portal_url(request, "sample-detail", sample.pk))
    return _started(request, sample)


# -- The result ---------------------------------------------------------------


@portal_view()
def sample_detail(request: PortalRequest, sample_id: uuid.UUID) -> HttpResponse:
    sample = _found(request, sample_id)
    view = View(sample, sees_personal_data(request))
    faulty = request.GET.get("show", "faulty" if sample.invalid else "all") == "faulty"
    page = _page_number(request)
    done = sample.state == Sample.State.DONE
    found = checked_records(sample, faulty=faulty, start=(page - 1) * PER_PAGE) if done else []
    count = sample.invalid if faulty else sample.total
    better = fitting_entity(sample) if done else None
    context = {
        "sample": sample,
        "title": f"Sample of {sample.entity}",
        "state": sentence_of_page(sample),
        "breadcrumbs": [("Samples", portal_url(request, "sample-list")), (f"Sample of {sample.entity}", None)],
        "without_columns": is_without_columns(sample),
        "is_open": sample.state in (Sample.State.WAITING, Sample.State.CHECKING),
        "groups": view.groups(),
        "records": [
            (record, view.lines(record), *map(view.all_explained, (record.errors, record.warnings))) for record in found
        ],
        "columns": view.columns() if done else [],
        "better": Entity(better) if better else None,
        "may_mend": request.role in MANAGERS,
        "personal": view.personal,
        "tabs": [
            ("Only faulty", "?show=faulty#records", faulty, sample.invalid),
            ("All records", "?show=all#records", not faulty, sample.total),
        ],
        "shown": f"{(page - 1) * PER_PAGE + 1:,} to {(page - 1) * PER_PAGE + len(found):,} of {count:,}"
        if found
        else "Nothing here",
        "page": page,
        **_pager(request, page, more=page * PER_PAGE < count),
    }
    return render_page(request, "onboarding/sample_detail.html", context, fragment="sample")


@portal_view()
def sample_record(request: PortalRequest, sample_id: uuid.UUID, index: int) -> HttpResponse:
    """To a faulty record on the page where it stands: the links of the groups lead here."""
    sample = _found(request, sample_id)
    page = page_of(sample, index)
    address = portal_url(request, "sample-detail", sample.pk)
    return HttpResponseRedirect(f"{address}?show=faulty&page={page}#record-{index + 1}")


@portal_view()
def sample_refused(request: PortalRequest, sample_id: uuid.UUID) -> HttpResponse:
    """The refused rows to take away, with what is wrong in one more column."""
    sample = _found(request, sample_id)
    view = View(sample, sees_personal_data(request))
    if view.is_csv:
        response = HttpResponse(view.refused_csv(), content_type="text/csv; charset=utf-8")
        name = f"refused-{sample.entity}.csv"
    else:
        response = HttpResponse(view.refused_lines(), content_type="application/jsonl; charset=utf-8")
        name = f"refused-{sample.entity}.jsonl"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@portal_view(roles=MANAGERS)
def sample_mend(request: PortalRequest, sample_id: uuid.UUID) -> HttpResponse:
    """The editor: the whole payload where it is small, else the faulty records of a page."""
    sample = _found(request, sample_id)
    address = portal_url(request, "sample-detail", sample.pk)
    if not sample.body or is_without_columns(sample) or not sees_personal_data(request):
        return HttpResponseRedirect(address)
    whole = sample.size <= EDITABLE
    page = _page_number(request)
    found = checked_records(sample, faulty=True, start=(page - 1) * PER_PAGE)
    if not whole and not found:
        return HttpResponseRedirect(address)
    form = MendForm(request.POST or None, initial=_mend_initial(sample, found, whole=whole))
    if request.method == "POST" and form.is_valid():
        try:
            return _started(request, _mended(request, sample, form))
        except ValidationError as refusal:
            form.add_error("text", refusal)
    view = View(sample, sees_personal_data(request))
    context = {
        "sample": sample,
        "form": form,
        "whole": whole,
        "state": sentence_for(sample).removesuffix(MEND),
        "faults": [(record, view.all_explained(record.errors)) for record in found],
        "breadcrumbs": [
            ("Samples", portal_url(request, "sample-list")),
            (f"Sample of {sample.entity}", address),
            ("Mend", None),
        ],
        "cancel_url": address,
    }
    return render_page(request, "onboarding/sample_mend.html", context)


def _mend_initial(sample: Sample, found: list[Any], *, whole: bool) -> dict[str, str]:
    if whole:
        return {"text": editable_text(sample) or ""}
    indexes = ",".join(str(record.index) for record in found)
    return {"text": faulty_text(sample, found), "indexes": indexes}


@transaction.atomic
def _mended(request: PortalRequest, sample: Sample, form: MendForm) -> Sample:
    if not submissions.is_first(request, form.cleaned_data["submission"]):
        raise ValidationError("This was sent already; the result is in the list of samples.", code="twice")
    indexes, payload, actor = form.cleaned_data["indexes"], form.cleaned_data["text"], audit_actor(request)
    if indexes:
        return samples.mend_records(sample, indexes=indexes, payload=payload, actor=actor)
    return samples.mend_sample(sample, payload=payload, actor=actor)
