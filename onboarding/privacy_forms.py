"""The forms of the settings pages: they clean one request's input and hand it to an action."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from entities.erasure import REASON_LENGTH
from integrations.forms import SubmissionForm

FIELD_OF_CODE = {"unknown_customer": "customer_id", "reason": "reason"}


class _ReasonForm(SubmissionForm):
    reason = forms.CharField(
        required=False,
        max_length=REASON_LENGTH,
        widget=forms.Textarea(attrs={"rows": 3}),
    )

    def add_refusal(self, refusal: ValidationError) -> None:
        """What the action refuses, at the field that it is about."""
        self.add_error(FIELD_OF_CODE.get(getattr(refusal, "code", "") or ""), refusal)


class EraseForm(_ReasonForm):
    customer_id = forms.CharField(
        label="Customer id",
        max_length=128,
        strip=False,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
        help_text="As you send it in customer_id, to the letter.",
    )
    field_order = ("customer_id", "reason")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reason"].help_text = "For the certificate, such as the request's number. Name nobody here."


class _SlugForm(SubmissionForm):
    """Asks for the partner's slug, so that nobody does by a slip what cannot be undone."""

    slug = forms.CharField(
        max_length=63,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "autocapitalize": "none"}),
    )

    def __init__(self, *args: Any, slug: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.wanted = slug
        self.fields["slug"].label = f"Type {slug} to confirm"

    def clean_slug(self) -> str:
        if self.cleaned_data["slug"] != self.wanted:
            raise ValidationError(f"This does not match. Type {self.wanted}.", code="slug")
        return self.wanted


class ResetForm(_SlugForm):
    pass


class CloseForm(_SlugForm, _ReasonForm):
    field_order = ("reason", "slug")

    def __init__(self, *args: Any, slug: str, **kwargs: Any) -> None:
        super().__init__(*args, slug=slug, **kwargs)
        self.fields["reason"].required = True
        self.fields["reason"].help_text = "It stands in the audit trail, which stays."
