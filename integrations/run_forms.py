"""The form of the list of runs."""

from __future__ import annotations

from typing import Any

from django import forms

from entities.models import Entity
from integrations.models import SyncRun
from track360.fields import MomentField


class RunFilterForm(forms.Form):
    """The filters of the list of runs, read from the query string."""

    use_required_attribute = False

    feed = forms.UUIDField(required=False, widget=forms.HiddenInput)
    entity = forms.ChoiceField(required=False, choices=[("", "Any"), *Entity.choices])
    state = forms.ChoiceField(required=False, choices=[("", "Any"), *SyncRun.State.choices])
    kind = forms.ChoiceField(required=False, choices=[("", "Any"), *SyncRun.Kind.choices])
    to = MomentField(required=False, label="Before")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["from"] = MomentField(required=False, label="From")
        self.order_fields(["entity", "state", "kind", "from", "to", "feed"])

    @property
    def is_filtered(self) -> bool:
        return any(self.data.get(name) for name in self.fields)
