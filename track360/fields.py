"""Form fields that several apps' filters have."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_date, parse_datetime


class DayWidget(forms.DateInput):
    """The browser's day picker; a text box for whatever else stands in it, which the picker would drop."""

    input_type = "date"

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        context = super().get_context(name, value, attrs)
        if value and not _day(str(value)):
            context["widget"]["type"] = "text"
        return context


def _day(text: str) -> dt.date | None:
    """The day that `text` is; None for what is none, or none that exists."""
    try:
        return parse_date(text)
    except ValueError:
        return None


class MomentField(forms.Field):
    """A day (its begin, UTC) or a time with an offset, as the API takes it. Cleans to an aware datetime."""

    widget = DayWidget
    default_error_messages = {"invalid": "Write a day like 2026-03-15 or a time like 2026-03-15T12:00:00Z."}

    def to_python(self, value: Any) -> dt.datetime | None:
        text = str(value or "").strip()
        if not text:
            return None
        if day := _day(text):
            return dt.datetime.combine(day, dt.time(), dt.UTC)
        with suppress(ValueError, OverflowError):
            moment = parse_datetime(text)
            if moment is not None and moment.tzinfo is not None:
                return moment.astimezone(dt.UTC)
        raise ValidationError(self.default_error_messages["invalid"], code="invalid")


class DayField(MomentField):
    """A day. Cleans to a date."""

    default_error_messages = {"invalid": "Write a day like 2026-03-15."}

    def to_python(self, value: Any) -> Any:
        text = str(value or "").strip()
        if not text:
            return None
        if day := _day(text):
            return day
        raise ValidationError(self.default_error_messages["invalid"], code="invalid")
