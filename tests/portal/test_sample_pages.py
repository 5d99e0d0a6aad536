"""The samples pages: try, see what is wrong line by line, mend, and everything that can be wrong with an upload."""

from __future__ import annotations

import csv
import html
import io
import json
import re
import uuid
import zipfile
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from onboarding.models import Sample
from tests.factories import PartnerFactory, SampleFactory
from track360.models import AuditEvent, Environment

CUSTOMER = {
    "customer_id": "cst_1",
    "signup_date": "2026-03-12T09:15:00Z",
    "affiliate_id": "aff_204",
    "email": "eve@example.com",
}
BAD = CUSTOMER | {"customer_id": "cst_2", "country_code": "UK", "email": "secret at example.com", "e_mail": "typo@x.y"}
HEADER = "customer_id,signup_date,affiliate_id,email,shoe size"
ROW = "cst_1,2026-03-12T09:15:00Z,aff_204,eve@example.com,44"
BAD_ROW = "cst_2,yesterday,aff_204,eve@example.com,45"


def address(name: str, *args: object, kind: str = "sandbox") -> str:
    return reverse(name, args=["aurora-casino", kind, *args])


def text_of(response: HttpResponse) -> str:
    return html.unescape(response.content.decode())


def post(client: Client, payload: str = "", *, file: bytes | None = None, follow: bool = True, **more: Any) -> Any:
    form = {"entity": "customers", "text": payload, **more}
    if file is not None:
        form["file"] = SimpleUploadedFile(more.pop("name", "customers.csv"), file)
    return client.post(address("sample-new", kind=more.pop("kind", "sandbox")), form, follow=follow)


def tried(client: Client, payload: str, **more: Any) -> Sample:
    response = post(client, payload, **more)
    assert response.status_code == 200
    return Sample.objects.latest("created_at")


def test_a_pasted_sample_is_checked_at_once_and_its_faults_stand_at_their_lines(
    developer: Client, sandbox: Environment
):
    response = post(developer, json.dumps([CUSTOMER, BAD], indent=2))
    sample = Sample.objects.get(environment=sandbox)
    assert response.redirect_chain == [(address("sample-detail", sample.pk), 302)]
    page = text_of(response)
    assert "1 of 2 records has errors. Next: mend them here." in page
    assert "must be an ISO 3166-1 alpha-2 country code" in page
    assert "Use the two-letter code: GB, not UK." in page
    assert re.search(r"data-faulty>.{0,200}&quot;country_code&quot;|data-faulty>.{0,200}\"country_code\"", page)
    assert "Record 2" in page
    assert "line 8" in page
    assert "Record 1<" not in page  # only the faulty ones are shown first
    assert AuditEvent.objects.get(action="sample.created").actor.email == "dev@aurora.example"


def test_all_records_can_be_shown_too(developer: Client):
    sample = tried(developer, json.dumps([CUSTOMER, BAD]))
    page = text_of(developer.get(address("sample-detail", sample.pk) + "?show=all"))
    assert "Record 1<" in page
    assert "Record 2<" in page


def test_a_group_links_to_the_page_of_its_first_record(developer: Client):
    records = [CUSTOMER | {"customer_id": f"cst_{n}", "lang_id": "xx"} for n in range(60)]
    records[59]["country_code"] = "UK"
    sample = tried(developer, json.dumps(records))
    group = next(group for group in sample.groups if group["code"] == "country")
    response = developer.get(address("sample-record", sample.pk, group["first"]))
    assert response["Location"] == address("sample-detail", sample.pk) + "?show=faulty&page=2#record-60"
    assert "Record 60<" in text_of(developer.get(response["Location"]))


@pytest.mark.parametrize("query", ["?page=x", "?page=-1", "?page=99999999999999", "?page=%00", "?show=%00&page=5"])
def test_odd_page_numbers_are_no_crash(developer: Client, query: str):
    sample = tried(developer, json.dumps([BAD]))
    for name, args in (("sample-detail", [sample.pk]), ("sample-mend", [sample.pk]), ("sample-list", [])):
        assert developer.get(address(name, *args) + query, follow=True).status_code == 200
    for index in (0, 10**6, 10**30):
        assert developer.get(address("sample-record", sample.pk, index)).status_code == 302


# -- Bad input ----------------------------------------------------------------


def zipped() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("customers.csv", ROW)
    return packed.getvalue()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "It is empty"),
        (zipped(), "a zip archive"),
        (b"x" * (10 * 2**20 + 2**17), "It has 10.1 MB; a sample has at most 10 MB"),
        (HEADER.encode(), "a header and no rows"),
        (f"{ROW}\n{ROW}".encode(), "must name the columns"),
        (b"customer_id,email,email\na,b,c", "names the column “email” twice"),
        (b'[{"a": }]', "Line 1, character 8: not valid JSON"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_beside_the_field(developer: Client, content: bytes, sentence: str):
    response = post(developer, file=content)
    assert response.status_code == 200
    page = text_of(response)
    assert re.search(rf'id="id_file_error".{{0,400}}{re.escape(sentence)}', page, re.DOTALL)
    assert 'value="customers"' in page
    assert "checked" in page  # the entity that was chosen
    assert not Sample.objects.exists()


def test_the_text_of_a_refused_file_stands_to_be_mended(developer: Client):
    page = text_of(post(developer, file=b'[{"customer_id": "cst_77",}]'))
    assert '[{"customer_id": "cst_77",}]</textarea>' in page
    assert "Its text stands above" in page


def test_refused_text_is_kept_as_it_was_typed(developer: Client):
    page = text_of(post(developer, '[{"customer_id": "cst_77",}]'))
    assert re.search(r'id="id_text_error".{0,300}not valid JSON', page, re.DOTALL)
    assert '[{"customer_id": "cst_77",}]</textarea>' in page


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"text": ""}, "Paste at least one record"),
        ({"text": "x", "file": SimpleUploadedFile("a", b"y")}, "Paste or upload, not both"),
        ({"text": "[]", "entity": ""}, "Choose what the records are"),
        ({"text": "[]", "entity": "players"}, "Choose one of the three"),
        ({"text": "a\x00b"}, "neither JSON nor CSV"),
        ({"text": '[{"a": "\x00"}]'}, "not valid JSON"),
        ({"text": "[{}]", "submission": "nonsense"}, ""),
    ],
)
def test_a_form_that_is_filled_in_wrongly_says_what_to_do(developer: Client, form: dict[str, Any], sentence: str):
    response = developer.post(address("sample-new"), {"entity": "customers"} | form)
    assert response.status_code == 200
    assert sentence in text_of(response)


def test_a_pasted_text_that_is_too_long_is_refused_in_a_sentence(developer: Client):
    response = post(developer, "x" * (10 * 2**20 + 1))
    assert response.status_code == 413
    assert "A page takes at most 10 MB" in text_of(response)


def test_a_larger_body_is_refused_before_it_is_read(developer: Client):
    class Unread(io.BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            raise AssertionError("it was read")

    response = developer.generic(
        "POST", address("sample-new"), b"", CONTENT_LENGTH="2147483648", **{"wsgi.input": Unread()}
    )
    assert response.status_code == 413


def test_bom_latin_1_and_semicolons_are_told(developer: Client):
    row = ROW.replace("eve@example.com", "").replace("44", "Jos\xe9")
    content = f"{HEADER}\n{row}".replace(",", ";").encode("cp1252").replace(b"shoe size", b"first_name")
    page = text_of(post(developer, file=content))
    assert "the API takes UTF-8 only" in page
    assert "separated by semicolons" in page
    assert "All" in page or "The one record is valid" in page
    page = text_of(post(developer, file=b"\xef\xbb\xbf" + json.dumps(CUSTOMER).encode()))
    assert "byte order mark" in page


def test_a_form_sent_twice_makes_one_sample(developer: Client):
    submission = str(uuid.uuid4())
    post(developer, json.dumps(CUSTOMER), submission=submission)
    page = text_of(post(developer, json.dumps(CUSTOMER), submission=submission))
    assert "The sample was sent already" in page
    assert Sample.objects.count() == 1


def test_a_sample_of_the_wrong_entity_is_offered_to_be_switched(developer: Client):
    transaction = {
        "transaction_id": "txn_1",
        "customer_id": "cst_1",
        "transaction_type": "deposit",
        "amount_currency": 1,
        "currency": "EUR",
        "transaction_date": "2026-03-15T12:10:00Z",
        "status": "approved",
    }
    response = post(developer, json.dumps([transaction]))
    assert "These look like transactions" in text_of(response)
    sample = Sample.objects.get()
    response = developer.post(address("sample-switch", sample.pk), {"entity": "transactions"}, follow=True)
    assert "The one record is valid, with 2 warnings." in text_of(response)
    assert developer.post(address("sample-switch", sample.pk), {"entity": "x\x00"}).status_code == 404


# -- CSV ----------------------------------------------------------------------


def test_a_csv_whose_columns_cannot_be_told_asks_for_them_and_remembers(developer: Client):
    payload = f"{HEADER}\n{ROW}\n{BAD_ROW}\n"
    response = post(developer, payload)
    sample = Sample.objects.get()
    columns = address("sample-columns", sample.pk)
    assert response.redirect_chain == [(columns, 302)]
    page = text_of(response)
    assert "4 of 5 columns were recognised" in page
    assert "44 · 45" in page
    form = {f"column_{n}": name for n, name in enumerate(HEADER.split(",")[:4])} | {"column_4": ""}
    refused = developer.post(columns, form | {"column_0": ""})
    assert "No column holds customer_id" in text_of(refused)
    assert "Two columns hold email" in text_of(developer.post(columns, form | {"column_4": "email"}))
    response = developer.post(columns, form, follow=True)
    assert "1 of 2 records has errors" in text_of(response)
    assert "cst_2,yesterday,aff_204,eve@example.com" in text_of(response)
    assert post(developer, payload).redirect_chain == [
        (address("sample-detail", Sample.objects.latest("created_at").pk), 302)
    ]


def test_columns_of_another_entity_are_noticed(developer: Client):
    page = text_of(post(developer, "transaction_id,customer_id,transaction_type,status,amount\n1,2,deposit,ok,3\n"))
    assert "These look like transactions" in page
    assert "?entity=transactions" in page


# -- Taking away and mending --------------------------------------------------


def given_columns(client: Client) -> Sample:
    sample = tried(client, f"{HEADER}\n{ROW}\n{BAD_ROW}\ncst_3,x\n".replace(",", ";"))
    form = {f"column_{n}": name for n, name in enumerate(HEADER.split(",")[:4])}
    client.post(address("sample-columns", sample.pk), form)
    sample.refresh_from_db()
    assert sample.invalid == 2
    return sample


def test_refused_rows_of_a_csv_come_back_with_an_error_column(developer: Client, viewer: Client):
    sample = given_columns(developer)
    response = developer.get(address("sample-refused", sample.pk))
    assert response["Content-Disposition"] == 'attachment; filename="refused-customers.csv"'
    rows = list(csv.reader(io.StringIO(response.content.decode()), delimiter=";"))
    assert rows[0] == [*HEADER.split(","), "error"]
    assert rows[1][:5] == BAD_ROW.split(",")
    assert "signup_date must be a valid date-time" in rows[1][5]
    assert rows[2] == ["cst_3", "x", "", "", "", "row has 2 cells where the header has 5: too few"]
    masked = viewer.get(address("sample-refused", sample.pk)).content.decode()
    assert "eve@example.com" not in masked
    assert "45" not in masked.split("error")[1].split("must be")[0]  # nobody knows what a column without a field holds
    assert "cst_2" in masked


def test_what_a_player_typed_is_no_formula_in_the_refused_rows(developer: Client):
    names = '"=HYPERLINK(""https://evil.example"")",@SUM(A1)'
    sample = tried(developer, f"customer_id,signup_date,affiliate_id,first_name,last_name\n1,-45,a,{names}\n")
    content = developer.get(address("sample-refused", sample.pk)).content.decode()
    (row,) = csv.DictReader(io.StringIO(content))
    assert (row["first_name"], row["last_name"]) == ('\'=HYPERLINK("https://evil.example")', "'@SUM(A1)")
    assert row["signup_date"] == "-45"  # a number stays one


def test_refused_records_come_back_as_lines_with_their_errors(developer: Client, viewer: Client):
    sample = tried(developer, json.dumps([CUSTOMER, BAD, "text"]))
    lines = developer.get(address("sample-refused", sample.pk)).content.decode().splitlines()
    first, second = map(json.loads, lines)
    assert {error["code"] for error in first.pop("_errors")} == {"country", "format", "additional_property"}
    assert first == BAD
    assert second["_record"] == "text"
    masked = viewer.get(address("sample-refused", sample.pk)).content.decode()
    assert "secret at" not in masked
    assert "typo@" not in masked


def test_viewers_read_the_result_masked_and_change_nothing(developer: Client, viewer: Client):
    sample = tried(developer, json.dumps([CUSTOMER, BAD]))
    for query in ("", "?show=all"):
        page = text_of(viewer.get(address("sample-detail", sample.pk) + query))
        assert "Personal data and unknown fields are hidden" in page
        assert not re.search("eve@|secret at|typo@", page)
    for name in ("sample-new", "sample-mend", "sample-columns"):
        assert viewer.get(address(name, *([] if name == "sample-new" else [sample.pk]))).status_code == 403
    assert viewer.post(address("sample-lesson", "customers")).status_code == 403
    assert viewer.post(address("sample-switch", sample.pk), {"entity": "activity"}).status_code == 403
    assert "Try a sample" not in text_of(viewer.get(address("sample-list")))


def test_a_sample_is_mended_on_the_page_and_the_old_one_stays(developer: Client):
    sample = tried(developer, json.dumps([BAD]))
    page = text_of(developer.get(address("sample-mend", sample.pk)))
    assert '"country_code": "UK"' in page
    mend = address("sample-mend", sample.pk)
    broken = text_of(developer.post(mend, {"text": '[{"mended": }]'}))
    assert "Line 1, character 13: not valid JSON" in broken
    assert '[{"mended": }]</textarea>' in broken
    assert "Leave at least one record" in text_of(developer.post(mend, {"text": " "}))
    response = developer.post(mend, {"text": json.dumps([CUSTOMER])}, follow=True)
    assert "The one record is valid." in text_of(response)
    new = Sample.objects.get(origin="mended")
    assert new.mends == sample
    assert Sample.objects.get(pk=sample.pk).invalid == 1


def test_the_faulty_records_of_a_large_sample_are_mended_apart(developer: Client):
    records = [CUSTOMER | {"customer_id": f"cst_{n}", "first_name": "x" * 400} for n in range(900)]
    records[7]["country_code"] = "UK"
    sample = tried(developer, "", file=json.dumps(records).encode())
    page = text_of(developer.get(address("sample-mend", sample.pk)))
    assert "These are the faulty records of one page" in page
    assert page.count('"customer_id"') == 1
    edited = json.dumps(records[7] | {"country_code": "GB"})
    response = developer.post(address("sample-mend", sample.pk), {"text": edited, "indexes": "7"}, follow=True)
    assert "All 900 records are valid." in text_of(response)
    for indexes in ("7,", "x", "7;8", "9" * 9):
        assert (
            developer.post(address("sample-mend", sample.pk), {"text": edited, "indexes": indexes}).status_code == 200
        )


# -- Lessons, the list, who may -----------------------------------------------


@pytest.mark.parametrize("entity", ["customers", "transactions", "activity"])
def test_break_it_loads_five_faults_and_does_not_count(developer: Client, entity: str):
    page = text_of(developer.post(address("sample-lesson", entity), follow=True))
    assert "5 of 6 records have errors" in page
    assert "A lesson" in page
    assert "Nothing tried yet. Next:" in text_of(developer.get(address("sample-list")))
    assert developer.post(address("sample-lesson", "players")).status_code == 404
    assert developer.get(address("sample-lesson", entity)).status_code == 405


def test_the_list_tells_the_newest_of_each_entity_and_the_history(developer: Client):
    assert "No sample yet" in text_of(developer.get(address("sample-list")))
    tried(developer, json.dumps([CUSTOMER]))
    page = text_of(developer.get(address("sample-list")))
    assert "What was tried is valid. Next: try transactions." in page
    tried(developer, json.dumps([BAD]))
    page = text_of(developer.get(address("sample-list")))
    assert "Customers: 1 of 1 record has errors. Next: mend them here." in page
    assert page.count('<a class="row-link"') == 2
    assert "None here" in text_of(developer.get(address("sample-list") + "?entity=activity"))
    assert developer.get(address("sample-list") + "?entity=%00").status_code == 200


def test_from_production_the_same_samples_are_shown_and_it_is_said(developer: Client, sandbox: Environment):
    response = post(developer, json.dumps([CUSTOMER]), kind="production")
    sample = Sample.objects.get(environment=sandbox)
    assert response.redirect_chain == [(address("sample-detail", sample.pk, kind="production"), 302)]
    assert "Samples live in the sandbox" in text_of(response)
    for name, args in (("sample-list", []), ("sample-new", []), ("sample-mend", [sample.pk])):
        assert "Samples live in the sandbox" in text_of(developer.get(address(name, *args, kind="production")))


def test_a_sample_of_another_partner_is_not_found(developer: Client, outsider: Client):
    other = SampleFactory(environment=PartnerFactory().environments.get(kind="sandbox"))
    names = ("sample-detail", "sample-mend", "sample-columns", "sample-refused")
    for name in names:
        assert developer.get(address(name, other.pk)).status_code == 404
        assert developer.get(address(name, uuid.uuid4())).status_code == 404
    assert developer.post(address("sample-switch", other.pk), {"entity": "activity"}).status_code == 404
    assert developer.get(address("sample-record", other.pk, 0)).status_code == 404
    mine = tried(developer, json.dumps([CUSTOMER]))
    for name in names:
        assert outsider.get(address(name, mine.pk)).status_code == 404
    assert post(outsider, "[]").status_code == 404


def test_a_sample_in_the_making_shows_how_far_it_is_and_asks_again(developer: Client, sandbox: Environment):
    sample = SampleFactory(environment=sandbox, state="checking", total=5000, checked=2000, finished_at=None)
    response = developer.get(address("sample-detail", sample.pk))
    assert "Being checked: 2,000 of 5,000 records." in text_of(response)
    assert 'hx-trigger="every 1s"' in text_of(response)
    fragment = developer.get(address("sample-detail", sample.pk), headers={"HX-Request": "true"})
    assert "<html" not in text_of(fragment)
    Sample.objects.update(state="done", checked=5000)
    assert "every 1s" not in text_of(developer.get(address("sample-detail", sample.pk)))


def test_an_erased_payload_still_shows_its_result(developer: Client):
    sample = given_columns(developer)
    Sample.objects.filter(pk=sample.pk).update(body=b"")
    page = text_of(developer.get(address("sample-detail", sample.pk)))
    assert "cst_2" in page
    assert "Mend it" not in page
    rows = developer.get(address("sample-refused", sample.pk)).content.decode().splitlines()
    assert len(rows) == 3
    assert developer.get(address("sample-mend", sample.pk)).status_code == 302
    assert developer.get(address("sample-columns", sample.pk)).status_code == 302


def test_nobody_is_sent_to_mend_an_upload_that_was_erased(developer: Client, sandbox: Environment):
    sample = SampleFactory(environment=sandbox, invalid=1, body=b"")

    html = developer.get(f"/p/aurora-casino/sandbox/samples/{sample.pk}/").content.decode()

    assert "The upload was erased with a customer. Next: try a new one." in html
    assert "mend them here" not in html
