"""The overview: how things stand, what to do next, and what is wrong."""

from __future__ import annotations

import datetime as dt
import re
import uuid

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from entities.batch_selectors import Traffic, hours_for
from entities.models import Batch, Entity
from onboarding.next_step import Facts, NextStep, next_step
from tests.factories import (
    ApiRequestFactory,
    BatchFactory,
    ClientFactory,
    ClientSecretFactory,
    ConnectionFactory,
    FeedFactory,
    MembershipFactory,
    QuarantinedRecordFactory,
    RecordCounterFactory,
    RunFactory,
    ScopeFactory,
)
from tests.portal.walks import team_member, walk
from track360.models import Environment, Partner

NOW = dt.datetime(2026, 3, 15, 12, 30, tzinfo=dt.UTC)
PRODUCTION = Environment(kind="production", partner=Partner(slug="p", name="P"))
SANDBOX = Environment(kind="sandbox", partner=Partner(slug="p", name="P"))
SUSPENDED = Environment(kind="sandbox", partner=Partner(slug="p", name="P", status="suspended"))
WALK = NextStep("walk", "2 of 8 steps done. Next: map 3 KYC status values.", "Mappings", "/mappings/")
SETTLED = {
    "environment": SANDBOX,
    "role": "developer",
    "walk": None,
    "missing": [],
    "has_way_in": True,
    "is_pulled": False,
    "day": Traffic(records=1200, refused=0),
    "last_refused_request": None,
}


def overview(client: Client, kind: str = "sandbox", query: str = "", **headers: str) -> str:
    response = client.get(reverse("overview", args=["aurora-casino", kind]) + query, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


CLOSED = {"environment": PRODUCTION, "has_way_in": False}


@pytest.mark.parametrize(
    ("facts", "kind", "says", "url"),
    [
        ({"environment": SUSPENDED, "walk": WALK}, "suspended", "every call gets 401", ""),
        ({"walk": WALK, "day": Traffic(refused=3)}, "walk", "Next: map 3 KYC status values.", "/mappings/"),
        ({**CLOSED, "walk": WALK, "missing": [3, 5, 7]}, "not_open", "steps 3, 5 and 7 are missing", "/onboarding/"),
        (
            {**CLOSED, "missing": [1, 2, 3, 4]},
            "not_open",
            "steps 1 to 4 are missing. Next: finish them",
            "/onboarding/",
        ),
        ({**CLOSED, "missing": [6]}, "not_open", "step 6 is missing. Next: finish it", "/onboarding/"),
        (CLOSED, "no_client", "Next: create them", "/credentials/new/"),
        ({**CLOSED, "role": "viewer"}, "no_client", "owner or developer", ""),
        ({**CLOSED, "is_pulled": True}, "no_connection", "Next: set it up", "/connections/"),
        ({**CLOSED, "is_pulled": True, "role": "viewer"}, "no_connection", "owner or developer", ""),
        ({"environment": PRODUCTION, "walk": WALK, "missing": [3]}, "walk", "map 3 KYC", "/mappings/"),
        ({"day": Traffic(records=90, refused=10)}, "refusals", "10 of 100 records were refused", "/quarantine/"),
        ({"last_refused_request": str(uuid.UUID(int=7))}, "refusals", "look at the newest one", "/requests/"),
        ({}, "well", "All well: 1,200 records", ""),
        ({"day": Traffic()}, "quiet", "nothing came", ""),
    ],
)
def test_the_first_open_question_is_the_next_step(facts: dict, kind: str, says: str, url: str):
    step = next_step(Facts(**{**SETTLED, **facts}))
    assert step.kind == kind
    assert says in step.sentence
    assert url in step.url
    assert bool(step.url) == bool(url) == bool(step.label)


def test_the_sandbox_says_what_the_checklist_says_and_leads_to_the_mappings(
    developer: Client, staff: Client, sandbox: Environment
):
    walk(sandbox, MembershipFactory(partner=sandbox.partner, role="owner").user, team_member())
    html = overview(developer)
    assert "2 of 8 steps done. Step 3 has turned back. Next: map 3 KYC status values." in html
    assert re.search(r'data-variant="primary" href="/p/aurora-casino/sandbox/mappings/\?field=kyc_status_id"', html)
    assert html.count('class="step-mark"') == 8
    assert "Aurora Casino acts next: map 3 KYC status values." in overview(staff)


def test_production_says_what_is_missing_before_it_opens(developer: Client, sandbox: Environment):
    walk(sandbox, MembershipFactory(partner=sandbox.partner, role="owner").user, team_member())
    html = overview(developer, kind="production")
    assert "Production is not open yet: steps 3 to 7 are missing." in html
    assert re.search(r'data-variant="primary" href="/p/aurora-casino/production/onboarding/"', html)


def test_a_new_client_gets_the_call_that_fetches_a_token_with_its_own_id(developer: Client, sandbox: Environment):
    client = ClientFactory(environment=sandbox, revoked_at=timezone.now())
    live = ClientFactory(environment=sandbox)
    html = overview(developer)
    assert f"client_id={live.client_id}" in html
    assert client.client_id not in html
    assert "YOUR_CLIENT_SECRET" in html


def test_once_a_token_was_fetched_the_call_sends_a_customer(developer: Client, sandbox: Environment):
    used = ClientFactory(environment=sandbox)
    ClientSecretFactory(client=used, last_used_at=timezone.now())
    ClientFactory(environment=sandbox)  # newer, not in use
    html = overview(developer)
    assert f"client_id={used.client_id}" in html
    assert "/api/v1/igaming/customers" in html


def test_nobody_is_told_to_push_what_is_pulled(developer: Client, sandbox: Environment):
    live = ClientFactory(environment=sandbox)
    accepted = {"partner_accepted_at": NOW, "team_accepted_at": NOW}
    ScopeFactory(partner=sandbox.partner, patterns={"customers": "pull", "activity": "push"}, **accepted)
    ScopeFactory(partner=sandbox.partner)  # not accepted yet
    assert live.client_id not in overview(developer)


def test_tiles_show_totals_and_the_last_24_hours(developer: Client, sandbox: Environment):
    for slot in range(3):
        RecordCounterFactory(environment=sandbox, slot=slot, count=1_000_000)
    BatchFactory(environment=sandbox, received=990, created=800, late=200, rejected=0)
    BatchFactory(environment=sandbox, received=1000, created=0, rejected=10, refused=True)
    BatchFactory(environment=sandbox, received=7777, started_at=timezone.now() - dt.timedelta(hours=25))
    html = overview(developer)
    assert "3,000,000" in html
    assert "10 of 1,000" in html  # refused, of what was taken in or refused
    assert "200 of 800 new" in html
    assert "7,777" not in html


def test_hours_hold_what_was_stored_and_what_was_refused(sandbox: Environment, production: Environment):
    at = NOW - dt.timedelta(hours=2)
    BatchFactory(environment=sandbox, started_at=at, received=100, rejected=4, created=96, late=5)
    BatchFactory(environment=sandbox, started_at=at, received=50, rejected=1, refused=True, created=0)
    BatchFactory(environment=sandbox, started_at=at, door=Batch.Door.SAMPLE, received=9)
    BatchFactory(environment=production, started_at=at, received=9)
    BatchFactory(environment=sandbox, started_at=NOW - dt.timedelta(hours=24), received=9)
    BatchFactory(environment=sandbox, started_at=NOW.replace(minute=0), received=7)

    hours = hours_for(sandbox, hours=24, now=NOW)

    assert len(hours) == 24
    assert [hour.start.hour for hour in hours] == [*range(13, 24), *range(13)]
    assert hours[-3].traffic == Traffic(records=96, refused=5, created=96, late=5)
    assert hours[-1].traffic == Traffic(records=7, created=1)
    assert all(hour.traffic == Traffic() for hour in (*hours[:-3], hours[-2]))


def test_the_picture_has_a_title_a_table_and_two_spans(developer: Client, sandbox: Environment):
    BatchFactory(environment=sandbox, received=1234)
    day, week = overview(developer), overview(developer, query="?span=7d")
    assert "<title" in day
    assert "Records per hour, last 24 hours" in day
    assert day.count('scope="row"') == 24
    assert week.count('scope="row"') == 168
    assert "Records per hour, last 24 hours" in overview(developer, query="?span=9000d")


def test_problems_lead_to_their_pages(developer: Client, sandbox: Environment):
    refused = ApiRequestFactory(environment=sandbox, status=422, error_summary="3 errors in 2 records")
    ApiRequestFactory(environment=sandbox, status=200, error_summary="must not show")
    ApiRequestFactory(environment=sandbox, status=400, at=timezone.now() - dt.timedelta(hours=25), error_summary="old")
    QuarantinedRecordFactory.create_batch(3, environment=sandbox)
    html = overview(developer)
    assert "3 errors in 2 records" in html
    assert f"/requests/{refused.id}/" in html
    assert "must not show" not in html
    assert ">old<" not in html
    assert "?entity=customers&amp;code=country&amp;field=country_code#records" in html


def test_an_environment_without_anything_has_a_picture_too(developer: Client, production: Environment):
    html = overview(developer, kind="production")
    assert "Production is not open yet" in html
    assert "Nothing arrived" in html
    assert 'data-environment="production"' in html


def test_htmx_gets_the_picture_alone(developer: Client, sandbox: Environment):
    fragment = overview(developer, query="?span=7d", **{"HX-Request": "true"})
    assert fragment.lstrip().startswith('<div id="traffic">')
    assert "<html" not in fragment


def test_every_entity_has_its_tile(developer: Client, sandbox: Environment):
    html = overview(developer)
    for entity in Entity:
        assert f"/p/aurora-casino/sandbox/{entity.value}/" in html


# -- What is fetched ----------------------------------------------------------


def test_where_nothing_is_fetched_the_overview_says_nothing_of_it(developer: Client, sandbox: Environment):
    assert "connections/runs/" not in overview(developer)


def test_what_is_fetched_has_a_line_with_the_last_and_the_next_run(developer: Client, sandbox: Environment):
    feed = FeedFactory(connection__environment=sandbox)
    RunFactory(feed=feed, due_at=timezone.now() - dt.timedelta(minutes=3))
    html = overview(developer)
    line = re.search(
        r"Fetched from your side: last <time[^>]*>3 min ago</time>, next <time[^>]*>in 14 min</time>", html
    )
    assert line is not None
    assert 'href="/p/aurora-casino/sandbox/connections/runs/"' in html


def test_a_run_that_is_tried_again_was_not_in_the_future(developer: Client, sandbox: Environment):
    began, again = timezone.now() - dt.timedelta(minutes=3), timezone.now() + dt.timedelta(minutes=2)
    feed = FeedFactory(connection__environment=sandbox)
    RunFactory(feed=feed, state="due", started_at=began, due_at=again, finished_at=None)
    assert re.search(r"Fetched from your side: last <time[^>]*>3 min ago</time>", overview(developer))
    for address in ("connections/", f"connections/{feed.connection_id}/", "connections/runs/"):
        assert ">3 min ago</time>" in developer.get(f"/p/aurora-casino/sandbox/{address}").content.decode(), address


def test_a_paused_feed_is_the_line_and_the_next_run_is_not_its_own(developer: Client, sandbox: Environment):
    connection = ConnectionFactory(environment=sandbox)
    FeedFactory(connection=connection, entity="activity", paused_at=timezone.now())
    FeedFactory(connection=connection, entity="customers", paused_at=timezone.now())
    html = overview(developer)
    assert "Fetching is paused: customers, activity" in html
    assert "Fetched from your side" not in html
