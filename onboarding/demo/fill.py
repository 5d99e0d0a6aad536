"""The demo's data: made once, then left, however often the command is called."""

from __future__ import annotations

import datetime as dt
from typing import TextIO

from django.db import connection, transaction

from integrations.clients import NewSecret
from onboarding.demo import people
from onboarding.demo.load import load
from onboarding.demo.story import Scale, Story
from onboarding.demo.walk import walk
from track360 import audit
from track360.models import AuditEvent, Partner

DEMO_LOCK = 362
WIDTH = 30


@transaction.atomic
def fill_once(*, scale: Scale, now: dt.datetime, stream: TextIO) -> NewSecret:
    """The demo client with a new secret, in a sandbox that holds the demo's records. Two calls at once take turns."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, 0)", [DEMO_LOCK])
    partners = people.make_partners()
    partner = partners[people.SLUG]
    new = people.client_with_new_secret(partner.environments.get(kind="sandbox"))
    if not _filled(partner):
        until = now.replace(microsecond=0)
        people.teach(partner, until=until.date())
        story = Story(until, scale=scale)
        load(story, new, progress=Bar(story.records, stream))
        walk(partners, now=now)
        audit.record("demo.filled", actor=None, environment=new.client.environment)
    return new


def _filled(partner: Partner) -> bool:
    return AuditEvent.objects.filter(action="demo.filled", partner=partner).exists()


class Bar:
    """How far the demo is: a line that moves on a terminal, a few lines elsewhere."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self.total, self.stream = total, stream
        self.done = 0
        self.shown = -1
        self.moves = stream.isatty()
        self.step = 1 if self.moves else 10

    def __call__(self, number: int) -> None:
        self.done += number
        percent = min(100, self.done * 100 // self.total) // self.step * self.step
        if percent == self.shown:
            return
        self.shown = percent
        filled = WIDTH * percent // 100
        line = f"Two weeks of play: [{'#' * filled}{'.' * (WIDTH - filled)}] {percent:3} %"
        end = "\r" if self.moves and percent < 100 else "\n"
        self.stream.write(line + end)
        self.stream.flush()
