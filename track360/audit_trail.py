"""Reading the audit trail: filtered, by keyset, and as CSV."""

from __future__ import annotations

import csv
import datetime as dt
import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django import forms
from django.db.models import Q, QuerySet
from django.utils.dateparse import parse_datetime

from track360.audit_words import PHRASES, phrase
from track360.chunks import in_chunks
from track360.fields import MomentField
from track360.models import AuditEvent, Partner
from track360.spreadsheets import guarded

PER_PAGE = 50
MAX_TEXT = 200
COLUMNS = (
    "time", "person", "email", "client", "did", "action", "target", "partner", "environment", "address", "detail",
)  # fmt: skip


def events_of(partner: Partner | None) -> QuerySet[AuditEvent]:
    """Everything that was done at one partner; with None, everywhere."""
    events = AuditEvent.objects.select_related("actor", "partner", "environment")
    return events if partner is None else events.filter(partner=partner)


class AuditFilterForm(forms.Form):
    """The filters of the trail, read from the query string. `across` adds the one that finds a partner."""

    use_required_attribute = False

    def __init__(self, data: dict[str, Any], *, across: bool) -> None:
        super().__init__(data)
        if across:
            self.fields["partner"] = _text("Partner")
        self.fields["person"] = _text("Person or client")
        self.fields["action"] = forms.ChoiceField(required=False, choices=_actions(data.get("action", "")))
        self.fields["target"] = _text("Target")
        self.fields["from"] = MomentField(required=False, label="From")
        self.fields["to"] = MomentField(required=False, label="Before")

    @property
    def is_filtered(self) -> bool:
        return any(str(self.data.get(name, "")).strip() for name in self.fields)

    def condition(self) -> Q | None:
        """Which rows are meant; None where the filters cannot be read: that finds nothing."""
        if not self.is_valid():
            return None
        wanted = self.cleaned_data
        condition = Q()
        if person := wanted["person"]:
            condition &= (
                Q(actor__email__icontains=person) | Q(actor__name__icontains=person) | Q(client_id__icontains=person)
            )
        if partner := wanted.get("partner"):
            condition &= Q(partner__slug__icontains=partner) | Q(partner__name__icontains=partner)
        exact = {
            "action": wanted["action"],
            "target__icontains": wanted["target"],
            "at__gte": wanted["from"],
            "at__lt": wanted["to"],
        }
        return condition & Q(**{name: value for name, value in exact.items() if value})


def _text(label: str) -> forms.CharField:
    return forms.CharField(
        required=False,
        label=label,
        max_length=MAX_TEXT,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


def _actions(chosen: str) -> list[Any]:
    """The actions by what they are about; one without a phrase, which a link may name, stands as it is."""
    names = sorted({*PHRASES, *([chosen] if len(chosen) <= 64 and chosen.isprintable() and chosen else [])})
    groups: dict[str, list[tuple[str, str]]] = {}
    for name in names:
        noun, _, verb = name.partition(".")
        label = f"{noun} {verb}".replace("_", " ").strip()
        groups.setdefault(noun.replace("_", " ").capitalize(), []).append((name, label))
    return [("", "Any"), *groups.items()]


@dataclass(frozen=True)
class EventPage:
    """Up to 50 events, the newest first, and where the list goes on."""

    rows: list[AuditEvent]
    older: str  # the value of `before`; empty at the end
    newer: str  # the value of `after`
    is_first: bool


def page_of(events: QuerySet[AuditEvent], condition: Q | None, *, before: str = "", after: str = "") -> EventPage:
    """A position that cannot be read counts as none: it is nothing that a person typed."""
    if condition is None:
        return EventPage([], "", "", is_first=True)
    position = _read_position(before or after)
    upwards = bool(after and not before and position)
    found = events.filter(condition & (_beyond(position, upwards=upwards) if position else Q()))
    rows = list(found.order_by(*(("at", "id") if upwards else ("-at", "-id")))[: PER_PAGE + 1])
    more, rows = len(rows) > PER_PAGE, rows[:PER_PAGE]
    if upwards:
        rows.reverse()
    has_older, has_newer = (True, more) if upwards else (more, position is not None)
    return EventPage(
        rows,
        older=_position_of(rows[-1]) if rows and has_older else "",
        newer=_position_of(rows[0]) if rows and has_newer else "",
        is_first=position is None,
    )


def _beyond(position: tuple[dt.datetime, uuid.UUID], *, upwards: bool) -> Q:
    """The row comparison on (at, id), with the bound on `at` alone that lets the index start there."""
    at, last = position
    if upwards:
        return Q(at__gte=at) & (Q(at__gt=at) | Q(id__gt=last))
    return Q(at__lte=at) & (Q(at__lt=at) | Q(id__lt=last))


def _position_of(event: AuditEvent) -> str:
    return f"{event.at.isoformat()}~{event.pk}"


def _read_position(text: str) -> tuple[dt.datetime, uuid.UUID] | None:
    moment, _, last = text.partition("~")
    try:
        at = parse_datetime(moment)
        return (at, uuid.UUID(last)) if at is not None and at.tzinfo is not None else None
    except ValueError:
        return None


class _Echo:
    """What csv.writer writes to: it gives the line back."""

    def write(self, line: str) -> str:
        return line


def csv_lines(events: QuerySet[AuditEvent], condition: Q) -> Iterator[str]:
    """The trail as CSV (RFC 4180), the newest first, a line at a time."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for event in in_chunks(events.filter(condition).order_by("-at", "-id"), 2000):
        yield writer.writerow(guarded(cell) for cell in _cells(event))


def _cells(event: AuditEvent) -> tuple[str, ...]:
    return (
        event.at.astimezone(dt.UTC).isoformat().replace("+00:00", "Z"),
        event.actor.name if event.actor else "",
        event.actor.email if event.actor else "",
        event.client_id,
        phrase(event.action, event.target),
        event.action,
        event.target,
        event.partner.slug if event.partner else "",
        event.environment.kind if event.environment else "",
        event.ip or "",
        json.dumps(event.detail, ensure_ascii=False) if event.detail else "",
    )


def facts_of(detail: Any, *, prefix: str = "") -> list[tuple[str, str]]:
    """What an event knows besides, as (name, value): nested names are joined by a dot, lists of words by a comma."""
    facts: list[tuple[str, str]] = []
    for name, value in (detail if isinstance(detail, dict) else {"detail": detail}).items():
        label = f"{prefix}{name}".replace("_", " ")
        if isinstance(value, dict) and value:
            facts += facts_of(value, prefix=f"{label}.")
        elif isinstance(value, list) and value and all(isinstance(part, str | int) for part in value):
            facts.append((label, ", ".join(map(str, value))))
        else:
            facts.append((label, _word(value)))
    return facts


def _word(value: Any) -> str:
    if value is None or value in ({}, [], ""):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
