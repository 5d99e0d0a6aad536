"""The request log in the portal: filters, paging, and one request explained."""

from __future__ import annotations

import datetime as dt
import html
import re
import shlex
import uuid
from typing import Any

import pytest
from django.test import Client as Browser
from django.utils import timezone

from entities.paging import PER_PAGE
from integrations import clients, request_log, request_pages
from integrations.models import ApiRequest
from tests.factories import ApiRequestFactory, ClientFactory, MembershipFactory, PartnerFactory, UserFactory
from tests.payloads import sample
from track360.models import Environment, Partner

pytestmark = pytest.mark.django_db
LIST = "/p/aurora/sandbox/requests/"
LINK = re.compile(r'href="/p/aurora/sandbox/requests/([0-9a-f-]{36})/"')


@pytest.fixture
def partner() -> Partner:
    return PartnerFactory.create(slug="aurora", name="Aurora Casino")


@pytest.fixture
def sandbox(partner: Partner) -> Environment:
    return partner.environments.get(kind="sandbox")


@pytest.fixture
def browser(partner: Partner) -> Browser:
    user = UserFactory.create()
    MembershipFactory.create(user=user, partner=partner, role="viewer")
    browser = Browser()
    browser.force_login(user)
    return browser


def logged(environment: Environment, **fields: Any) -> ApiRequest:
    return ApiRequestFactory.create(environment=environment, **fields)


def page(browser: Browser, url: str, **query: Any) -> str:
    answer = browser.get(url, query)
    assert answer.status_code == 200
    return html.unescape(answer.content.decode())


def shown(browser: Browser, **query: Any) -> list[str]:
    return LINK.findall(page(browser, LIST, **query))


def many(environment: Environment, count: int, *, at: dt.datetime | None = None) -> list[ApiRequest]:
    """Newest first; `at` gives all of them the same moment."""
    now = timezone.now()
    rows = [
        ApiRequestFactory.build(environment=environment, at=at or now - dt.timedelta(seconds=n)) for n in range(count)
    ]
    return ApiRequest.objects.bulk_create(rows)


def test_each_row_is_a_link_to_its_page(browser: Browser, sandbox: Environment) -> None:
    row = logged(sandbox, status=422, rejected=3, error_summary="3 of 7 records refused")
    assert shown(browser) == [str(row.pk)]
    assert "422 Refused" in page(browser, LIST)
    assert "3 of 7 records refused" in page(browser, LIST)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"status": "2xx"}, "ok"),
        ({"status": "4xx"}, "refused"),
        ({"status": "422"}, "refused"),
        ({"status": "5xx"}, "down"),
        ({"entity": "transactions"}, "refused"),
        ({"method": "PUT"}, "down"),
        ({"client": "crm"}, "down"),
        ({"from": "2026-03-15T12:00:00Z", "to": "2026-03-16"}, "down"),
        ({"from": "2026-03-17"}, "ok"),
    ],
)
def test_filters_are_in_the_query_string(
    browser: Browser, sandbox: Environment, query: dict[str, str], expected: str
) -> None:
    day = dt.datetime(2026, 3, 15, 12, tzinfo=dt.UTC)
    rows = {
        "ok": logged(sandbox, status=200, at=day + dt.timedelta(days=2)),
        "refused": logged(sandbox, status=422, entity="transactions", at=day - dt.timedelta(days=2)),
        "down": logged(sandbox, status=503, method="PUT", client_id="crm", at=day),
    }
    assert shown(browser, **query) == [str(rows[expected].pk)]


def test_one_request_is_found_by_its_id(browser: Browser, sandbox: Environment) -> None:
    row = logged(sandbox)
    logged(sandbox)
    assert shown(browser, id=str(row.pk)) == [str(row.pk)]


@pytest.mark.parametrize(
    "query",
    [
        {"status": "9"},
        {"entity": "x"},
        {"from": "soon"},
        {"from": "2026-13-40"},
        {"id": "1"},
        {"method": "\x00"},
        {"client": "\x00"},
    ],
)
def test_a_filter_that_cannot_be_read_says_so_and_shows_nothing(
    browser: Browser, sandbox: Environment, query: dict[str, str]
) -> None:
    logged(sandbox)
    assert not shown(browser, **query)
    assert 'class="error"' in page(browser, LIST, **query)


@pytest.mark.parametrize(
    "position", ["x", "~", "2026-03-15T00:00:00Z~x", f"2026-03-15T00:00:00~{uuid.UUID(int=1)}", "\x00", "9" * 5000]
)
def test_a_broken_position_shows_the_newest(browser: Browser, sandbox: Environment, position: str) -> None:
    row = logged(sandbox)
    assert shown(browser, before=position) == [str(row.pk)]


def test_walking_the_pages_shows_each_row_once_and_back_again(browser: Browser, sandbox: Environment) -> None:
    rows = [*many(sandbox, 60), *many(sandbox, 70, at=timezone.now() - dt.timedelta(hours=1))]  # 70 at one moment
    seen: list[str] = []
    url = LIST
    pages = [url]
    while url:
        text = page(browser, url)
        seen += LINK.findall(text)
        following = re.search(r'href="([^"]+)" rel="next"', text)
        url = following[1] if following else ""
        pages.append(url)
    assert len(seen) == len(set(seen)) == len(rows)
    previous = re.search(r'href="([^"]+)" rel="prev"', page(browser, pages[2]))
    assert previous
    assert LINK.findall(page(browser, previous[1])) == seen[PER_PAGE : 2 * PER_PAGE]


def test_a_filter_that_matches_little_looks_through_so_many_calls_and_offers_to_go_on(
    browser: Browser, sandbox: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(request_pages, "SEARCHED", 20)
    rows = [*many(sandbox, 50), *many(sandbox, 9, at=timezone.now() - dt.timedelta(hours=1))]
    put = logged(sandbox, method="PUT", at=rows[50].at)
    url, found, pages = LIST + "?method=PUT", [], 0
    while url:
        text = page(browser, url)
        found += LINK.findall(text)
        following = re.search(r'href="([^"]+)"(?: rel="next"|>Look through older ones)', text)
        url, pages = following[1] if following else "", pages + 1
        assert pages < 9
    assert found == [str(put.pk)]
    assert pages > 2


def test_htmx_gets_the_table_alone(browser: Browser, sandbox: Environment) -> None:
    row = logged(sandbox)
    answer = browser.get(LIST, headers={"HX-Request": "true"})
    assert str(row.pk) in answer.content.decode()
    assert "<html" not in answer.content.decode()


def test_an_empty_log_says_how_to_make_the_first_call(browser: Browser) -> None:
    text = page(browser, LIST)
    assert "No requests yet" in text
    assert "curl" in text


def test_the_list_says_that_requests_are_kept_for_90_days(browser: Browser, sandbox: Environment) -> None:
    logged(sandbox)
    assert "90 days" in page(browser, LIST)


RECORD = {"transaction_id": "txn_1", "customer_id": "it's", "amount_currency": 12.345, "currency": "EUR"}
FINDING = {
    "index": 3,
    "pointer": "/3/amount_currency",
    "field": "amount_currency",
    "code": "decimal_places",
    "message": "must have at most 2 decimal places",
}


def refused(sandbox: Environment, **fields: Any) -> ApiRequest:
    detail = {"records": [{"index": 3, "record": RECORD, "errors": [FINDING]}]}
    return logged(
        sandbox,
        **{
            "status": 422,
            "error_code": "validation_failed",
            "detail": detail,
            "path": "/api/v1/igaming/transactions/bulk",
            "rejected": 1,
            **fields,
        },
    )


def test_the_faulty_line_is_marked_with_the_message_beside_it(browser: Browser, sandbox: Environment) -> None:
    text = page(browser, f"{LIST}{refused(sandbox).pk}/")
    line = re.search(r'<li class="line"[^>]*data-faulty>(.*?)</li>', text, re.DOTALL)
    assert line
    assert '"amount_currency": 12.345' in line[1]
    assert "must have at most 2 decimal places" in line[1]
    assert text.count("data-faulty") == 1


def test_the_rule_is_explained_with_a_hint_and_a_link(browser: Browser, sandbox: Environment) -> None:
    text = page(browser, f"{LIST}{refused(sandbox).pk}/")
    assert "An amount has more than two decimal places." in text
    assert "/docs/errors/#decimal_places" in text
    assert "/docs/errors/#validation_failed" in text


def test_the_command_repeats_the_request_whatever_quotes_are_in_it(browser: Browser, sandbox: Environment) -> None:
    row = refused(sandbox, query="results=1")
    text = page(browser, f"{LIST}{row.pk}/")
    command = re.search(r'<code id="curl-again">(.*?)</code>', text, re.DOTALL)
    assert command
    words = shlex.split(command[1].replace("\\\n", ""))
    assert words[:3] == ["curl", "-X", "POST"]
    assert words[3].endswith("/api/v1/igaming/transactions/bulk?results=1")
    assert '"customer_id": "it\'s"' in words[-1]
    assert "12.345" in words[-1]
    assert "Authorization: Bearer $TOKEN" in words


def test_a_body_that_is_no_json_is_shown_around_the_fault(browser: Browser, sandbox: Environment) -> None:
    detail = {"excerpt": '{"a": 1,, "b": <2>}', "offset": 4008, "fault": 8}
    row = logged(sandbox, status=400, error_code="invalid_json", detail=detail)
    text = browser.get(f"{LIST}{row.pk}/").content.decode()
    assert "{&quot;a&quot;: 1,<mark>,</mark> &quot;b&quot;: &lt;2&gt;}" in text
    assert "Byte 4,008" in text


def test_a_refusal_of_the_whole_call_is_explained_too(browser: Browser, sandbox: Environment) -> None:
    text = page(browser, f"{LIST}{logged(sandbox, status=401, error_code='token_expired').pk}/")
    assert "Access tokens live for 3600 seconds" in text
    assert "Fetch a new token" in text


def test_a_body_of_the_wrong_shape_has_a_reason_and_no_record(browser: Browser, sandbox: Environment) -> None:
    finding = {"index": None, "pointer": "", "field": None, "code": "empty_batch", "message": "must not be empty"}
    detail = {"records": [{"index": None, "record": None, "errors": [finding]}]}
    text = page(browser, f"{LIST}{refused(sandbox, detail=detail).pk}/")
    assert "The array is empty." in text
    assert "Refused records" not in text


def test_markup_in_what_was_sent_is_shown_as_text(browser: Browser, sandbox: Environment) -> None:
    record = {"customer_id": "<script>alert(1)</script>"}
    detail = {"records": [{"index": 0, "record": record, "errors": [{**FINDING, "message": "<b>no</b>"}]}]}
    row = refused(sandbox, detail=detail, path="/<i>", user_agent="<u>", error_summary="<s>", query="<q>")
    text = browser.get(f"{LIST}{row.pk}/").content.decode()
    assert not re.search(r"<(script>alert|b>|i>|u>|s>|q>)", text)


def test_a_request_that_went_through_has_a_page_too(browser: Browser, sandbox: Environment) -> None:
    row = logged(sandbox, method="GET", status=200, received=None, query="page=2")
    text = page(browser, f"{LIST}{row.pk}/")
    assert "It went through." in text
    assert "page=2" in text


def test_another_partners_request_is_not_found(browser: Browser, partner: Partner) -> None:
    theirs = logged(PartnerFactory.create(slug="borealis").environments.get(kind="sandbox"))
    production = logged(partner.environments.get(kind="production"))
    for row in (theirs, production):
        assert browser.get(f"{LIST}{row.pk}/").status_code == 404
    assert browser.get(f"/p/borealis/sandbox/requests/{theirs.pk}/").status_code == 404
    assert browser.get("/p/borealis/sandbox/requests/").status_code == 404
    assert shown(browser) == []


def test_the_menu_holds_only_clients_of_this_environment(browser: Browser, sandbox: Environment) -> None:
    ClientFactory.create(environment=sandbox, name="Mine")
    ClientFactory.create(
        environment=PartnerFactory.create(slug="borealis").environments.get(kind="sandbox"), name="Theirs"
    )
    text = page(browser, LIST)
    assert "Mine" in text
    assert "Theirs" not in text


LIST_QUERIES = 8
DETAIL_QUERIES = 7


@pytest.mark.parametrize("rows", [10, 1000])
def test_the_list_takes_as_many_queries_for_many_requests_as_for_few(
    browser: Browser, sandbox: Environment, rows: int, django_assert_num_queries: Any
) -> None:
    many(sandbox, rows)
    with django_assert_num_queries(LIST_QUERIES):
        browser.get(LIST)


@pytest.mark.parametrize("records", [1, 100])
def test_the_page_of_a_request_takes_as_many_queries_for_many_records_as_for_one(
    browser: Browser, sandbox: Environment, records: int, django_assert_num_queries: Any
) -> None:
    detail = {"records": [{"index": 3, "record": RECORD, "errors": [FINDING]}] * records}
    row = refused(sandbox, detail=detail)
    with django_assert_num_queries(DETAIL_QUERIES):
        browser.get(f"{LIST}{row.pk}/")


def test_a_call_that_was_refused_is_explained_from_its_own_log(
    browser: Browser, partner: Partner, sandbox: Environment
) -> None:
    """The whole way: push over HTTP, the log as the API writes it, the page as a person sees it."""
    client = clients.create_client(sandbox, name="CRM", actor=None).client
    token = clients.issue_token(client, actor=UserFactory.create(is_staff=True))
    good = sample("customers", customer_id="cst_1")
    bad = sample("customers", customer_id="cst_2", country_code="UK", e_mail="mara@example.com")
    answer = Browser().post(
        "/api/v1/igaming/customers/bulk",
        [good, bad],
        content_type="application/json",
        headers={"Authorization": f"Bearer {token}"},
    )
    request_log.flush()
    assert answer.status_code == 422
    (request_id,) = shown(browser, status="422")
    assert request_id == answer["X-Request-ID"]
    text = page(browser, f"{LIST}{request_id}/")
    assert text.count("data-faulty") == 2
    assert "No such ISO 3166-1 alpha-2 country." in text
    assert not re.search("mara@|john.d@", text)
    assert re.search(r"Rejected</span>\s*<span[^>]*>1<", text)
