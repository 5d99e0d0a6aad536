"""`/api/v1/connections/{id}/feeds/{id}/conformance`: asked for, followed, and read again later."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from integrations.models import ConformanceReport, Feed
from tests.contract.conftest import Caller, new_partner
from tests.factories import ConnectionFactory, FeedFactory, ReportFactory
from track360.models import AuditEvent


@pytest.fixture
def feed(caller: Caller) -> Feed:
    return FeedFactory(connection=ConnectionFactory(environment=caller.environment))


@pytest.fixture
def address(feed: Feed) -> str:
    return f"/api/v1/connections/{feed.connection_id}/feeds/{feed.pk}/conformance"


def test_a_report_is_asked_for_once_and_read(caller: Caller, feed: Feed, address: str) -> None:
    first, second = caller.post(address, {}), caller.post(address, {})

    assert [first.status_code, second.status_code] == [202, 200]
    one = first.json()["data"]
    assert second.json()["data"] == one == caller.get(f"{address}/{one['id']}").json()["data"]
    assert (one["state"], one["checks"], one["summary"]) == ("waiting", [], "Waiting for a worker to begin.")
    assert one["address"] == "https://api.casino.example/v2/transactions"
    (event,) = AuditEvent.objects.filter(action="conformance.requested", target=str(feed.pk))
    assert event.client_id == caller.credentials.client.client_id


def test_a_report_that_is_done_says_what_to_do(caller: Caller, feed: Feed, address: str) -> None:
    report = ReportFactory(feed=feed)

    data = caller.get(f"{address}/{report.pk}").json()["data"]

    assert data["state"] == "done"
    assert data["summary"] == "1 of 3 passed, 1 could not be judged. Next: make the window half-open."
    assert [(check["code"], check["verdict"], len(check["calls"])) for check in data["checks"]] == [
        ("reached", "pass", 2),
        ("window", "fail", 3),
        ("deep", "warn", 1),
        ("limits", "skip", 0),
    ]


def test_reports_are_listed_newest_first(caller: Caller, feed: Feed, address: str) -> None:
    made = [ReportFactory(feed=feed) for _ in range(3)]
    ReportFactory(feed=FeedFactory(connection=feed.connection, entity="customers"))

    first = caller.get(f"{address}?per_page=2").json()
    rest = caller.get(f"{address}?per_page=2&cursor={first['meta']['next_cursor']}").json()

    assert [row["id"] for row in first["data"] + rest["data"]] == [str(report.pk) for report in reversed(made)]
    assert first["meta"]["total"] == 3


def test_a_report_of_another_feed_is_not_found(caller: Caller, feed: Feed, address: str) -> None:
    other = ReportFactory(feed=FeedFactory(connection=feed.connection, entity="customers"))

    assert caller.get(f"{address}/{other.pk}").status_code == 404
    assert caller.get(f"{address}/{uuid.uuid4()}").status_code == 404


def test_nothing_may_stand_in_the_body(caller: Caller, address: str) -> None:
    answer = caller.post(address, {"calls": 600})

    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (422, "additional_property")
    assert not ConformanceReport.objects.exists()


def test_another_partners_reports_do_not_exist(
    caller: Caller, feed: Feed, address: str, connect: Callable[..., Caller]
) -> None:
    other = connect(new_partner().environments.get(kind="sandbox"))
    production = connect(caller.environment.partner.environments.get(kind="production"))
    report = ReportFactory(feed=feed)

    for stranger in (other, production):
        answers = [stranger.get(address), stranger.post(address, {}), stranger.get(f"{address}/{report.pk}")]
        assert {answer.status_code for answer in answers} == {404}
    assert ConformanceReport.objects.count() == 1
