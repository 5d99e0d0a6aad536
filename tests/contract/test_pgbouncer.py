"""The product behind PgBouncer in transaction mode: nothing it does needs a database session beyond a transaction."""

from __future__ import annotations

import ipaddress
import uuid
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from django.db import connection, transaction
from pytest_django.plugin import DjangoDbBlocker

from entities.models import Transaction
from integrations.pull import run, schedule
from tests.contract import live
from tests.contract.conftest import API, Caller
from tests.factories import PASSWORD, MembershipFactory, UserFactory
from tests.integrations.pull.feeds import make_connection, make_feed
from tests.partner_server import answers, partner_server
from tests.partner_sources import or_skip
from tests.payloads import customers, sample, transactions
from tests.pgbouncer import in_front
from track360 import exact_json
from track360.alone import alone
from track360.audit import Actor
from track360.models import Environment, Partner, User


@pytest.fixture(scope="module", autouse=True)
def pgbouncer(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    with django_db_blocker.unblock():
        yield from or_skip(in_front())


@pytest.fixture(scope="module")
def server(pgbouncer: None) -> Iterator[live.Server]:
    with live.running() as server:
        yield server


def test_records_are_pushed_listed_and_walked(caller: Caller) -> None:
    assert caller.post(f"{API}/customers/bulk", customers(30)).json()["data"]["created"] == 30
    found: list[str] = []
    cursor = ""
    while cursor is not None:
        page = caller.get(f"{API}/customers?per_page=7{cursor and '&cursor='}{cursor}").json()
        found += [record["customer_id"] for record in page["data"]]
        cursor = page["meta"]["next_cursor"]
        changed = caller.post(f"{API}/customers/bulk", customers(40, click_id=f"clk_{len(found)}")).json()["data"]
        assert changed["created"] + changed["updated"] == 40
    assert sorted(found) == sorted(f"cst_{number}" for number in range(30))
    since = caller.get(f"{API}/customers?updated_since=2026-01-01T00:00:00Z").json()
    assert len(since["data"]) == since["meta"]["total"] == 40


def test_a_person_signs_in(server: live.Server, partner: Partner) -> None:
    user = UserFactory(email="ann@example.com", password=PASSWORD)
    MembershipFactory(user=user, partner=partner)
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60, follow_redirects=True) as http:
        http.get("/accounts/login/")
        form = {"login": user.email, "password": PASSWORD, "csrfmiddlewaretoken": http.cookies["csrftoken"]}
        answer = http.post("/accounts/login/", data=form)
    assert answer.status_code == 200
    assert answer.url.path == f"/p/{partner.slug}/sandbox/"


def test_a_feed_is_pulled(sandbox: Environment, caller: Caller, settings: Any) -> None:
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
    caller.post(f"{API}/customers", sample("customers"))
    with partner_server() as source:
        pages = [transactions(50), transactions(50, start=50), []]
        source.replies = [
            answers(200, exact_json.dumps(page).encode(), **{"Content-Type": "application/json"}) for page in pages
        ]
        feed = make_feed(
            make_connection(sandbox, base_url=source.url),
            path="transactions",
            paging="page",
            paging_options={"page_parameter": "page", "first_page": 1},
        )
        asked = schedule.request_run(feed, actor=Actor())
        assert run.work_next()
    asked.refresh_from_db()
    assert (asked.state, asked.created, asked.problem) == ("done", 100, "")
    assert Transaction.objects.filter(environment=sandbox).count() == 100


def test_work_that_commits_meanwhile_is_still_done_by_one_at_a_time(transactional_db: None) -> None:
    key = uuid.uuid4()
    with alone(key) as mine:
        with transaction.atomic():
            UserFactory()
        connection.close()
        with alone(key) as other, alone(uuid.uuid4()) as something_else:
            assert (mine, other, something_else) == (True, False, True)
    with alone(key) as afterwards:
        assert afterwards


def test_rows_are_read_in_parts_outside_a_transaction(transactional_db: None) -> None:
    """As Django's own forms read the choices of a foreign key."""
    UserFactory.create_batch(3)
    assert len(list(User.objects.iterator(chunk_size=1))) == 3
