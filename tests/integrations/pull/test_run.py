"""One run from its claim to its end, against a server of the partner's on loopback."""

from __future__ import annotations

import datetime as dt
import json
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from django.db import connection
from django.utils import timezone

from entities.models import Batch, Difference, QuarantinedRecord, Transaction
from entities.pipeline import ingest
from integrations.connections import put_secret
from integrations.models import Feed, SyncEvent, SyncRun
from integrations.pull import lease, run, schedule
from tests.integrations.pull.feeds import make_connection, make_feed
from tests.partner_server import PartnerServer, answers, partner_server
from tests.partner_sources import Database
from tests.payloads import sample, transactions
from track360 import exact_json
from track360.audit import Actor
from track360.models import Environment

# The next page is checked by another thread, which sees only what is committed.
pytestmark = pytest.mark.django_db(transaction=True)

SYSTEM = Actor()
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def server(loopback: None) -> Iterator[PartnerServer]:
    with partner_server() as server:
        yield server


@pytest.fixture
def feed(sandbox: Environment, server: PartnerServer) -> Feed:
    ingest(sandbox, "customers", sample("customers"))
    connection = make_connection(sandbox, base_url=server.url)
    return make_feed(
        connection,
        path="transactions",
        query={"from": "{since}", "to": "{until}"},
        paging="page",
        paging_options={"page_parameter": "page", "first_page": 1},
    )


def page(records: list[Any]) -> Callable[..., None]:
    return answers(200, exact_json.dumps(records).encode(), **{"Content-Type": "application/json"})


def pull(feed: Feed) -> SyncRun:
    asked = schedule.request_run(feed, actor=SYSTEM)
    assert run.work_next()
    asked.refresh_from_db()
    return asked


def asked_for(server: PartnerServer) -> list[dict[str, list[str]]]:
    return [parse_qs(urlsplit(call.path).query) for call in server.calls]


def test_a_run_stores_what_it_fetches_and_moves_the_cursor(feed: Feed, server: PartnerServer) -> None:
    server.replies = [page(transactions(3)), page(transactions(2, start=3)), page([])]
    before = timezone.now()

    ended = pull(feed)

    feed.refresh_from_db()
    assert (ended.state, ended.read, ended.created, ended.problem) == ("done", 5, 5, "")
    assert (ended.cursor_before, ended.since) == ("", "")
    assert feed.cursor == ended.cursor_after == ended.until
    assert dt.datetime.fromisoformat(feed.cursor) >= before
    assert [call.status for call in ended.events.order_by("id")] == [200, 200, 200]
    assert Transaction.objects.filter(source="pull").count() == 5
    assert {batch.run_id for batch in Batch.objects.filter(door="pull")} == {ended.pk}


def test_the_next_run_reads_from_an_overlap_before_the_cursor(feed: Feed, server: PartnerServer) -> None:
    server.replies = [page(transactions(1)), page([])]
    first = pull(feed)
    second = pull(feed)

    since = dt.datetime.fromisoformat(asked_for(server)[-1]["from"][0])
    assert dt.datetime.fromisoformat(first.until) - since == feed.overlap
    assert second.cursor_before == first.cursor_after
    assert (second.read, second.created) == (0, 0)


def test_history_at_the_first_look_is_not_late_and_what_comes_later_is(feed: Feed, server: PartnerServer) -> None:
    server.replies = [page(transactions(1)), page([]), page(transactions(1, start=1)), page([])]
    pull(feed)
    pull(feed)

    late = Batch.objects.filter(door="pull").order_by("started_at").values_list("created", "late")
    assert list(late) == [(1, 0), (1, 1)]


def test_a_partner_who_asks_for_patience_gets_it(feed: Feed, server: PartnerServer) -> None:
    server.replies = [answers(429, b"{}", **{"Retry-After": "600"})]
    now = timezone.now()

    waiting = pull(feed)

    assert (waiting.state, waiting.lease_token, waiting.problem_party) == ("due", None, "partner")
    assert dt.timedelta(minutes=9) < waiting.due_at - now < dt.timedelta(minutes=11)
    assert "429" in " ".join(waiting.events.values_list("text", flat=True)) or waiting.problem
    assert lease.claim() is None


def test_what_only_a_person_can_mend_pauses_the_feed(feed: Feed, server: PartnerServer) -> None:
    server.replies = [answers(403, b"{}")]

    paused = pull(feed)

    feed.refresh_from_db()
    assert paused.state == "paused"
    assert feed.pause_reason == paused.problem != ""
    assert feed.next_run_at is None
    assert SyncEvent.objects.filter(run=paused, kind="problem").count() == 1

    server.replies = [page(transactions(1)), page([])]
    schedule.resume_feed(feed, actor=SYSTEM)
    assert run.work_next()
    paused.refresh_from_db()
    assert (paused.state, paused.created, paused.problem) == ("done", 1, "")


@pytest.mark.parametrize(
    "answer", [{"a\x00b": 1}, {"items": transactions(1), "next": "a\x00b"}], ids=["name", "cursor"]
)
def test_a_nul_in_an_answer_is_a_problem_of_the_partners(feed: Feed, server: PartnerServer, answer: Any) -> None:
    Feed.objects.update(
        records_at="/items", paging="cursor", paging_options={"cursor_parameter": "c", "cursor_at": "/next"}
    )
    server.replies = [page(answer)]

    failing = pull(feed)

    assert (failing.state, failing.lease_token) == ("due", None)
    assert failing.problem_party in ("partner", "mapping")
    assert failing.events.filter(kind="problem").exists()


def test_repeated_failure_pauses_the_feed_and_a_stored_page_counts_as_success(
    feed: Feed, server: PartnerServer
) -> None:
    server.replies = [page(transactions(1)), answers(500)]
    failing = pull(feed)
    assert (failing.state, failing.attempts, failing.pages) == ("due", 0, 1)

    for _ in range(run.MOST_ATTEMPTS):
        SyncRun.objects.update(due_at=timezone.now())
        assert run.work_next()

    feed.refresh_from_db()
    failing.refresh_from_db()
    assert failing.state == "paused"
    assert f"{run.MOST_ATTEMPTS} times in a row" in feed.pause_reason
    assert Transaction.objects.count() == 1

    server.replies = [page([])]
    schedule.resume_feed(feed, actor=SYSTEM)
    assert run.work_next()
    assert asked_for(server)[-1]["page"] == ["2"]  # behind the page that was stored


def test_a_worker_that_dies_each_time_is_not_tried_for_ever(feed: Feed) -> None:
    schedule.request_run(feed, actor=SYSTEM)
    for _ in range(run.MOST_ATTEMPTS):
        assert lease.claim()
        SyncRun.objects.update(lease_until=timezone.now() - HOUR)

    assert run.work_next()

    assert SyncRun.objects.get().state == "paused"


def test_a_worker_that_dies_behind_the_last_page_leaves_nothing_to_fetch(feed: Feed, server: PartnerServer) -> None:
    server.replies = [page(transactions(2)), page([])]
    schedule.request_run(feed, actor=SYSTEM)
    dying = run.Pull(lease.claim(), ends_at=time.monotonic() + 60)
    dying._finish = lambda: None  # type: ignore[method-assign]
    dying.work()
    SyncRun.objects.update(lease_until=timezone.now() - HOUR)

    assert run.work_next()

    ended = SyncRun.objects.get()
    feed.refresh_from_db()
    assert (ended.state, ended.read, len(server.calls)) == ("done", 2, 2)
    assert feed.cursor == ended.until


def test_a_run_that_is_stopped_meanwhile_stores_nothing_more(feed: Feed, server: PartnerServer) -> None:
    asked = schedule.request_run(feed, actor=SYSTEM)

    held = lease.claim()
    schedule.stop_run(asked, actor=SYSTEM)
    server.replies = [page(transactions(1)), page([])]
    run.Pull(held, ends_at=1e12).work()

    asked.refresh_from_db()
    assert asked.state == "stopped"
    assert not Transaction.objects.exists()


def test_the_lease_is_renewed_while_a_page_is_waited_for(
    feed: Feed, server: PartnerServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "RENEWED_EVERY", 0.05)
    seen: set[Any] = set()

    def slow(handler: Any) -> None:
        ends_at = time.monotonic() + 10
        while len(seen) < 3 and time.monotonic() < ends_at:
            seen.update(SyncRun.objects.values_list("lease_until", flat=True))
        connection.close()
        page(transactions(1))(handler)

    server.replies = [slow, page([])]

    assert pull(feed).created == 1
    assert len(seen) == 3


def test_bad_records_wait_in_quarantine_and_the_page_goes_on(feed: Feed, server: PartnerServer) -> None:
    records = transactions(3)
    records[1] |= {"currency": "EUX"}
    records[2] |= {"customer_id": "cst_late"}
    server.replies = [page(records), page([])]

    ended = pull(feed)

    assert (ended.state, ended.created, ended.rejected) == ("done", 1, 2)
    held = QuarantinedRecord.objects.order_by("index").values_list("code", "waits_for", "run_id")
    assert list(held) == [("currency", None, ended.pk), ("unknown_customer", "cst_late", ended.pk)]


def test_a_hybrid_feed_inserts_what_is_missing_and_shows_what_differs(feed: Feed, server: PartnerServer) -> None:
    ingest(feed.environment, "transactions", transactions(1))
    Transaction.objects.update(updated_at=timezone.now() - HOUR)
    Feed.objects.update(pattern="hybrid")
    changed = transactions(2)
    changed[0] |= {"status": "reversed"}
    server.replies = [page(changed), page([])]

    ended = pull(feed)

    assert (ended.created, ended.stale, ended.differing) == (1, 1, 1)
    assert Difference.objects.get().fields == ["status"]
    assert Transaction.objects.get(transaction_id="txn_0").status == "approved"


def test_a_hybrid_feed_whose_pull_wins_replaces_what_was_pushed_before_the_fetch(
    feed: Feed, server: PartnerServer
) -> None:
    ingest(feed.environment, "transactions", transactions(1))
    Transaction.objects.update(updated_at=timezone.now() - HOUR)
    Feed.objects.update(pattern="hybrid", pull_wins=True)
    server.replies = [page([record | {"status": "reversed"} for record in transactions(1)]), page([])]

    assert pull(feed).updated == 1
    assert not Difference.objects.exists()


def test_a_backfill_asks_for_its_days_and_leaves_the_cursor(feed: Feed, server: PartnerServer) -> None:
    server.replies = [page(transactions(1)), page([])]
    backfill = schedule.request_backfill(
        feed, first_day=dt.date(2026, 3, 1), last_day=dt.date(2026, 3, 31), actor=SYSTEM
    )

    assert run.work_next()

    backfill.refresh_from_db()
    feed.refresh_from_db()
    assert (backfill.state, backfill.created, feed.cursor) == ("done", 1, "")
    assert asked_for(server)[0] == {
        "from": ["2026-03-01T00:00:00Z"],
        "to": ["2026-04-01T00:00:00Z"],
        "page": ["1"],
    }
    assert Batch.objects.get(run_id=backfill.pk).door == "backfill"


def test_a_cursor_that_a_person_sets_meanwhile_stands(feed: Feed, server: PartnerServer) -> None:
    schedule.request_run(feed, actor=SYSTEM)
    held = lease.claim()
    schedule.set_cursor(feed, cursor="2026-01-01T00:00:00Z", actor=SYSTEM)
    server.replies = [page(transactions(1)), page([])]

    run.Pull(held, ends_at=1e12).work()

    feed.refresh_from_db()
    assert feed.cursor == "2026-01-01T00:00:00Z"
    assert SyncRun.objects.get().state == "done"


def test_a_cursor_that_a_person_sets_while_the_run_rests_stands_too(feed: Feed, server: PartnerServer) -> None:
    pages = {"1": page(transactions(1)), "2": page(transactions(1, start=1)), "3": page([])}
    server.replies = [lambda handler: pages[parse_qs(urlsplit(handler.path).query)["page"][0]](handler)]
    schedule.request_run(feed, actor=SYSTEM)
    run.Pull(lease.claim(), ends_at=0).work()
    schedule.set_cursor(feed, cursor="2026-01-01T00:00:00Z", actor=SYSTEM)

    assert run.work_next()

    feed.refresh_from_db()
    assert SyncRun.objects.get().state == "done"
    assert feed.cursor == "2026-01-01T00:00:00Z"


def test_a_run_rests_when_its_time_is_up_and_goes_on_behind_the_last_page(feed: Feed, server: PartnerServer) -> None:
    pages = {"1": page(transactions(1)), "2": page(transactions(1, start=1)), "3": page([])}
    server.replies = [lambda handler: pages[parse_qs(urlsplit(handler.path).query)["page"][0]](handler)]
    schedule.request_run(feed, actor=SYSTEM)

    run.Pull(lease.claim(), ends_at=0).work()
    resting = SyncRun.objects.get()
    assert (resting.state, resting.pages, resting.lease_token) == ("due", 1, None)
    assert len(server.calls) == resting.events.count() == 1

    assert run.work_next()
    resting.refresh_from_db()
    assert (resting.state, resting.created) == ("done", 2)
    assert (resting.read, resting.pages) == (2, 3)


@pytest.mark.parametrize("kind", ["timestamptz", "date"])
def test_a_date_far_ahead_hides_nothing_that_is_written_later(
    sandbox: Environment, loopback: None, postgres_source: Database, kind: str
) -> None:
    ingest(sandbox, "customers", sample("customers"))
    columns = list(sample("transactions"))
    rows = [*transactions(1), *transactions(1, start=1)]
    now = timezone.now().replace(microsecond=0)
    postgres_source.execute(
        f"CREATE TABLE ahead ({', '.join(f'{name} text' for name in columns)}, changed {kind})",
    )
    insert = f"INSERT INTO ahead VALUES ({', '.join(['%s'] * len(columns))}, %s)"
    try:
        postgres_source.execute(insert, [[*rows[0].values(), now + 9999 * HOUR]])
        feed = make_feed(
            make_connection(
                sandbox,
                kind="postgresql",
                base_url="",
                host=postgres_source.host,
                port=postgres_source.port,
                database=postgres_source.database,
                user=postgres_source.user,
                secret=postgres_source.password,
            ),
            relation="ahead",
            cursor_column="changed",
            cursor_kind="moment" if kind == "timestamptz" else "day",
        )
        assert pull(feed).created == 1
        postgres_source.execute(insert, [[*rows[1].values(), now]])

        assert pull(feed).created == 1
    finally:
        postgres_source.execute("DROP TABLE ahead")


def test_secrets_stand_in_no_event_and_no_run(feed: Feed, server: PartnerServer) -> None:
    feed.connection.auth, feed.connection.auth_header = "header", "X-Api-Key"
    put_secret(feed.connection, "hush-hush")
    feed.connection.save()
    Feed.objects.update(query={"api_key": "in-the-query"})
    server.replies = [page(transactions(1)), page([])]

    ended = pull(feed)

    assert server.calls[0].headers["x-api-key"] == "hush-hush"
    written = json.dumps([*ended.events.values(), *SyncRun.objects.values()], default=str)
    assert "hush-hush" not in written
    assert "in-the-query" not in written
