"""The filters of the portal's lists: the API's own, under the API's names, read from the query string."""

from __future__ import annotations

from typing import Any

from django import forms

from entities.findings import ERROR_CODES
from entities.listings import LISTINGS, Filters
from entities.models import Entity
from entities.portal_lists import ID_COLUMNS
from track360.fields import DayField, MomentField

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
