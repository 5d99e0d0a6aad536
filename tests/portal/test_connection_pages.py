"""The connections pages: from the first form to a connection that fetches, and what each role sees of it."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations import connections, tasks
from integrations.models import Connection, ConnectionTest, Feed, SyncRun
from tests.factories import ConnectionFactory, FeedFactory
from track360.models import AuditEvent, Environment

HOME = "/p/aurora-casino/sandbox/connections/"
REST = {"name": "Platform API", "base_url": "https://api.example.com/v2", "auth": "header", "auth_header": "X-Api-Key"}
SECRET = "s3cret-key"
FEED = {
    "path": "/players", "query": "from={since}\nto={until}", "records_at": "/data", "paging": "page",
    "page_parameter": "page", "first_page": "1", "size_parameter": "per_page", "time_zone": "UTC", "pattern": "pull",
    "schedule": "minutes", "every_minutes": "5", "overlap_number": "15", "overlap_unit": "min", "page_size": "500",
}  # fmt: skip
ROWS: dict[str, Any] = {
    "customers": {"customer_id": "cst_1", "signup_date": "2026-03-12T09:15:00Z", "affiliate_id": "aff_1",
                  "email": "ada@marker.example", "country_code": "UK"},
    "transactions": {"transaction_id": "txn_1", "customer_id": "cst_1", "amount_currency": "48.00"},
    "activity": {"date": "2026-03-15", "customer_id": "cst_1"},
}  # fmt: skip


def ended_test(*entities: str, ok: bool = True) -> dict[str, Any]:
    """The fields of a test that has ended."""
    steps = [
        {"name": "Reached", "ok": True, "detail": "api.casino.example answers.", "ms": 31},
        {"name": "Signed in", "ok": ok, "detail": "" if ok else "The password was refused.", "ms": 44},
    ]
    error = {"index": 0, "pointer": "/0/country_code", "field": "country_code", "code": "country", "message": "is none"}
    warning = {**error, "pointer": "/0", "field": None, "code": "unmapped_status", "message": "has no meaning yet"}
    email = {**error, "pointer": "/0/email", "field": "email", "message": "'ada@marker.example' is no address"}
    call = {"url": "https://api.casino.example/v2/players?page=1", "status": 200, "ms": 31, "problem": ""}
    rows = {
        entity: [
            {"record": ROWS[entity], "errors": [error, email], "warnings": []},
            {"record": ROWS[entity], "errors": [], "warnings": [warning]},
        ]
        for entity in entities
    }
    return {
        "state": "passed" if ok else "failed",
        "started_at": timezone.now(),
        "finished_at": timezone.now(),
        "feeds": {
            entity: {"ok": ok, "steps": steps, "cursor_kind": "moment", "names": ["id", "mail"], "calls": [call]}
            for entity in entities
        },
        "rows": rows if ok else {},
    }


@pytest.fixture
def connection(sandbox: Environment) -> Connection:
    return ConnectionFactory(environment=sandbox, name="Platform API")


def html(client: Client, address: str) -> str:
    return client.get(address).content.decode()


def test_from_nothing_to_a_feed_that_can_be_tested(developer: Client, sandbox: Environment) -> None:
    assert "No connections yet" in html(developer, HOME)
    made = developer.post(f"{HOME}new/rest/", REST | {"secret": SECRET})
    connection = Connection.objects.get()
    here = f"{HOME}{connection.pk}/"
    assert made["Location"] == here
    assert connections.secret_of(connection) == SECRET
    assert "It fetches nothing yet" in html(developer, here)
    assert developer.post(f"{here}feeds/new/customers/", FEED)["Location"] == here
    feed = Feed.objects.get()
    assert (feed.query, feed.paging_options) == (
        {"from": "{since}", "to": "{until}"},
        {"page_parameter": "page", "first_page": 1, "size_parameter": "per_page"},
    )
    page = html(developer, here)
    assert "Not tested as it stands" in page
    assert SECRET not in page


def test_a_secret_is_never_given_back_to_the_page(developer: Client, connection: Connection) -> None:
    for address in (f"{HOME}new/rest/", f"{HOME}{connection.pk}/edit/"):
        refused = developer.post(address, REST | {"secret": SECRET, "base_url": "ftp://x"})
        assert refused.status_code == 200
        assert SECRET not in refused.content.decode()
    assert SECRET not in str(list(AuditEvent.objects.values()))


def test_each_fault_stands_at_its_field_and_nothing_typed_is_lost(developer: Client, connection: Connection) -> None:
    wrong = FEED | {"query": "from={sinse}", "page_parameter": "", "fields.email": "mail", "time_zone": "Mars"}
    page = developer.post(f"{HOME}{connection.pk}/feeds/new/customers/", wrong)
    form = page.context["form"]
    assert set(form.errors) == {
        "query", "page_parameter", "time_zone", "fields.customer_id", "fields.signup_date", "fields.affiliate_id",
    }  # fmt: skip
    assert 'value="mail"' in page.content.decode()
    assert not Feed.objects.exists()


def test_what_the_choices_leave_unused_is_dropped(developer: Client, sandbox: Environment) -> None:
    developer.post(f"{HOME}new/rest/", REST | {"auth": "bearer", "user": "left over", "secret": SECRET})
    connection = Connection.objects.get()
    assert (connection.auth_header, connection.user) == ("", "")
    developer.post(f"{HOME}{connection.pk}/feeds/new/customers/", FEED | {"paging": "link", "daily_at": "05:00"})
    feed = Feed.objects.get()
    assert (feed.paging_options, feed.daily_at) == ({"size_parameter": "per_page"}, None)


def test_a_form_sent_unchanged_changes_nothing(developer: Client, connection: Connection) -> None:
    feed = FeedFactory(connection=connection, fields={}, overlap=dt.timedelta(days=3))
    for address in (f"{HOME}{connection.pk}/edit/", f"{HOME}{connection.pk}/feeds/{feed.pk}/edit/"):
        form = developer.get(address).context["form"]
        data = {name: form[name].value() for name in form.fields}
        sent = {name: value for name, value in data.items() if value not in (None, False)}
        assert developer.post(address, sent).status_code == 302
    feed.refresh_from_db()
    connection.refresh_from_db()
    assert feed.is_on
    assert connection.is_on
    assert not AuditEvent.objects.filter(action__in=("feed.changed", "connection.changed")).exists()


def test_a_test_is_asked_for_once_and_shown_while_it_runs(
    developer: Client, connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks.test_connection, "delay", lambda test_id: None)
    FeedFactory(connection=connection)
    for _ in range(2):
        assert developer.post(f"{HOME}{connection.pk}/test/").status_code == 302
    assert ConnectionTest.objects.get().state == "waiting"
    assert 'hx-trigger="every 1s"' in html(developer, f"{HOME}{connection.pk}/")


def test_a_connection_without_feeds_cannot_be_tested(developer: Client, connection: Connection) -> None:
    page = developer.post(f"{HOME}{connection.pk}/test/", follow=True).content.decode()
    assert "Make a feed first" in page


def test_the_rows_of_a_test_are_shown_with_their_errors_and_names_to_map(
    developer: Client, connection: Connection, sandbox: Environment
) -> None:
    FeedFactory(connection=connection, entity="customers")
    ConnectionTest.objects.create(connection=connection, environment=sandbox, **ended_test("customers"))
    page = html(developer, f"{HOME}{connection.pk}/")
    assert "ada@marker.example" in page
    assert page.count("data-faulty") == 2
    assert '<option value="mail">' in html(developer, f"{HOME}{connection.pk}/feeds/new/customers/")


def test_a_viewer_reads_no_personal_data_in_them(viewer: Client, connection: Connection, sandbox: Environment) -> None:
    FeedFactory(connection=connection, entity="customers")
    ConnectionTest.objects.create(connection=connection, environment=sandbox, **ended_test("customers"))
    page = html(viewer, f"{HOME}{connection.pk}/")
    assert "cst_1" in page
    assert "marker" not in page


def test_a_changed_feed_is_not_said_to_have_passed(developer: Client, sandbox: Environment) -> None:
    """Its connection passed once; switching that on would fetch nothing."""
    connection = ConnectionFactory(environment=sandbox, is_on=False, passed_at=timezone.now())
    FeedFactory(connection=connection, entity="customers", passed_at=None, is_on=False)
    here = f"{HOME}{connection.pk}/"
    assert "Not tested as it stands. Next: test it." in html(developer, here)
    assert "Switch on" not in html(developer, here)
    FeedFactory(connection=connection, entity="transactions", is_on=False)
    page = html(developer, here)
    assert "Customers has not passed a test as it stands" in page
    assert "Switch on" in page


def test_where_every_entity_is_fetched_elsewhere_the_page_says_by_which(
    developer: Client, connection: Connection, sandbox: Environment
) -> None:
    other = ConnectionFactory(environment=sandbox, name="Replica")
    for entity in ("customers", "transactions", "activity"):
        FeedFactory(connection=other, entity=entity)
    page = html(developer, f"{HOME}{connection.pk}/")
    assert "other connections fetch every entity" in page
    assert "Next: say what, by a feed" not in page
    assert f'activity by <a href="{HOME}{other.pk}/">Replica</a>' in page


def test_switched_on_it_takes_its_tested_feeds_along(developer: Client, sandbox: Environment) -> None:
    connection = ConnectionFactory(environment=sandbox, is_on=False)
    feed = FeedFactory(connection=connection, is_on=False)
    developer.post(f"{HOME}{connection.pk}/switch/", {"to": "on"})
    feed.refresh_from_db()
    assert feed.is_on
    assert "Fetching transactions" in html(developer, f"{HOME}{connection.pk}/")
    developer.post(f"{HOME}{connection.pk}/feeds/{feed.pk}/switch/", {"to": "off"})
    developer.post(f"{HOME}{connection.pk}/switch/", {"to": "off"})
    connection.refresh_from_db()
    feed.refresh_from_db()
    assert (connection.is_on, feed.is_on) == (False, False)


def test_the_team_alone_switches_production_on_before_its_time(
    developer: Client, staff: Client, production: Environment
) -> None:
    connection = ConnectionFactory(environment=production, is_on=False)
    address = f"/p/aurora-casino/production/connections/{connection.pk}/switch/"
    refused = developer.post(address, {"to": "on", "reason": "let me"}, follow=True)
    assert "steps 1 to 7" in refused.content.decode()
    asked = staff.post(address, {"to": "on"})
    assert "Reason" in asked.content.decode()
    connection.refresh_from_db()
    assert not connection.is_on
    assert staff.post(address, {"to": "on", "reason": "agreed"}).status_code == 302
    connection.refresh_from_db()
    assert connection.is_on


def test_a_cursor_is_set_back_and_a_wrong_one_is_refused(developer: Client, connection: Connection) -> None:
    feed = FeedFactory(connection=connection)
    address = f"{HOME}{connection.pk}/feeds/{feed.pk}/cursor/"
    assert "reads everything from there on once more" in html(developer, address)
    assert developer.post(address, {"cursor": "yesterday"}).context["form"].errors
    assert developer.post(address, {"cursor": "2026-03-01T00:00:00Z"}).status_code == 302
    feed.refresh_from_db()
    assert feed.cursor.startswith("2026-03-01")


def test_past_days_are_asked_for_once(developer: Client, connection: Connection) -> None:
    feed = FeedFactory(connection=connection)
    address = f"{HOME}{connection.pk}/feeds/{feed.pk}/backfill/"
    days = {"first_day": "2026-03-01", "last_day": "2026-03-02", "submission": "0b7e3bd4-3d0c-4a0e-8bb6-b5a9d6c0a001"}
    assert developer.post(address, days | {"last_day": "2026-02-01"}).context["form"].errors["last_day"]
    for _ in range(2):
        assert developer.post(address, days).status_code == 302
    run = SyncRun.objects.get()
    assert (run.kind, run.since, run.until) == ("backfill", "2026-03-01T00:00:00Z", "2026-03-03T00:00:00Z")


def test_removing_asks_first(developer: Client, connection: Connection) -> None:
    feed = FeedFactory(connection=connection)
    assert "Remove the feed" in html(developer, f"{HOME}{connection.pk}/feeds/{feed.pk}/remove/")
    developer.post(f"{HOME}{connection.pk}/feeds/{feed.pk}/remove/")
    assert not Feed.objects.filter(removed_at=None).exists()
    assert "its secret is wiped" in html(developer, f"{HOME}{connection.pk}/remove/")
    developer.post(f"{HOME}{connection.pk}/remove/")
    assert developer.get(f"{HOME}{connection.pk}/").status_code == 404


def test_a_nul_is_refused_at_its_field(developer: Client, sandbox: Environment) -> None:
    api = ConnectionFactory(environment=sandbox)
    database = ConnectionFactory(
        environment=sandbox, name="DWH", kind="postgresql", base_url="", host="db.example.com", port=5432,
        database="casino", user="reader",
    )  # fmt: skip
    named = {"fields.customer_id": "id", "fields.signup_date": "at", "fields.affiliate_id": "from"}
    by_cursor = FEED | {"paging": "cursor", "cursor_parameter": "cursor", "cursor_at": "/next"}
    table = {name: value for name, value in FEED.items() if name not in {"path", "query", "records_at", "paging"}}
    table |= {"relation": "players"}
    tried = [
        *((api, FEED, name) for name in ("path", "query", "records_at", "page_parameter", "size_parameter")),
        *((api, by_cursor, name) for name in ("cursor_parameter", "cursor_at")),
        (api, FEED | {"paging": "next", "next_at": "/next"}, "next_at"),
        (api, FEED | {"paging": "offset", "offset_parameter": "offset"}, "offset_parameter"),
        *((api, FEED | named, name) for name in (*named, "fields.email")),
        *((api, FEED, name) for name in ("time_zone", "paging", "every_minutes", "overlap_unit")),
        *((database, table, name) for name in ("relation", "cursor_column")),
        (database, table | {"relation": "", "select": "SELECT 1"}, "select"),
    ]
    for connection, good, name in tried:
        page = developer.post(f"{HOME}{connection.pk}/feeds/new/customers/", good | {name: f"{good.get(name, '')}\x00"})
        assert page.status_code == 200, name
        assert name in page.context["form"].errors, (name, page.context["form"].errors)
    for kind, whole in (
        ("rest", REST),
        ("postgresql", {"name": "DWH", "host": "db.example.com", "port": "5432", "database": "d", "user": "u"}),
    ):
        for name, value in whole.items():
            page = developer.post(f"{HOME}new/{kind}/", whole | {"secret": SECRET, name: f"{value}\x00"})
            assert page.status_code == 200, name
            assert name in page.context["form"].errors, (name, page.context["form"].errors)
    assert (Feed.objects.count(), Connection.objects.count()) == (0, 2)
