"""The forms of the team pages and of an invitation."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib.auth.password_validation import password_validators_help_texts
from django.core.exceptions import ValidationError

from track360.models import Membership

ROLE_LABELS = {
    Membership.Role.OWNER: "Owner: everything a developer may, and decides who belongs to the team",
    Membership.Role.DEVELOPER: "Developer: connects the platform; credentials, mappings, samples",
    Membership.Role.VIEWER: "Viewer: reads everything but customers' names and email addresses; changes nothing",
}
FIELD_OF_CODE = {"email": "email", "member": "email", "open": "email", "role": "role"}


class RoleForm(forms.Form):
    use_required_attribute = False
    role = forms.ChoiceField(choices=list(ROLE_LABELS.items()), widget=forms.RadioSelect)

    def add_refusal(self, refusal: ValidationError) -> None:
        """What the action refuses, at the field that it is about."""
        field = FIELD_OF_CODE.get(getattr(refusal, "code", "") or "")
        self.add_error(field if field in self.fields else None, refusal)


class InviteForm(RoleForm):
    email = forms.CharField(
        label="Email address",
        max_length=254,
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="The link goes there. It works once, for 7 days.",
    )
    field_order = ("email", "role")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["role"].initial = Membership.Role.DEVELOPER


class NewPersonForm(forms.Form):
    """Name and password of somebody who has no account yet."""

    use_required_attribute = False
    name = forms.CharField(label="Your name", max_length=200, widget=forms.TextInput(attrs={"autocomplete": "name"}))
    password = forms.CharField(
        label="Choose a password",
        strip=False,
        max_length=1000,
        widget=forms.PasswordInput(render_value=False, attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["password"].help_text = " ".join(password_validators_help_texts())

    def clean_name(self) -> str:
        name = str(self.cleaned_data["name"])
        if not name.isprintable():
            raise ValidationError("Write your name in printable characters.")
        return name

    def add_refusal(self, refusal: ValidationError) -> None:
        about_password = not getattr(refusal, "code", None)
        self.add_error("password" if about_password else None, refusal)


class ReasonForm(forms.Form):
    """Who lost a second factor, and how the member of staff knows that it is really this person who asks."""

    use_required_attribute = False
    email = forms.CharField(
        label="Email address of the person", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "off"})
    )
    reason = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What was lost, and how you made sure that it is this person who asks. A colleague decides by it.",
    )

    def add_refusal(self, refusal: ValidationError) -> None:
        field = {"email": "email", "open": "email", "own": "email", "reason": "reason"}
        self.add_error(field.get(getattr(refusal, "code", "") or ""), refusal)
