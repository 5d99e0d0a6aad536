"""The filters of the portal's lists: the API's own, under the API's names, read from the query string."""

from __future__ import annotations

import datetime as dt
from contextlib import suppress
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.utils.dateparse import parse_date, parse_datetime

from entities.findings import ERROR_CODES
from entities.listings import LISTINGS, Filters
from entities.models import Entity
from entities.portal_lists import ID_COLUMNS

MAX_TEXT = 500
LABELS = {
    "customer_id": "Customer id",
    "transaction_id": "Transaction id",
    "affiliate_id": "Affiliate",
    "campaign_id": "Campaign",
    "country_code": "Country",
    "kyc_status_id": "KYC status, as sent",
    "transaction_type": "Type",
    "status": "Status, as sent",
    "currency": "Currency",
    "game_type": "Game type",
    "signup_from": "Signed up from",
    "signup_to": "Signed up before",
    "from": "From",
    "to": "Before",
}
TRANSACTION_TYPES = ("deposit", "withdrawal", "bonus", "adjustment", "other")


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


class RecordFilterForm(forms.Form):
    """The search box and the filters of one entity's list."""

    use_required_attribute = False

    def __init__(self, *args: Any, entity: Entity, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        listing = LISTINGS[entity]
        self.id_column = ID_COLUMNS.get(entity)
        by_day = entity == Entity.ACTIVITY
        names = [*([self.id_column] if self.id_column else []), *listing.exact]
        for name in names:
            self.fields[name] = self._text_field(name)
        for name in listing.range_names:
            field = DayField if by_day else MomentField
            self.fields[name] = field(required=False, label=LABELS[name])

    def _text_field(self, name: str) -> forms.Field:
        if name == "transaction_type":
            choices = [("", "Any"), *((kind, kind.capitalize()) for kind in TRANSACTION_TYPES)]
            return forms.ChoiceField(required=False, label=LABELS[name], choices=choices)
        return forms.CharField(
            required=False,
            label=LABELS[name],
            max_length=MAX_TEXT,
            strip=False,
            widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        )

    def clean_country_code(self) -> str:
        return str(self.cleaned_data["country_code"]).strip().upper()

    def clean_currency(self) -> str:
        return str(self.cleaned_data["currency"]).strip().upper()

    def filters(self) -> Filters:
        """What `selectors.records_for` takes: the filters that are set, without the search box."""
        return {
            name: value
            for name, value in self.cleaned_data.items()
            if value not in ("", None) and name != self.id_column
        }

    def record_id(self) -> str:
        return self.cleaned_data.get(self.id_column, "") if self.id_column else ""

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields)


class QuarantineFilterForm(forms.Form):
    use_required_attribute = False

    entity = forms.ChoiceField(required=False, choices=[("", "Any"), *Entity.choices])
    code = forms.ChoiceField(
        required=False, label="Cause", choices=[("", "Any"), *((code, code) for code in sorted(ERROR_CODES))]
    )

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields)
