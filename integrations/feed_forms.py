"""The forms of a feed: what is read, how, when. What they hold is judged by the actions, and told at the field."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField

from entities.pipeline.validate import schema_for
from integrations import feed_rules as rules
from integrations.connection_forms import PLAIN, GroupedForm
from integrations.models import Connection, Feed

UNITS = {"s": dt.timedelta(seconds=1), "min": dt.timedelta(minutes=1), "h": dt.timedelta(hours=1)}
UNITS["d"] = dt.timedelta(days=1)
UNIT_LABELS = (("s", "seconds"), ("min", "minutes"), ("h", "hours"), ("d", "days"))
SCHEDULES = (("minutes", "Every so many minutes"), ("daily", "Daily at a time"), ("asked", "Only when asked for"))
NUMERIC = forms.TextInput(attrs={**PLAIN, "inputmode": "numeric"})
REST_ONLY = ("path", "query", "records_at", "paging", *rules.OPTIONS)
# What the action calls otherwise than the form does
FORM_NAMES = {"overlap": "overlap_number"}


def _text(label: str, hint: str = "", *, most: int = 200) -> forms.CharField:
    return forms.CharField(
        label=label, help_text=hint, required=False, max_length=most, widget=forms.TextInput(attrs=PLAIN)
    )


def _area(label: str, hint: str, *, most: int, rows: int = 4) -> forms.CharField:
    widget = forms.Textarea(attrs={**PLAIN, "rows": rows})
    return forms.CharField(label=label, help_text=hint, required=False, max_length=most, widget=widget)


class FeedForm(GroupedForm):
    path = _text("Path", "Below the base URL, such as /players.", most=500)
    query = _area(
        "Query parameters",
        "One a line, such as modified_since={since}. We fill in {since} and {until}: RFC 3339, or as {since:date}, "
        "{since:unix}, {since:ms}.",
        most=20_000,
    )
    records_at = _text("Where the records are", "JSON pointer into the answer, such as /data; empty: it is the array.")
    paging = forms.ChoiceField(label="Paging", choices=Feed.Paging.choices, widget=forms.RadioSelect)
    page_parameter = _text("Parameter for the page", "Such as page.")
    first_page = forms.ChoiceField(label="The first page is", choices=(("1", "1"), ("0", "0")), required=False)
    offset_parameter = _text("Parameter for the offset", "Such as offset.")
    cursor_parameter = _text("Parameter for the cursor", "Such as cursor.")
    cursor_at = _text("Where the next cursor is", "JSON pointer, such as /meta/next_cursor.")
    next_at = _text("Where the next address is", "JSON pointer, such as /links/next.")
    size_parameter = _text("Parameter for the page’s size", "Such as per_page; empty: the API has none.")
    relation = _text("Table or view", "With its schema where needed: reporting.players.")
    select = _area("Or a SELECT", "One statement, instead of a table.", most=rules.SELECT_LENGTH, rows=5)
    cursor_column = _text(
        "Cursor column", "A time, date or number that rises with each change. Empty: all is read each time."
    )
    time_zone = _text("Time zone", "Of times that bear no offset: UTC, or one like Europe/Malta.", most=64)
    pattern = forms.ChoiceField(label="Pattern", choices=Feed.Pattern.choices, widget=forms.RadioSelect)
    pull_wins = forms.BooleanField(
        label="What we fetch replaces what was pushed",
        required=False,
        help_text="Otherwise what was pushed stands, and the difference is shown.",
    )
    schedule = forms.ChoiceField(label="When", choices=SCHEDULES, widget=forms.RadioSelect)
    every_minutes = forms.IntegerField(label="Minutes", required=False, help_text="1 to 1440.", widget=NUMERIC)
    daily_at = forms.TimeField(
        label="Time, UTC", required=False, widget=forms.TextInput(attrs=PLAIN), help_text="Such as 05:00."
    )
    overlap_number = forms.IntegerField(
        label="Overlap",
        help_text="A run begins so long before where the last one ended. What is read again changes nothing.",
        widget=NUMERIC,
    )
    overlap_unit = forms.ChoiceField(label="Unit", choices=UNIT_LABELS)
    page_size = forms.IntegerField(label="Records a page", help_text="1 to 10,000.", widget=NUMERIC)

    layout = (
        ("What is read", "", ("path", "query", "records_at"), ""),
        ("What is read", "", ("relation", "select", "cursor_column"), ""),
        ("Pages", "", ("paging",), ""),
        ("", "", ("page_parameter", "first_page"), "page"),
        ("", "", ("offset_parameter",), "offset"),
        ("", "", ("cursor_parameter", "cursor_at"), "cursor"),
        ("", "", ("next_at",), "next"),
        ("", "", ("size_parameter",), "page offset cursor next link"),
        ("Schedule", "", ("schedule",), ""),
        ("", "", ("every_minutes",), "minutes"),
        ("", "", ("daily_at",), "daily"),
        ("", "", ("overlap_number", "overlap_unit"), ""),
        ("", "", ("page_size", "time_zone"), ""),
        ("Beside what is pushed", "", ("pattern",), ""),
        ("", "", ("pull_wins",), "hybrid"),
    )

    def __init__(
        self, data: Any = None, *, connection: Connection, entity: str, feed: Feed | None, seen: Iterable[str] = ()
    ) -> None:
        self.connection, self.entity, self.seen = connection, entity, list(seen)
        before = {name: getattr(feed, name) for name in rules.FIELDS} if feed else rules.defaults(entity)
        super().__init__(data, initial=_initial(before))
        for name in rules.SQL_READ if not connection.is_sql else REST_ONLY:
            del self.fields[name]
        schema = schema_for(entity)
        for name in schema["properties"]:
            widget = forms.TextInput(attrs={**PLAIN, "list": "seen", "class": "input"})
            most = rules.SOURCE_NAME_LENGTH
            self.fields[f"fields.{name}"] = forms.CharField(label=name, required=False, max_length=most, widget=widget)

    @property
    def mapping(self) -> list[tuple[BoundField, bool]]:
        """The input of each of the guide's fields, and whether the guide requires it."""
        required = schema_for(self.entity)["required"]
        return [(self[f"fields.{name}"], name in required) for name in schema_for(self.entity)["properties"]]

    def clean_query(self) -> dict[str, str]:
        """Each line on its own, so that the message names the one that is wrong."""
        found: dict[str, str] = {}
        for number, line in enumerate(self.cleaned_data["query"].splitlines(), start=1):
            name, equals, value = line.partition("=")
            if not line.strip():
                continue
            if not equals or not name.strip():
                raise ValidationError(f"Line {number}: write the parameter, =, and its value.", code="query")
            if name.strip() in found:
                raise ValidationError(f"Line {number}: {name.strip()} stands there twice.", code="query")
            found[name.strip()] = value.strip()
        return found

    def values(self) -> dict[str, Any]:
        """For the action, without what the choices made leave unused."""
        data = self.cleaned_data
        found = {name: data[name] for name in rules.FIELDS if name in data}
        found["fields"] = {
            name.removeprefix("fields."): value for name, value in data.items() if name.startswith("fields.") and value
        }
        if "paging" in data:
            needed, more = rules.PAGING_OPTIONS[data["paging"]]
            found["paging_options"] = {name: _option(name, data[name]) for name in (*needed, *more) if data[name]}
        found["every_minutes"] = data["every_minutes"] if data["schedule"] == "minutes" else None
        found["daily_at"] = data["daily_at"] if data["schedule"] == "daily" else None
        found["pull_wins"] = data["pull_wins"] and data["pattern"] == Feed.Pattern.HYBRID
        return found

    def clean(self) -> dict[str, Any]:
        data = super().clean() or self.cleaned_data
        number, unit = data.get("overlap_number"), data.get("overlap_unit")
        if number is not None and unit:
            if not 0 <= number * UNITS[unit].total_seconds() <= rules.LONGEST_OVERLAP.total_seconds():
                self.add_error("overlap_number", ValidationError("The overlap is 0 to 31 days.", code="overlap"))
            else:
                data["overlap"] = number * UNITS[unit]
        for choice, name in (("minutes", "every_minutes"), ("daily", "daily_at")):
            if data.get("schedule") == choice and data.get(name) is None and name not in self.errors:
                self.add_error(name, ValidationError("Say when.", code=name))
        return data

    def field_of(self, code: str) -> str | None:
        first, _, member = code.partition(".")
        if first == "paging_options":
            first = member
        name = code if code.startswith("fields.") else FORM_NAMES.get(first, first)
        return name if name in self.fields else None


def _option(name: str, value: str) -> str | int:
    return int(value) if name == "first_page" else value


def _initial(before: dict[str, Any]) -> dict[str, Any]:
    schedule = "minutes" if before["every_minutes"] else "daily" if before["daily_at"] else "asked"
    unit = next(name for name in ("d", "h", "min", "s") if not before["overlap"] % UNITS[name])
    if not before["overlap"]:
        unit = "min"
    return {
        **before,
        **{name: str(value) for name, value in before["paging_options"].items()},
        **{f"fields.{name}": source for name, source in before["fields"].items()},
        "query": "\n".join(f"{name}={value}" for name, value in before["query"].items()),
        "daily_at": before["daily_at"].strftime("%H:%M") if before["daily_at"] else None,
        "schedule": schedule,
        "overlap_number": before["overlap"] // UNITS[unit],
        "overlap_unit": unit,
    }


class CursorForm(forms.Form):
    use_required_attribute = False
    cursor = forms.CharField(
        label="From where the next run reads", required=False, max_length=64, widget=forms.TextInput(attrs=PLAIN)
    )

    HINTS = {
        Feed.CursorKind.MOMENT: "A moment in UTC, such as 2026-03-15T00:00:00Z. Empty: from the beginning.",
        Feed.CursorKind.DAY: "A date, such as 2026-03-15. Empty: from the beginning.",
        Feed.CursorKind.NUMBER: "A whole number. Empty: from the beginning.",
    }

    def __init__(self, data: Any = None, *, feed: Feed) -> None:
        super().__init__(data, initial={"cursor": feed.cursor})
        self.fields["cursor"].help_text = self.HINTS[Feed.CursorKind(feed.cursor_kind)]


class BackfillForm(GroupedForm):
    first_day = forms.DateField(
        label="First day, UTC", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    )
    last_day = forms.DateField(label="Last day, UTC", widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"))
