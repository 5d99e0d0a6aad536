"""allauth's forms in the portal's words: plain labels, no placeholder that repeats them, no link between the fields.

The way to a forgotten password stands under the button (`templates/account/`): between label and field it would be
the first thing the tab key reaches.
"""

from __future__ import annotations

from typing import Any

from allauth.account import forms as account
from allauth.mfa.base import forms as mfa
from django import forms

CURRENT = ("password", "oldpassword")


class InOurWords(forms.Form):
    """Mixed into a form of allauth's, before it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.label = str(field.label).capitalize()
            field.widget.attrs.pop("placeholder", None)
            if name in CURRENT:
                field.help_text = ""


class LoginForm(InOurWords, account.LoginForm):
    pass


class ReauthenticateForm(InOurWords, account.ReauthenticateForm):
    pass


class ChangePasswordForm(InOurWords, account.ChangePasswordForm):
    pass


class ResetPasswordForm(InOurWords, account.ResetPasswordForm):
    pass


class ResetPasswordKeyForm(InOurWords, account.ResetPasswordKeyForm):
    pass


class AuthenticateForm(InOurWords, mfa.AuthenticateForm):
    pass


class ReauthenticateByCodeForm(InOurWords, mfa.ReauthenticateForm):
    pass
