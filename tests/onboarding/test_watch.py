"""Told by itself: secrets that end, refusals, lateness, silence. Each once until it is over."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from entities.models import Batch, Entity
from integrations.models import DoubledDay, Feed
from integrations.pull import schedule
from onboarding.delivery import send_due
from onboarding.models import Delivery, Notification, Scope
from onboarding.watch import silent_after, watch
from tests.factories import (
    ActivityFactory,
    BatchFactory,
    ClientFactory,
    ClientSecretFactory,
    DayTotalsFactory,
    DoubledDayFactory,
    FeedFactory,
    MembershipFactory,
    OnboardingFactory,
    PartnerFactory,
    QuarantinedRecordFactory,
    RehearsalWindowFactory,
    RunFactory,
    UserFactory,
)
from track360.audit import Actor
from track360.models import Environment, Partner

NOW = dt.datetime(2026, 3, 15, 12, 10, tzinfo=dt.UTC)
HOUR = dt.timedelta(hours=1)
MINUTE = dt.timedelta(minutes=1)
DAY = dt.timedelta(days=1)


@pytest.fixture
def partner(db: None) -> Partner:
    return PartnerFactory(slug="aurora-casino", name="Aurora Casino")


@pytest.fixture
def production(partner: Partner) -> Environment:
    return partner.environments.get(kind="production")


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


def titles(*, now: dt.datetime = NOW) -> list[str]:
    """What is open after a look."""
    watch(now=now)
    return list(Notification.objects.filter(over_at=None).order_by("title").values_list("title", flat=True))


def came(environment: Environment, at: dt.datetime, entity: str = "transactions", **fields: Any) -> Batch:
    return BatchFactory(environment=environment, entity=entity, started_at=at, **fields)


def came_hourly(
    environment: Environment, *, until: dt.datetime, every: int = 1, entity: str = "transactions", **fields: Any
) -> None:
    for back in range(0, 72, every):
        came(environment, until - back * HOUR, entity, **fields)


# -- Told once, over by itself ------------------------------------------------


def test_each_is_told_once_until_it_is_over_and_again_when_it_comes_back(partner: Partner, production: Environment):
    MembershipFactory(partner=partner, role="owner", user__email="owner@aurora.example")
    came_hourly(production, until=NOW - 4 * HOUR)
    for _ in range(3):
        assert titles() == ["No transactions since 15 March 2026, 08:10 UTC"]
    send_due(Delivery.Channel.EMAIL)
    assert [email.subject for email in mail.outbox] == ["Aurora Casino: No transactions since 15 March 2026, 08:10 UTC"]
    came(production, NOW)
    assert titles() == []
    assert len(titles(now=NOW + 13 * HOUR)) == 1  # of late pauses of 4 hours are usual
    assert Notification.objects.count() == 2


@pytest.mark.parametrize("status", ["suspended", "closed"])
def test_a_partner_who_may_not_send_is_not_told_that_he_does_not(production: Environment, status: str):
    came_hourly(production, until=NOW - 4 * HOUR)
    assert len(titles()) == 1
    Partner.objects.update(status=status)
    assert titles() == []


def test_what_is_told_leads_to_a_page_that_opens(partner: Partner, production: Environment):
    came_hourly(production, until=NOW - 4 * HOUR)
    came(production, NOW - MINUTE, "customers", received=40, rejected=40)
    ClientSecretFactory(client=ClientFactory(environment=production), expires_at=NOW + DAY)
    ActivityFactory(environment=production, date=(NOW - 5 * DAY).date())
    came(production, NOW - 4 * DAY, "activity")
    late(production, 20, 20, "customers")
    assert len(titles()) == 5
    browser = Browser()
    browser.force_login(UserFactory(is_staff=True), backend="allauth.account.auth_backends.AuthenticationBackend")
    for notification in Notification.objects.all():
        assert browser.get(notification.path).status_code == 200, notification.path


# -- Secrets ------------------------------------------------------------------


def test_a_secret_that_ends_within_a_week_is_told_of_until_a_newer_one_is_used(production: Environment):
    client = ClientFactory(environment=production, name="CRM exporter")
    old = ClientSecretFactory(client=client, created_at=NOW - 90 * DAY, expires_at=NOW + 8 * DAY, last_four="a1b2")
    new = ClientSecretFactory(client=client, created_at=NOW - DAY)
    assert titles() == []
    old.expires_at = NOW + 6 * DAY
    old.save()
    assert titles() == ["The secret …a1b2 of CRM exporter ends on 21 March 2026, 12:10 UTC"]
    new.last_used_at = NOW
    new.save()
    assert titles() == []


@pytest.mark.parametrize(
    "fields", [{"revoked_at": NOW}, {"expires_at": NOW - MINUTE}, {"client__revoked_at": NOW}, {"expires_at": None}]
)
def test_a_secret_that_has_ended_or_has_no_end_is_nothing_to_tell(production: Environment, fields: dict[str, Any]):
    ClientSecretFactory(**{"client__environment": production, "expires_at": NOW + DAY, **fields})
    assert titles() == []


def test_an_older_one_in_use_or_another_clients_is_no_newer_one(production: Environment):
    client = ClientFactory(environment=production)
    ClientSecretFactory(client=client, created_at=NOW - 2 * DAY, last_used_at=NOW)
    ClientSecretFactory(client=client, created_at=NOW - DAY, expires_at=NOW + DAY)
    ClientSecretFactory(client=ClientFactory(environment=production), created_at=NOW, last_used_at=NOW)
    assert len(titles()) == 1


# -- Paused feeds -------------------------------------------------------------


def test_a_paused_feed_is_told_with_its_reason_and_who_acts_until_it_is_resumed(sandbox: Environment):
    feed = FeedFactory(connection__environment=sandbox)
    assert titles() == []
    schedule.hold_feed(feed, reason="The API answered 401. It was tried 8 times in a row.")
    Feed.objects.update(paused_at=NOW)
    RunFactory(feed=feed, state="paused", problem="The API answered 401.", problem_party="partner")
    assert titles() == ["The feed of transactions in sandbox is paused since 15 March 2026, 12:10 UTC"]
    told = Notification.objects.get()
    assert told.text.startswith("The API answered 401. It was tried 8 times in a row. It is on the partner's side.")
    assert (told.path.endswith(f"/connections/{feed.connection_id}/"), told.environment) == (True, sandbox)
    schedule.resume_feed(feed, actor=Actor())
    assert titles() == []


@pytest.mark.parametrize(
    ("problem", "party", "words"),
    [
        ("No column “id”.", "mapping", "how the feed is set up"),
        ("Something went wrong on our side.", "us", "the integrations team"),
        ("Of an earlier try.", "partner", "Resume it on the page"),
        ("", "", "Resume it on the page"),
    ],
)
def test_who_acts_is_who_the_problem_waits_for(sandbox: Environment, problem: str, party: str, words: str):
    reason = "Paused by Ada." if problem.startswith("Of") or not problem else problem
    feed = FeedFactory(connection__environment=sandbox, paused_at=NOW, pause_reason=reason)
    RunFactory(feed=feed, state="paused", problem=problem, problem_party=party)
    assert len(titles()) == 1
    assert words in Notification.objects.get().text


@pytest.mark.parametrize(
    "fields",
    [{"is_on": False}, {"removed_at": NOW}, {"connection__removed_at": NOW}, {"connection__environment": "suspended"}],
)
def test_a_feed_that_would_not_fetch_anyhow_is_not_told_of(sandbox: Environment, fields: dict[str, Any]):
    if fields.pop("connection__environment", None):
        Partner.objects.update(status="suspended")
    FeedFactory(connection__environment=sandbox, paused_at=NOW, **fields)
    assert titles() == []


# -- Refusals -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("received", "rejected", "is_told"), [(100, 6, True), (100, 5, False), (20, 2, True), (19, 19, False)]
)
def test_refusals_are_told_above_5_percent_of_at_least_20_records(
    sandbox: Environment, received: int, rejected: int, is_told: bool
):
    came(sandbox, NOW - 50 * MINUTE, received=received - 1, rejected=rejected - 1)
    came(sandbox, NOW - MINUTE, received=1, rejected=1, door="pull")
    assert bool(titles()) is is_told


def test_refusals_say_how_many_and_the_commonest_reason(production: Environment):
    came(production, NOW - MINUTE, received=1000, rejected=120)
    for code in ("unknown_customer", "unknown_customer", "missing_field"):
        QuarantinedRecordFactory(environment=production, entity="transactions", code=code, received_at=NOW - MINUTE)
    for _ in range(5):
        QuarantinedRecordFactory(environment=production, entity="customers", code="bad_email", received_at=NOW)
        QuarantinedRecordFactory(environment=production, entity="transactions", code="old", received_at=NOW - DAY)
    assert titles() == ["12 % of the transactions of the last hour were refused in production"]
    text = Notification.objects.get().text
    assert text == "120 of 1,000 records were refused. The commonest reason is unknown_customer."


def test_whole_batches_that_were_refused_count_too(production: Environment):
    came(production, NOW - MINUTE, received=1000, rejected=100, refused=True)
    assert len(titles()) == 1
    assert "whole batches" in Notification.objects.get().text


@pytest.mark.parametrize("door", ["sample", "replay", "backfill"])
def test_samples_replays_and_backfills_are_no_traffic(production: Environment, door: str):
    came(production, NOW - MINUTE, received=100, rejected=100, door=door)
    came_hourly(production, until=NOW - 4 * HOUR)
    assert titles() == ["No transactions since 15 March 2026, 08:10 UTC"]


def test_each_entity_and_environment_is_told_apart_and_after_an_hour_it_is_over(
    sandbox: Environment, production: Environment
):
    for environment in (sandbox, production):
        for entity in ("customers", "transactions"):
            came(environment, NOW - MINUTE, entity, received=100, rejected=100)
    assert len(titles()) == 4
    for environment in (sandbox, production):
        came(environment, NOW + HOUR, "transactions", received=100)
    assert titles(now=NOW + HOUR) == []


# -- Lateness -----------------------------------------------------------------


def late(environment: Environment, created: int, late: int, entity: str = "transactions", **fields: Any) -> Batch:
    fields = {"lags": [created - late, 0, 0, 0, 0, 0, late, 0, 0, 0, 0, 0], "lag_seconds": 900 * late, **fields}
    return came(environment, fields.pop("at", NOW - MINUTE), entity, created=created, late=late, **fields)


@pytest.mark.parametrize(("created", "number", "is_told"), [(20, 2, True), (20, 1, False), (19, 19, False)])
def test_under_95_percent_of_an_hour_in_time_is_told(production: Environment, created: int, number: int, is_told: bool):
    late(production, created, number)
    assert bool(titles()) == is_told


def test_lateness_is_told_with_whose_part_it_is_and_is_over_with_the_hour(production: Environment):
    late(production, 200, 100)
    late(production, 800, 20)
    assert titles() == ["88.0 % of the transactions of the last hour came in time in production"]
    told = Notification.objects.get()
    assert told.kind == "records.late"
    assert told.text.startswith("880 of 1,000 new records were here within 5 minutes; it should be 95 %.")
    assert "the way to us, before our part begins" in told.text
    assert titles(now=NOW + HOUR) == []


def test_that_our_part_is_the_larger_is_said(production: Environment):
    late(production, 20, 20, own_seconds=900 * 15)
    titles()
    assert "which is our part" in Notification.objects.get().text


def test_late_activity_and_what_is_not_measured_is_not_told(production: Environment):
    late(production, 30, 30, "activity")
    late(production, 30, 30, lags=None, door="backfill")
    late(production, 30, 30, at=NOW - HOUR - MINUTE)
    assert titles() == []


def test_an_entity_that_is_not_in_scope_is_not_late(partner: Partner, production: Environment):
    Scope.objects.create(partner=partner, patterns={"customers": "push"})
    late(production, 20, 20)
    late(production, 20, 20, "customers")
    assert titles() == ["0.0 % of the customers of the last hour came in time in production"]


def test_a_sandbox_is_to_be_in_time_while_a_rehearsal_is_open(partner: Partner, sandbox: Environment):
    late(sandbox, 20, 20)
    assert titles() == []
    window = RehearsalWindowFactory(partner=partner, opened_at=NOW - HOUR, closes_at=NOW + MINUTE)
    assert titles() == ["0.0 % of the transactions of the last hour came in time in sandbox"]
    window.earned_at = NOW
    window.save()
    assert titles() == []
    window.earned_at, window.closes_at = None, NOW
    window.save()
    assert titles() == []


# -- Silence ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap_hours", "hours"),
    [(0, 3), (1, 6), (7, 24), (8, 26), (23, 26), (48, 26)],
)
def test_a_pause_is_too_long_at_three_times_the_usual_longest(gap_hours: int, hours: int):
    assert silent_after(gap_hours) == hours * HOUR


@pytest.mark.parametrize(
    ("every", "silent_hours", "is_told"),
    [
        (1, 2, False),
        (1, 2.9, False),
        (1, 3.1, True),
        (4, 11, False),
        (4, 12.1, True),
        (24, 25.9, False),
        (24, 26.1, True),
    ],
)
def test_silence_is_judged_by_the_partners_own_rhythm(
    production: Environment, every: int, silent_hours: float, is_told: bool
):
    came_hourly(production, until=NOW - silent_hours * HOUR, every=every)
    assert bool(titles()) is is_told


def test_the_first_hours_of_a_partner_are_no_rhythm(production: Environment):
    for minutes in range(30):
        came(production, NOW - 5 * HOUR - minutes * MINUTE)
    assert titles() == []
    assert len(titles(now=NOW + 22 * HOUR)) == 1


def test_sandbox_may_be_silent_and_so_may_what_never_came_or_is_out_of_scope(
    partner: Partner, sandbox: Environment, production: Environment
):
    came_hourly(sandbox, until=NOW - 10 * HOUR)
    assert titles() == []
    came_hourly(production, until=NOW - 10 * HOUR, entity="customers")
    came_hourly(production, until=NOW - 10 * HOUR, entity="transactions")
    Scope.objects.create(partner=partner, patterns={"customers": "push", "transactions": "push"})
    assert len(titles()) == 2
    Scope.objects.create(partner=partner, patterns={"customers": "push"})
    assert titles() == ["No customers since 15 March 2026, 02:10 UTC"]


def test_silence_of_what_is_pulled_leads_to_the_runs(partner: Partner, production: Environment):
    came_hourly(production, until=NOW - 10 * HOUR, entity="customers", door="pull")
    ActivityFactory(environment=production, date=dt.date(2026, 3, 12))
    came(production, NOW - 60 * HOUR, "activity", door="pull")
    Scope.objects.create(partner=partner, patterns={"customers": "pull", "activity": "pull"})
    assert len(titles()) == 2
    day, customers = Notification.objects.order_by("title")
    assert customers.text.endswith("Look at the runs whether we reach your system, and what it answered.")
    for told, entity in ((customers, "customers"), (day, "activity")):
        assert told.path == f"/p/aurora-casino/production/connections/runs/?entity={entity}"


def test_a_day_of_activity_is_due_by_six_in_the_morning_utc(production: Environment):
    six = dt.datetime(2026, 3, 15, 6, 0, tzinfo=dt.UTC)
    came(production, six - 26 * HOUR, Entity.ACTIVITY)
    ActivityFactory(environment=production, date=dt.date(2026, 3, 13))
    assert titles(now=six - MINUTE) == []
    assert titles(now=six) == ["No activity of 14 March 2026"]
    assert titles(now=six + 5 * HOUR) == ["No activity of 14 March 2026"]
    ActivityFactory(environment=production, date=dt.date(2026, 3, 14))
    assert titles(now=six + 5 * HOUR) == []


def test_the_first_day_of_activity_misses_no_day_before_it(production: Environment):
    came(production, NOW, Entity.ACTIVITY)
    ActivityFactory(environment=production, date=NOW.date())
    assert titles() == []


# -- Cost ---------------------------------------------------------------------


def test_a_look_takes_as_many_queries_for_many_partners_as_for_few(db: None):
    def queries(number: int) -> int:
        for _ in range(number):
            environment = PartnerFactory().environments.get(kind="production")
            came_hourly(environment, until=NOW - 4 * HOUR, every=6)
            came(environment, NOW, "customers", received=100, rejected=100)
            ClientSecretFactory(client=ClientFactory(environment=environment), expires_at=NOW + DAY)
            FeedFactory(connection__environment=environment, paused_at=NOW)
        watch(now=NOW)
        with CaptureQueriesContext(connection) as captured:
            watch(now=NOW)
        return len(captured)

    assert queries(1) == queries(8) <= 21


def test_nobody_at_all_is_looked_at_without_trouble(db: None):
    assert titles() == []


# -- Books that differ ----------------------------------------------------------


def said(environment: Environment, day: dt.date, count: int, *, side: str = "partner", entity: str = "transactions"):
    lines = [{"currency": "EUR", "type": "", "count": count, "sum": f"{count}.00"}] if count else []
    return DayTotalsFactory(environment=environment, day=day, side=side, entity=entity, lines=lines)


def test_a_day_of_production_that_differs_is_told_until_it_agrees(production: Environment) -> None:
    day = (NOW - DAY).date()
    said(production, day, 3)

    assert titles() == ["14 March 2026 does not agree with the control totals in production"]
    told = Notification.objects.get()
    assert "Transactions: EUR 3 records fewer and 3.00 less here." in told.text
    assert told.path == "/p/aurora-casino/production/reconciliation/2026-03-14/"

    said(production, day, 3, side="stored")
    assert titles() == []


def test_a_sandbox_that_differs_is_told_of_once_the_partner_goes_live(partner: Partner, sandbox: Environment) -> None:
    said(sandbox, (NOW - DAY).date(), 3)
    assert titles() == []

    OnboardingFactory(partner=partner, phase=5, done=6, next_step=7)

    assert titles() == ["14 March 2026 does not agree with the control totals in sandbox"]


def test_a_day_that_is_not_over_or_long_gone_is_not_told(production: Environment) -> None:
    said(production, NOW.date(), 3)
    said(production, (NOW - 15 * DAY).date(), 3)

    assert titles() == []


def test_a_doubled_day_is_told_once_until_a_person_has_said_which_is_right(production: Environment) -> None:
    for currency in ("EUR", "USD"):
        DoubledDayFactory(environment=production, currency=currency)

    assert titles() == ["Transactions of 15 March 2026 came again, doubled, in production"]
    assert "EUR deposit, USD deposit" in Notification.objects.get().text

    DoubledDay.objects.update(verdict="later")
    assert titles() == []
