"""The filters of the portal's lists: the API's own, under the API's names, read from the query string."""

from __future__ import annotations

import uuid
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from entities.erasure import REASON_LENGTH
from entities.findings import ERROR_CODES
from entities.listings import LISTINGS, Filters
from entities.mending import EDITABLE
from entities.models import Entity, QuarantinedRecord
from entities.pipeline import InvalidJson, parse_json
from entities.portal_lists import ID_COLUMNS
from entities.replays import COLUMNS
from entities.retries import MENDED
from track360.fields import DayField, MomentField

MAX_TEXT = 500
ANY = "any"
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
    """Which refused records: by default those that are held."""

    use_required_attribute = False

    entity = forms.ChoiceField(required=False, choices=[("", "Any"), *Entity.choices])
    code = forms.ChoiceField(
        required=False, label="Cause", choices=[("", "Any"), *((code, code) for code in sorted([*ERROR_CODES, MENDED]))]
    )
    field = forms.CharField(
        required=False,
        max_length=MAX_TEXT,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    state = forms.ChoiceField(required=False, choices=[*QuarantinedRecord.State.choices, (ANY, "Any")])
    # The page of a run leads here with it.
    run = forms.UUIDField(required=False, widget=forms.HiddenInput)

    def clean_state(self) -> str:
        return self.cleaned_data["state"] or QuarantinedRecord.State.HELD

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields)

    def filters(self) -> dict[str, str]:
        """What `quarantined_for` takes."""
        state = self.cleaned_data["state"]
        return self.cause() | ({} if state == ANY else {"state": state})

    def run_id(self) -> uuid.UUID | None:
        """The run that the page is about; None where it is about all of them."""
        return self.cleaned_data["run"] if self.is_valid() else None

    def cause(self) -> dict[str, str]:
        """What a replay takes: the filters that are set, but for the state."""
        return {name: str(value) for name in COLUMNS if (value := self.cleaned_data[name])}

    @property
    def is_of_held(self) -> bool:
        return self.is_valid() and self.cleaned_data["state"] == QuarantinedRecord.State.HELD


class EditForm(forms.Form):
    """A refused record as JSON, to be mended. Cleans to the parsed record."""

    use_required_attribute = False
    text = forms.CharField(
        label="Record",
        strip=False,
        max_length=EDITABLE,
        widget=forms.Textarea(attrs={"rows": 20, "spellcheck": "false", "wrap": "off", "autocomplete": "off"}),
        help_text="One JSON object. The record as it was sent stays beside it.",
    )

    def clean_text(self) -> Any:
        text = self.cleaned_data["text"]
        try:
            return parse_json(text.encode())
        except UnicodeEncodeError:
            raise ValidationError("It holds half of a character.", code="invalid_json") from None
        except InvalidJson as error:
            place = "" if error.offset is None else _line(text, error.offset)
            raise ValidationError(f"This is not valid JSON{place}: {error}.", code="invalid_json") from None


def _line(text: str, offset: int) -> str:
    number = text.encode()[:offset].count(b"\n") + 1
    return f" in line {number}"


class DropForm(forms.Form):
    use_required_attribute = False
    reason = forms.CharField(
        strip=True,
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Why they are not needed: test players, sent again under another id. It stays with each record.",
        error_messages={"required": "Say why they are not needed."},
    )
