"""The forms of the connections pages. What they hold is judged by the actions, and told at the field."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.boundfield import BoundField

from integrations import connection_rules as rules
from integrations.forms import SubmissionForm
from integrations.models import Connection

Auth, Kind = Connection.Auth, Connection.Kind
PLAIN = {"autocomplete": "off", "spellcheck": "false"}


@dataclass(frozen=True)
class Group:
    """Fields that stand together, shown where one of `shown_for` is chosen; without a script all are there."""

    title: str
    fields: list[BoundField]
    shown_for: str = ""
    note: str = ""


class GroupedForm(SubmissionForm):
    """`layout`: (title, note, names, values for which it is shown)."""

    layout: tuple[tuple[str, str, tuple[str, ...], str], ...] = ()

    @property
    def groups(self) -> Iterator[Group]:
        for title, note, names, shown_for in self.layout:
            fields = [self[name] for name in names if name in self.fields]
            if fields:
                yield Group(title, fields, shown_for, note)

    def field_of(self, code: str) -> str | None:
        return code if code in self.fields else None

    def add_refusal(self, refusal: ValidationError) -> None:
        """Each fault at its field, by its code."""
        for error in getattr(refusal, "error_list", [refusal]):
            self.add_error(self.field_of(getattr(error, "code", None) or ""), error)


class SecretField(forms.CharField):
    """Write-only: what was typed is never given back to the page, not even where another field is wrong."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.PasswordInput(attrs={"autocomplete": "new-password", "spellcheck": "false"})
        super().__init__(strip=False, max_length=rules.SECRET_LENGTH, widget=widget, **kwargs)


def _text(name: str, label: str, hint: str = "", *, required: bool = False, area: bool = False) -> forms.CharField:
    widget = forms.Textarea(attrs={**PLAIN, "rows": 4}) if area else forms.TextInput(attrs=PLAIN)
    return forms.CharField(
        label=label, help_text=hint, required=required, max_length=rules.LENGTHS[name], widget=widget
    )


class ConnectionForm(GroupedForm):
    """What both kinds share."""

    def __init__(self, data: Any = None, *, connection: Connection | None = None) -> None:
        super().__init__(data, initial={name: getattr(connection, name) for name in rules.FIELDS if connection})
        if connection and connection.sealed_secret:
            self.fields["secret"].help_text = (
                "Leave it empty to keep the one that is set. It goes nowhere else than where it was given for: "
                "with another host it has to be written again."
            )

    def values(self) -> dict[str, Any]:
        """For the action, without what the choices made leave unused."""
        return {name: value for name, value in self.cleaned_data.items() if name in rules.FIELDS}


class RestForm(ConnectionForm):
    name = _text("name", "Name", "As you call it, for example “Platform API”.", required=True)
    base_url = _text(
        "base_url", "Base URL", "By https; the feeds’ paths lie below it: https://api.example.com/v2", required=True
    )
    auth = forms.ChoiceField(
        label="How we sign in", choices=Auth.choices, initial=Auth.BEARER, widget=forms.RadioSelect
    )
    auth_header = _text("auth_header", "Header", "Its name, such as X-Api-Key.")
    user = _text("user", "User name or client id")
    token_url = _text("token_url", "Token address", "Where the client id and secret are traded for a token.")
    scope = _text("scope", "Scopes", "Those to ask for, with blanks between them.")
    secret = SecretField(
        label="Secret",
        required=False,
        help_text="The key, password, token or client secret. It is encrypted and never shown again.",
    )
    layout = (
        ("Where", "", ("name", "base_url"), ""),
        ("Sign-in", "", ("auth",), ""),
        ("", "", ("auth_header",), "header"),
        ("", "", ("token_url", "scope"), "oauth"),
        ("", "", ("user",), "basic oauth"),
        ("", "", ("secret",), "header basic bearer oauth"),
    )

    def values(self) -> dict[str, Any]:
        found, auth = super().values(), self.cleaned_data.get("auth")
        return found | {name: "" for name, users in rules.USED_BY.items() if auth not in users}

    def secret_to_set(self) -> str:
        return "" if self.cleaned_data.get("auth") == Auth.NONE else self.cleaned_data["secret"]


class SqlForm(ConnectionForm):
    name = _text("name", "Name", "As you call it, for example “Reporting replica”.", required=True)
    host = _text("host", "Host", "A name or an address alone, such as replica.example.com.", required=True)
    port = forms.IntegerField(
        label="Port",
        required=False,
        help_text="Empty: 5432 for PostgreSQL, 3306 for MySQL and MariaDB.",
        widget=forms.TextInput(attrs={**PLAIN, "inputmode": "numeric"}),
    )
    database = _text("database", "Database", required=True)
    user = _text("user", "User", "One that may only read. Give it nothing but what we are to fetch.", required=True)
    secret = SecretField(label="Password", required=False, help_text="It is encrypted and never shown again.")
    ca_certificate = _text(
        "ca_certificate", "CA certificate", "In PEM, only where the server’s certificate is your own CA’s.", area=True
    )
    layout = (
        ("Where", "We connect by TLS and check the certificate.", ("name", "host", "port", "database"), ""),
        ("Sign-in", "", ("user", "secret", "ca_certificate"), ""),
    )

    def secret_to_set(self) -> str:
        return str(self.cleaned_data["secret"])


FORMS: Mapping[str, type[RestForm] | type[SqlForm]] = {
    Kind.REST: RestForm,
    Kind.POSTGRESQL: SqlForm,
    Kind.MYSQL: SqlForm,
}


class SecretForm(SubmissionForm):
    secret = SecretField(
        label="New secret", help_text="It replaces the one that is set, is encrypted and never shown again."
    )


class ReasonForm(forms.Form):
    use_required_attribute = False
    to = forms.CharField(widget=forms.HiddenInput, initial="on")
    reason = forms.CharField(
        label="Reason",
        max_length=500,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="Why it may fetch before steps 1 to 7 are green. It stands in the audit trail.",
    )
