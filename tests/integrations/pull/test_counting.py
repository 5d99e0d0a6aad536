"""Control totals counted at a PostgreSQL that is not ours, and what is said where that fails."""

from __future__ import annotations

import datetime as dt

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from integrations.models import DayTotals, Feed
from integrations.reconciliation import counting
from integrations.reconciliation.counting import count_at_source, last_counting, request_count
from tests.integrations.pull.feeds import connect_to, make_feed
from tests.partner_sources import Database
from track360.audit import Actor
from track360.models import Environment, Partner

pytestmark = pytest.mark.usefixtures("loopback")
FIRST, LAST = dt.date(2026, 3, 28), dt.date(2026, 3, 30)
MALTA = "Europe/Malta"
ACTOR = Actor(client_id="platform")
TABLE = """
DROP TABLE IF EXISTS payments;
CREATE TABLE payments (transaction_id text PRIMARY KEY, customer_id text, transaction_type text,
    amount_currency numeric(18, 2), currency text, transaction_date timestamptz, status text);
INSERT INTO payments
SELECT 't' || n, 'c1', CASE WHEN n % 2 = 0 THEN 'deposit' ELSE 'bonus' END, 0.10, 'EUR',
       timestamptz '2026-03-28 22:30:00Z' + n * interval '15 minutes', 'approved'
  FROM generate_series(0, 99) n
"""


@pytest.fixture
def feed(sandbox: Environment, postgres_source: Database) -> Feed:
    for statement in TABLE.split(";"):
        postgres_source.execute(statement)
    connection = connect_to(postgres_source, sandbox)
    return make_feed(connection, relation="payments", cursor_column="transaction_date")


def counted(feed: Feed) -> dict[dt.date, list[tuple[str, int, str]]]:
    count_at_source(feed, first=FIRST, last=LAST, time_zone=MALTA, actor=ACTOR)
    rows = DayTotals.objects.filter(side="partner", origin="counted", entity="transactions")
    return {row.day: [(line["type"], line["count"], line["sum"]) for line in row.lines] for row in rows}


def test_each_day_of_the_zone_is_counted_at_the_source(feed: Feed) -> None:
    found = counted(feed)

    assert {day.day: sum(count for _, count, _ in lines) for day, lines in found.items()} == {28: 2, 29: 92, 30: 6}
    assert found[dt.date(2026, 3, 29)] == [("bonus", 46, "4.60"), ("deposit", 46, "4.60")]
    assert last_counting(feed.environment, now=timezone.now()).problem == ""


def test_a_database_that_is_not_there_is_said_and_nothing_is_kept(feed: Feed) -> None:
    feed.connection.port = 9
    assert counted(feed) == {}

    last = last_counting(feed.environment, now=timezone.now())
    assert (last.is_running, last.entity, bool(last.problem)) == (False, "transactions", True)


def test_the_database_of_a_suspended_partner_is_left_alone(feed: Feed) -> None:
    feed.environment.partner.status = Partner.Status.SUSPENDED

    assert counted(feed) == {}
    assert "suspended" in last_counting(feed.environment, now=timezone.now()).problem


def test_what_cannot_be_a_control_total_is_said(feed: Feed, postgres_source: Database) -> None:
    postgres_source.execute("UPDATE payments SET currency = 'XXQ' WHERE transaction_id = 't50'")

    assert counted(feed) == {}
    assert "no ISO 4217 code" in last_counting(feed.environment, now=timezone.now()).problem


def ask(
    environment: Environment, *, entity: str = "transactions", first: dt.date = FIRST, last: dt.date = LAST
) -> Feed:
    return request_count(environment, entity, first=first, last=last, time_zone=MALTA, actor=ACTOR)


def test_a_request_shows_as_under_way_until_no_worker_answers(feed: Feed) -> None:
    assert ask(feed.environment) == feed

    now = timezone.now()
    assert last_counting(feed.environment, now=now).is_running
    assert "No worker" in last_counting(feed.environment, now=now + counting.GIVEN_UP).problem
    assert last_counting(feed.environment, now=now + counting.REMEMBERED * 2) is None


def test_what_cannot_be_counted_is_refused(feed: Feed, production: Environment) -> None:
    today = timezone.now().date()
    refused = [
        lambda: ask(production),
        lambda: ask(feed.environment, entity="customers"),
        lambda: ask(feed.environment, first=LAST, last=FIRST),
        lambda: ask(feed.environment, last=today + dt.timedelta(days=1)),
        lambda: ask(feed.environment, first=dt.date(2020, 1, 1)),
    ]
    for request in refused:
        with pytest.raises(ValidationError):
            request()
