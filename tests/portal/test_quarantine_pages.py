"""Refused records: by cause, in a list, and each with its fault marked."""

from __future__ import annotations

import csv
import io
import re
import uuid
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from entities.models import Batch, Customer, Entity, QuarantinedRecord, Replay
from entities.pipeline import ingest
from entities.replays import SMALL
from tests.entities.refused import estimated, refuse
from tests.factories import FeedFactory, QuarantinedRecordFactory, RunFactory
from tests.payloads import customers, sample, transactions
from track360 import exact_json
from track360.models import Environment


def page(client: Client, name: str, *args: object, query: str = "") -> str:
    response = client.get(reverse(name, args=["aurora-casino", "sandbox", *args]) + query)
    assert response.status_code == 200
    return response.content.decode()


def push(sandbox: Environment, *records: Any) -> QuarantinedRecord:
    """Send a lenient batch; the last record it left in quarantine."""
    ingest(sandbox, Entity.CUSTOMERS, list(records), lenient=True, request_id=uuid.uuid4())
    return QuarantinedRecord.objects.latest("id")


GOOD = {"customer_id": "cst_1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "aff_204"}
BAD = {**GOOD, "customer_id": "cst_2", "country_code": "ZZ", "email": "eve@example.com"}


def test_records_are_grouped_by_cause_with_counts(developer: Client, sandbox: Environment):
    QuarantinedRecordFactory.create_batch(3, environment=sandbox)
    QuarantinedRecordFactory(environment=sandbox, entity="transactions", code="required", field="status")
    html = page(developer, "quarantine-list")
    assert "4 refused records. Next: look at the 3 with country in country_code" in html
    assert html.index(">country</a>") < html.index(">required</a>")
    assert "?entity=customers&amp;code=country&amp;field=country_code#records" in html


def test_a_row_of_the_list_reads_as_what_was_sent_and_one_sentence(developer: Client, sandbox: Environment):
    record = {**transactions(1)[0], "status": None}
    QuarantinedRecordFactory(environment=sandbox, entity="transactions", payload={"amount_currency": Decimal("10.50")})
    refuse(sandbox, "transactions", record)
    html = page(developer, "quarantine-list")
    assert "{&quot;amount_currency&quot;:10.50}" in html
    assert "status is required and may not be null" in html
    assert "status status" not in html


def test_causes_of_the_other_environment_do_not_count(developer: Client, sandbox: Environment, production: Environment):
    QuarantinedRecordFactory.create_batch(2, environment=production, code="required")
    QuarantinedRecordFactory(environment=sandbox)
    html = page(developer, "quarantine-list")
    assert "1 refused record. " in html
    assert ">required</a>" not in html


def test_the_list_is_filtered_by_entity_and_cause(developer: Client, sandbox: Environment):
    wanted = QuarantinedRecordFactory(environment=sandbox, key="wanted")
    QuarantinedRecordFactory(environment=sandbox, key="other", code="required")
    QuarantinedRecordFactory(environment=sandbox, key="other", entity="activity")
    html = page(developer, "quarantine-list", query="?entity=customers&code=country")
    assert re.findall(r"/quarantine/(\d+)/", html) == [str(wanted.pk)]


def test_the_page_of_a_run_leads_to_what_that_run_left(developer: Client, sandbox: Environment):
    run, other = RunFactory.create_batch(2, feed=FeedFactory(connection__environment=sandbox), state="done", rejected=2)
    here = [QuarantinedRecordFactory(environment=sandbox, run_id=run.pk, code=code) for code in ("country", "required")]
    for run_id in (other.pk, None):
        QuarantinedRecordFactory(environment=sandbox, run_id=run_id, code="type")
    link = re.search(r'href="([^"]*/quarantine/\?run=[^"]*)"', page(developer, "sync-run-detail", run.pk)).group(1)
    html = developer.get(link).content.decode()
    assert "2 refused records of one run. " in html
    assert f'href="/p/aurora-casino/sandbox/connections/runs/{run.pk}/"' in html
    assert set(re.findall(r"/quarantine/(\d+)/", html)) == {str(record.pk) for record in here}
    assert f"code=country&amp;field=country_code&amp;run={run.pk}#records" in html
    assert ">type</a>" not in html
    query = re.search(r'/quarantine/download/([^"]*format=jsonl)"', html).group(1).replace("&amp;", "&")
    assert [exact_json.loads(line)["_id"] for line in download(developer, query).splitlines()] == [
        record.pk for record in here
    ]


def test_what_a_run_left_is_replayed_and_dropped_alone(developer: Client, sandbox: Environment):
    run = RunFactory(feed=FeedFactory(connection__environment=sandbox))
    refuse(sandbox, "customers", {**GOOD, "country_code": "ZZ"})
    (record,) = refuse(sandbox, "customers", BAD, run_id=run.pk)
    address = reverse("quarantine-replay-new", args=["aurora-casino", "sandbox"])
    developer.post(address, {"run": str(run.pk)})
    replay = Replay.objects.get()
    assert (replay.filters, replay.total, replay.would_fail) == ({"run": str(run.pk)}, 1, 1)
    drop = reverse("quarantine-drop", args=["aurora-casino", "sandbox"])
    assert "Drop 1 record?" in page(developer, "quarantine-drop", query=f"?run={run.pk}")
    developer.post(f"{drop}?run={run.pk}", {"reason": "A test."})
    assert QuarantinedRecord.objects.get(state="dropped") == record


@pytest.mark.parametrize(
    "query",
    [
        "?run=1",
        "?run=%00",
        "?run=22222222-2222-4222-8222-222222222222",
        "?entity=players",
        "?code=%00",
        "?code=nonsense",
        "?state=gone",
        "?field=%00",
        "?before=x&after=y",
    ],
)
def test_a_filter_that_cannot_be_read_breaks_nothing(developer: Client, sandbox: Environment, query: str):
    QuarantinedRecordFactory(environment=sandbox)
    page(developer, "quarantine-list", query=query)


def test_the_faulty_line_is_marked_with_rule_and_hint(developer: Client, sandbox: Environment):
    record = push(sandbox, GOOD, BAD)
    html = page(developer, "quarantine-detail", record.pk)
    faulty = re.search(r"<li[^>]*data-faulty[^>]*>(.*?)</li>", html, re.DOTALL).group(1)
    assert "country_code" in faulty
    assert "ISO 3166-1" in faulty
    assert html.count("data-faulty") == 1
    assert "eve@example.com" in html
    assert "Rule" in html
    assert "Hint" in html


def test_viewers_see_neither_names_nor_addresses_nor_unknown_fields(viewer: Client, sandbox: Environment):
    record = push(
        sandbox,
        {**BAD, "first_name": "Eve", "e_mail": "misspelt@example.com", "last_name": {"nested": "Nested"}},
    )
    for html in (page(viewer, "quarantine-list"), page(viewer, "quarantine-detail", record.pk)):
        for value in ("eve@example.com", "Eve", "misspelt@example.com", "Nested"):
            assert value not in html
        assert "cst_2" in html


def test_viewers_do_not_read_a_name_in_a_message(viewer: Client, sandbox: Environment):
    record = push(sandbox, {**GOOD, "email": "not-an-address-of-eve"})
    assert "not-an-address-of-eve" not in page(viewer, "quarantine-detail", record.pk)
    assert "not-an-address-of-eve" not in page(viewer, "quarantine-list")


@pytest.mark.parametrize("payload", [None, 7, "text", ["a"], [], {}, {"customer_id": {"a": [1]}}, {"~/": "x", "": 1}])
def test_whatever_was_sent_can_be_shown(developer: Client, viewer: Client, sandbox: Environment, payload: Any):
    record = push(sandbox, GOOD, payload)
    for client in (developer, viewer):
        page(client, "quarantine-list")
        page(client, "quarantine-detail", record.pk)


def test_an_empty_quarantine_says_how_a_record_gets_there(developer: Client, sandbox: Environment):
    html = page(developer, "quarantine-list")
    assert "Nothing in quarantine" in html
    assert "handling=lenient" in html


def test_paging_shows_every_record_once(developer: Client, sandbox: Environment):
    records = QuarantinedRecordFactory.create_batch(60, environment=sandbox)
    html = page(developer, "quarantine-list")
    following = re.search(r'href="[^"]*(\?before=\d+)" rel="next"', html).group(1)
    shown = re.findall(r"/quarantine/(\d+)/", html + page(developer, "quarantine-list", query=following))
    assert shown == [str(record.pk) for record in reversed(records)]


# -- What is done about them -----------------------------------------------------


def send(client: Client, name: str, *args: object, query: str = "", **data: Any) -> str:
    """Post a form; the page that it leads to."""
    response = client.post(reverse(name, args=["aurora-casino", "sandbox", *args]) + query, data, follow=True)
    assert response.status_code == 200
    return response.content.decode()


def mended(record: QuarantinedRecord, **changes: Any) -> str:
    return exact_json.dumps(record.payload | changes, indent=True)


def test_the_list_shows_what_is_held_unless_asked_for_more(developer: Client, sandbox: Environment):
    held = QuarantinedRecordFactory(environment=sandbox)
    dropped = QuarantinedRecordFactory(environment=sandbox, state="dropped")
    for query, wanted in (("", [held]), ("?state=dropped", [dropped]), ("?state=any", [dropped, held])):
        html = page(developer, "quarantine-list", query=query)
        assert re.findall(r"/quarantine/(\d+)/", html) == [str(record.pk) for record in wanted]


def test_causes_bear_the_money_and_first_deposits_that_they_hold_up(developer: Client, sandbox: Environment):
    ingest(sandbox, "customers", sample("customers"))
    refuse(sandbox, "transactions", sample("transactions", note="\x00"))
    html = page(developer, "quarantine-list")
    assert "Money held up" in html
    assert "1,500.00" in html


def test_an_edit_that_mends_a_record_can_store_it_at_once(developer: Client, sandbox: Environment):
    (record,) = refuse(sandbox, "customers", sample("customers", country_code="ZZ"))

    html = send(developer, "quarantine-edit", record.pk, text=mended(record, country_code="DE"), replay="1")

    assert "It is stored." in html
    assert "Stored: nothing is left to do" in html
    assert Customer.objects.get(environment=sandbox).country_code == "DE"


def test_an_edit_without_replaying_waits_for_that(developer: Client, sandbox: Environment):
    (record,) = refuse(sandbox, "customers", sample("customers", country_code="ZZ"))
    html = send(developer, "quarantine-edit", record.pk, text=mended(record, country_code="DE"))
    assert "Mended: nothing is wrong with it any more. Next: replay it." in html
    assert "As edited" in html
    assert "As sent" in html
    assert "replay the 1 that is mended" in page(developer, "quarantine-list")
    assert "It is stored." in send(developer, "quarantine-replay-one", record.pk)


def test_an_edit_that_leaves_faults_is_kept_and_marked_at_the_line(developer: Client, sandbox: Environment):
    (record,) = refuse(sandbox, "customers", sample("customers", country_code="ZZ"))
    html = send(developer, "quarantine-edit", record.pk, text=mended(record, lang_id="xx"), replay="1")
    assert "2 things are still wrong" in html
    assert html.count("data-faulty") == 2
    assert "&quot;lang_id&quot;: &quot;xx&quot;" in html
    assert not Customer.objects.exists()


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ('{\n  "customer_id": "typed by hand",\n', "not valid JSON in line 3"),
        ('{"a": 1, "a": 2, "typed by hand": 1}', "appears twice"),
        ('["typed by hand"]', "must be one JSON object"),
        ("typed by hand", "not valid JSON"),
        ('{"typed by hand": NaN}', "not valid JSON"),
    ],
)
def test_nothing_that_was_typed_is_lost(developer: Client, sandbox: Environment, typed: str, said: str):
    record = QuarantinedRecordFactory(environment=sandbox)
    html = send(developer, "quarantine-edit", record.pk, text=typed)
    assert said in html
    assert "typed by hand" in html
    record.refresh_from_db()
    assert record.edited is None


def test_a_record_that_is_refused_again_says_so(developer: Client, sandbox: Environment):
    (record,) = refuse(sandbox, "customers", sample("customers", country_code="ZZ"))
    html = send(developer, "quarantine-replay-one", record.pk)
    assert "refused again" in html
    assert "Replayed, and refused again" in html


def test_a_record_tells_for_whom_it_waits(developer: Client, sandbox: Environment):
    (record,) = refuse(sandbox, "transactions", sample("transactions"))
    assert "Waits for the customer cst_100245" in page(developer, "quarantine-detail", record.pk)


def test_an_older_version_says_that_it_will_not_be_stored(developer: Client, sandbox: Environment):
    (older,) = refuse(sandbox, "customers", sample("customers", country_code="ZZ"))
    refuse(sandbox, "customers", sample("customers", country_code="ZY"))
    assert "A newer version of this record is held" in page(developer, "quarantine-detail", older.pk)


def test_records_are_dropped_with_a_reason_that_stays_with_them(developer: Client, sandbox: Environment):
    records = QuarantinedRecordFactory.create_batch(2, environment=sandbox)
    other = QuarantinedRecordFactory(environment=sandbox, code="required")
    query = "?entity=customers&code=country"
    assert "Drop 2 records?" in page(developer, "quarantine-drop", query=query)
    assert "Say why" in send(developer, "quarantine-drop", query=query, reason=" ")

    html = send(developer, "quarantine-drop", query=query, reason="test players")

    assert "2 records dropped" in html
    assert "test players" in page(developer, "quarantine-detail", records[0].pk)
    other.refresh_from_db()
    assert other.state == "held"


def test_one_record_is_dropped(developer: Client, sandbox: Environment):
    record, other = QuarantinedRecordFactory.create_batch(2, environment=sandbox)
    assert "Dropped: it will not be stored" in send(developer, "quarantine-drop-one", record.pk, reason="a test")
    other.refresh_from_db()
    assert other.state == "held"
    assert "Edit" not in re.findall(r'class="button"[^>]*>([^<]*)<', page(developer, "quarantine-detail", record.pk))


def test_a_replay_is_estimated_run_and_told(developer: Client, sandbox: Environment):
    good, _bad = refuse(sandbox, "customers", *customers(2, country_code="ZZ"))
    send(developer, "quarantine-edit", good.pk, text=mended(good, country_code="DE"))

    html = send(developer, "quarantine-replay-new", entity="customers")
    replay = Replay.objects.get()
    assert "Replay 2: 1 would pass. Next: run it." in html
    assert "What is held" in html

    html = send(developer, "quarantine-replay-run", replay.pk)
    assert "Done: 1 of 2 records stored, 1 refused again." in html
    assert f"/quarantine/replays/{replay.pk}/" in page(developer, "quarantine-list")
    assert "It cannot be run" in send(developer, "quarantine-replay-run", replay.pk)


def test_a_large_replay_is_left_to_the_worker_and_shows_how_far_it_is(developer: Client, sandbox: Environment):
    refuse(sandbox, "customers", *customers(SMALL + 1, country_code="ZZ"))
    html = send(developer, "quarantine-replay-new")
    replay = Replay.objects.get()
    assert "Trying 201 records without storing anything" in html
    assert 'hx-trigger="every 1s"' in html
    assert "<progress" in html
    assert "Cancelled after 0 of 201" in send(developer, "quarantine-replay-cancel", replay.pk)
    assert "It cannot be cancelled" in send(developer, "quarantine-replay-cancel", replay.pk)


def test_htmx_gets_the_replay_alone(developer: Client, sandbox: Environment):
    refuse(sandbox, "customers", sample("customers", country_code="ZZ"))
    address = reverse("quarantine-replay", args=["aurora-casino", "sandbox", estimated(sandbox).pk])
    html = developer.get(address, headers={"HX-Request": "true"}).content.decode()
    assert html.strip().startswith("<div")
    assert 'id="replay"' in html


def test_nothing_to_replay_is_said(developer: Client, sandbox: Environment):
    assert "nothing to replay" in send(developer, "quarantine-replay-new", entity="activity")


def test_viewers_look_and_change_nothing(viewer: Client, sandbox: Environment):
    record = QuarantinedRecordFactory(environment=sandbox)
    replay = estimated(sandbox)
    for html in (
        page(viewer, "quarantine-list"),
        page(viewer, "quarantine-detail", record.pk),
        page(viewer, "quarantine-replay", replay.pk),
    ):
        for button in ("Replay these", "Drop these", ">Drop<", "Replay this one", "Run it", "Edit<"):
            assert button not in html
    for name, args in (
        ("quarantine-replay-run", [replay.pk]),
        ("quarantine-edit", [record.pk]),
        ("quarantine-drop", []),
    ):
        assert viewer.post(reverse(name, args=["aurora-casino", "sandbox", *args])).status_code == 403


def test_a_fetched_record_whose_fields_may_be_named_wrongly_leads_to_the_mapping(
    developer: Client, sandbox: Environment
):
    run = RunFactory(feed__connection__environment=sandbox)
    (fetched,) = refuse(sandbox, "customers", sample("customers", signup_date=...), run_id=run.pk)
    (pushed,) = refuse(sandbox, "customers", sample("customers", customer_id="other", signup_date=...))
    html = page(developer, "quarantine-detail", fetched.pk)
    assert reverse("sync-run-detail", args=["aurora-casino", "sandbox", run.pk]) in html
    address = reverse("quarantine-mapping", args=["aurora-casino", "sandbox", fetched.pk])
    assert address in html
    feed = reverse("connection-feed-edit", args=["aurora-casino", "sandbox", run.feed.connection_id, run.feed_id])
    assert developer.get(address)["Location"] == feed
    assert "/mapping/" not in page(developer, "quarantine-detail", pushed.pk)
    run.delete()
    assert developer.get(address).status_code == 404


# -- To take away ----------------------------------------------------------------


def download(client: Client, query: str) -> str:
    response: Any = client.get(reverse("quarantine-download", args=["aurora-casino", "sandbox"]) + query)
    assert response.status_code == 200
    assert "attachment" in response["Content-Disposition"]
    return b"".join(response.streaming_content).decode()


def test_the_csv_has_the_errors_in_a_column_and_no_formula(developer: Client, sandbox: Environment):
    ingest(sandbox, "customers", sample("customers"))
    refuse(sandbox, "transactions", sample("transactions", note="=1+1", currency="EUX", surprise={"a": 1}))
    refuse(sandbox, "customers", sample("customers", country_code="ZZ"))

    (row,) = csv.DictReader(io.StringIO(download(developer, "?entity=transactions&format=csv")))

    assert (row["note"], row["amount_currency"], row["other_fields"]) == ("'=1+1", "1500", '{"surprise":{"a":1}}')
    assert "currency must be an ISO 4217" in row["error"]
    assert "surprise" in row["error"]


def test_json_lines_bear_number_and_errors(developer: Client, sandbox: Environment):
    (record, text) = refuse(sandbox, "customers", sample("customers", country_code="ZZ"), "no object")
    QuarantinedRecordFactory(environment=sandbox, state="dropped")
    first, second = map(exact_json.loads, download(developer, "?format=jsonl").splitlines())
    assert (first["_id"], first["_errors"][0]["code"]) == (record.pk, "country")
    assert first["customer_id"] == "cst_100245"
    assert (second["_id"], second["_record"]) == (text.pk, "no object")


def test_a_download_is_complete_and_in_order(developer: Client, sandbox: Environment):
    records = refuse(sandbox, "customers", *customers(1000, country_code="ZZ"))
    records += refuse(sandbox, "customers", *customers(5, start=1000, country_code="ZZ"))
    rows = list(csv.DictReader(io.StringIO(download(developer, "?format=csv"))))
    assert [row["id"] for row in rows] == [str(record.pk) for record in records]


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_viewers_download_nobody(viewer: Client, sandbox: Environment, kind: str):
    refuse(sandbox, "customers", BAD | {"first_name": "Eve", "phone": "Eve"}, "Eve", ["Eve"])
    text = download(viewer, f"?format={kind}")
    assert "cst_2" in text
    assert "Eve" not in text
    assert "eve@example.com" not in text


def test_an_unknown_download_is_not_found(developer: Client, sandbox: Environment):
    for query in ("?format=xlsx", "?entity=players"):
        address = reverse("quarantine-download", args=["aurora-casino", "sandbox"]) + query
        assert developer.get(address).status_code == 404


def test_what_a_replay_stores_counts_as_a_replay(developer: Client, sandbox: Environment):
    (record,) = refuse(sandbox, "customers", sample("customers", country_code="ZZ"))
    send(developer, "quarantine-edit", record.pk, text=mended(record, country_code="DE"), replay="1")
    assert Batch.objects.get(door="replay").created == 1
