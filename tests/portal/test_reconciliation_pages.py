"""The pages of reconciliation: a month, a day, the records behind a line, and what people do about them."""

from __future__ import annotations

import datetime as dt
import json
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client
from django.utils import timezone

from entities.models import Batch, Difference, Transaction
from entities.pipeline import Door, Policy, ingest
from integrations.models import DayTotals, DoubledDay, Waiver
from integrations.reconciliation.compute import compute_day
from onboarding.control_reading import read_csv, read_sum, typed_rows
from tests.factories import CustomerFactory, DayTotalsFactory, DoubledDayFactory
from tests.payloads import sample
from track360.models import AuditEvent, Environment

ROOT = "/p/aurora-casino/sandbox/reconciliation/"
DAY = dt.date(2026, 3, 15)
PAGE = f"{ROOT}2026-03-15/"
CELL = f"{PAGE}transactions/?currency=USD&type=deposit"


@pytest.fixture
def books(sandbox: Environment) -> Environment:
    """Pushed: a and b; pulled: b with another amount, and c. The partner says that there are two."""
    CustomerFactory(environment=sandbox, customer_id="cst_100245")
    pushed = [sample("transactions", transaction_id=key, amount_currency=Decimal(10)) for key in ("txn_a", "txn_b")]
    ingest(sandbox, "transactions", pushed)
    pulled = [sample("transactions", transaction_id=key, amount_currency=Decimal(11)) for key in ("txn_b", "txn_c")]
    policy = Policy(door=Door.COMPARE, run_id=uuid.uuid4(), fetched_since=timezone.now() + dt.timedelta(hours=1))
    ingest(sandbox, "transactions", pulled, door=Batch.Door.PULL, lenient=True, policy=policy)
    compute_day(sandbox, "transactions", DAY, "UTC")
    DayTotalsFactory(environment=sandbox, lines=[{"currency": "USD", "type": "deposit", "count": 2, "sum": "20.00"}])
    return sandbox


def text_of(client: Client, address: str) -> str:
    response: Any = client.get(address)
    assert response.status_code == 200, address
    return " ".join(response.content.decode().split())


# -- Reading --------------------------------------------------------------------


def test_a_month_says_first_which_day_differs(developer: Client, books: Environment) -> None:
    text = text_of(developer, f"{ROOT}?month=2026-03")

    assert "1 day differs from the control totals. Next: look at 15 March." in text
    assert f'href="{PAGE}"' in text


@pytest.mark.parametrize("month", ["2999-01", "2026-13", "0000-00", "x", "2026-3"])
def test_a_month_that_is_none_shows_this_one(developer: Client, month: str) -> None:
    assert f"{timezone.now():%B %Y}" in text_of(developer, f"{ROOT}?month={month}")


def test_a_month_without_control_totals_says_how_to_give_them(developer: Client) -> None:
    text = text_of(developer, f"{ROOT}?month=2026-03")

    assert "No control total of this month has been given yet. Next: give one for each day." in text
    assert f'href="{ROOT}totals/?day=2026-03-31"' in text


def test_a_day_shows_all_sides_and_the_difference_in_count_and_sum(developer: Client, books: Environment) -> None:
    text = text_of(developer, PAGE)

    assert "Transactions differ: USD 1 record more and 11.00 more here." in text
    for figure in ("20.00", "22.00", "31.00", "+11.00", "+1"):
        assert figure in text
    assert "Control total" in text


@pytest.mark.parametrize("day", ["2999-01-01", "2026-02-30", "today", "1899-12-31", "2026-3-5"])
def test_what_is_no_day_is_not_found(developer: Client, day: str) -> None:
    assert developer.get(f"{ROOT}{day}/").status_code == 404
    assert developer.get(f"{ROOT}{day}/transactions/").status_code == 404
    assert developer.get(f"{PAGE}bets/").status_code == 404


def test_a_line_opens_the_records_of_one_door_only_and_those_that_differ(developer: Client, books: Environment) -> None:
    different = text_of(developer, CELL)
    only_pushed = text_of(developer, f"{CELL}&list=only_pushed")
    only_pulled = text_of(developer, f"{CELL}&list=only_pulled")

    assert "txn_b" in different
    assert "amount_currency" in different
    assert ("txn_a" in only_pushed, "txn_c" in only_pushed) == (True, False)
    assert ("txn_a" in only_pulled, "txn_c" in only_pulled) == (False, True)


def test_what_to_resend_is_downloaded(viewer: Client, books: Environment) -> None:
    def lines(query: str) -> list[str]:
        response: Any = viewer.get(f"{PAGE}transactions/download/?currency=USD&{query}")
        return b"".join(response.streaming_content).decode().splitlines()

    assert lines("list=only_pulled")[0] == "key,date,currency,amount,updated_at"
    assert lines("list=only_pulled")[1].startswith("txn_c,2026-03-15T12:10:00Z,USD,11.00,")
    (row,) = map(json.loads, lines("list=different&as=jsonl"))
    assert (row["key"], row["fields"]) == (
        "txn_b",
        [{"name": "amount_currency", "stored": "10.00", "pulled": "11"}],
    )


# -- Control totals ---------------------------------------------------------------


def form(**fields: Any) -> dict[str, Any]:
    return {
        "day": "2026-03-15",
        "entity": "transactions",
        "currency": ["usd", "", ""],
        "type": ["deposit", "", ""],
        "count": ["3", "", ""],
        "sum": ["31.00", "", ""],
        **fields,
    }


def test_a_control_total_is_typed_in(developer: Client, books: Environment) -> None:
    answer = developer.post(f"{ROOT}totals/", form())

    assert answer["Location"] == PAGE
    newest = DayTotals.objects.filter(side="partner").latest("pk")
    assert (newest.lines[0]["sum"], newest.origin, newest.by.email) == ("31.00", "typed", "dev@aurora.example")
    text = text_of(developer, PAGE)
    assert "There is no control total of customers and activity that counts." in text
    assert text.count("Agrees</span>") == 3
    assert 'value="31.00"' in text_of(developer, f"{ROOT}totals/?day=2026-03-15")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"sum": ["31,5", "", ""]}, "The sum “31,5” is no number"),
        ({"count": ["many", "", ""]}, "The count “many” is no whole number"),
        ({"currency": ["XXQ", "", ""]}, "is no ISO 4217 code"),
        ({"currency": [""] * 3, "type": [""] * 3, "count": [""] * 3, "sum": [""] * 3}, "Give at least one line"),
        ({"empty": "on"}, "the day is said to be empty"),
        ({"day": "soon"}, "Choose the day."),
        ({"entity": "bets"}, "Choose what was counted."),
    ],
)
def test_what_cannot_be_is_said_and_nothing_typed_is_lost(
    developer: Client, books: Environment, fields: Any, said: str
) -> None:
    response: Any = developer.post(f"{ROOT}totals/", form(**fields))
    text = response.content.decode()

    assert (response.status_code, said in text) == (200, True)
    assert (
        "count" not in form(**fields)
        or not form(**fields)["count"][0]
        or f'value="{form(**fields)["count"][0]}"' in text
    )
    assert DayTotals.objects.filter(side="partner").count() == 1


def test_an_empty_day_is_said_to_be_empty(developer: Client, sandbox: Environment) -> None:
    nothing = {name: ["", ""] for name in ("currency", "type", "count", "sum")}
    developer.post(f"{ROOT}totals/", form(empty="on", **nothing))

    assert DayTotals.objects.get().lines == []


CSV = """day,entity,currency,type,count,sum
2026-03-14,transactions,EUR,deposit,"1,200","15,020.50"
2026-03-14,transactions,EUR,bonus,3,-7
2026-03-15,transactions,,,0,
2026-03-15,customers,,,12,
2026-03-15,activity,EUR,,4,0.05
"""


def test_many_days_are_pasted_as_csv(developer: Client, sandbox: Environment) -> None:
    answer = developer.post(f"{ROOT}totals/", {"csv": CSV})

    assert answer["Location"] == f"{ROOT}?month=2026-03"
    rows = {(row.entity, row.day.day): row.lines for row in DayTotals.objects.all()}
    assert [(line["count"], line["sum"]) for line in rows["transactions", 14]] == [(3, "-7.00"), (1200, "15020.50")]
    assert rows["transactions", 15] == []
    assert rows["customers", 15] == [{"currency": "", "type": "", "count": 12, "sum": None}]


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_delimiters_are_understood(delimiter: str) -> None:
    text = "2026-03-14,transactions,EUR,,1,2.50\r\n".replace(",", delimiter)

    ((place, lines),) = read_csv(text).items()

    assert (place, lines[0].sum) == (("transactions", dt.date(2026, 3, 14)), Decimal("2.50"))


def test_csv_that_cannot_be_names_its_lines_and_nothing_is_taken_in(developer: Client, sandbox: Environment) -> None:
    faulty = CSV + "2026-03-16,bets,EUR,,1,1\n2026-03-17,transactions,EUR\nsoon,transactions,EUR,,1,1\n"
    faulty += "2026-03-18,transactions,XXQ,,1,1\n"
    text = developer.post(f"{ROOT}totals/", {"csv": faulty}).content.decode()

    for line in ("Line 7: “bets”", "Line 8: It has 3 values", "Line 9: The day must be a date"):
        assert line in text
    assert not DayTotals.objects.exists()
    assert "XXQ" in text
    only = CSV + "2026-03-18,transactions,XXQ,,1,1\n"
    assert "transactions of 2026-03-18: “XXQ” is no" in developer.post(f"{ROOT}totals/", {"csv": only}).content.decode()
    assert not DayTotals.objects.exists()


@pytest.mark.parametrize(
    ("text", "value"), [("1,234.50", "1234.50"), ("-7", "-7"), ("−7.5", "-7.5"), ("1 234.50", "1234.50"), ("", "0")]
)
def test_sums_are_read_as_people_write_them(text: str, value: str) -> None:
    assert read_sum("transactions", text) == Decimal(value)


def test_without_a_choice_the_first_list_with_a_record_is_shown(developer: Client, books: Environment) -> None:
    text = text_of(developer, f"{ROOT}2026-03-15/transactions/?currency=USD&type=deposit")
    assert "txn_b" in text, "what differs comes first"
    Difference.objects.all().delete()
    text = text_of(developer, f"{ROOT}2026-03-15/transactions/?currency=USD&type=deposit")
    assert "txn_c" in text, "then what was pulled alone"


def test_a_line_that_was_offered_and_left_without_figures_says_nothing(developer: Client, books: Environment) -> None:
    offered = {"day": "2026-03-15", "entity": "transactions", "currency": ["EUR", "USD"], "type": ["bonus", "deposit"]}
    page = developer.post(f"{ROOT}totals/", offered | {"count": ["", ""], "sum": ["", ""]}).content.decode()
    assert "Give at least one line" in page
    assert "is no whole number" not in page
    wrong = developer.post(f"{ROOT}totals/", offered | {"count": ["", "x"], "sum": ["", "1"]}).content.decode()
    assert wrong.count("The count “x” is no whole number.") == 2, "once on top, once at its line"
    assert wrong.index('value="USD"') < wrong.index("row-error-1") < wrong.index('value="EUR"')
    developer.post(f"{ROOT}totals/", offered | {"count": ["", "2"], "sum": ["", "20"]})
    assert [line["currency"] for line in DayTotals.objects.latest("at").lines] == ["USD"]


def test_rows_in_which_nothing_was_typed_are_none() -> None:
    assert typed_rows(QueryDict("currency=&type=&count=&sum=&currency=EUR&type=&count=1&sum=")) != []
    assert typed_rows(QueryDict("currency=&type=&count=&sum=")) == []


# -- Deciding -----------------------------------------------------------------------


def cell_form(**fields: str) -> dict[str, str]:
    return {"currency": "USD", "type": "deposit", "list": "different", **fields}


def test_the_pulled_version_of_those_marked_is_taken(developer: Client, books: Environment) -> None:
    nothing = developer.post(f"{PAGE}transactions/take/", cell_form(), follow=True)
    assert "Nothing was marked" in nothing.content.decode()

    number = str(Difference.objects.get().pk)
    taken = developer.post(f"{PAGE}transactions/take/", cell_form(difference=number), follow=True)

    assert "1 taken: the pulled version stands now." in taken.content.decode()
    assert Transaction.objects.get(transaction_id="txn_b").source == "pull"
    assert AuditEvent.objects.get(action="difference.taken").actor.email == "dev@aurora.example"


def test_all_of_a_line_are_taken(developer: Client, books: Environment) -> None:
    other = developer.post(f"{PAGE}transactions/take/", cell_form(currency="EUR", all="1"), follow=True)
    assert "nothing was taken" in other.content.decode()

    developer.post(f"{PAGE}transactions/take/", cell_form(all="1"))

    assert Difference.objects.get().outcome == "taken"


@pytest.mark.parametrize("choice", ["marked", "all"])
def test_records_are_left_as_pushed_with_a_reason(developer: Client, books: Environment, choice: str) -> None:
    meant = {"all": "1"} if choice == "all" else {"difference": str(Difference.objects.get().pk)}
    address = f"{PAGE}transactions/leave/"
    nothing = developer.post(address, cell_form(reason="Ours is right."), follow=True)
    assert "nothing was waived" in nothing.content.decode()
    refused = developer.post(address, cell_form(**meant), follow=True)
    assert "Say why the pushed versions stay." in refused.content.decode()

    done = developer.post(address, cell_form(**meant, reason="Ours is right."), follow=True)

    assert "1 waived: what was pushed stays, until either version changes." in done.content.decode()
    assert "No record of this line came by both doors and differs." in done.content.decode()
    text = text_of(developer, f"{CELL}&list=waived")
    assert all(words in text for words in ("txn_b", "11", "Ours is right.", "dev@aurora.example"))
    assert AuditEvent.objects.get(action="difference.waived").actor.email == "dev@aurora.example"


def test_a_difference_is_accepted_with_a_reason_and_opened_again(developer: Client, books: Environment) -> None:
    refused = developer.post(f"{PAGE}transactions/waive/", cell_form(reason=""), follow=True)
    assert "Say why the difference is accepted." in refused.content.decode()

    developer.post(f"{PAGE}transactions/waive/", cell_form(reason="A test deposit."))
    text = text_of(developer, CELL)
    assert "Accepted with a reason: USD deposit 1 record more and 11.00 more here." in text
    assert "A test deposit." in text
    assert "Waived</span>" in text_of(developer, PAGE)

    developer.post(f"{PAGE}transactions/withdraw/", cell_form())
    assert not Waiver.objects.filter(withdrawn_at=None).exists()


def test_a_doubled_day_stands_first_until_somebody_says_which_is_right(
    developer: Client, viewer: Client, sandbox: Environment
) -> None:
    flag = DoubledDayFactory(environment=sandbox)
    assert "15 March came again, doubled. Next: say which total is right." in text_of(viewer, f"{ROOT}?month=2026-03")
    assert "It came again, doubled." in text_of(viewer, PAGE)
    address = f"{ROOT}doubled/{flag.pk}/"

    developer.post(address, {"verdict": "later"})
    assert DoubledDay.objects.get().verdict == ""
    answer = developer.post(address, {"verdict": "later", "reason": "A second shop."})

    assert answer["Location"] == PAGE
    assert "A second shop." in text_of(developer, PAGE)
    assert developer.post(f"{ROOT}doubled/{2**63}/", {}).status_code == 404


def test_a_viewer_reads_and_is_offered_nothing_to_change(viewer: Client, books: Environment) -> None:
    assert "Take the pulled" not in text_of(viewer, CELL)
    assert "Accept the difference" not in text_of(viewer, CELL)
    assert "Waive" not in text_of(viewer, CELL).replace("Waived", "")
    assert "Give control totals" not in text_of(viewer, PAGE)
