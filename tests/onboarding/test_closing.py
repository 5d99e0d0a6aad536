"""Emptying a sandbox, taking one's data away, and the end of a partner."""

from __future__ import annotations

import datetime as dt
import hashlib
import io
import json
import re
import threading
import time
import zipfile
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.storage import default_storage
from django.db import connection, transaction
from django.db.models import F
from django.utils import timezone

from entities.models import (
    Activity,
    Batch,
    BatchHour,
    Customer,
    Difference,
    QuarantinedRecord,
    QuarantineEvent,
    RecordChange,
    RecordCounter,
    Replay,
    SeenStatus,
    Sighting,
)
from entities.models import Transaction as MoneyTransaction
from entities.pipeline import Report, ingest
from entities.pipeline.policy import Door, Policy
from integrations.clients import create_client, issue_token
from integrations.models import (
    ApiRequest,
    Client,
    ConnectionTest,
    DayTotals,
    DoubledDay,
    Feed,
    SyncEvent,
    SyncRun,
    TotalsWatermark,
    Waiver,
    WebhookEndpoint,
)
from integrations.pull import lease
from integrations.reconciliation.compute import refresh
from onboarding import jobs
from onboarding.closing import close_partner, request_reset, run_reset
from onboarding.erasure import erase_customer
from onboarding.exports import OF_ENVIRONMENT, OF_OTHERS, OF_PARTNER, available_exports, request_export, run_export
from onboarding.models import PartnerExport, Sample, SandboxReset
from tests.entities.test_concurrency import together
from tests.factories import (
    CONNECTION_SECRET,
    ApiRequestFactory,
    BatchHourFactory,
    ConnectionFactory,
    ConnectionTestFactory,
    FeedFactory,
    MembershipFactory,
    QuarantinedRecordFactory,
    RunFactory,
    SyncEventFactory,
    UserFactory,
)
from tests.onboarding.test_erasure import PERSON, held_sample
from tests.payloads import customers, sample, transactions
from track360.audit import Actor
from track360.models import AuditEvent, Environment, Invitation, Partner
from track360.partners import create_partner

pytestmark = pytest.mark.django_db

DAY = dt.date(2026, 3, 15)


@pytest.fixture
def partner(db: None) -> Partner:
    return create_partner(name="Aurora")


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


@pytest.fixture
def production(partner: Partner) -> Environment:
    return partner.environments.get(kind="production")


def fill(environment: Environment) -> None:
    ingest(environment, "customers", [*customers(3), {"customer_id": "bad"}], lenient=True)
    ingest(environment, "customers", customers(1, click_id="new", last_modified_date=...))
    ingest(environment, "transactions", transactions(2, customer_id="cst_0"))
    ingest(environment, "activity", [sample("activity", customer_id="cst_0")])
    held_sample(environment, *customers(2))
    ApiRequestFactory(environment=environment)
    fetch(environment)
    QuarantineEvent.objects.create(record=QuarantinedRecord.objects.filter(environment=environment)[0], kind="edited")


def fetch(environment: Environment) -> SyncRun:
    """What a hybrid feed and its reconciliation leave: rows in each store of them."""
    feed = FeedFactory(
        connection__environment=environment, entity="customers", every_minutes=5, cursor="2026-03-15T12:00:00Z"
    )
    run = RunFactory(feed=feed, state="running")
    SyncEventFactory(run=run)
    policy = Policy(door=Door.COMPARE, run_id=run.pk)
    ingest(
        environment, "customers", [*customers(1, country_code="SE"), *customers(1, start=1)], door="pull", policy=policy
    )
    of = {"environment": environment, "entity": "customers"}
    once, twice = (DayTotals.objects.create(day=DAY, side="partner", **of) for _ in range(2))
    DoubledDay.objects.create(day=DAY, earlier=once, later=twice, **of)
    Waiver.objects.create(day=DAY, count_difference=1, reason="known", **of)
    TotalsWatermark.objects.create(upto=timezone.now(), pending=["2026-03-15"], **of)
    BatchHourFactory(**of)
    Replay.objects.create(environment=environment)
    return run


STORES = (
    *(Customer, MoneyTransaction, Activity, RecordChange, QuarantinedRecord, Batch, SeenStatus, Sample, ApiRequest),
    *(SyncRun, DayTotals, DoubledDay, Waiver, TotalsWatermark, BatchHour, Difference, Sighting, Replay),
)


def rows(environment: Environment) -> list[int]:
    return [model.objects.filter(environment=environment).count() for model in STORES]


# -- Sandbox ------------------------------------------------------------------


def test_a_reset_empties_the_sandbox_and_nothing_else(sandbox: Environment, production: Environment) -> None:
    fill(sandbox)
    fill(production)
    create_client(sandbox, name="crm", actor=None)
    kept = rows(production)
    reset = request_reset(sandbox, actor=Actor())
    run_reset(reset.pk)
    reset.refresh_from_db()
    assert all(kept)
    assert (rows(sandbox), rows(production)) == ([0] * len(STORES), kept)
    assert (reset.state, reset.counts["customers"], reset.counts["samples"]) == ("done", 3, 1)
    assert Client.objects.filter(environment=sandbox, revoked_at=None).count() == 1
    assert AuditEvent.objects.filter(action="sandbox.reset", environment=sandbox).count() == 1


def test_a_reset_lets_each_feed_begin_anew_and_one_that_is_on_at_once(
    sandbox: Environment, production: Environment
) -> None:
    soon = timezone.now() + dt.timedelta(hours=9)
    connection = ConnectionFactory(environment=sandbox, is_on=True, passed_at=soon)
    tested = ConnectionTestFactory(connection=connection)

    def feed(entity: str, **fields: Any) -> Feed:
        place = {"connection": connection, "cursor": "77", "next_run_at": soon, "is_on": True, "every_minutes": 5}
        return FeedFactory(**place | {"entity": entity} | fields)

    running, off = feed("customers"), feed("transactions", is_on=False)
    by_hand = feed("activity", every_minutes=None)
    SyncEventFactory(run=RunFactory(feed=running))
    kept = FeedFactory(connection__environment=production, cursor="77")
    run_reset(request_reset(sandbox, actor=Actor()).pk)
    for row in (running, off, by_hand, kept, connection):
        row.refresh_from_db()
    assert [row.cursor for row in (running, off, by_hand, kept)] == ["", "", "", "77"]
    assert [row.next_run_at == soon for row in (running, off, by_hand)] == [False, True, True]
    assert running.next_run_at is not None
    assert running.next_run_at <= timezone.now()
    assert (connection.is_on, connection.passed_at, ConnectionTest.objects.get()) == (True, soon, tested)
    assert not SyncEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_run_whose_sandbox_is_emptied_loses_its_lease_and_stores_nothing_more(sandbox: Environment) -> None:
    run = fetch(sandbox)
    stored = threading.Event()

    def renew(report: Report) -> None:
        """As a worker does it: the page, and that the run is still his, in one transaction."""
        lease.write(run, pages=F("pages") + 1)

    def pull() -> None:
        for turn in range(10_000):
            page = customers(20, start=1000 + 20 * turn)
            ingest(sandbox, "customers", page, door="pull", policy=Policy(door=Door.PULL, run_id=run.pk), also=renew)
            stored.set()

    def reset() -> None:
        stored.wait(20)
        run_reset(request_reset(sandbox, actor=Actor()).pk)

    raised = together(pull, reset)
    assert [type(error) for error in raised] == [lease.LeaseLost]
    assert set(SandboxReset.objects.values_list("state", flat=True)) == {"done"}
    assert (Customer.objects.count(), Batch.objects.count(), SyncRun.objects.count()) == (0, 0, 0)


def test_counters_are_exact_after_a_reset(sandbox: Environment) -> None:
    fill(sandbox)
    run_reset(request_reset(sandbox, actor=Actor()).pk)
    assert not RecordCounter.objects.filter(environment=sandbox).exists()
    ingest(sandbox, "customers", customers(5))
    assert sum(RecordCounter.objects.values_list("count", flat=True)) == 5


def totals(environment: Environment) -> dict[tuple[str, str, str], int]:
    """Entity, day and side -> the newest count of each."""
    rows = DayTotals.objects.filter(environment=environment).order_by("pk")
    return {(row.entity, str(row.day), row.side): sum(line["count"] for line in row.lines) for row in rows}


@pytest.mark.django_db(transaction=True)
def test_totals_are_right_after_a_reset_and_the_records_that_follow(sandbox: Environment) -> None:
    ingest(sandbox, "customers", customers(3, signup_date="2026-03-12T09:15:00Z"))
    ingest(sandbox, "customers", customers(2, start=3, signup_date="2026-03-13T09:15:00Z"))
    refresh(sandbox, "UTC")
    TotalsWatermark.objects.filter(environment=sandbox).update(pending=["2026-03-12"])
    assert ("customers", "2026-03-13", "stored") in totals(sandbox)

    run_reset(request_reset(sandbox, actor=Actor()).pk)
    assert (totals(sandbox), refresh(sandbox, "UTC"), totals(sandbox)) == ({}, set(), {})
    ingest(sandbox, "customers", customers(1, signup_date="2026-03-12T09:15:00Z"))
    refresh(sandbox, "UTC")

    assert totals(sandbox) == {("customers", "2026-03-12", side): 1 for side in ("stored", "pushed")}


@pytest.mark.parametrize("is_first", [True, False], ids=["for the first time", "again"])
@pytest.mark.django_db(transaction=True)
def test_totals_computed_while_the_sandbox_is_emptied_leave_nothing_behind(
    sandbox: Environment, is_first: bool
) -> None:
    if not is_first:
        refresh(sandbox, "UTC")
    ingest(sandbox, "customers", customers(3))
    computed, waits = threading.Event(), threading.Event()

    def compute() -> None:
        with transaction.atomic():
            refresh(sandbox, "UTC")
            computed.set()
            waits.wait(20)

    def reset() -> None:
        computed.wait(20)
        run_reset(request_reset(sandbox, actor=Actor()).pk)

    def watch() -> None:
        """Lets the one go on once the other waits for him."""
        with connection.cursor() as cursor:
            for _ in range(2000):
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
                if cursor.fetchone()[0]:
                    break
                time.sleep(0.01)
        waits.set()

    assert together(compute, reset, watch) == []
    assert set(SandboxReset.objects.values_list("state", flat=True)) == {"done"}
    assert (rows(sandbox), totals(sandbox)) == ([0] * len(STORES), {})


def test_production_is_never_emptied(production: Environment) -> None:
    with pytest.raises(ValidationError) as refused:
        request_reset(production, actor=Actor())
    assert refused.value.code == "sandbox_only"
    fill(production)
    reset = SandboxReset.objects.create(environment=production)  # whoever wrote it
    run_reset(reset.pk)
    reset.refresh_from_db()
    assert (reset.state, all(rows(production))) == ("failed", True)


def test_asking_twice_is_one_reset(sandbox: Environment) -> None:
    first, second = request_reset(sandbox, actor=Actor()), request_reset(sandbox, actor=Actor())
    assert first == second
    run_reset(first.pk)
    run_reset(first.pk)
    assert request_reset(sandbox, actor=Actor()) != first
    assert AuditEvent.objects.filter(action="sandbox.reset").count() == 1


def test_a_reset_that_breaks_off_changes_nothing(sandbox: Environment) -> None:
    fill(sandbox)
    before = rows(sandbox)
    reset = request_reset(sandbox, actor=Actor())
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE entities_recordcounter RENAME TO elsewhere")
    run_reset(reset.pk)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE elsewhere RENAME TO entities_recordcounter")
    reset.refresh_from_db()
    assert (reset.state, rows(sandbox)) == ("failed", before)
    assert "nothing was changed" in reset.problem


@pytest.mark.django_db(transaction=True)
def test_batches_that_meet_a_reset_come_whole_before_it_or_after_it(sandbox: Environment) -> None:
    ingest(sandbox, "customers", customers(20))

    def push(start: int) -> Any:
        def job() -> None:
            for turn in range(10):
                ingest(sandbox, "customers", customers(20, start=start + 20 * turn))

        return job

    def reset() -> None:
        for _turn in range(3):
            run_reset(request_reset(sandbox, actor=Actor()).pk)

    raised = together(push(1000), push(5000), reset)
    stored = Customer.objects.count()
    assert raised == []
    assert set(SandboxReset.objects.values_list("state", flat=True)) == {"done"}
    assert stored % 20 == 0
    assert sum(RecordCounter.objects.values_list("count", flat=True)) == stored


@pytest.mark.django_db(transaction=True)
def test_a_job_is_done_by_one_worker_alone(sandbox: Environment) -> None:
    reset = request_reset(sandbox, actor=Actor())
    entered, leave = threading.Event(), threading.Event()
    runs: list[str] = []

    def slow(job: SandboxReset) -> None:
        runs.append("slow")
        entered.set()
        leave.wait(20)

    def first() -> None:
        try:
            jobs.run(SandboxReset, reset.pk, slow)
        finally:
            connection.close()

    thread = threading.Thread(target=first)
    thread.start()
    assert entered.wait(20)
    jobs.run(SandboxReset, reset.pk, lambda job: runs.append("second"))
    leave.set()
    thread.join()
    assert runs == ["slow"]
    jobs.run(SandboxReset, reset.pk, lambda job: runs.append("taken up"))  # still running: its worker was killed
    assert runs == ["slow", "taken up"]


# -- Export -------------------------------------------------------------------


def exported(partner: Partner) -> tuple[PartnerExport, dict[str, list[dict[str, Any]]]]:
    export = request_export(partner, actor=Actor(user=UserFactory()))
    run_export(export.pk)
    export.refresh_from_db()
    assert export.state == "done", export.problem
    with default_storage.open(export.path) as file:
        content = file.read()
    assert hashlib.sha256(content).hexdigest() == export.sha256
    assert len(content) == export.size
    files: dict[str, list[dict[str, Any]]] = {}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            if name.endswith(".jsonl"):
                lines = archive.read(name).decode().splitlines()
                files[name] = [json.loads(line, parse_float=Decimal) for line in lines]
    return export, files


def test_an_export_holds_everything_and_amounts_are_exact(
    partner: Partner, sandbox: Environment, production: Environment
) -> None:
    fill(sandbox)
    fill(production)
    amount = Decimal("1234567890123.45")
    ingest(sandbox, "transactions", transactions(1, start=70, customer_id="cst_0", amount_currency=amount))
    export, files = exported(partner)
    money = {record["transaction_id"]: record["amount_currency"] for record in files["sandbox/transactions.jsonl"]}
    assert amount in money.values()
    assert [len(files[f"{kind}/customers.jsonl"]) for kind in ("sandbox", "production")] == [3, 3]
    assert files["sandbox/history.jsonl"][0]["old"]["customer_id"] == "cst_0"
    assert files["sandbox/quarantine.jsonl"][0]["payload"] == {"customer_id": "bad"}
    assert len(files["sandbox/batches.jsonl"]) == 6
    assert export.counts["sandbox/transactions.jsonl"] == 3
    fetched = ("feeds", "runs", "day_totals", "waivers", "doubled_days", "differences", "replays")
    assert [len(files[f"sandbox/{name}.jsonl"]) for name in fetched] == [1, 1, 2, 1, 1, 1, 1]
    assert files["sandbox/differences.jsonl"][0]["payload"]["country_code"] == "SE"
    assert files["sandbox/feeds.jsonl"][0]["query"]["updated_from"] == "{since}"
    (happened,) = files["sandbox/quarantine_events.jsonl"]
    assert happened["record_id"] == files["sandbox/quarantine.jsonl"][0]["id"]
    assert files["partner.jsonl"][0]["slug"] == partner.slug
    assert AuditEvent.objects.filter(action="export.made", partner=partner).count() == 1


def test_an_export_holds_no_secret_and_nothing_of_others(partner: Partner, sandbox: Environment) -> None:
    other = create_partner(name="Borealis")
    ingest(other.environments.get(kind="sandbox"), "customers", sample("customers", customer_id="of_borealis"))
    MembershipFactory(partner=other, user__email="owner@borealis.example")
    new = create_client(sandbox, name="crm", actor=None)
    member = MembershipFactory(partner=partner, user__email="dev@aurora.example")
    Invitation.objects.create(
        partner=partner,
        email="new@aurora.example",
        role="viewer",
        digest="d" * 64,
        invited_by=member.user,
        expires_at=timezone.now(),
    )
    WebhookEndpoint.objects.create(
        partner=partner, url="https://aurora.example/hook", sealed_secret="sealed!", sealed_old_secret="sealed before!"
    )
    QuarantinedRecordFactory(environment=sandbox, payload={"customer_id": "a\x00b", "amount": Decimal("1.10")})
    connection = ConnectionFactory(environment=sandbox)
    _, files = exported(partner)
    text = json.dumps(files, default=str)
    assert files["people.jsonl"][0]["user"] == "dev@aurora.example"
    assert files["sandbox/quarantine.jsonl"][0]["payload"]["customer_id"] == "a\x00b"
    assert "https://aurora.example/hook" in text
    assert "new@aurora.example" in text
    assert files["sandbox/clients.jsonl"][0]["client_id"] == new.client.client_id
    for secret in (
        new.clear,
        new.secret.digest,
        "d" * 64,
        "sealed!",
        "sealed before!",
        connection.sealed_secret,
        CONNECTION_SECRET,
        "borealis",
        member.user.password,
    ):
        assert secret not in text


def test_no_column_that_holds_a_secret_is_exported() -> None:
    """Neither what is sealed today nor what is sealed in a column of tomorrow."""
    secretive = re.compile("sealed|secret$|digest|password|token$")
    shown = [*OF_ENVIRONMENT, *OF_PARTNER, *(contents for contents, _ in OF_OTHERS)]
    named = [
        f"{contents.name}.{field.name}"
        for contents in shown
        for field in contents.model._meta.concrete_fields
        if field.name not in contents.without and secretive.search(field.name)
    ]
    sealed = {field.name for contents in shown for field in contents.model._meta.concrete_fields}
    assert {name for name in sealed if name.startswith("sealed")} == {"sealed_secret", "sealed_old_secret"}
    assert named == []


def test_asking_twice_is_one_export(partner: Partner) -> None:
    first = request_export(partner, actor=Actor())
    assert request_export(partner, actor=Actor()) == first


def test_an_export_during_which_somebody_was_erased_is_made_again(partner: Partner, sandbox: Environment) -> None:
    from onboarding import exports

    ingest(sandbox, "customers", customers(2, **PERSON))
    export = request_export(partner, actor=Actor())

    def slow(job: PartnerExport) -> None:
        exports._export(job)

    write = exports._write

    def write_then_erase(*args: Any) -> Any:
        counts = write(*args)
        erase_customer(sandbox, "cst_1", actor=Actor())
        return counts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exports, "_write", write_then_erase)
        jobs.run(PartnerExport, export.pk, slow)
    export.refresh_from_db()
    assert (export.state, export.path) == ("waiting", "")
    run_export(export.pk)
    export.refresh_from_db()
    with default_storage.open(export.path) as file, zipfile.ZipFile(file) as archive:
        assert archive.read("sandbox/customers.jsonl").decode().count("Marker") == 2  # the names of the one left


# -- The end ------------------------------------------------------------------


@pytest.fixture
def team() -> Actor:
    return Actor(user=UserFactory(is_staff=True))


def refused(partner: Partner, actor: Actor, reason: str = "It stopped.") -> str:
    with pytest.raises(ValidationError) as error:
        close_partner(partner, reason=reason, actor=actor)
    return str(error.value.code)


def test_a_closed_partner_has_no_access_left(partner: Partner, sandbox: Environment, team: Actor, client: Any) -> None:
    member = MembershipFactory(partner=partner, role="owner")
    new = create_client(sandbox, name="crm", actor=None)
    headers = {"Authorization": f"Bearer {issue_token(new.client, actor=member.user)}"}
    invitation = Invitation.objects.create(
        partner=partner,
        email="n@a.example",
        role="viewer",
        digest="d",
        invited_by=member.user,
        expires_at=timezone.now(),
    )
    hook = WebhookEndpoint.objects.create(partner=partner, url="https://aurora.example/hook", sealed_secret="x")
    run = RunFactory(state="running", feed__connection__environment=sandbox)
    assert client.get("/api/v1/igaming/customers", headers=headers).status_code == 200
    exported(partner)
    close_partner(partner, reason="It stopped.", actor=team)
    feed, connection = run.feed, run.feed.connection
    for row in (partner, invitation, hook, new.client, run, feed, connection):
        row.refresh_from_db()
    assert (run.state, run.lease_token, feed.is_on, connection.is_on) == ("stopped", None, False, False)
    assert (connection.sealed_secret, connection.secret_set_at, connection.passed_at) == ("", None, None)
    assert partner.status == "closed"
    assert client.get("/api/v1/igaming/customers", headers=headers).status_code == 401
    assert (bool(invitation.revoked_at), hook.is_active, bool(new.client.revoked_at)) == (True, False, True)
    assert set(AuditEvent.objects.filter(partner=partner).values_list("action", flat=True)) >= {
        "client.revoked",
        "partner.closed",
    }
    client.force_login(member.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    assert client.get(f"/p/{partner.slug}/sandbox/").status_code == 404


def test_a_partner_is_closed_once_with_a_reason_after_an_export_by_the_team(partner: Partner, team: Actor) -> None:
    assert refused(partner, team) == "export"
    export, _ = exported(partner)
    assert refused(partner, Actor(user=UserFactory())) == "staff"
    assert refused(partner, team, reason=" ") == "reason"
    PartnerExport.objects.update(expires_at=timezone.now() - dt.timedelta(days=1))
    assert (refused(partner, team), available_exports(partner).count()) == ("export", 0)
    PartnerExport.objects.update(expires_at=timezone.now() + dt.timedelta(days=1))
    close_partner(partner, reason="It stopped.", actor=team)
    assert refused(partner, team) == "closed"
