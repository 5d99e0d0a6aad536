"""The sentence of state on the overview, and the one thing to do next.

A list of questions in the order in which a partner meets them; the first that is not settled is the next step.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlencode

from entities.batch_selectors import Traffic
from entities.models import Entity, SeenStatus, StatusField
from track360.access import MANAGERS, STAFF_ROLE
from track360.models import Environment, Partner

LISTED = 5  # of each kind of problem
FILTER_OF_FIELD = {
    StatusField.KYC_STATUS: ("customer-list", "kyc_status_id"),
    StatusField.SALES_STATUS: ("customer-list", ""),  # the API has no such filter
    StatusField.TRANSACTION_STATUS: ("transaction-list", "status"),
}


@dataclass(frozen=True)
class Facts:
    """What the sentence is made from."""

    environment: Environment
    role: str
    client_id: str | None  # of a client that is not revoked
    token_fetched: bool
    totals: dict[str, int]  # entity -> records
    unmapped: list[SeenStatus]  # up to LISTED + 1
    day: Traffic  # the last 24 hours
    last_refused_request: str | None  # id of the newest refused request of these hours


@dataclass(frozen=True)
class NextStep:
    """`label` is the button to the page `url_name`, with `extra` path parts and `query`; no label, no button."""

    kind: str
    sentence: str
    label: str = ""
    url_name: str = ""
    extra: dict[str, str] = field(default_factory=dict)
    query: str = ""


def next_step(facts: Facts) -> NextStep:
    return next(_open_questions(facts))


def _open_questions(facts: Facts) -> Iterator[NextStep]:
    if facts.environment.partner.status == Partner.Status.SUSPENDED:
        yield NextStep(
            "suspended",
            "Suspended: every call gets 401. What was sent stays readable here. The integrations team lifts it.",
        )
    if facts.client_id is None:
        yield _without_client(facts)
    if not facts.token_fetched:
        yield NextStep(
            "token",
            "Credentials exist; no token has been fetched with them yet. Next: fetch one with the call below.",
        )
    if not facts.totals[Entity.CUSTOMERS]:
        yield NextStep(
            "customers",
            "A token was fetched; no customer has arrived yet. Next: send the first one with the calls below.",
        )
    if facts.unmapped:
        yield _unmapped(facts)
    if facts.day.refused or facts.last_refused_request:
        yield _refusals(facts)
    yield _all_well(facts)


def _without_client(facts: Facts) -> NextStep:
    if facts.environment.kind == "production":
        return NextStep(
            "no_client",
            "Production is not open yet: it has no credentials. Next: finish the sandbox.",
            "Go to the sandbox",
            "overview",
            {"environment_kind": "sandbox"},
        )
    if facts.role not in MANAGERS:
        return NextStep(
            "no_client",
            "Nothing can be sent yet: there are no credentials. An owner or developer of the team creates them.",
        )
    return NextStep(
        "no_client",
        "Nothing can be sent yet: there are no credentials. Next: create them.",
        "Create credentials",
        "client-new",
    )


def _unmapped(facts: Facts) -> NextStep:
    """The partner tells what a value stands for; the integrations team writes it down."""
    unmapped = facts.unmapped
    count = f"More than {LISTED}" if len(unmapped) > LISTED else str(len(unmapped))
    first = unmapped[0]
    state = f"{count} status {'value has' if len(unmapped) == 1 else 'values have'} no meaning yet."
    value = f"“{first.raw_value}” in {first.field}"
    if facts.role == STAFF_ROLE:
        mapping = {"partner": facts.environment.partner_id, "field": first.field, "raw_value": first.raw_value}
        return NextStep(
            "unmapped",
            f"{state} Next: map {value}.",
            "Map it",
            "admin:entities_statusmapping_add",
            query="?" + urlencode(mapping),
        )
    url_name, filter_name = FILTER_OF_FIELD[StatusField(first.field)]
    return NextStep(
        "unmapped",
        f"{state} Next: tell the integrations team what {value} stands for.",
        "See the records",
        url_name,
        query="?" + urlencode({filter_name: first.raw_value}) if filter_name else "",
    )


def _refusals(facts: Facts) -> NextStep:
    refused = facts.day.refused
    sentence = (
        f"{refused:,} of {facts.day.received:,} records were refused in the last 24 hours."
        if refused
        else "Calls were refused in the last 24 hours."
    )
    if facts.last_refused_request:
        return NextStep(
            "refusals",
            f"{sentence} Next: look at the newest one.",
            "Look at it",
            "request-detail",
            {"request_id": facts.last_refused_request},
        )
    return NextStep(
        "refusals", f"{sentence} Next: look at why, in the quarantine.", "Open the quarantine", "quarantine-list"
    )


def _all_well(facts: Facts) -> NextStep:
    if facts.day.records:
        return NextStep("well", f"All well: {facts.day.records:,} records in the last 24 hours, none refused.")
    return NextStep("quiet", "Quiet: nothing came in the last 24 hours, and nothing was refused.")
