"""The conformance pages: asked for, followed while it is made, read by both sides."""

from __future__ import annotations

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import ConformanceReport, Feed
from tests.factories import ConnectionFactory, FeedFactory, MembershipFactory, ReportFactory
from tests.portal.test_query_counts import MOST, queries
from track360.models import AuditEvent, Environment


@pytest.fixture
def feed(sandbox: Environment) -> Feed:
    return FeedFactory(connection=ConnectionFactory(environment=sandbox, name="Platform API"))


@pytest.fixture
def address(feed: Feed) -> str:
    return f"/p/aurora-casino/sandbox/connections/{feed.connection_id}/feeds/{feed.pk}/conformance/"


def text_of(client: Client, address: str, **headers: str) -> str:
    answer = client.get(address, headers=headers or None)
    assert answer.status_code == 200
    return answer.content.decode()


def test_without_a_report_the_page_says_what_one_is_and_offers_it(
    developer: Client, viewer: Client, address: str
) -> None:
    assert "Never checked" in text_of(developer, address)
    assert "Check now" in text_of(developer, address)
    assert "Check now" not in text_of(viewer, address)


def test_the_connections_page_leads_there(viewer: Client, feed: Feed, address: str) -> None:
    page = text_of(viewer, f"/p/aurora-casino/sandbox/connections/{feed.connection_id}/")

    assert f'href="{address}"' in page


def test_asked_for_it_is_followed_until_it_is_done(developer: Client, feed: Feed, address: str) -> None:
    answer = developer.post(address)
    report = ConformanceReport.objects.get(feed=feed)

    assert answer.headers["Location"] == f"{address}{report.pk}/"
    assert "Waiting for a worker to begin." in text_of(developer, answer.headers["Location"])
    ConformanceReport.objects.update(state="running", started_at=timezone.now(), checks=ReportFactory.build().checks)
    running = text_of(developer, answer.headers["Location"], **{"HX-Request": "true"})
    assert "Being checked: 4 of 11 done." in running
    assert 'hx-trigger="every 1s"' in running
    assert "<html" not in running
    ConformanceReport.objects.update(state="done", finished_at=timezone.now())
    assert "hx-trigger" not in text_of(developer, answer.headers["Location"], **{"HX-Request": "true"})


def test_asked_for_twice_it_is_the_same(developer: Client, feed: Feed, address: str) -> None:
    first, second = developer.post(address), developer.post(address)

    assert first.headers["Location"] == second.headers["Location"]
    assert AuditEvent.objects.filter(action="conformance.requested").count() == 1


def test_a_viewer_reads_and_asks_for_none(viewer: Client, feed: Feed, address: str) -> None:
    report = ReportFactory(feed=feed)

    assert viewer.post(address).status_code == 403
    assert ConformanceReport.objects.count() == 1
    page = text_of(viewer, f"{address}{report.pk}/")
    assert "Check again" not in page
    assert "Next: make the window half-open." in page


def test_a_report_shows_verdicts_as_words_with_what_was_asked(developer: Client, feed: Feed, address: str) -> None:
    report = ReportFactory(feed=feed)

    page = text_of(developer, f"{address}{report.pk}/")

    for word in ("Passed", "Failed", "Warning", "Not judged", "4 records came in both", "3 calls"):
        assert word in page
    assert page.count("updated_from=2026-03-15T12:00:00Z&amp;page=1") == 6
    assert "https://api.casino.example/v2/transactions</dd>" in page


def test_the_feeds_address_shows_the_newest_and_links_the_others(developer: Client, feed: Feed, address: str) -> None:
    older = ReportFactory(feed=feed)
    newer = ReportFactory(feed=feed, state="failed", problem="It took too long and was stopped.")

    page = text_of(developer, address)

    assert "It took too long and was stopped." in page
    assert f"{address}{older.pk}/" in page
    assert f"{address}{newer.pk}/" not in page


def test_a_report_is_found_under_its_own_feed_alone(developer: Client, feed: Feed, address: str) -> None:
    elsewhere = ReportFactory(feed=FeedFactory(connection=feed.connection, entity="customers"))

    assert developer.get(f"{address}{elsewhere.pk}/").status_code == 404


def test_a_removed_feed_has_no_page(developer: Client, feed: Feed, address: str) -> None:
    Feed.objects.update(removed_at=timezone.now())

    assert developer.get(address).status_code == 404
    assert developer.post(address).status_code == 404


def test_a_report_takes_as_many_queries_beside_many_as_beside_few(
    developer: Client, sandbox: Environment, feed: Feed, address: str
) -> None:
    report = ReportFactory(feed=feed, requested_by=MembershipFactory(partner=sandbox.partner).user)
    ReportFactory(feed=feed)
    few = queries(developer, f"{address}{report.pk}/")
    ReportFactory.create_batch(30, feed=feed)

    assert queries(developer, f"{address}{report.pk}/") == few <= MOST
