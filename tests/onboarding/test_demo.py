from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from io import StringIO
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.db import transaction
from django.test import Client as Browser
from django.urls import reverse
from django.utils import timezone
from pytest_django.plugin import DjangoDbBlocker

from entities.generator import sample
from entities.models import (
    Activity,
    Batch,
    Customer,
    Difference,
    QuarantinedRecord,
    RecordChange,
    SeenStatus,
    Transaction,
)
from entities.pipeline import ingest
from integrations.clients import digest_of
from integrations.models import (
    ApiRequest,
    Client,
    ClientSecret,
    Connection,
    ConnectionTest,
    DayTotals,
    Feed,
    SyncEvent,
    SyncRun,
)
from integrations.pull import schedule
from onboarding.demo.fill import fill_once
from onboarding.demo.story import Scale
from onboarding.models import Delivery, Sample, Scope, StepState
from tests.payloads import sample as guide_sample
from track360.audit import Actor
from track360.models import Environment, Membership, Partner, User

SMALL = Scale(players=300, transactions=900, activity=700)
NOON = dt.datetime(2026, 11, 20, 12, 34, 56, tzinfo=dt.UTC)


@pytest.fixture(scope="module")
def told(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Environment]:
    """Told once for all tests of this file; each of them is undone by itself."""
    with django_db_blocker.unblock(), transaction.atomic():
        yield fill_once(scale=SMALL, now=NOON, stream=StringIO()).client.environment
        transaction.set_rollback(True)


@pytest.fixture
def filled(told: Environment, db: None) -> Environment:
    return told


def demo(*options: str) -> dict[str, Any]:
    out = StringIO()
    call_command("demo", "--force", *options, stdout=out, stderr=StringIO())
    assert out.getvalue().count("\n") == 1
    result: dict[str, Any] = json.loads(out.getvalue())
    return result


def test_the_sandbox_holds_two_weeks_as_if_they_had_come_one_call_after_another(filled: Environment) -> None:
    assert (filled.partner.slug, filled.kind) == ("aurora-casino", "sandbox")
    assert Customer.objects.filter(environment=filled).count() == SMALL.players
    assert Transaction.objects.filter(environment=filled).count() == SMALL.transactions
    assert Activity.objects.filter(environment=filled).count() == SMALL.activity
    starts = [batch.started_at for batch in Batch.objects.filter(environment=filled)]
    assert min(starts) < NOON - dt.timedelta(days=14)
    assert NOON - dt.timedelta(hours=1) < max(starts) <= NOON
    assert len({start.date() for start in starts}) >= 14


def test_every_time_of_a_record_is_that_of_the_batch_that_wrote_it(filled: Environment) -> None:
    batches = {batch.id: batch for batch in Batch.objects.all()}
    changed = {change.record_id for change in RecordChange.objects.filter(entity="transactions")}

    for record in Transaction.objects.all():
        batch = batches[record.batch_id]
        assert record.updated_at == batch.finished_at
        assert record.transaction_date <= record.received_at
        assert (record.received_at < batch.started_at) == (record.pk in changed)
    for change in RecordChange.objects.all():
        assert change.changed_at == batches[change.batch_id].finished_at
        assert dt.datetime.fromisoformat(change.old["updated_at"]) < change.changed_at


def test_what_was_late_then_is_late_and_not_all_of_it(filled: Environment) -> None:
    pushed = Batch.objects.filter(entity="transactions", refused=False, started_at__gte=NOON - dt.timedelta(days=1))

    assert sum(batch.created for batch in pushed) > 0
    assert sum(batch.late for batch in pushed) == 0
    assert sum(batch.late for batch in Batch.objects.filter(entity="transactions")) > 0


def test_something_went_wrong_in_every_way_that_a_page_shows(filled: Environment) -> None:
    refused = ApiRequest.objects.filter(environment=filled, status=422)
    assert all(call.detail["records"] and "records refused" in call.error_summary for call in refused)
    assert all(0 < call.rejected <= call.received and call.created == 0 for call in refused)
    assert refused.exists()
    broken = ApiRequest.objects.filter(environment=filled, status=400)
    assert all("excerpt" in call.detail and "not valid JSON" in call.error_summary for call in broken)
    assert broken.exists()
    assert ApiRequest.objects.filter(status=401, error_code="token_expired").exists()
    assert Batch.objects.filter(environment=filled, refused=True).exists()
    assert Batch.objects.filter(environment=filled, stale__gt=0).exists()
    held = QuarantinedRecord.objects.filter(environment=filled)
    assert held.exists()
    assert {record.batch_id for record in held} <= {batch.id for batch in Batch.objects.filter(rejected__gt=0)}
    assert Transaction.objects.filter(amount_usd=None).exists()
    assert Transaction.objects.filter(fx_source="manual").exists()
    assert SeenStatus.objects.filter(raw_value__in=("manual_review", "doc_requested")).exists()  # unmapped


def test_each_batch_has_the_call_that_brought_it(filled: Environment) -> None:
    calls = {call.id: call for call in ApiRequest.objects.all()}

    for batch in Batch.objects.exclude(door="pull"):
        assert batch.request_id is not None
        call = calls[batch.request_id]
        assert (call.at, call.received, call.created) == (batch.started_at, batch.received, batch.created)


def test_half_a_day_was_fetched_and_compared(filled: Environment) -> None:
    runs = SyncRun.objects.filter(environment=filled).order_by("due_at")
    batches = {batch.run_id: batch for batch in Batch.objects.filter(door="pull")}
    assert len(runs) == 12
    assert len(batches) > 6
    assert sum(run.read == 0 for run in runs) == 12 - len(batches)
    for run in runs.exclude(read=0):
        batch = batches[run.pk]
        assert run.started_at is not None
        assert run.due_at < run.started_at < batch.started_at < batch.finished_at == run.finished_at <= NOON
        assert (run.state, run.read, run.rejected) == ("done", batch.received, batch.rejected)
        assert sum(event.records or 0 for event in run.events.all()) == run.read
    assert SyncEvent.objects.filter(status=429).exists()
    assert sum(run.unchanged for run in runs) > 0
    assert Difference.objects.filter(environment=filled, closed_at=None, fetched_at__lt=NOON).exists()
    held = QuarantinedRecord.objects.get(waits_for="cst_not_sent_yet")
    assert (held.state, held.run_id) == ("held", runs[9].pk)
    assert ConnectionTest.objects.get().rows["transactions"]


def test_nothing_of_the_demo_calls_out(filled: Environment) -> None:
    assert Connection.objects.get().passed_at is not None
    assert schedule.plan_due_runs(now=timezone.now() + dt.timedelta(days=9)) == 0
    with pytest.raises(ValidationError) as refused:
        schedule.request_run(Feed.objects.get(), actor=Actor())
    assert refused.value.code == "off"


def test_the_casino_has_told_totals_of_three_days_and_they_agree_on_all_but_one(filled: Environment) -> None:
    told = DayTotals.objects.filter(environment=filled, side="partner")
    assert {(row.entity, str(row.day)) for row in told} == {
        (entity, f"2026-11-{day}") for entity in ("transactions", "activity") for day in (16, 17, 18)
    }
    counted = {str(row.day): sum(line["count"] for line in row.lines) for row in told.filter(entity="activity")}
    assert counted == {day: Activity.objects.filter(environment=filled, date=day).count() for day in counted}
    zone = ZoneInfo("Europe/Malta")
    for row in told.filter(entity="transactions"):
        begin = dt.datetime.combine(row.day, dt.time(), zone)
        stored = Transaction.objects.filter(
            transaction_date__gte=begin, transaction_date__lt=begin + dt.timedelta(days=1)
        ).count()
        assert sum(line["count"] for line in row.lines) - stored == (3 if row.day.day == 16 else 0)
        assert row.at.date() > row.day


def test_data_is_made_once_then_left(filled: Environment) -> None:
    before = Batch.objects.count()

    demo()

    assert Batch.objects.count() == before


def test_it_prints_how_to_get_in(filled: Environment) -> None:
    result = demo()

    assert result.keys() == {"url", "partner_user", "staff_user", "client"}
    assert result["partner_user"].keys() == {"email", "password"}
    assert result["staff_user"].keys() == {"email", "password", "totp_secret"}
    assert result["client"].keys() == {"client_id", "client_secret", "environment"}
    assert result["client"]["environment"] == "sandbox"


def test_each_call_makes_every_secret_anew_for_one_client(filled: Environment) -> None:
    first, second = demo(), demo()

    assert first["client"]["client_id"] == second["client"]["client_id"]
    assert first["client"]["client_secret"] != second["client"]["client_secret"]
    assert first["partner_user"]["password"] != second["partner_user"]["password"]
    assert first["staff_user"]["password"] != second["staff_user"]["password"]
    assert first["staff_user"]["totp_secret"] != second["staff_user"]["totp_secret"]
    (live,) = ClientSecret.objects.live()
    assert live.digest == digest_of(second["client"]["client_secret"])
    assert Client.objects.count() == 1


def test_a_revoked_demo_client_is_replaced(filled: Environment) -> None:
    Client.objects.update(revoked_at=NOON)

    assert demo()["client"]["client_id"] == Client.objects.get(revoked_at=None).client_id


def test_the_owner_signs_in_with_the_printed_password(filled: Environment, client: Browser) -> None:
    owner = demo()["partner_user"]

    client.post(reverse("account_login"), {"login": owner["email"], "password": owner["password"]})

    user = User.objects.get(pk=client.session["_auth_user_id"])
    assert Membership.objects.get(user=user).role == "owner"
    assert not user.is_staff


def test_the_team_signs_in_with_password_and_code_and_opens_the_admin(filled: Environment, client: Browser) -> None:
    staff = demo()["staff_user"]

    answer = client.post(reverse("account_login"), {"login": staff["email"], "password": staff["password"]})
    assert answer["Location"] == reverse("mfa_authenticate")
    assert client.get("/admin/").status_code == 302

    counter = next(yield_hotp_counters_from_time())
    code = format_hotp_value(hotp_value(staff["totp_secret"], counter))
    client.post(reverse("mfa_authenticate"), {"code": code})
    assert client.get("/admin/").status_code == 200


def test_other_partners_stand_beside_it_and_hold_nothing(filled: Environment) -> None:
    others = Partner.objects.exclude(slug="aurora-casino")

    assert others.count() == 3
    assert not Batch.objects.exclude(environment=filled).exists()
    roles = sorted(Membership.objects.filter(partner=filled.partner).values_list("role", flat=True))
    assert roles == ["developer", "developer", "owner", "viewer"]


def test_the_walk_is_half_way_and_the_others_stand_elsewhere(filled: Environment) -> None:
    green = StepState.objects.filter(state="met").values_list("partner__slug", "number")
    assert {number for slug, number in green if slug == "aurora-casino"} == {1, 2, 5}
    assert {slug for slug, _ in green} == {"aurora-casino"}
    assert Scope.objects.filter(partner__slug="cobalt-poker", partner_accepted_at=None).exists()
    invalid = Sample.objects.order_by("created_at").values_list("entity", "invalid")
    assert list(invalid) == [("customers", 0), ("transactions", 3), ("transactions", 0), ("activity", 2)]
    assert not Delivery.objects.exclude(next_try_at=None).exists()


def test_sample_files_and_the_guides_samples_find_their_place(filled: Environment) -> None:
    pushed = ingest(filled, "transactions", sample("transactions", 1000, today=NOON.date()))
    assert set(pushed.outcomes) == {"created"}
    pushed = ingest(filled, "activity", sample("activity", 1000, today=NOON.date()))
    assert set(pushed.outcomes) == {"created"}
    for entity in ("customers", "transactions", "activity"):
        report = ingest(filled, entity, guide_sample(entity))
        assert report.outcomes == ["created"]
        assert {warning.code for warning in report.warnings} <= {"late"}


@pytest.mark.django_db
def test_what_is_stored_of_the_days_with_control_totals_is_counted(filled: Environment) -> None:
    told = DayTotals.objects.filter(environment=filled, side="partner").exclude(lines=[])
    counted = DayTotals.objects.filter(environment=filled, side="stored").exclude(lines=[])

    assert told.exists()
    assert set(told.values_list("entity", "day")) <= set(counted.values_list("entity", "day"))


@pytest.mark.django_db
def test_it_is_refused_where_debug_is_off() -> None:
    before = User.objects.count(), Partner.objects.count()

    with pytest.raises(CommandError, match="--force"):
        call_command("demo", stdout=StringIO())

    assert (User.objects.count(), Partner.objects.count()) == before
