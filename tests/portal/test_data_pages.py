"""The lists of records and the page of each record."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from decimal import Decimal
from urllib.parse import quote, urlencode

import pytest
from django.test import Client
from django.urls import reverse

from entities.models import Customer, Entity, RecordChange
from entities.paging import PER_PAGE
from entities.pipeline import ingest
from tests.factories import (
    ActivityFactory,
    BatchFactory,
    CustomerFactory,
    RecordChangeFactory,
    RecordCounterFactory,
    StatusMappingFactory,
    TransactionFactory,
)
from track360.models import Environment, Membership

NASTY_IDS = [
    "a/b?c#d",
    "x y z",
    "../..",
    "<script>alert(1)</script>",
    '"quoted" & more',
    "O'Brien%2F%00",
    "漢字-7",
    "~",
    "new",
    "1",
    "a" * 128,
]


def page(client: Client, name: str, *args: object, query: str = "", **headers: str) -> str:
    response = client.get(reverse(name, args=["aurora-casino", "sandbox", *args]) + query, headers=headers)
    assert response.status_code == 200
    return response.content.decode()


def links(html: str, section: str) -> list[int]:
    return [int(number) for number in re.findall(rf'class="row-link[^"]*" href="/p/[^"]+/{section}/(\d+)/"', html)]


# -- Lists --------------------------------------------------------------------


def test_customers_stand_newest_first_with_canonical_beside_raw_status(developer: Client, sandbox: Environment):
    StatusMappingFactory(partner=sandbox.partner, raw_value="3", canonical_value="approved")
    first = CustomerFactory(environment=sandbox, kyc_status_id="3", sales_status_id="hot")
    second = CustomerFactory(environment=sandbox)

    html = page(developer, "customer-list")

    assert links(html, "customers") == [second.pk, first.pk]
    assert "Approved" in html
    assert '<span class="clip faint mono">3</span>' in html
    assert "Not mapped" in html  # hot


def test_paging_goes_on_and_back_and_keeps_the_filters(developer: Client, sandbox: Environment):
    customers = [CustomerFactory(environment=sandbox, country_code="GB") for _ in range(120)]
    CustomerFactory(environment=sandbox, country_code="DE")
    RecordCounterFactory(environment=sandbox, count=121)
    expected = [customer.pk for customer in reversed(customers)]

    seen, query = [], "?country_code=GB"
    for _ in range(3):
        html = page(developer, "customer-list", query=query)
        assert "of 120 customers" in html
        seen += links(html, "customers")
        following = re.search(r'href="[^"]*(\?[^"]*)" rel="next"', html)
        query = following.group(1).replace("&amp;", "&") if following else ""
    assert seen == expected
    assert query == ""

    previous = re.search(r'href="[^"]*(\?[^"]*)" rel="prev"', html).group(1).replace("&amp;", "&")
    assert links(page(developer, "customer-list", query=previous), "customers") == expected[PER_PAGE : 2 * PER_PAGE]


def test_a_date_filter_orders_by_that_date(developer: Client, sandbox: Environment):
    day = dt.datetime(2026, 3, 15, tzinfo=dt.UTC)
    late = TransactionFactory(environment=sandbox, transaction_date=day + dt.timedelta(hours=5))
    early = TransactionFactory(environment=sandbox, transaction_date=day + dt.timedelta(hours=1))
    TransactionFactory(environment=sandbox, transaction_date=day + dt.timedelta(days=1))

    html = page(developer, "transaction-list", query="?from=2026-03-15&to=2026-03-16")
    assert links(html, "transactions") == [late.pk, early.pk]

    exact = urlencode({"from": "2026-03-15T03:00:00Z", "to": "2026-03-15T07:00:00+01:00"})
    assert links(page(developer, "transaction-list", query=f"?{exact}"), "transactions") == [late.pk]


def test_the_search_box_finds_the_exact_id_only(developer: Client, sandbox: Environment):
    wanted = CustomerFactory(environment=sandbox, customer_id="cst_1")
    CustomerFactory(environment=sandbox, customer_id="cst_10")
    CustomerFactory(environment=sandbox, customer_id="CST_1")
    assert links(page(developer, "customer-list", query="?customer_id=cst_1"), "customers") == [wanted.pk]
    assert "Nothing matches" in page(developer, "customer-list", query="?customer_id=cst_2")


@pytest.mark.parametrize(
    ("name", "query", "says"),
    [
        ("customer-list", "?signup_from=yesterday", "Write a day like 2026-03-15"),
        ("customer-list", "?signup_from=2026-02-31", "Write a day like 2026-03-15"),
        ("customer-list", "?signup_from=2026-03-01T10:00:00", "Write a day like 2026-03-15"),
        ("customer-list", "?signup_to=0001-01-01T00:00:00%2B14:00", "Write a day like 2026-03-15"),
        ("customer-list", "?affiliate_id=a%00b", "Null characters are not allowed"),
        ("customer-list", f"?customer_id={'x' * 501}", "at most 500 characters"),
        ("transaction-list", "?transaction_type=jackpot", "jackpot is not one of the available choices"),
        ("activity-list", "?from=2026-03-01T10:00:00Z", "Write a day like 2026-03-15."),
    ],
)
def test_a_filter_that_cannot_be_read_is_named_and_nothing_is_listed(
    developer: Client, sandbox: Environment, name: str, query: str, says: str
):
    CustomerFactory(environment=sandbox)
    RecordCounterFactory(environment=sandbox)
    html = page(developer, name, query=query)
    assert says in html.replace("&#x27;", "'")
    assert 'class="row-link' not in html


@pytest.mark.parametrize(
    "query", ["?before=x", "?after=%00", "?before=1~2", f"?after={'9' * 40}", "?before=-1", "?page=2"]
)
def test_a_position_that_cannot_be_read_shows_the_newest(developer: Client, sandbox: Environment, query: str):
    customer = CustomerFactory(environment=sandbox)
    assert links(page(developer, "customer-list", query=query), "customers") == [customer.pk]


def test_an_empty_list_says_how_to_fill_it_with_the_readers_own_customer(developer: Client, sandbox: Environment):
    CustomerFactory(environment=sandbox, customer_id="player'7")
    html = page(developer, "transaction-list")
    assert "No transactions yet" in html
    assert "/api/v1/igaming/transactions" in html
    assert "player" in html
    assert "$TOKEN" in html


def test_htmx_gets_the_table_alone(developer: Client, sandbox: Environment):
    CustomerFactory(environment=sandbox)
    fragment = page(developer, "customer-list", query="?country_code=gb", **{"HX-Request": "true"})
    assert fragment.lstrip().startswith('<div class="stack" id="records">')
    assert "1 of 1 customer" in fragment
    assert "<html" not in fragment


def test_activity_shows_a_day_with_its_money_and_links_to_its_customer(developer: Client, sandbox: Environment):
    customer = CustomerFactory(environment=sandbox, customer_id="cst_100245")
    ActivityFactory(environment=sandbox, date=dt.date(2026, 3, 15), ggr=Decimal("-1234.50"))
    html = page(developer, "activity-list")
    assert "\N{MINUS SIGN}1,234.50" in html
    assert reverse("customer-detail", args=["aurora-casino", "sandbox", customer.pk]) in html


# -- One record ---------------------------------------------------------------


@pytest.mark.parametrize("customer_id", NASTY_IDS)
def test_any_id_can_be_listed_opened_and_filtered_by(developer: Client, sandbox: Environment, customer_id: str):
    customer = CustomerFactory(environment=sandbox, customer_id=customer_id)
    transaction = TransactionFactory(environment=sandbox, customer_id=customer_id)

    html = page(developer, "customer-detail", customer.pk)
    assert "<script>alert" not in html
    assert links(html, "transactions") == [transaction.pk]
    assert f"customer_id={quote(customer_id, safe='')}".replace("%20", "+") in html
    query = "?" + urlencode({"customer_id": customer_id})
    assert links(page(developer, "transaction-list", query=query), "transactions") == [transaction.pk]
    assert links(page(developer, "customer-list", query=query), "customers") == [customer.pk]


@pytest.mark.parametrize("number", ["0", "2", "99999999999999999999999", "9" * 5000, "x", "-1"])
@pytest.mark.parametrize("section", ["customers", "transactions", "activity", "quarantine"])
def test_a_number_without_a_record_is_not_found(developer: Client, section: str, number: str):
    assert developer.get(f"/p/aurora-casino/sandbox/{section}/{number}/").status_code == 404


def test_the_history_says_what_changed_from_what_to_what_and_by_which_request(developer: Client, sandbox: Environment):
    request_id = uuid.uuid4()
    record = {
        "customer_id": "cst_1",
        "signup_date": "2026-03-12T09:15:00Z",
        "affiliate_id": "aff_1",
        "kyc_status_id": "pending",
        "email": "old@example.com",
    }
    ingest(sandbox, Entity.CUSTOMERS, record, request_id=uuid.uuid4())
    ingest(
        sandbox,
        Entity.CUSTOMERS,
        {**record, "kyc_status_id": "approved", "email": "new@example.com"},
        request_id=request_id,
    )
    customer = Customer.objects.get(environment=sandbox)

    html = page(developer, "customer-detail", customer.pk)

    assert re.search(r"kyc_status_id</span>.*?<del>pending</del>.*?<ins>approved</ins>", html, re.DOTALL)
    assert re.search(r"<del>old@example.com</del>.*?<ins>new@example.com</ins>", html, re.DOTALL)
    assert "signup_date</span>" not in html  # did not change
    assert "Changed once since it came" in html
    assert html.index("Changed</strong>") < html.index("Received</strong>")


def test_amounts_in_the_history_keep_every_cent(developer: Client, sandbox: Environment):
    customer = {"customer_id": "cst_1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "aff_1"}
    transaction = {
        "transaction_id": "txn_1",
        "customer_id": "cst_1",
        "transaction_type": "deposit",
        "amount_currency": Decimal("1234567890123.10"),
        "currency": "USD",
        "transaction_date": "2026-03-15T12:10:00Z",
        "status": "approved",
    }
    ingest(sandbox, Entity.CUSTOMERS, customer)
    ingest(sandbox, Entity.TRANSACTIONS, transaction)
    ingest(sandbox, Entity.TRANSACTIONS, {**transaction, "status": "reversed"})
    ingest(sandbox, Entity.TRANSACTIONS, {**transaction, "amount_currency": Decimal("0.30")})
    number = RecordChange.objects.filter(entity="transactions")[0].record_id

    html = page(developer, "transaction-detail", number)

    assert re.search(r"amount_currency</span>.*?<del>1,234,567,890,123.10</del>.*?<ins>0.30</ins>", html, re.DOTALL)
    assert "Changed 2 times since it came" in html
    assert html.count("amount_currency</span>") == 1  # the change of status did not touch it


def test_viewers_see_that_personal_data_is_there_but_not_what_it_is(viewer: Client, sandbox: Environment):
    customer = CustomerFactory(environment=sandbox, first_name="Wilhelmina", last_name=None, email="w@example.com")
    old = {"customer_id": customer.customer_id, "first_name": "Brunhilde", "signup_date": "2026-03-12T09:15:00Z"}
    RecordChangeFactory(environment=sandbox, record_id=customer.pk, old=old)

    html = page(viewer, "customer-detail", customer.pk)

    for value in ("Wilhelmina", "Brunhilde", "w@example.com", "Dorian"):
        assert value not in html
    assert "hidden from viewers" in html
    assert "first_name" in html


def test_a_developer_sees_personal_data(developer: Client, sandbox: Environment):
    customer = CustomerFactory(environment=sandbox, first_name="Wilhelmina")
    assert "Wilhelmina" in page(developer, "customer-detail", customer.pk)
    assert Membership.objects.get(user__email="dev@aurora.example").role == "developer"


def test_a_transaction_shows_how_its_dollars_were_computed(developer: Client, sandbox: Environment):
    transaction = TransactionFactory(environment=sandbox)
    html = page(developer, "transaction-detail", transaction.pk)
    for part in ("1,500.10", "1.0869", "European Central Bank", "2026-03-13", "1,630.46"):
        assert part in html


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"fx_source": "partner", "fx_rate": None, "fx_rate_date": None}, "as you sent it"),
        ({"amount_usd": None, "fx_source": None, "fx_rate": None, "fx_rate_date": None}, "No rate yet"),
        ({"currency": "USD", "fx_rate": Decimal(1)}, "in dollars already"),
        ({"fx_source": "manual"}, "entered by the integrations team"),
    ],
)
def test_other_ways_to_an_amount_in_dollars(developer: Client, sandbox: Environment, values: dict, says: str):
    transaction = TransactionFactory(environment=sandbox, **values)
    assert says in page(developer, "transaction-detail", transaction.pk)


def test_activity_shows_the_steps_from_stakes_to_ngr(developer: Client, sandbox: Environment):
    activity = ActivityFactory(environment=sandbox)
    html = page(developer, "activity-detail", activity.pk)
    for part in ("920.50", "815.25", "105.25", "computed", "7.85", "97.40"):
        assert part in html
    assert "GGR differs" not in html


def test_a_ggr_that_does_not_add_up_is_said(developer: Client, sandbox: Environment):
    activity = ActivityFactory(environment=sandbox, ggr=Decimal("120.00"), ggr_source="partner")
    html = page(developer, "activity-detail", activity.pk)
    assert "GGR differs" in html
    assert "105.25" in html


def test_activity_with_nothing_but_its_key_can_be_opened(developer: Client, sandbox: Environment):
    nothing = dict.fromkeys(("bets_count", "total_bets", "wins", "ggr", "ggr_source", "ngr"))
    activity = ActivityFactory(environment=sandbox, **nothing)
    assert "not sent" in page(developer, "activity-detail", activity.pk)


def test_a_customer_shows_the_ten_newest_of_each(developer: Client, sandbox: Environment):
    customer = CustomerFactory(environment=sandbox, customer_id="cst_1")
    for _ in range(12):
        TransactionFactory(environment=sandbox, customer_id="cst_1")
        ActivityFactory(environment=sandbox, customer_id="cst_1")
    html = page(developer, "customer-detail", customer.pk)
    assert len(links(html, "transactions")) == 10
    assert len(links(html, "activity")) == 10


def test_a_suspended_partner_can_still_read_what_it_sent(developer: Client, sandbox: Environment):
    sandbox.partner.status = "suspended"
    sandbox.partner.save()
    customer = CustomerFactory(environment=sandbox)
    page(developer, "customer-detail", customer.pk)
    page(developer, "customer-list")
    page(developer, "quarantine-list")
    page(developer, "team")


def test_the_request_that_wrote_a_record_is_linked(developer: Client, sandbox: Environment):
    batch = BatchFactory(environment=sandbox)
    customer = CustomerFactory(environment=sandbox, batch_id=batch.pk)
    html = page(developer, "customer-detail", customer.pk)
    assert f"/requests/{batch.request_id}/" in html


def test_a_full_list_is_light_on_the_wire(developer: Client, sandbox: Environment):
    TransactionFactory.create_batch(60, environment=sandbox)
    address = reverse("transaction-list", args=["aurora-casino", "sandbox"])
    response = developer.get(address, headers={"Accept-Encoding": "gzip"})
    assert response.headers["Content-Encoding"] == "gzip"
    assert "Accept-Encoding" in response.headers["Vary"]
    assert len(response.content) < 20_000
