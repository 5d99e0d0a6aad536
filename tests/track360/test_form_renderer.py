"""Form fields are written as Django's own templates write them."""

from __future__ import annotations

from typing import Any

import pytest
from django import forms
from django.forms.renderers import DjangoTemplates
from django.utils.safestring import SafeString

from track360.form_renderer import QuickRenderer

ODD = """<b>"it's" & so</b>"""
CHOICES = [("", "Any"), (ODD, ODD), ("Group & co", [(1, "one"), ("2", SafeString("<i>two</i>"))]), (None, "none")]


@pytest.mark.parametrize(
    "widget",
    [
        forms.TextInput(attrs={"autocomplete": "off", "required": True, "disabled": False, "title": ODD}),
        forms.DateInput(),
        forms.EmailInput(),
        forms.NumberInput(attrs={"min": 1000}),
        forms.HiddenInput(),
        forms.PasswordInput(render_value=True),
        forms.Select(choices=CHOICES, attrs={"class": "input"}),
        forms.Select(choices=[]),
    ],
)
@pytest.mark.parametrize("value", [None, "", ODD, 1, "2", 1234567, SafeString("&amp;")])
def test_a_field_is_written_as_by_djangos_templates(widget: forms.Widget, value: Any) -> None:
    quick, slow = (
        widget.render("a name", value, {"id": "x"}, renderer()) for renderer in (QuickRenderer, DjangoTemplates)
    )
    assert quick == "\n".join(line for line in slow.splitlines() if line)
    assert isinstance(quick, SafeString)


def test_what_it_does_not_know_is_left_to_django() -> None:
    assert forms.Textarea().render("a", "b", renderer=QuickRenderer()).startswith("<textarea")
