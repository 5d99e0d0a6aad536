"""The freshness page in a real browser: sound at each width and in each theme, with all its states."""

from __future__ import annotations

import datetime as dt
import random

import pytest
from django.test import Client
from django.utils import timezone
from playwright.sync_api import Browser
from pytest_django.live_server_helper import LiveServer

from integrations.models import Connection, Feed
from tests.factories import ActivityFactory, BatchFactory
from tests.portal.browsing import faults_of
from track360.models import Environment

pytestmark = pytest.mark.browser
HOME = "/p/aurora-casino/production/freshness/"


@pytest.fixture
def month(production: Environment) -> Environment:
    """Transactions are fetched and late for it, customers are pushed in time, activity comes most mornings."""
    rng = random.Random(1)
    now = timezone.now()
    connection = Connection.objects.create(environment=production, name="DWH", kind="postgresql")
    Feed.objects.create(
        connection=connection, environment=production, entity="transactions", is_on=True, every_minutes=15
    )
    for hour in range(30 * 24):
        at = now - dt.timedelta(hours=hour)
        BatchFactory(
            environment=production, entity="customers", started_at=at, finished_at=at + dt.timedelta(milliseconds=40),
            created=40, lags=[rng.randrange(20, 30), 9, 3, 1, 0, rng.randrange(2), 0, 0, 0, 0, 0, 0],
            lag_seconds=40 * 14, own_seconds=40 * 0.04,
        )  # fmt: skip
        BatchFactory(
            environment=production, entity="transactions", door="pull", started_at=at, finished_at=at, created=400,
            lags=[9, 20, 40, 90, 160, 60, 21, rng.choice((0, 0, 0, 0, 0, 60)), 0, 0, 0, 0],
            lag_seconds=400 * 460, own_seconds=400 * 380,
        )  # fmt: skip
    for back in range(1, 27):
        if back not in (6, 13):
            day = now.astimezone(dt.UTC).date() - dt.timedelta(days=back)
            at = dt.datetime.combine(day + dt.timedelta(days=1), dt.time(9 if back in (3, 4) else 0, 10), dt.UTC)
            ActivityFactory(environment=production, date=day, received_at=at)
            lags = [0, 0, 0, 0, 0, 0, 300, 0, 0, 0, 0, 0] if back not in (3, 4) else [0] * 10 + [300, 0]
            BatchFactory(
                environment=production, entity="activity", started_at=at, finished_at=at, created=300, lags=lags,
                lag_seconds=300 * (600 if back not in (3, 4) else 33000), own_seconds=1,
            )  # fmt: skip
    return production


def test_the_page_is_sound_narrow_and_dark_and_wide_and_light(
    live_server: LiveServer, developer: Client, month: Environment, browser: Browser
):
    pages = [HOME, f"{HOME}?span=7d", f"{HOME}?span=30d", "/p/aurora-casino/sandbox/freshness/", "/docs/freshness/"]
    assert faults_of(pages, client=developer, live_server=live_server, browser=browser) == []
