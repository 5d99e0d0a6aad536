"""The sentence of state on the overview, and the one thing to do next.

A list of questions, the most urgent first; the first that is not settled is the next step. What the walk asks for is
the checklist's to say.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from django.urls import reverse

from entities.batch_selectors import Traffic
from track360.access import MANAGERS
from track360.models import Environment, Partner


@dataclass(frozen=True)
class NextStep:
    """`label` is the words of the button to `url`; no label, no button."""

    kind: str
    sentence: str
    label: str = ""
    url: str = ""


@dataclass(frozen=True)
class Facts:
    """What the sentence is made from."""

    environment: Environment
    role: str
    walk: NextStep | None  # what the checklist says; None once all its steps are done
    missing: list[int]  # the steps before production that are open
    has_way_in: bool  # a client that is not revoked, or a connection through which we fetch
    is_pulled: bool  # whether we fetch everything
    day: Traffic  # the last 24 hours
    last_refused_request: str | None  # id of the newest refused request of these hours


def next_step(facts: Facts) -> NextStep:
    return next(_open_questions(facts))


def _open_questions(facts: Facts) -> Iterator[NextStep]:
    if facts.environment.partner.status == Partner.Status.SUSPENDED:
        yield NextStep(
            "suspended",
            "Suspended: every call gets 401. What was sent stays readable here. The integrations team lifts it.",
        )
    if facts.environment.kind == Environment.Kind.PRODUCTION and not facts.has_way_in:
        yield _production_without_way_in(facts)
    if facts.walk is not None:
        yield facts.walk
    if facts.day.refused or facts.last_refused_request:
        yield _refusals(facts)
    yield _all_well(facts)


def _url(facts: Facts, name: str, *more: str) -> str:
    return reverse(name, args=[facts.environment.partner.slug, facts.environment.kind, *more])


def _production_without_way_in(facts: Facts) -> NextStep:
    if facts.missing:
        which, them = _in_words(facts.missing)
        sentence = f"Production is not open yet: {which} missing. Next: finish {them} in the sandbox."
        return NextStep("not_open", sentence, "Open the checklist", _url(facts, "checklist"))
    if facts.is_pulled:
        sentence = "Production is open: it has no connection yet."
        if facts.role not in MANAGERS:
            return NextStep("no_connection", f"{sentence} An owner or developer of the team sets it up.")
        url = _url(facts, "connection-list")
        return NextStep("no_connection", f"{sentence} Next: set it up.", "Open connections", url)
    sentence = "Production is open: it has no credentials yet."
    if facts.role not in MANAGERS:
        return NextStep("no_client", f"{sentence} An owner or developer of the team creates them.")
    return NextStep("no_client", f"{sentence} Next: create them.", "Create credentials", _url(facts, "client-new"))


def _in_words(numbers: list[int]) -> tuple[str, str]:
    """[3] -> `step 3 is`, `it`; [1, 2, 3] -> `steps 1 to 3 are`, `them`; [3, 5] -> `steps 3 and 5 are`, `them`."""
    first, last = numbers[0], numbers[-1]
    if len(numbers) == 1:
        return f"step {first} is", "it"
    if len(numbers) > 2 and last - first == len(numbers) - 1:
        return f"steps {first} to {last} are", "them"
    return f"steps {', '.join(str(number) for number in numbers[:-1])} and {last} are", "them"


def _refusals(facts: Facts) -> NextStep:
    refused = facts.day.refused
    sentence = (
        f"{refused:,} of {facts.day.received:,} records were refused in the last 24 hours."
        if refused
        else "Calls were refused in the last 24 hours."
    )
    if facts.last_refused_request:
        url = _url(facts, "request-detail", facts.last_refused_request)
        return NextStep("refusals", f"{sentence} Next: look at the newest one.", "Look at it", url)
    url = _url(facts, "quarantine-list")
    return NextStep("refusals", f"{sentence} Next: look at why, in the quarantine.", "Open the quarantine", url)


def _all_well(facts: Facts) -> NextStep:
    if facts.day.records:
        return NextStep("well", f"All well: {facts.day.records:,} records in the last 24 hours, none refused.")
    return NextStep("quiet", "Quiet: nothing came in the last 24 hours, and nothing was refused.")
