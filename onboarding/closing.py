"""Emptying a sandbox, and ending a partner."""

from __future__ import annotations

import uuid

from django.core.exceptions import ValidationError
from django.db import connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from entities.erasure import checked_reason
from entities.pipeline.locks import INGEST_LOCK
from integrations.clients import revoke_client
from integrations.endings import end_fetching, forget_runs, hold_totals
from integrations.models import Client, WebhookEndpoint
from onboarding import jobs
from onboarding.exports import available_exports
from onboarding.models import SandboxReset
from track360 import audit
from track360.audit import Actor
from track360.models import Environment, Invitation, Partner

# A batch that is under way has 20 s; those that come meanwhile wait behind the reset, and give up after as long.
LOCK_TIMEOUT = "60s"
STATEMENT_TIMEOUT = "200s"  # under the soft limit of a task

# What a reset empties, as the page names it -> its table; beside the runs, which go with their logs.
RUNS = "runs"
EMPTIED = {
    "samples": "onboarding_sample",
    "differences": "entities_difference",
    "sightings": "entities_sighting",
    "replays": "entities_replay",
    "quarantined records": "entities_quarantinedrecord",
    "versions of records": "entities_recordchange",
    "activity": "entities_activity",
    "transactions": "entities_transaction",
    "customers": "entities_customer",
    "batches": "entities_batch",
    "hours of batches": "entities_batchhour",
    "waivers": "integrations_waiver",
    "doubled days": "integrations_doubledday",
    "day totals": "integrations_daytotals",
    "status values seen": "entities_seenstatus",
    "logged requests": "integrations_apirequest",
    "counters": "entities_recordcounter",
    "watermarks": "integrations_totalswatermark",
}
# Of our own book-keeping: nobody is told how many rows that were.
UNNAMED = frozenset({"counters", "sightings", "watermarks"})


# -- Sandbox ------------------------------------------------------------------


@transaction.atomic
def request_reset(environment: Environment, *, actor: Actor) -> SandboxReset:
    """Ask for the sandbox to be emptied by a worker; while one is asked for, that one.

    Raises ValidationError `sandbox_only`: production is never emptied.
    """
    _check_sandbox(environment)
    Environment.objects.select_for_update(no_key=True).get(pk=environment.pk)
    waiting = SandboxReset.objects.filter(environment=environment, state__in=jobs.OPEN).first()
    if waiting is not None:
        return waiting
    reset = SandboxReset.objects.create(environment=environment, requested_by=actor.user, client_id=actor.client_id)
    audit.record("sandbox.reset_requested", actor=actor, environment=environment, target=str(reset.pk))
    return reset


def newest_reset(environment: Environment) -> SandboxReset | None:
    resets = SandboxReset.objects.filter(environment=environment).select_related("requested_by")
    return resets.order_by("-requested_at").first()


def run_reset(reset_id: uuid.UUID) -> None:
    jobs.run(SandboxReset, reset_id, _reset)


@transaction.atomic
def _reset(reset: SandboxReset) -> None:
    """All of it or nothing, with the environment to itself: no batch sees a half of it, and the counters are exact."""
    environment = reset.environment
    _check_sandbox(environment)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SET LOCAL statement_timeout = '{STATEMENT_TIMEOUT}'; SET LOCAL lock_timeout = '{LOCK_TIMEOUT}'"
        )
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [INGEST_LOCK, environment.pk])
        cursor.execute(
            "DELETE FROM onboarding_samplechunk WHERE sample_id IN"
            " (SELECT id FROM onboarding_sample WHERE environment_id = %s)",
            [environment.pk],
        )
        cursor.execute(
            "DELETE FROM entities_quarantineevent WHERE record_id IN"
            " (SELECT id FROM entities_quarantinedrecord WHERE environment_id = %s)",
            [environment.pk],
        )
        hold_totals(environment)
        reset.counts[RUNS] = forget_runs(environment)
        for store, table in EMPTIED.items():
            cursor.execute(f"DELETE FROM {table} WHERE environment_id = %s", [environment.pk])
            reset.counts[store] = cursor.rowcount
    # What processes remember of the customers is not true any more.
    Environment.objects.filter(pk=environment.pk).update(facts_changed_at=timezone.now())
    reset.state, reset.finished_at = SandboxReset.State.DONE, timezone.now()
    reset.save(update_fields=["state", "finished_at", "counts"])
    audit.record(
        "sandbox.reset",
        actor=Actor(user=reset.requested_by, client_id=reset.client_id),
        environment=environment,
        target=str(reset.pk),
        **{store.replace(" ", "_"): count for store, count in reset.counts.items()},
    )


def _check_sandbox(environment: Environment) -> None:
    if environment.kind != Environment.Kind.SANDBOX:
        raise ValidationError("Only a sandbox can be emptied, never production.", code="sandbox_only")


def waiting_resets() -> QuerySet[SandboxReset]:
    return SandboxReset.objects.filter(state__in=jobs.OPEN)


# -- The end ------------------------------------------------------------------


@transaction.atomic
def close_partner(partner: Partner, *, reason: str, actor: Actor) -> None:
    """End every access of a partner: clients, invitations, webhooks, connections, and his people's pages.

    It is not undone.

    What he sent stays, for the team to read. Raises ValidationError: `staff`, `reason`, `closed`, `export`.
    """
    if actor.user is None or not actor.user.is_staff:
        raise ValidationError("Only the integrations team closes a partner.", code="staff")
    reason = checked_reason(reason)
    if not reason:
        raise ValidationError("Say why the partner is closed.", code="reason")
    partner = Partner.objects.select_for_update(no_key=True).get(pk=partner.pk)
    if partner.status == Partner.Status.CLOSED:
        raise ValidationError("This partner is closed already.", code="closed")
    export = available_exports(partner).first()
    if export is None:
        raise ValidationError("Export the partner's data first: he must be able to take it with him.", code="export")
    # Before the status, which changes the environments: whoever revokes one by itself locks it first, too.
    clients = Client.objects.filter(environment__partner=partner, revoked_at=None).order_by("pk")
    for client in clients:
        revoke_client(client, actor=actor)
    partner.status = Partner.Status.CLOSED
    partner.save(update_fields=["status"])
    invitations = Invitation.objects.filter(partner=partner, accepted_at=None, revoked_at=None)
    fetching = end_fetching(partner)
    audit.record(
        "partner.closed",
        actor=actor,
        partner=partner,
        target=partner.slug,
        reason=reason,
        export=str(export.pk),
        invitations=invitations.update(revoked_at=timezone.now()),
        webhooks=WebhookEndpoint.objects.filter(partner=partner, is_active=True).update(is_active=False),
        runs=fetching["runs"],
        feeds=fetching["feeds"],
        connections=fetching["connections"],
    )
