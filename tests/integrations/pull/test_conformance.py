"""Each rule that a source breaks is found and named; one that behaves is told so."""

from __future__ import annotations

from typing import Any

import pytest

from integrations.conformance import reading
from integrations.conformance.reports import examine
from integrations.models import Feed
from tests.integrations.pull.feeds import make_connection, make_feed
from tests.partner_api import KEY, PartnerApi, activity, customers, partner_api, transactions
from track360.models import Environment

PAGE_SIZE = 20
MANY = 230

pytestmark = pytest.mark.usefixtures("loopback")


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "PAUSE", 0.0)
    monkeypatch.setattr(reading, "WAIT", 0.01)


def feed_of(api: PartnerApi, environment: Environment, entity: str = "customers", **values: Any) -> Feed:
    connection = make_connection(
        environment, base_url=api.url, auth="header", auth_header="X-Api-Key", secret=values.pop("secret", KEY)
    )
    given = {
        "path": "/records",
        "query": {"updated_from": "{since}", "updated_to": "{until}"},
        "records_at": "/data",
        "paging": "page",
        "paging_options": {"page_parameter": "page", "size_parameter": "per_page"},
        "page_size": PAGE_SIZE,
    }
    return make_feed(connection, entity, **given | values)


def verdicts(feed: Feed) -> dict[str, tuple[str, str]]:
    return {row["code"]: (row["verdict"], row["detail"]) for row in examine(feed, done=lambda rows: None)}


def faults(found: dict[str, tuple[str, str]]) -> dict[str, str]:
    return {code: verdict for code, (verdict, _) in found.items() if verdict in ("fail", "warn")}


def test_api_that_behaves_passes_all_that_can_be_judged(sandbox: Environment) -> None:
    with partner_api(customers(MANY)) as api:
        found = verdicts(feed_of(api, sandbox))

    assert {code: verdict for code, (verdict, _) in found.items()} == {
        **dict.fromkeys(found, "pass"),
        "limits": "skip",
    }, found
    assert api.asked <= reading.MOST_CALLS


# -- One rule broken ----------------------------------------------------------

BROKEN: list[tuple[str, dict[str, str], str, str]] = [
    # what it does wrong, what is found, the check that says it, and a part of what is said
    ("ignores since", {"since": "fail", "window": "fail", "empty": "fail"}, "since", "bear an earlier last_modified"),
    ("ignores until", {"window": "fail"}, "window", "“until” is not looked at"),
    ("until inclusive", {"window": "fail"}, "window", "“until” must exclude"),
    ("since exclusive", {"since": "fail", "window": "fail"}, "window", "came in neither"),
    (
        "since exclusive, until inclusive",
        {"since": "fail", "window": "fail"},
        "window",
        "“until” must exclude its own moment",
    ),
    ("order changes", {"order": "fail"}, "order", "Sort by the time of change"),
    ("values change", {"page": "fail"}, "page", "with other values"),
    ("deep page fails", {"deep": "fail"}, "deep", "Page 8 did not come"),
    ("empty window is a 404", {"empty": "fail"}, "empty", "there was no empty page"),
    ("pages overlap", {"keys": "fail"}, "keys", "came again unchanged"),
    ("429 in silence", {"limits": "fail"}, "limits", "without Retry-After"),
    ("pages are smaller", {"size": "warn"}, "size", "set the feed's page size to 15"),
    ("pages are larger", {"size": "fail"}, "size", "up to 40 came"),
]


@pytest.mark.parametrize(("wrong", "expected", "code", "said"), BROKEN, ids=[row[0] for row in BROKEN])
def test_broken_rule_is_found_and_named(
    sandbox: Environment, wrong: str, expected: dict[str, str], code: str, said: str
) -> None:
    with partner_api(customers(MANY), wrong=wrong) as api:
        found = verdicts(feed_of(api, sandbox))

    assert expected.items() <= faults(found).items(), found
    assert said in found[code][1], found[code]
    assert api.asked <= reading.MOST_CALLS + reading.MOST_WAITS


def test_api_that_says_when_to_come_back_is_waited_for(sandbox: Environment) -> None:
    with partner_api(customers(MANY), wrong="429") as api:
        found = verdicts(feed_of(api, sandbox))

    assert api.refused == 2
    assert found["limits"] == ("pass", "429 came 2 times and said when to come back: in at most 1 s.")
    assert not faults(found)


# -- Records that do not show by what a window goes -----------------------------


def test_transactions_by_their_own_date_pass(sandbox: Environment) -> None:
    with partner_api(transactions(MANY), dated="transaction_date") as api:
        found = verdicts(feed_of(api, sandbox, "transactions"))

    assert not faults(found), found
    assert "only their number was judged" in found["since"][1]
    assert found["window"][0] == "pass"


def test_transactions_by_a_time_that_they_do_not_bear_are_not_called_wrong(sandbox: Environment) -> None:
    """All was changed after the last transaction date: a since among those dates takes nothing away."""
    with partner_api(transactions(MANY), dated="changed_at") as api:
        found = verdicts(feed_of(api, sandbox, "transactions"))

    assert not faults(found), found
    assert found["since"][0] == "skip"
    assert "all was changed later" in found["since"][1]


@pytest.mark.parametrize(
    ("wrong", "code", "said"),
    [
        ("ignores window", "since", "The parameter is not looked at"),
        ("ignores until", "window", "“until” is not looked at"),
        ("until inclusive", "window", "“until” must exclude"),
        ("since exclusive", "window", "“since” must include"),
        ("since exclusive, until inclusive", "window", "“until” must exclude"),
    ],
)
def test_windows_of_transactions_are_judged_by_what_comes(
    sandbox: Environment, wrong: str, code: str, said: str
) -> None:
    with partner_api(transactions(MANY), dated="transaction_date", wrong=wrong) as api:
        found = verdicts(feed_of(api, sandbox, "transactions"))

    assert found[code][0] == "fail", found
    assert said in found[code][1]


DAYS = {"updated_from": "{since:date}", "updated_to": "{until:date}"}


@pytest.mark.parametrize(("wrong", "said"), [("", ""), ("until inclusive", "“until” must exclude its own moment")])
def test_days_are_cut_at_days(sandbox: Environment, wrong: str, said: str) -> None:
    with partner_api(activity(60), dated="date", wrong=wrong) as api:
        found = verdicts(feed_of(api, sandbox, "activity", query=DAYS, time_zone="Europe/Malta"))

    assert faults(found) == ({"window": "fail"} if wrong else {}), found
    assert said in found["window"][1]


# -- What cannot be judged ------------------------------------------------------


def test_source_without_records_is_not_judged(sandbox: Environment) -> None:
    with partner_api([]) as api:
        found = verdicts(feed_of(api, sandbox))

    assert {code for code, (verdict, _) in found.items() if verdict == "pass"} == {"reached", "empty"}
    assert not faults(found), found


def test_single_record_is_no_fault(sandbox: Environment) -> None:
    with partner_api(customers(1)) as api:
        found = verdicts(feed_of(api, sandbox))

    assert not faults(found), found


def test_records_of_one_moment_are_no_fault(sandbox: Environment) -> None:
    same = [record | {"last_modified_date": "2026-03-01T09:00:00Z"} for record in customers(50)]
    with partner_api(same) as api:
        found = verdicts(feed_of(api, sandbox))

    assert not faults(found), found


def test_feed_without_a_window_says_so_and_is_judged_in_the_rest(sandbox: Environment) -> None:
    with partner_api(customers(MANY)) as api:
        found = verdicts(feed_of(api, sandbox, query={}))

    assert {code for code, (verdict, _) in found.items() if verdict == "skip"} == {"since", "window", "empty", "limits"}
    assert not faults(found), found


def test_feed_without_an_until_is_judged_by_its_since(sandbox: Environment) -> None:
    with partner_api(customers(MANY)) as api:
        found = verdicts(feed_of(api, sandbox, query={"updated_from": "{since}"}))

    assert {code for code, (verdict, _) in found.items() if verdict == "skip"} == {"window", "limits"}
    assert not faults(found), found


def test_refused_fields_are_counted_by_cause(sandbox: Environment) -> None:
    records = customers(100)
    for record in records[:30]:
        record["country_code"] = "ZZ"
    with partner_api(records) as api:
        found = verdicts(feed_of(api, sandbox))

    assert found["schema"] == ("fail", "70 of the first 100 records would be stored. country_code: country (30).")


def test_who_does_not_let_us_in_is_asked_no_more(sandbox: Environment) -> None:
    with partner_api(customers(MANY)) as api:
        found = verdicts(feed_of(api, sandbox, secret="another key"))

    assert found["reached"][0] == "fail"
    assert "401" in found["reached"][1]
    assert {verdict for code, (verdict, _) in found.items() if code != "reached"} == {"skip"}
    assert api.asked == 1


def test_key_that_comes_with_two_contents_is_named(sandbox: Environment) -> None:
    records = customers(60)
    records[40] |= {"customer_id": records[3]["customer_id"]}
    with partner_api(records) as api:
        found = verdicts(feed_of(api, sandbox))

    assert faults(found) == {"keys": "warn"}, found
    assert "send the newest version alone" in found["keys"][1]
