"""The forms of the samples pages: they clean one request's input and hand it to an action."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import UploadedFile

from entities.models import Entity
from integrations.forms import SubmissionForm
from onboarding.sample_columns import fields_of, required_fields
from onboarding.sample_reading import MAX_BYTES
from onboarding.sample_view import EDITABLE

LIMIT = f"{MAX_BYTES // 2**20} MB"
TOO_LARGE = f"It has {{:.1f}} MB; a sample has at most {LIMIT}. Send a part of it."


class PayloadField(forms.Field):
    """Text as it was typed or pasted, of which nothing is taken away. Cleans to bytes."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> bytes:
        return str(value or "").encode(errors="replace")

    def validate(self, value: bytes) -> None:
        if len(value) > MAX_BYTES:
            raise ValidationError(TOO_LARGE.format(len(value) / 2**20), code="too_large")


def payload_area(rows: int) -> forms.Textarea:
    attrs = {"rows": rows, "spellcheck": "false", "wrap": "off", "autocomplete": "off", "data-max-bytes": MAX_BYTES}
    return forms.Textarea(attrs=attrs)


class SampleForm(SubmissionForm):
    """A payload to try: pasted or uploaded."""

    entity = forms.ChoiceField(
        choices=Entity.choices,
        widget=forms.RadioSelect,
        help_text="What the records are.",
        error_messages={"required": "Choose what the records are.", "invalid_choice": "Choose one of the three."},
    )
    text = PayloadField(
        label="Paste records",
        required=False,
        widget=payload_area(14),
        help_text="A JSON object or array, an object a line, or CSV with a header. The format is found by itself.",
    )
    file = forms.FileField(
        label="Or upload a file",
        required=False,
        allow_empty_file=True,
        help_text=f"JSON, JSON lines or CSV, up to {LIMIT}. UTF-8, as the API takes it.",
        widget=forms.FileInput(attrs={"data-max-bytes": MAX_BYTES}),
    )

    def clean_file(self) -> UploadedFile | None:
        file: UploadedFile | None = self.cleaned_data["file"]
        if file is not None and (file.size or 0) > MAX_BYTES:
            raise ValidationError(TOO_LARGE.format((file.size or 0) / 2**20), code="too_large")
        return file

    def clean(self) -> dict[str, Any] | None:
        cleaned = self.cleaned_data
        if "file" in cleaned and "text" in cleaned:
            if cleaned["file"] is not None and cleaned["text"].strip():
                self.add_error("file", "Paste or upload, not both: empty the one you do not mean.")
            elif cleaned["file"] is None and not cleaned["text"].strip():
                self.add_error("text", "Paste at least one record, or choose a file.")
        return cleaned

    @property
    def payload(self) -> bytes:
        file: UploadedFile | None = self.cleaned_data["file"]
        return self.cleaned_data["text"] if file is None else _content(file)

    def refuse(self, refusal: ValidationError) -> None:
        """At the place it came from. A small file's text is put where it can be mended at once."""
        file: UploadedFile | None = self.cleaned_data.get("file")
        if file is None:
            self.add_error("text", refusal)
            return
        content = _content(file) if (file.size or 0) <= EDITABLE else b""
        if content.strip() and _is_text(content):
            self.data = self.data.copy()  # type: ignore[attr-defined]
            self.data["text"] = content.decode(errors="replace")  # type: ignore[index]
            refusal = ValidationError([*refusal.messages, "Its text stands above, to be mended."])
        self.add_error("file", refusal)


def _content(file: UploadedFile) -> bytes:
    file.seek(0)
    content: bytes = file.read()
    return content


def _is_text(content: bytes) -> bool:
    return b"\x00" not in content and not content.startswith((b"PK\x03\x04", b"\x1f\x8b"))


class ColumnsForm(forms.Form):
    """For each column of a CSV the field that it holds. Its fields are `column_0`, `column_1`, …"""

    use_required_attribute = False

    def __init__(
        self, *args: Any, entity: str, header: Iterable[str], guessed: Mapping[str, str], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.header = list(header)
        required = required_fields(entity)
        choices = [
            ("", "Leave out"),
            *((name, f"{name} *" if name in required else name) for name in fields_of(entity)),
        ]
        for number, name in enumerate(self.header):
            self.fields[f"column_{number}"] = forms.ChoiceField(
                label=name, required=False, choices=choices, initial=guessed.get(name, "")
            )

    def columns(self) -> dict[str, str]:
        """Header -> field, or "" for a column that is left out."""
        return {name: self.cleaned_data[f"column_{number}"] for number, name in enumerate(self.header)}


class MendForm(SubmissionForm):
    """The payload, or a part of its faulty records, to be mended; `indexes` names the positions of that part."""

    text = PayloadField(
        label="Records",
        widget=payload_area(24),
        help_text="Mend what is marked beside, and check again. The sample as it was stays in the history.",
    )
    indexes = forms.RegexField(r"^(\d{1,6}(,\d{1,6}){0,99})?$", required=False, widget=forms.HiddenInput)

    def clean_text(self) -> bytes:
        text: bytes = self.cleaned_data["text"]
        if not text.strip():
            raise ValidationError("Leave at least one record.", code="required")
        return text

    def clean_indexes(self) -> list[int]:
        return [int(index) for index in self.cleaned_data["indexes"].split(",") if index]
