"""How an examination keeps within its budget, and what it makes of times and edges that no server needs to show."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator

import pytest

from integrations.conformance import reading
from integrations.conformance.axis import axis_of
from integrations.conformance.checks import check_deep
from integrations.conformance.examination import Examination
from integrations.conformance.reading import Reader
from integrations.models import Feed
from integrations.pull.source import Call, Note, Page, Position, Window
from tests.factories import FeedFactory
from tests.integrations.pull.test_conformance import MANY, feed_of, verdicts
from tests.partner_api import customers, partner_api
from track360.models import Environment


def test_no_more_calls_are_made_than_the_budget_has(
    sandbox: Environment, loopback: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "MOST_CALLS", 20)
    with partner_api(customers(MANY)) as api:
        found = verdicts(feed_of(api, sandbox))

    assert api.asked == 20
    assert found["reached"][0] == found["since"][0] == "pass"
    assert found["order"] == ("skip", "It was left out: the 20 calls of one examination were used up.")


def test_source_that_asks_for_a_long_wait_is_left_alone(sandbox: Environment, loopback: None) -> None:
    with partner_api(customers(MANY), wrong="429, an hour") as api:
        found = verdicts(feed_of(api, sandbox))

    assert found["reached"][0] == "pass"
    assert found["limits"] == ("pass", "429 came 1 time and said when to come back: in at most 3600 s.")
    assert api.refused == 1
    assert all("left out" in found[code][1] for code in ("since", "order")), found
    assert not [code for code, (verdict, _) in found.items() if verdict == "fail"]


class Timed:
    """A source whose pages take as long as it is told."""

    fields = None

    def __init__(self, times: list[int], note: Note) -> None:
        self.times, self.note = times, note

    def pages(self, window: Window, position: Position | None = None) -> Iterator[Page]:
        for number in range((position or {"page": 0})["page"], len(self.times)):
            self.note(Call(url="x", duration_ms=self.times[number], records=1))
            following = {"page": number + 1} if number + 1 < len(self.times) else None
            yield Page([{"customer_id": str(number)}], following)

    def expected(self, window: Window) -> int | None:
        return None

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("times", "verdict", "said"),
    [
        ([900, *range(100, 2000, 100)], "warn", "pages 2 to 4 took 200 ms each, the last three 1,800 ms"),
        ([900, *[150] * 19], "pass", "pages 2 to 4 took 150 ms each, the last three 150 ms"),
        ([20, *[10] * 16, 90, 90, 90], "pass", "the last three 90 ms"),
        ([100, 100], "skip", "Only 2 pages came."),
    ],
)
def test_pages_that_grow_slower_with_depth_are_warned_of(times: list[int], verdict: str, said: str) -> None:
    feed = FeedFactory.build(entity="customers")
    calls: list[Call] = []
    reader = Reader(Timed(times, calls.append), entity="customers", axis=axis_of(feed), calls=calls, keep=0)

    found = check_deep(Examination(feed, reader, reader.read(Window(), pages=20)))

    assert found.verdict == verdict
    assert said in found.detail


MOMENT = dt.datetime(2026, 3, 15, 12, 10, 30, 500_000, tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("sent", "zone", "edge"),
    [
        ("{since}", "UTC", MOMENT),
        ("{since:unix}", "UTC", MOMENT.replace(microsecond=0)),
        ("{since:date}", "UTC", dt.datetime(2026, 3, 15, tzinfo=dt.UTC)),
        ("{since:date}", "Europe/Malta", dt.datetime(2026, 3, 14, 23, tzinfo=dt.UTC)),
        ("{since:date}", "Asia/Tokyo", dt.datetime(2026, 3, 14, 15, tzinfo=dt.UTC)),
    ],
)
def test_an_edge_is_one_that_the_source_can_be_sent(sent: str, zone: str, edge: dt.datetime) -> None:
    feed: Feed = FeedFactory.build(entity="customers", query={"from": sent}, time_zone=zone)

    axis = axis_of(feed)

    assert axis.floor(MOMENT) == edge
    assert (axis.has_since, axis.has_until) == (True, False)


@pytest.mark.parametrize(
    ("entity", "shows", "field", "is_certain"),
    [
        ("customers", ["last_modified_date", "signup_date"], "last_modified_date", True),
        ("customers", ["signup_date"], "signup_date", False),
        ("transactions", ["transaction_date"], "transaction_date", False),
        ("activity", ["date"], "date", False),
        ("transactions", [], "", False),
    ],
)
def test_only_the_time_of_the_last_change_is_certain(
    entity: str, shows: list[str], field: str, is_certain: bool
) -> None:
    axis = axis_of(FeedFactory.build(entity=entity), shows=shows)

    assert (axis.field, axis.is_certain) == (field, is_certain)
