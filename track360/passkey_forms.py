"""allauth's forms for passkeys in the portal's words, and shut to what no browser would send."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from allauth.mfa.adapter import get_adapter
from allauth.mfa.webauthn import forms as webauthn
from django import forms
from django.core.exceptions import ValidationError

from track360.account_forms import InOurWords

LONGEST = 20_000  # characters; a browser's answer has about 1,500
NO_ANSWER = "The passkey gave no usable answer. Try again."
# What the parsers raise at an answer that is none.
UNREADABLE = (ArithmeticError, AttributeError, LookupError, NotImplementedError, TypeError, ValueError)

Value = TypeVar("Value")


class CredentialField(forms.JSONField):
    """What the browser answered: a JSON object that can be stored."""

    def to_python(self, value: Any) -> Any:
        if isinstance(value, str) and (len(value) > LONGEST or "\\u0000" in value):
            raise ValidationError(NO_ANSWER)
        try:
            found = super().to_python(value)
        except RecursionError:
            found = None
        if found is not None and not isinstance(found, dict):
            raise ValidationError(NO_ANSWER)
        return found

    def bound_data(self, data: Any, initial: Any) -> Any:
        """None: an answer serves once, so a form that is shown again waits for another."""
        return None

    def prepare_value(self, value: Any) -> Any:
        return value


def _refused_if_unreadable(read: Callable[[], Value]) -> Value:
    try:
        return read()
    except UNREADABLE:
        raise get_adapter().validation_error("incorrect_code") from None


class _Passkey(InOurWords):
    credential = CredentialField(
        label="Passkey", widget=forms.HiddenInput, error_messages={"required": NO_ANSWER, "invalid": NO_ANSWER}
    )


class AddPasskeyForm(_Passkey, webauthn.AddWebAuthnForm):
    name = forms.CharField(
        label="Name", required=False, max_length=100, help_text="So that you know it again, for example “Laptop”."
    )
    field_order = ("name", "passwordless", "credential")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["passwordless"].label = "Sign in with it alone"
        self.fields["passwordless"].help_text = "The device asks for your finger, face or PIN instead of the password."

    def clean(self) -> Any:
        return _refused_if_unreadable(super().clean)


class RenamePasskeyForm(InOurWords, webauthn.EditWebAuthnForm):
    name = forms.CharField(label="Name", max_length=100)


class AuthenticateByPasskeyForm(_Passkey, webauthn.AuthenticateWebAuthnForm):
    def clean_credential(self) -> Any:
        return _refused_if_unreadable(super().clean_credential)


class ReauthenticateByPasskeyForm(_Passkey, webauthn.ReauthenticateWebAuthnForm):
    def clean_credential(self) -> Any:
        return _refused_if_unreadable(super().clean_credential)


class SignInByPasskeyForm(_Passkey, webauthn.LoginWebAuthnForm):
    def clean_credential(self) -> Any:
        return _refused_if_unreadable(super().clean_credential)
