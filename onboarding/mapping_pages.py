"""The portal's mapping pages: what status values stand for, what a save would change, and what was saved before."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied, ValidationError
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from entities.addresses import page_addresses, portal_url
from entities.models import MappingChange, StatusField
from entities.paging import PER_PAGE, Page
from entities.status_values import Key, seen_values
from onboarding import mappings
from onboarding.mapping_table import (
    FieldTable,
    consequences,
    control_name,
    field_tables,
    touched,
    typed_values,
    wishes_of,
)
from track360.access import MANAGERS, STAFF_ROLE, audit_actor, portal_view
from track360.htmx import PortalRequest, render_page
from track360.models import Partner


@portal_view()
def mapping_list(request: PortalRequest) -> HttpResponse:
    if request.method != "POST":
        base = mappings.newest_change(request.partner)  # before what stands is read: a change in between is met later
        return _show(request, field_tables(request.partner), base=base)
    if request.role not in MANAGERS:
        raise PermissionDenied("Viewers read the mapping; an owner or a developer changes it.")
    typed = typed_values(request.POST) | _added(request)
    try:
        base = _base(request)
        typed = touched(typed, made_from=mappings.standing_at(request.partner, base), seen=seen_values(request.partner))
    except ValidationError as refusal:
        return _refused(request, refusal, typed=typed, base=mappings.newest_change(request.partner))
    if request.POST.get("step") == "edit":
        return _show(request, field_tables(request.partner, typed=typed), base=base)
    try:
        return (_save if request.POST.get("step") == "save" else _preview)(request, typed, base)
    except mappings.Conflict as refusal:
        return _refused(request, refusal, typed=typed, base=mappings.newest_change(request.partner))
    except ValidationError as refusal:
        return _refused(request, refusal, typed=typed, base=base)


def _preview(request: PortalRequest, typed: dict[Key, str], base: uuid.UUID) -> HttpResponse:
    """What the form would change; nothing is saved yet. Raises ValidationError for what could not be saved."""
    wishes = wishes_of(typed)
    mappings.check_wishes(wishes)
    found = consequences(field_tables(request.partner), wishes)
    if not found:
        messages.info(request, "Nothing to save: every value stands for what you chose already.")
        return redirect(portal_url(request, "mapping-list"))
    context = {
        "state": f"{_values(len(found))} would change. Nothing is saved yet.",
        "consequences": found,
        "typed": [(control_name(key), chosen) for key, chosen in typed.items()],
        "base": base,
        "breadcrumbs": [("Mappings", portal_url(request, "mapping-list")), ("Review", None)],
        "back_url": portal_url(request, "mapping-list"),
    }
    return render_page(request, "onboarding/mapping_preview.html", context)


def _save(request: PortalRequest, typed: dict[Key, str], base: uuid.UUID) -> HttpResponse:
    change = mappings.save_mappings(request.partner, wishes_of(typed), actor=audit_actor(request), base=base)
    if change is None:
        messages.info(request, "Nothing to save: every value stands for what you chose already.")
    else:
        messages.success(request, f"Saved: {_values(change.lines.count())} changed. Take it back under History.")
    return redirect(portal_url(request, "mapping-list"))


def _refused(
    request: PortalRequest, refusal: ValidationError, *, typed: dict[Key, str], base: uuid.UUID
) -> HttpResponse:
    """The form as it was filled in, with what is wrong at its place, and what others did meanwhile."""
    errors = {
        (error.params["field"], error.params["value"]): error.messages[0]
        for error in refusal.error_list
        if error.params
    }
    tables = field_tables(request.partner, typed=typed, errors=errors)
    return _show(request, tables, base=base, refusal=refusal)


def _show(
    request: PortalRequest, tables: list[FieldTable], *, base: uuid.UUID, refusal: ValidationError | None = None
) -> HttpResponse:
    context = {
        "state": _sentence(tables),
        "tables": tables,
        "base": base,
        "errors": refusal.messages if refusal else [],
        "others": refusal.lines if isinstance(refusal, mappings.Conflict) else [],
        "may_change": request.role in MANAGERS,
        "is_staff": request.role == STAFF_ROLE,
        "fields": StatusField.choices,
        "canonical": [(table.field.label, table.allowed) for table in tables],
    }
    return render_page(request, "onboarding/mapping_list.html", context)


def _added(request: PortalRequest) -> dict[Key, str]:
    """The value that a person declares before it has ever come."""
    raw, field = request.POST.get("new_value", "").strip(), request.POST.get("new_field", "")
    return {(field, raw): request.POST.get("new_meaning", "")} if raw else {}


def _base(request: PortalRequest) -> uuid.UUID:
    try:
        return uuid.UUID(request.POST.get("base", ""))
    except ValueError:
        raise ValidationError("The page is out of date. Look at what stands now, and save again.") from None


def _values(count: int) -> str:
    return "1 value" if count == 1 else f"{count} values"


def _sentence(tables: list[FieldTable]) -> str:
    waiting = {table.field.label: table.unmapped for table in tables if table.unmapped}
    if waiting:
        *parts, last = [f"{count} {label} {'value' if count == 1 else 'values'}" for label, count in waiting.items()]
        said = f"{', '.join(parts)} and {last}" if parts else last
        return f"{said} without a meaning. Next: choose what they stand for."
    empty = [table.field.label for table in tables if not table.rows]
    if empty:
        return f"No {' or '.join(empty)} value is known yet. Next: declare those that your platform uses."
    return f"All {sum(not row.is_new for table in tables for row in table.rows)} values have a meaning."


# -- History ------------------------------------------------------------------


@portal_view()
def mapping_history(request: PortalRequest) -> HttpResponse:
    page = _newest_changes(request.partner, before=request.GET.get("before", ""))
    context = {
        "state": "Every save is kept, and can be taken back." if page.rows else "Nothing has been saved yet.",
        "changes": page.rows,
        "may_change": request.role in MANAGERS,
        "breadcrumbs": [("Mappings", portal_url(request, "mapping-list")), ("History", None)],
        "shown": "Newest first",
        **page_addresses(request, page),
    }
    return render_page(request, "onboarding/mapping_history.html", context)


def _newest_changes(partner: Partner, *, before: str) -> Page[MappingChange]:
    """50 changes, newest first; `before` is the time of the last one on the page before."""
    changes = MappingChange.objects.filter(partner=partner).select_related("by", "undone_by").prefetch_related("lines")
    moment = _moment(before)
    if moment:
        changes = changes.filter(at__lt=moment)
    found = list(changes.order_by("-at")[: PER_PAGE + 1])
    rows = found[:PER_PAGE]
    older = {"before": rows[-1].at.isoformat()} if len(found) > PER_PAGE else None
    return Page(rows=rows, older=older, newer=None, is_first=moment is None)


def _moment(text: str) -> dt.datetime | None:
    """A time that a link of ours bears; None for anything else: it is nothing that a person typed."""
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


@portal_view(roles=MANAGERS)
@require_POST
def mapping_undo(request: PortalRequest, change_id: uuid.UUID) -> HttpResponse:
    change = get_object_or_404(MappingChange.objects.select_related("partner"), partner=request.partner, pk=change_id)
    try:
        mappings.undo_change(change, actor=audit_actor(request))
        messages.success(request, "Taken back: the values stand for what they stood for before.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return redirect(portal_url(request, "mapping-history"))


@portal_view(roles=frozenset({STAFF_ROLE}))
@require_POST
def mapping_canonical(request: PortalRequest) -> HttpResponse:
    """A new canonical value, for all partners."""
    data: Any = request.POST
    try:
        added = mappings.add_canonical_value(
            data.get("field", ""), data.get("value", "").strip(), actor=audit_actor(request)
        )
        messages.success(request, f"{added.value} can be chosen now, by every partner.")
    except ValidationError as refusal:
        messages.error(request, " ".join(refusal.messages))
    return redirect(portal_url(request, "mapping-list"))
