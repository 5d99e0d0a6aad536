"""Opens what a feed reads from, an API or a database, for its runs and for the test of its connection."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from integrations.models import Connection, Feed
from integrations.outbound import Session
from integrations.pull.rest import RestSource
from integrations.pull.source import STEPS, Note, Page, Source, SourceError, Window
from integrations.pull.sql import SqlSource

PROBE_SECONDS = 30
# Only where the settings open an address that is not public
UNCHECKED = "No certificate was checked: this server's settings open the address for development."
PROBE_RECORDS = 10
NAMES = {"reached": "Reached", "tls": "TLS", "signed_in": "Signed in", "read": "First page read"}


@contextmanager
def open_source(feed: Feed, *, note: Note, budget_seconds: float) -> Iterator[Source]:
    """The feed's source; `budget_seconds` is how long the caller has, which no single wait exceeds.

    Raises SourceError, also while it is read.
    """
    if feed.connection.kind == Connection.Kind.REST:
        with Session() as session:
            yield RestSource(feed, session, note, budget_seconds=budget_seconds)
    else:
        source = SqlSource(feed, note, budget_seconds=budget_seconds)
        try:
            yield source
        finally:
            source.close()


# -- The test of a connection ---------------------------------------------------


@dataclass
class Step:
    name: str
    ok: bool
    detail: str
    ms: int


@dataclass
class Probe:
    """How far the source was gone through, in order; at most ten records of its first page, under the guide's names;
    the names that it has itself; and what its cursor column holds."""

    steps: list[Step] = field(default_factory=list)
    records: list[Any] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    cursor_kind: str = Feed.CursorKind.MOMENT


def probe(feed: Feed, *, note: Note) -> Probe:
    """Go as far as the first page. What goes wrong is the last of the steps, never an exception."""
    found = Probe(cursor_kind=feed.cursor_kind)
    started = time.monotonic()
    passed: list[Step] = []
    try:
        if feed.connection.kind == Connection.Kind.REST:
            _probe_api(feed, note, found, passed)
        else:
            _probe_database(feed, note, found, passed)
    except SourceError as error:
        found.steps = _until(error, passed, milliseconds=_since(started))
    else:
        found.steps = passed
    return found


def _probe_api(feed: Feed, note: Note, found: Probe, passed: list[Step]) -> None:
    with Session() as session:
        source = RestSource(feed, session, note, budget_seconds=PROBE_SECONDS)
        started = time.monotonic()
        try:
            source.sign_in()
            signed_in = _since(started)
            page = next(source.pages(Window()), None)
        finally:
            _note_way(passed, session)
            found.names = source.names
        passed.append(Step(NAMES["signed_in"], True, _signed_in(feed.connection), signed_in))
        _note_page(found, passed, page, milliseconds=_since(started) - signed_in)


def _note_way(passed: list[Step], session: Session) -> None:
    if session.connect_seconds:
        passed.append(Step(NAMES["reached"], True, "", int(session.connect_seconds * 1000)))
    if session.tls_seconds:
        passed.append(Step(NAMES["tls"], True, "The certificate is in order.", int(session.tls_seconds * 1000)))


def _signed_in(connection: Connection) -> str:
    return "Nothing to sign in with." if connection.auth == Connection.Auth.NONE else connection.get_auth_display()


def _probe_database(feed: Feed, note: Note, found: Probe, passed: list[Step]) -> None:
    source = SqlSource(feed, note, budget_seconds=PROBE_SECONDS)
    started = time.monotonic()
    secured = source.sign_in()
    detail = "By TLS, with its certificate checked." if secured else UNCHECKED
    passed.append(Step("Reached and signed in", True, detail, _since(started)))
    started = time.monotonic()
    try:
        found.cursor_kind = source.cursor_kind()
        page = next(source.pages(Window()), None)
    finally:
        found.names = source.names
    _note_page(found, passed, page, milliseconds=_since(started))


def _note_page(found: Probe, passed: list[Step], page: Page | None, *, milliseconds: int) -> None:
    records = page.records if page else []
    found.records = list(islice(records, PROBE_RECORDS))
    count = f"{len(records):,} record{'' if len(records) == 1 else 's'}"
    passed.append(Step(NAMES["read"], True, count, milliseconds))


def _until(error: SourceError, passed: list[Step], *, milliseconds: int) -> list[Step]:
    """The steps that came before the one that failed, which is the last."""
    before = {NAMES[step] for step in STEPS[: STEPS.index(error.step)]}
    spent = sum(step.ms for step in passed)
    steps = [step for step in passed if step.name in before or step.name not in NAMES.values()]
    return [*steps, Step(NAMES[error.step], False, str(error), max(0, milliseconds - spent))]


def _since(started: float) -> int:
    return int((time.monotonic() - started) * 1000)
