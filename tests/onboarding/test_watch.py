"""Told by itself: secrets that end, refusals, silence. Each once until it is over."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext

from entities.models import Batch, Entity
from integrations.models import DoubledDay
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
    MembershipFactory,
    OnboardingFactory,
    PartnerFactory,
    QuarantinedRecordFactory,
    UserFactory,
)
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


def came_hourly(environment: Environment, *, until: dt.datetime, every: int = 1, entity: str = "transactions") -> None:
    for back in range(0, 72, every):
        came(environment, until - back * HOUR, entity)


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
    assert len(titles()) == 4
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
        watch(now=NOW)
        with CaptureQueriesContext(connection) as captured:
            watch(now=NOW)
        return len(captured)

    assert queries(1) == queries(8) <= 16


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
