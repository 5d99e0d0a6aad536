"""The forms of the credentials and requests pages: they clean one request's input and hand it to an action."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from entities.models import Entity
from integrations import clients
from track360.fields import MomentField
from track360.problems import PROBLEM_TYPES

OVERLAPS = {"0": "Now", "1": "In 1 hour", "24": "In 24 hours", "168": "In 7 days"}  # keys in hours
SCOPE_LABELS = {
    "read": "read: list and fetch records",
    "write": "write: send, validate and replace records",
    "manage": "manage: what people do in this portal, by your own programs",
}
# What `clients.create_client` refuses, by the field that it is about
FIELD_OF_CODE = {"name": "name", "scope": "scopes", "ip_range": "ip_ranges"}


class SubmissionForm(forms.Form):
    """A form that counts once: its `submission` is made with the page and remembered when the form is sent."""

    use_required_attribute = False
    submission = forms.UUIDField(required=False, widget=forms.HiddenInput, initial=uuid.uuid4)


class ClientForm(SubmissionForm):
    name = forms.CharField(
        max_length=100,
        help_text="What will use it, for example “CRM exporter”. Shown in lists and logs.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    scopes = forms.MultipleChoiceField(
        choices=list(SCOPE_LABELS.items()),
        initial=clients.DEFAULT_SCOPES,
        widget=forms.CheckboxSelectMultiple,
        help_text="What its tokens may do. Give only what it needs.",
        error_messages={"required": "Choose at least one scope."},
    )
    ip_ranges = forms.CharField(
        label="Allowed addresses",
        required=False,
        widget=forms.Textarea(attrs={"rows": 3, "spellcheck": "false"}),
        help_text="One address or range a line, such as 192.0.2.7 or 192.0.2.0/24. Empty allows every address.",
    )

    def clean_ip_ranges(self) -> list[str]:
        """Each line on its own, so that the message names the one that is wrong."""
        ranges: list[str] = []
        errors = []
        for number, line in enumerate(self.cleaned_data["ip_ranges"].splitlines(), start=1):
            if line.strip():
                try:
                    ranges += clients.checked_ip_ranges([line])
                except ValidationError as error:
                    errors.append(ValidationError(f"Line {number}: {error.message}", code="ip_range"))
        if errors:
            raise ValidationError(errors)
        return ranges

    def add_refusal(self, refusal: ValidationError) -> None:
        self.add_error(FIELD_OF_CODE.get(getattr(refusal, "code", "")), refusal)


class RotateForm(SubmissionForm):
    overlap = forms.ChoiceField(
        label="The current secret ends",
        choices=list(OVERLAPS.items()),
        initial="24",
        widget=forms.RadioSelect,
        help_text="Until then both secrets work, so you can deploy the new one without an outage.",
    )

    def clean_overlap(self) -> timedelta:
        return timedelta(hours=int(self.cleaned_data["overlap"]))


def status_choices() -> list[Any]:
    codes = sorted({200, 201, *(problem.status for problem in PROBLEM_TYPES.values())})
    return [
        ("", "Any"),
        ("2xx", "2xx succeeded"),
        ("4xx", "4xx refused"),
        ("5xx", "5xx failed"),
        ("One code", [(str(code), str(code)) for code in codes]),
    ]


class RequestFilterForm(forms.Form):
    """The filters of the request list, read from the query string."""

    use_required_attribute = False

    id = forms.UUIDField(
        required=False,
        label="Request id",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        error_messages={"invalid": "A request id looks like 0198b4a2-6c1d-7d0e-9a55-3f0c5f6f2b11."},
    )
    status = forms.ChoiceField(required=False, choices=status_choices)
    entity = forms.ChoiceField(required=False, choices=[("", "Any"), *Entity.choices])
    client = forms.ChoiceField(required=False)
    method = forms.ChoiceField(
        required=False, choices=[("", "Any"), *((name, name) for name in ("GET", "POST", "PUT", "DELETE"))]
    )
    to = MomentField(required=False, label="Before")

    def __init__(self, *args: Any, client_names: list[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["client"].choices = [("", "Any"), *client_names]  # type: ignore[attr-defined]
        self.fields["from"] = MomentField(required=False, label="From")
        self.order_fields(["status", "entity", "client", "method", "from", "to", "id"])

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields)
