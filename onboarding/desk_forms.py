"""The forms of the team's desk."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from onboarding.desk import COLUMN_NAMES, NEED_LABELS, Wanted
from onboarding.models.checklist import Side
from track360.models import Membership, Partner

# What `create_partner` and `invite` refuse, by the field that it is about.
FIELD_OF_CODE = {"name": "name", "slug": "slug", "slug_taken": "slug", "email": "email"}
VIEWED = (Membership.Role.OWNER, Membership.Role.DEVELOPER, Membership.Role.VIEWER)


class DeskFilterForm(forms.Form):
    """The filters of the desk, read from the query string. What cannot be read narrows nothing."""

    use_required_attribute = False

    q = forms.CharField(
        required=False,
        label="Name or slug",
        max_length=200,
        widget=forms.TextInput(attrs={"type": "search", "autocomplete": "off", "spellcheck": "false"}),
    )
    need = forms.ChoiceField(
        required=False,
        label="Needs",
        choices=[("", "All"), ("any", "Any help"), *((str(kind.value), label) for kind, label in NEED_LABELS.items())],
    )
    phase = forms.ChoiceField(
        required=False, choices=[("", "Any"), *((str(number), name) for number, name in COLUMN_NAMES.items())]
    )
    waiting = forms.ChoiceField(
        required=False,
        label="Waiting for",
        choices=[("", "Anybody"), (Side.PARTNER, "The partner"), (Side.TEAM, "The team"), (Side.NOBODY, "Nobody")],
    )
    status = forms.ChoiceField(required=False, choices=[("", "All but closed"), *Partner.Status.choices])

    @property
    def is_filtered(self) -> bool:
        return any(str(self.data.get(name, "")).strip() for name in self.fields)

    def wanted(self) -> Wanted | None:
        """None where a filter cannot be read: that finds nothing, and the field says why."""
        if not self.is_valid():
            return None
        clean = self.cleaned_data
        return Wanted(
            search=clean["q"],
            phase=int(clean["phase"]) if clean["phase"] else None,
            waiting_for=clean["waiting"],
            status=clean["status"],
            need=clean["need"],
        )


class PartnerForm(forms.Form):
    use_required_attribute = False

    name = forms.CharField(
        label="Name",
        max_length=200,
        help_text="As the partner calls itself, for example “Aurora Casino”.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    slug = forms.CharField(
        required=False,
        max_length=63,
        help_text="Stands in addresses and is never changed. Left empty it is made from the name: aurora-casino.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    email = forms.CharField(
        label="First owner’s email",
        max_length=254,
        help_text="Gets the invitation: a link that works once, for 7 days. An owner invites the others.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )

    def add_refusal(self, refusal: ValidationError) -> None:
        self.add_error(FIELD_OF_CODE.get(getattr(refusal, "code", None) or ""), refusal)


class ReasonForm(forms.Form):
    use_required_attribute = False

    reason = forms.CharField(
        max_length=1000,
        help_text="Stands in the audit trail, which the partner reads.",
        widget=forms.Textarea(attrs={"rows": 3}),
        error_messages={"required": "Say why: the partner reads it in the audit trail."},
    )


def view_as_choices() -> list[Any]:
    return [(role.value, f"{'an' if role == Membership.Role.OWNER else 'a'} {role.value}") for role in VIEWED]
