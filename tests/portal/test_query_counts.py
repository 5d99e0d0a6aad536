"""How many queries a page takes: few, and as many for 3 rows as for 60."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from entities.models import Entity, RecordChange, Replay
from entities.pipeline import ingest
from integrations import connections
from integrations.models import Connection, Feed, SyncEvent, WebhookEndpoint
from onboarding import checklist
from onboarding.mappings import Wish, save_mappings
from onboarding.models import Onboarding, Sample
from onboarding.notifications import tell
from onboarding.sample_checks import check_sample
from onboarding.samples import create_sample
from tests.factories import (
    ActivityFactory,
    AffiliateFactory,
    ApiRequestFactory,
    BatchFactory,
    ClientFactory,
    ClientSecretFactory,
    ConnectionFactory,
    CustomerFactory,
    DayTotalsFactory,
    DoubledDayFactory,
    FeedFactory,
    MembershipFactory,
    OnboardingFactory,
    QuarantinedRecordFactory,
    RecordCounterFactory,
    RehearsalWindowFactory,
    RunFactory,
    SampleFactory,
    ScopeFactory,
    SeenStatusFactory,
    StepChangeFactory,
    StepNoteFactory,
    StepOverrideFactory,
    SyncEventFactory,
    TransactionFactory,
    WebhookEndpointFactory,
)
from track360 import audit
from track360.audit import Actor
from track360.models import AuditEvent, Environment, Partner

MOST = 12
# Page -> queries of a member, whose role is one of them.
COUNTS = {
    "": 12,
    "?span=7d": 12,
    "freshness/": 9,
    "freshness/?span=7d": 9,
    "freshness/?span=30d": 9,
    "onboarding/": 9,
    **{f"onboarding/{number}/": 9 for number in range(1, 8)},
    "onboarding/6/": 10,
    "onboarding/8/": 10,
    "onboarding/scope/": 7,
    "customers/": 8,
    "customers/?customer_id=cst_changed": 8,
    "transactions/": 9,
    "activity/": 8,
    "customers/{customer}/": 12,
    "transactions/{transaction}/": 10,
    "activity/{activity}/": 9,
    "quarantine/": 8,
    "quarantine/?code=country": 8,
    "requests/": 8,
    "requests/?status=422": 9,
    "requests/{request}/": 7,
    "credentials/": 8,
    "credentials/{client}/": 7,
    "connections/runs/": 9,
    "connections/runs/?state=done": 10,
    "connections/runs/{run}/": 7,
    "mappings/": 12,
    "mappings/history/": 7,
    "affiliates/": 11,
    "samples/": 7,
    "samples/{sample}/": 9,
    "reconciliation/?month=2026-03": 10,
    "reconciliation/2026-03-15/": 11,
    "reconciliation/2026-03-15/transactions/?currency=EUR": 11,
    "quarantine/{quarantined}/": 9,
    "quarantine/replays/{replay}/": 6,
    "audit/": 6,
    "audit/?action=client.created": 6,
    "audit/{event}/": 6,
    "team/": 7,
    "notifications/": 7,
    "connections/": 8,
    "connections/{connection}/": 11,
    "connections/{connection}/feeds/{feed}/edit/": 7,
    "connections/{connection}/feeds/{feed}/conformance/": 7,
    "settings/": 6,
    "settings/retention/": 5,
    "settings/webhooks/": 6,
    "settings/webhooks/{webhook}/": 7,
}


def fill(sandbox: Environment, number: int) -> None:
    """`number` rows of everything, and a customer with as many changes."""
    feed = Feed.objects.filter(environment=sandbox).first() or FeedFactory(connection__environment=sandbox)
    record = {"customer_id": "cst_changed", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "aff_1"}
    for turn in range(number):
        CustomerFactory(environment=sandbox, affiliate_id=f"aff_{turn}")
        TransactionFactory(environment=sandbox, customer_id="cst_changed")
        ActivityFactory(environment=sandbox, customer_id="cst_changed")
        QuarantinedRecordFactory(environment=sandbox, field=f"field_{turn}")
        BatchFactory(environment=sandbox)
        DayTotalsFactory(environment=sandbox, by=MembershipFactory(partner=sandbox.partner).user)
        DoubledDayFactory(environment=sandbox, day=dt.date(2026, 3, 1) + dt.timedelta(days=turn % 30))
        SampleFactory(environment=sandbox, invalid=1)
        run = RunFactory(feed=feed)
        SyncEventFactory.create_batch(3, run=run)
        RunFactory(feed=feed, state="paused", kind="backfill")
        ApiRequestFactory(environment=sandbox, status=422)
        SeenStatusFactory(environment=sandbox, raw_value=f"value {turn} of {number}")
        save_mappings(sandbox.partner, [Wish("status", f"value {turn} of {number}", "approved")], actor=Actor())
        for lasting in (True, False):
            what = f"{turn} of {number}"
            tell(sandbox.partner, kind="secret.expires", subject=what, title=what, text=what, lasting=lasting)
        MembershipFactory(partner=sandbox.partner)
        StepChangeFactory(partner=sandbox.partner)
        StepNoteFactory(partner=sandbox.partner, mentioned=1)
        StepNoteFactory(partner=sandbox.partner, number=8, mentioned=2)
        ScopeFactory(partner=sandbox.partner)
        ingest(sandbox, Entity.CUSTOMERS, {**record, "click_id": f"{turn} of {number}"})
    if number > 3:
        for turn in range(connections.MOST - 1):
            ConnectionFactory(environment=sandbox, name=f"{turn}")
        for entity in ("customers", "activity"):
            RunFactory(feed=FeedFactory(connection=Connection.objects.earliest("created_at"), entity=entity))
    for entity in ("transactions", "activity"):
        RecordCounterFactory(environment=sandbox, entity=entity, slot=number % 16)
    faulty = json.dumps([record | {"country_code": "UK"}] * number).encode()
    sample = create_sample(sandbox, entity="customers", payload=faulty, origin="api", actor=Actor())
    check_sample(sample.pk)
    AffiliateFactory(partner=sandbox.partner, affiliate_id=f"registered {number}")
    ClientSecretFactory(client=ClientFactory(environment=sandbox), last_used_at=timezone.now())


def judge_the_steps(partner: Partner) -> None:
    """And leave nothing that changed since: whatever looks finds them as they are."""
    checklist.compute(partner, now=timezone.now())
    later = timezone.now() + dt.timedelta(hours=1)
    Onboarding.objects.filter(partner=partner).update(computed_at=later, compute_by=None)


def queries(client: Client, address: str) -> int:
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


@pytest.fixture
def measure(developer: Client, sandbox: Environment) -> Callable[[], dict[str, int]]:
    WebhookEndpointFactory(partner=sandbox.partner)
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    RehearsalWindowFactory(partner=sandbox.partner)
    for number in range(1, 9):
        StepOverrideFactory(partner=sandbox.partner, number=number)

    def measured() -> dict[str, int]:
        judge_the_steps(sandbox.partner)
        numbers: dict[str, object] = {
            "customer": RecordChange.objects.filter(environment=sandbox)[0].record_id,
            "transaction": TransactionFactory(environment=sandbox, customer_id="cst_changed").pk,
            "activity": ActivityFactory(environment=sandbox).pk,
            "sample": Sample.objects.latest("created_at").pk,
            "run": SyncEvent.objects.latest("pk").run_id,
            "webhook": WebhookEndpoint.objects.get().pk,
            "connection": feed.connection.pk,
            "feed": feed.pk,
            "quarantined": QuarantinedRecordFactory(environment=sandbox).pk,
            "request": ApiRequestFactory(environment=sandbox, status=422).pk,
            "client": ClientFactory(environment=sandbox).client_id,
            "event": AuditEvent.objects.filter(partner=sandbox.partner).latest("at").pk,
            "replay": Replay.objects.create(environment=sandbox, state="done").pk,
        }
        return {page: queries(developer, f"/p/aurora-casino/sandbox/{page.format(**numbers)}") for page in COUNTS}

    return measured


def test_every_page_takes_as_many_queries_for_many_rows_as_for_few(
    measure: Callable[[], dict[str, int]], sandbox: Environment
):
    fill(sandbox, 3)
    few = measure()
    fill(sandbox, 60)
    assert measure() == few == COUNTS
    assert max(COUNTS.values()) <= MOST


@pytest.mark.parametrize(
    "page", ["customers/?country_code=GB", "transactions/?customer_id=cst_changed", "activity/?customer_id=cst_changed"]
)
def test_a_filtered_list_that_goes_on_takes_as_many_queries_however_long_it_is(
    developer: Client, sandbox: Environment, page: str
):
    """One that ends on its first page takes one fewer: its rows are its count."""
    counts = set()
    for _ in range(2):
        CustomerFactory.create_batch(60, environment=sandbox)
        TransactionFactory.create_batch(60, environment=sandbox, customer_id="cst_changed")
        ActivityFactory.create_batch(60, environment=sandbox, customer_id="cst_changed")
        counts.add(queries(developer, f"/p/aurora-casino/sandbox/{page}"))
    assert len(counts) == 1
    assert max(counts) <= MOST


@pytest.mark.parametrize("page", ["/partners/", "/partners/?view=list"])
def test_the_desk_takes_as_many_queries_for_many_as_for_few(staff: Client, page: str):
    def partners(number: int) -> int:
        for turn in range(number):
            OnboardingFactory(waiting_for="team", unmapped=turn)
        return queries(staff, page)

    assert partners(2) == partners(20) == 4


def test_the_teams_pages_take_as_many_queries_for_many_rows_as_for_few(staff: Client, partner: Partner):
    pages = {"/staff/audit/": 4, "/staff/partners/aurora-casino/": 7}
    for number in (3, 60):
        for _ in range(number):
            member = MembershipFactory(partner=partner).user
            audit.record("client.created", actor=member, environment=partner.environments.first(), target="a")
        assert {page: queries(staff, page) for page in pages} == pages
