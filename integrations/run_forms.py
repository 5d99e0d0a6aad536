"""The forms of the runs' pages."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from entities.models import Entity
from integrations.models import Feed, SyncRun
from track360.fields import DayField, MomentField

FIELD_OF_CODE = {"first_day": "first_day", "last_day": "last_day", "window": "first_day"}


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


class RunForm(forms.Form):
    """Which feed is fetched: from its cursor on, or certain days."""

    use_required_attribute = False

    feed = forms.ChoiceField(error_messages={"invalid_choice": "Choose a feed of this environment."})
    first_day = DayField(
        required=False, help_text="UTC. Leave both days empty to fetch what is new since the feed’s cursor."
    )
    last_day = DayField(required=False, help_text="UTC, included. The feed’s cursor stays where it is.")

    def __init__(self, *args: Any, feeds: list[Feed], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.feeds = {str(feed.pk): feed for feed in feeds}
        names = {key: f"{feed.get_entity_display()}, from {feed.connection}" for key, feed in self.feeds.items()}
        self.fields["feed"].choices = list(names.items())  # type: ignore[attr-defined]

    def clean_feed(self) -> Feed:
        return self.feeds[self.cleaned_data["feed"]]

    def add_refusal(self, refusal: ValidationError) -> None:
        self.add_error(FIELD_OF_CODE.get(getattr(refusal, "code", "")), refusal)
