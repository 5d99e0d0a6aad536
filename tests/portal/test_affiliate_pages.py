"""The page of affiliates: what is registered, what came unknown, and every way a list can be wrong."""

from __future__ import annotations

import re

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from entities.models import Affiliate, Customer
from entities.pipeline import ingest
from tests.factories import AffiliateFactory, PartnerFactory
from tests.payloads import sample
from track360.models import AuditEvent, Environment, Partner

LIST = "/p/aurora-casino/sandbox/affiliates/"


def text_of(answer) -> str:
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def registered(partner: Partner) -> dict[str, str]:
    return dict(Affiliate.objects.filter(partner=partner).values_list("affiliate_id", "name"))


def upload(browser: Client, payload: bytes):
    return browser.post(LIST, {"file": SimpleUploadedFile("list.csv", payload)}, follow=True)


def test_a_pasted_list_is_registered_and_audited(developer: Client, partner: Partner) -> None:
    answer = developer.post(LIST, {"list": "aff_1, Best Odds\naff_2\n\naff_1, Best Odds Ltd\n"}, follow=True)

    assert "2 registered." in text_of(answer)
    assert registered(partner) == {"aff_1": "Best Odds Ltd", "aff_2": ""}
    event = AuditEvent.objects.get(action="affiliates.added")
    assert (event.partner, event.detail["count"]) == (partner, 2)


@pytest.mark.parametrize(
    "payload",
    [
        b"affiliate_id,name\naff_1,Best Odds\naff_2,\n",
        b"\xef\xbb\xbfaffiliate_id;name\r\naff_1;Best Odds\r\naff_2;\r\n",
        b"Name\tAffiliate ID\tCountry\nBest Odds\taff_1\tGB\n\taff_2\tMT\n",
        b'aff_1,"Best Odds"\naff_2',
    ],
    ids=["header", "bom, semicolons, crlf", "tabs, more columns", "no header, quotes"],
)
def test_files_as_spreadsheets_save_them_are_read(payload: bytes, developer: Client, partner: Partner) -> None:
    upload(developer, payload)
    assert registered(partner) == {"aff_1": "Best Odds", "aff_2": ""}


def test_latin_1_is_read_and_said(developer: Client, partner: Partner) -> None:
    answer = upload(developer, "aff_1,Café Odds\n".encode("latin-1"))
    assert registered(partner) == {"aff_1": "Café Odds"}
    assert "Windows-1252" in text_of(answer)


@pytest.mark.parametrize(
    ("payload", "sentence"),
    [
        (b"", "The list is empty"),
        (b"\n \n", "The list is empty"),
        (b"affiliate_id,name\n", "a header and nothing under it"),
        (b"PK\x03\x04" + bytes(100), "This is no text"),
        (b"\x00\x01\x02\x03" * 100, "This is no text"),
        (b"a,b,c\n1,2,3\n", "none is called affiliate_id"),
        (b"aff_1\n,No Id\n", "Line 2: the affiliate&#x27;s id is missing"),
        (b"aff_1\n" + b"x" * 501, "Line 2: the id has over 500 characters"),
        (b"aff_1," + b"x" * 201, "Line 1: the name has over 200 characters"),
        (b"aff_1\naff\x00_2\n", "Line 2: ids and names hold printable characters"),
        (b'aff_0\n"aff_1\n', "Line 2: the quotes do not close"),
        (b"aff_1,Best Odds\naff_2,Best, Ltd\n", "Line 2: it has more columns than the first line"),
        (b"id;name\naff_1;Best;Ltd\n", "Line 2: it has more columns than the first line"),
        (b"id,name\naff_1,Best\nID,Name\n", "Line 3: the header stands here again"),
        (b"affiliate_id,name,affiliate_id\na,b,c\n", "Two columns are called affiliate_id"),
        (b'[{"affiliate_id": "aff_1"}]', "This is JSON"),
        (b"aff_1\n" * 100_001, "at most 100,000"),
    ],
    ids=lambda value: value[:24] if isinstance(value, str) else "",
)
def test_a_list_that_is_wrong_says_where_and_registers_nothing(
    payload: bytes, sentence: str, developer: Client, partner: Partner
) -> None:
    text = text_of(upload(developer, payload))
    assert "Nothing was registered." in text
    assert sentence in text
    assert registered(partner) == {}


def test_what_was_typed_stays_when_it_is_refused(developer: Client, partner: Partner) -> None:
    text = text_of(developer.post(LIST, {"list": "aff_1\n,nobody"}))
    assert "aff_1 ,nobody</textarea>" in text
    assert "aff_2 ,nobody</textarea>" in text_of(upload(developer, b"aff_2\n,nobody"))

    both = {"list": "aff_1", "file": SimpleUploadedFile("list.csv", b"aff_2")}
    text = text_of(developer.post(LIST, both))
    assert "You pasted a list and chose a file" in text
    assert ">aff_1</textarea>" in text
    assert registered(partner) == {}


def test_the_column_that_names_the_affiliate_goes_before_one_that_is_called_id(
    developer: Client, partner: Partner
) -> None:
    upload(developer, b"id,affiliate_id,name\n1,aff_1,Best\n2,aff_2,\n")
    assert registered(partner) == {"aff_1": "Best", "aff_2": ""}


def test_a_list_as_long_as_may_be_is_registered_and_named_in_few_statements(
    developer: Client, partner: Partner
) -> None:
    for name, sentence in (("", "100,000 registered"), (",Odds", "100,000 renamed")):
        payload = "".join(f"aff_{number}{name}\n" for number in range(100_000)).encode()
        with CaptureQueriesContext(connection) as captured:
            answer = developer.post(LIST, {"file": SimpleUploadedFile("list.csv", payload)})
        assert answer.status_code == 302
        assert len(captured) < 50
        assert sentence in text_of(developer.get(LIST))


def test_what_was_not_looked_at_is_not_called_known(
    developer: Client, partner: Partner, sandbox: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("onboarding.affiliate_pages.LOOKED_AT", 2)
    for number in range(3):
        ingest(sandbox, "customers", sample("customers", customer_id=f"c{number}", affiliate_id=f"aff_{number}"))
        AffiliateFactory(partner=partner, affiliate_id=f"aff_{number}")
    assert "of the first 2 that came, every one is known" in text_of(developer.get(LIST))


def test_ids_that_came_unknown_are_shown_most_frequent_first_and_registered_at_once(
    developer: Client, partner: Partner, sandbox: Environment
) -> None:
    for number, affiliate in enumerate(["often", "often", "once"]):
        ingest(sandbox, "customers", sample("customers", customer_id=f"c{number}", affiliate_id=affiliate))
    text = text_of(developer.get(LIST))
    assert "2 ids that came are not registered" in text
    assert text.index(">often<") < text.index(">once<")
    first = Customer.objects.get(customer_id="c0").received_at
    assert f'datetime="{first:%Y-%m-%dT%H:%M:%S}' in text
    assert "Nothing was marked" in text_of(developer.post(f"{LIST}add/", follow=True))

    developer.post(f"{LIST}add/", {"affiliate_id": ["often", "once"]})

    assert set(registered(partner)) == {"often", "once"}
    assert "every one that came is known" in text_of(developer.get(LIST))


def test_one_is_removed_and_a_second_press_says_so(developer: Client, partner: Partner) -> None:
    AffiliateFactory(partner=partner, affiliate_id="aff_1")
    theirs = AffiliateFactory(partner=PartnerFactory(), affiliate_id="theirs")

    assert "is off the list" in text_of(developer.post(f"{LIST}remove/", {"affiliate_id": "aff_1"}, follow=True))
    assert "already" in text_of(developer.post(f"{LIST}remove/", {"affiliate_id": "aff_1"}, follow=True))
    assert "already" in text_of(developer.post(f"{LIST}remove/", {"affiliate_id": "theirs"}, follow=True))
    assert list(Affiliate.objects.all()) == [theirs]


def test_the_list_is_searched_and_paged(developer: Client, partner: Partner) -> None:
    for number in range(60):
        AffiliateFactory(partner=partner, affiliate_id=f"aff_{number:02}", name="Odds" if number == 3 else "")
    first = text_of(developer.get(LIST))
    assert ">aff_59<" in first
    assert ">aff_03<" not in first
    found = text_of(developer.get(f"{LIST}?q=odds"))
    assert ">aff_03<" in found
    assert ">aff_04<" not in found
    assert "Nothing matches" in text_of(developer.get(f"{LIST}?q=%00zz%25"))


def test_a_viewer_reads_and_others_find_nothing(viewer: Client, outsider: Client, partner: Partner) -> None:
    assert "<textarea" not in text_of(viewer.get(LIST))
    pages = (LIST, f"{LIST}add/", f"{LIST}remove/")
    assert [viewer.post(page, {"list": "aff_1", "affiliate_id": "aff_1"}).status_code for page in pages] == [403] * 3
    assert outsider.get(LIST).status_code == 404
    assert registered(partner) == {}


def test_who_opens_the_address_of_a_form_is_led_on(developer: Client, partner: Partner):
    answer = developer.get(f"/p/{partner.slug}/sandbox/affiliates/add/")
    assert (answer.status_code, answer["Allow"]) == (405, "POST")
    assert "Go to the start page" in answer.content.decode()
