"""The freshness page and its call: how soon records come, whose time that is, and what to do next."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entities.models import Batch
from integrations.clients import create_client, issue_token
from integrations.models import Connection, Feed
from tests.factories import ActivityFactory, BatchFactory, MembershipFactory, ScopeFactory
from track360.models import Environment

SOON = [96, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]


def page(client: Client, query: str = "") -> str:
    response = client.get(reverse("freshness", args=["aurora-casino", "sandbox"]) + query)
    assert response.status_code == 200
    return response.content.decode()


def words(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


def came(environment: Environment, lags: list[int] | None = None, **fields: Any) -> Batch:
    lags = lags or SOON
    fields = {"lag_seconds": 5.0 * sum(lags), "own_seconds": 0.1, "started_at": timezone.now(), **fields}
    return BatchFactory(environment=environment, lags=lags, created=sum(lags), **fields)


def late_by(seconds: float, *, own: float) -> dict[str, Any]:
    return {"lags": [0, 0, 0, 0, 0, 0, 20, 0, 0, 0, 0, 0], "lag_seconds": 20 * seconds, "own_seconds": 20 * own}


def fetched(environment: Environment, pattern: str = "pull", **schedule: Any) -> Feed:
    connection = Connection.objects.create(environment=environment, name="DWH", kind="postgresql")
    return Feed.objects.create(
        connection=connection, environment=environment, entity="transactions", pattern=pattern, is_on=True, **schedule
    )


def test_without_records_the_page_says_so(developer: Client, sandbox: Environment):
    text = words(page(developer))
    assert "No new record has come in the last 24 hours, so there is no lag to show." in text
    assert text.count("No new record has come in the last 24 hours.") == 3
    assert "No day of activity was due yet." in text
    assert 'class="days"' not in page(developer)
    assert "How to send records" in text


def test_the_figures_and_the_slowest_step_of_what_is_pushed(developer: Client, sandbox: Environment):
    came(sandbox, [97, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0])
    text = words(page(developer))
    assert (
        "Transactions: 97.0 % within 5 minutes over the last 24 hours; the slowest step is the way from the event to "
        "your call." in text
    )
    assert "95th percentile 9.8 s" in text
    assert "100 3 late" in text
    assert "Under 95 % in time" not in text


@pytest.mark.parametrize(
    ("schedule", "step"),
    [
        ({"every_minutes": 15}, "our fetch, every 15 minutes"),
        ({"every_minutes": 1}, "our fetch, every minute"),
        ({"daily_at": dt.time(5)}, "our fetch, daily at 05:00 UTC"),
        ({}, "our fetch, only when somebody asks for it"),
    ],
)
def test_where_our_part_is_the_larger_the_feeds_schedule_is_to_blame(
    developer: Client, sandbox: Environment, schedule: dict[str, Any], step: str
):
    fetched(sandbox, **schedule)
    came(sandbox, door="pull", **late_by(900, own=600))
    text = words(page(developer))
    assert f"the slowest step is {step}." in text
    assert "Under 95 % in time" in text
    assert "On average a record waits 10 min for our fetch" in text
    assert "Let it run more often." in text
    assert "Ours: 10 min (67 %)" in text


@pytest.mark.parametrize(
    ("pattern", "says", "leads_to"),
    [
        (None, "pass before your call", "docs/pushing/"),
        ("hybrid", "pass before your call", "docs/pushing/"),
        ("pull", "pass before a record shows at the source that we read", "docs/freshness/"),
    ],
)
def test_where_the_partners_part_is_the_larger_it_says_how_to_send_sooner(
    developer: Client, sandbox: Environment, pattern: str | None, says: str, leads_to: str
):
    if pattern:
        fetched(sandbox, pattern, every_minutes=5)
    came(sandbox, **late_by(900, own=60))
    html = page(developer)
    assert f"On average 14 min {says}" in words(html)
    action = re.search(r'<a class="button" data-variant="primary" href="([^"]+)"', html)
    assert action
    assert action[1].endswith(f"/sandbox/{leads_to}")
    assert developer.get(action[1]).status_code == 200


def test_storing_that_takes_longest_is_said_to_be_ours(developer: Client, sandbox: Environment):
    came(sandbox, **late_by(900, own=800))
    text = words(page(developer))
    assert "the slowest step is our storing" in text
    assert "13 min 20 s go into storing" in text


def test_the_worst_of_several_stands_on_top(developer: Client, sandbox: Environment):
    came(sandbox, entity="customers", **late_by(900, own=0))
    came(sandbox)
    assert "Customers: 0.0 % within 5 minutes" in words(page(developer))


def test_what_is_not_in_scope_and_never_came_is_not_shown(developer: Client, sandbox: Environment):
    ScopeFactory(partner=sandbox.partner, patterns={"customers": "push"})
    came(sandbox)
    titles = re.findall(r"<h2[^>]*>([^<]+)</h2>", page(developer))
    assert titles == ["Customers", "Transactions"]


@pytest.mark.parametrize(
    ("query", "period", "steps"),
    [("", "24 hours", 24), ("?span=7d", "7 days", 28), ("?span=30d", "30 days", 30), ("?span=1y", "24 hours", 24)],
)
def test_the_picture_has_a_title_and_a_table_for_the_chosen_time(
    developer: Client, sandbox: Environment, query: str, period: str, steps: int
):
    came(sandbox)
    html = page(developer, query)
    assert f'<title id="transactions-lag-title">Transactions: from the event to us, last {period}</title>' in html
    assert f'aria-current="page">{period}' in html
    table = html.partition('id="transactions-lag-title"')[2].partition("<tbody>")[2].partition("</tbody>")[0]
    assert table.count("<tr>") == steps
    assert "99.0 %" not in table
    assert "100.0 %" in table


def test_a_lag_beyond_what_is_counted_is_over_24_hours(developer: Client, sandbox: Environment):
    came(sandbox, [0] * 11 + [20], lag_seconds=20 * 1e6)
    text = words(page(developer))
    assert "Median over 24 h" in text
    assert "95th percentile over 24 h" in text


def test_the_days_of_activity_stand_in_words(developer: Client, sandbox: Environment):
    today = timezone.now().astimezone(dt.UTC).date()
    day = dt.timedelta(days=1)
    for back, hour in ((5, 5), (4, 7), (2, 5)):
        due = dt.datetime.combine(today - (back - 1) * day, dt.time(hour), dt.UTC)
        ActivityFactory(environment=sandbox, date=today - back * day, received_at=due)
    html = page(developer)
    for back, state in ((5, "in time"), (4, "late"), (3, "missing"), (2, "in time")):
        assert f'<span class="visually-hidden">{today - back * day:%d %B}: {state}</span>' in html
    assert re.search(r"2 of [45] days were complete by 06:00 UTC", words(html))


def test_the_overview_leads_here(developer: Client, sandbox: Environment):
    address = reverse("freshness", args=["aurora-casino", "sandbox"])
    html = developer.get(reverse("overview", args=["aurora-casino", "sandbox"])).content.decode()
    assert html.count(f'href="{address}"') >= 2  # the rail (and its menu) and the figure
    assert f'<a href="{address}">Late in 24 hours</a>' in html


# -- The call ----------------------------------------------------------------------


@pytest.fixture
def program(sandbox: Environment) -> Client:
    new = create_client(sandbox, name="watcher", actor=None, scopes=("manage",))
    token = issue_token(new.client, actor=MembershipFactory(partner=sandbox.partner, role="owner").user)
    return Client(headers={"Authorization": f"Bearer {token}"})


def test_the_call_gives_the_same_figures(program: Client, sandbox: Environment):
    came(sandbox, [97, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0])
    data = program.get("/api/v1/freshness").json()["data"]
    customers, transactions, activity = data["entities"]
    assert (transactions["created"], transactions["in_time"], transactions["target_seconds"]) == (100, 97, 300)
    assert transactions["p95_seconds"] == pytest.approx(9.79, abs=0.01)
    assert transactions["own_seconds"] == pytest.approx(0.001)
    assert len(transactions["steps"]) == 24
    assert (customers["created"], customers["p50_seconds"], activity["target_seconds"]) == (0, None, 21600)
    assert [day["state"] for day in data["activity_days"]] == ["before the first"] * 29 + [
        data["activity_days"][-1]["state"]
    ]


def test_the_call_takes_a_period_and_no_other(program: Client, sandbox: Environment):
    for period, steps in (("7d", 28), ("30d", 30)):
        data = program.get(f"/api/v1/freshness?period={period}").json()["data"]
        assert [len(one["steps"]) for one in data["entities"]] == [steps] * 3
    refused = program.get("/api/v1/freshness?period=1y")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_parameter")


def test_over_24_hours_is_null_in_the_call(program: Client, sandbox: Environment):
    came(sandbox, [0] * 11 + [20])
    found = program.get("/api/v1/freshness").json()["data"]["entities"][1]
    assert (found["created"], found["p50_seconds"], found["p95_seconds"]) == (20, None, None)
