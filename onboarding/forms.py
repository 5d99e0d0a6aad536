"""The forms of the checklist's pages: they clean one request's input and hand it to an action."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zoneinfo import available_timezones

from django import forms
from django.core.exceptions import ValidationError

from entities.models import Entity
from integrations.forms import SubmissionForm
from onboarding.agreements import LONGEST_TEXT, MOST_CONTACTS
from onboarding.models import Pattern, Scope

ROWS = 5  # of people, at least
NOT_SENT = ""
LONGEST = {"name": 200, "email": 254, "role": 100}  # of what is said about a person


def time_zones() -> list[str]:
    """The IANA names that a person would choose."""
    return sorted(name for name in available_timezones() if "/" in name and not name.startswith("Etc/")) + ["UTC"]


class ScopeForm(forms.Form):
    """What is sent, how, by whom: one version of the scope. `version` is the one that the reader had before him."""

    use_required_attribute = False
    version = forms.CharField(required=False, max_length=20, widget=forms.HiddenInput)
    time_zone = forms.CharField(
        max_length=64,
        help_text="Of your reports. A day begins and ends at its midnight when your figures are compared with ours.",
        widget=forms.TextInput(attrs={"list": "time-zones", "autocomplete": "off", "spellcheck": "false"}),
        error_messages={"required": "Choose a time zone by its IANA name, such as Europe/Malta."},
    )
    history_from = forms.DateField(
        label="History from",
        required=False,
        input_formats=["%Y-%m-%d"],
        widget=forms.DateInput(format="%Y-%m-%d", attrs={"type": "date"}),
        help_text="The first day of the history that you will load. Empty: none, you begin with what is new.",
        error_messages={"invalid": "Write the day as 2026-03-15."},
    )

    def __init__(self, data: Mapping[str, Any] | None = None, *, scope: Scope | None) -> None:
        super().__init__(data, initial=_initial(scope))
        contacts = scope.contacts if scope else []
        self.people = max(ROWS, len(contacts), _people_in(data or {}))
        for entity in Entity:
            self.fields[f"pattern_{entity.value}"] = forms.ChoiceField(
                label=entity.label,
                choices=[*Pattern.choices, (NOT_SENT, "Not sent")],
                required=False,
                widget=forms.RadioSelect,
                error_messages={"invalid_choice": "Choose one of the four."},
            )
        for number in range(1, self.people + 1):
            self.fields |= {f"{member}_{number}": _member(member, number) for member in LONGEST}

    @property
    def patterns(self) -> list[forms.BoundField]:
        return [self[f"pattern_{entity.value}"] for entity in Entity]

    @property
    def contacts(self) -> list[list[forms.BoundField]]:
        return [[self[f"{member}_{number}"] for member in LONGEST] for number in range(1, self.people + 1)]

    def clean(self) -> dict[str, Any]:
        """A person who is begun needs a name and an address; one that is not begun is none."""
        cleaned = super().clean() or {}
        for number in range(1, self.people + 1):
            if any(cleaned.get(f"{member}_{number}") for member in LONGEST):
                for member, missing in (("name", "Who is this?"), ("email", "Write an email address.")):
                    if not cleaned.get(f"{member}_{number}") and f"{member}_{number}" not in self.errors:
                        self.add_error(f"{member}_{number}", missing)
        return cleaned

    def is_based_on(self, newest: Scope | None) -> bool:
        """False, with a word about it, where another version came while this one was written: it is not passed over."""
        if newest is None or self.cleaned_data["version"] == str(newest.pk):
            return True
        self.add_error(
            None,
            "Somebody has proposed another version meanwhile. What you wrote stands below, and what changed beside it: "
            "propose it again where it still holds.",
        )
        self.data = {name: self.data[name] for name in self.data} | {"version": str(newest.pk)}
        return False

    def agreed(self) -> dict[str, Any]:
        """What `propose_scope` takes."""
        cleaned = self.cleaned_data
        people = [
            {member: cleaned[f"{member}_{number}"] for member in LONGEST}
            for number in range(1, self.people + 1)
            if cleaned[f"name_{number}"]
        ]
        chosen = {entity.value: cleaned[f"pattern_{entity.value}"] for entity in Entity}
        return {
            "patterns": {entity: pattern for entity, pattern in chosen.items() if pattern},
            "contacts": people,
            "time_zone": cleaned["time_zone"],
            "history_from": cleaned["history_from"],
        }

    def refuse(self, refusal: ValidationError) -> None:
        """The action's refusals, each at the field that it is about."""
        places = {"patterns": f"pattern_{Entity.CUSTOMERS.value}", "contacts": "name_1"}
        for error in refusal.error_list:
            field = places.get(error.code or "", error.code)
            self.add_error(field if field in self.fields else None, error.messages[0])


def _initial(scope: Scope | None) -> dict[str, Any]:
    if scope is None:
        return {f"pattern_{entity.value}": Pattern.PUSH.value for entity in Entity} | {"version": "0"}
    shown: dict[str, Any] = {
        "version": str(scope.pk),
        "time_zone": scope.time_zone,
        "history_from": scope.history_from,
        **{f"pattern_{entity.value}": scope.patterns.get(entity.value, NOT_SENT) for entity in Entity},
    }
    for number, contact in enumerate(scope.contacts, start=1):
        shown |= {f"{member}_{number}": contact.get(member, "") for member in LONGEST}
    return shown


def _people_in(data: Mapping[str, Any]) -> int:
    """How many rows of people were sent, so that none is lost."""
    return max((number for number in range(1, MOST_CONTACTS + 1) if f"name_{number}" in data), default=0)


def _member(member: str, number: int) -> forms.Field:
    kind = forms.EmailField if member == "email" else forms.CharField
    return kind(
        label=member.capitalize(),
        max_length=LONGEST[member],
        required=False,
        widget=forms.EmailInput if member == "email" else forms.TextInput,
    )


class NoteForm(SubmissionForm):
    """Something said about a step."""

    text = forms.CharField(
        label="Note",
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Read by both sides. @name@example.com mentions somebody of either, who gets it by email.",
        error_messages={"required": "Write something first."},
    )


class OverrideForm(forms.Form):
    """Why a step counts as done without its evidence."""

    use_required_attribute = False
    reason = forms.CharField(
        max_length=LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="The partner reads it, and it stays in the audit trail.",
        error_messages={"required": "An override needs a reason."},
    )
