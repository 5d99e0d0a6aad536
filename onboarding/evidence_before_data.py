"""The evidence of the steps before any data comes: scope, credentials, mappings, samples."""

from __future__ import annotations

from collections.abc import Iterator

from entities.mapping_selectors import Coverage
from entities.models import Entity, StatusField
from onboarding.checks import Check
from onboarding.evidence import UNKNOWN_COUNTED, Clients, Connections, Facts
from onboarding.models import Sample
from onboarding.models.checklist import Side

Checks = Iterator[Check]
TEAM = Side.TEAM.value
PROPOSE = "propose the scope"
STATUS_FIELDS = {
    Entity.CUSTOMERS.value: (StatusField.KYC_STATUS, StatusField.SALES_STATUS),
    Entity.TRANSACTIONS.value: (StatusField.TRANSACTION_STATUS,),
}


def in_scope(facts: Facts) -> Checks:
    """Before anything is proposed all entities count as in scope, and that is said."""
    if facts.proposed is None:
        text = "What is in scope is known"
        yield Check(text, False, "Nothing is proposed yet.", "checklist-scope", todo=PROPOSE)


# -- Phase 1: kick-off --------------------------------------------------------


def scope_agreed(facts: Facts) -> Checks:
    scope = facts.proposed
    yield Check(
        "Written down: entities, how each is sent, contacts, time zone",
        scope is not None,
        "Nothing is proposed yet.",
        "checklist-scope",
        todo=PROPOSE,
    )
    partner_accepted = scope is not None and scope.partner_accepted_at is not None
    team_accepted = scope is not None and scope.team_accepted_at is not None
    version = "this version" if facts.agreed is None else "the new version"
    yield Check(
        "Accepted by the partner",
        partner_accepted,
        f"Nobody of the partner has accepted {version} yet." if scope else "There is nothing to accept yet.",
        "checklist-scope",
        todo="accept the scope",
    )
    yield Check(
        "Accepted by the integrations team",
        team_accepted,
        f"Nobody of the integrations team has accepted {version} yet." if scope else "There is nothing to accept yet.",
        "checklist-scope",
        waiting_for=TEAM if scope else Side.PARTNER.value,
        todo="accept the scope",
    )


def credentials_in_use(facts: Facts) -> Checks:
    if facts.is_pulled:
        connections = facts.connections.get("sandbox", Connections())
        yield Check(
            "A sandbox connection has passed its test",
            connections.passed > 0,
            "None has passed a test as it stands now." if connections.number else "There is no connection yet.",
            "connection-list",
            todo="test the sandbox connection" if connections.number else "set up a sandbox connection",
        )
        return
    clients = facts.clients.get("sandbox", Clients())
    yield Check(
        "A sandbox client exists",
        clients.number > 0,
        "There are no credentials yet.",
        "client-new",
        todo="create sandbox credentials",
    )
    yield Check(
        "A client has fetched a token",
        clients.token_fetched_at is not None,
        "No token has been fetched with it yet." if clients.number else "That takes a client first.",
        "client-list",
        todo="fetch a token",
    )


# -- Phase 2: mapping ---------------------------------------------------------


def enums_and_affiliates_mapped(facts: Facts) -> Checks:
    yield from in_scope(facts)
    fields = [name for entity in facts.patterns for name in STATUS_FIELDS.get(entity, ())]
    for name in fields:
        coverage = facts.statuses.get(name.value, Coverage())
        query = f"?field={name.value}"
        yield Check(
            f"At least one {name.label} is declared",
            coverage.declared > 0,
            "None is declared yet.",
            "mapping-list",
            query,
            todo=f"declare the {name.label} values",
        )
        yield Check(
            f"Every {name.label} has a meaning",
            not coverage.unmapped,
            _unmapped(coverage),
            "mapping-list",
            query,
            todo=f"map {coverage.unmapped:,} {name.label} {'value' if coverage.unmapped == 1 else 'values'}",
        )
    if Entity.CUSTOMERS.value in facts.patterns:
        yield Check(
            "At least one affiliate is registered",
            facts.affiliates > 0,
            "None is yet.",
            "affiliate-list",
            todo="register your affiliates",
        )
        yield Check(
            "Every affiliate seen is registered",
            facts.affiliates > 0 and not facts.unknown_affiliates,
            _unknown(facts),
            "affiliate-list",
            todo="register the affiliates that were seen",
        )
    elif not fields:
        yield Check("Nothing in scope has a status or an affiliate", True)


def _unmapped(coverage: Coverage) -> str:
    values = "1 value has" if coverage.unmapped == 1 else f"{coverage.unmapped:,} values have"
    return f"{values} no meaning yet: {_quoted(coverage.examples, coverage.unmapped)}."


def _unknown(facts: Facts) -> str:
    unknown = facts.unknown_affiliates
    if not facts.affiliates:
        return "That is known once one is registered."
    if len(unknown) == 1:
        return f"1 id was seen that is not registered: {_quoted(unknown, 1)}."
    number = f"At least {len(unknown):,}" if len(unknown) >= UNKNOWN_COUNTED else f"{len(unknown):,}"
    return f"{number} ids were seen that are not registered: {_quoted(unknown[:3], len(unknown))}."


def _quoted(examples: tuple[str, ...], number: int) -> str:
    shown = ", ".join(f"“{text[:40]}”" for text in examples)
    return f"{shown}, …" if number > len(examples) else shown


# -- Phase 3: samples ---------------------------------------------------------


def samples_valid(facts: Facts) -> Checks:
    yield from in_scope(facts)
    for entity in facts.patterns:
        sample = facts.samples.get(entity)
        valid = sample is not None and sample.is_valid
        text = f"The newest sample of {entity} has no errors"
        if sample is None:
            reason, todo = "No sample has been checked yet.", f"try a sample of {entity}"
            yield Check(text, False, reason, "sample-new", f"?entity={entity}", todo=todo)
        else:
            which, todo = {"sample_id": str(sample.pk)}, f"mend the sample of {entity}"
            yield Check(text, valid, _faults(sample), "sample-detail", url_kwargs=which, todo=todo)


def _faults(sample: Sample) -> str:
    if sample.state == Sample.State.UNREADABLE:
        return f"It could not be read. {sample.problem}".strip()
    if not sample.total:
        return "It holds no record."
    return f"{sample.invalid:,} of its {sample.total:,} records have errors."
