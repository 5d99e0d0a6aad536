"""Who pushed a moment ago is not asked for again, and yet whatever ended or changed meanwhile counts at once."""

from __future__ import annotations

import datetime as dt
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client as Browser
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from oauth2_provider.models import AccessToken

from entities.models import Affiliate, Batch, StatusMapping, Transaction
from entities.pipeline.locks import INGEST_LOCK
from integrations import request_log
from integrations.clients import NewSecret, revoke_client, revoke_secret
from integrations.models import Client
from onboarding.closing import request_reset, run_reset
from tests.payloads import sample
from track360.audit import Actor
from track360.models import Environment, Partner

PATH = "/api/v1/igaming/transactions"
Push = Callable[..., Any]
STORED = (201, 200)
"""Alone, and in bulk."""


@pytest.fixture(params=["alone", "in bulk"])
def push(request: pytest.FixtureRequest, token: str, customer: str) -> Iterator[Push]:
    """Push a transaction that is new unless its id is given; who pushes is remembered, and its status came before."""
    numbers = count()
    headers = {"authorization": f"Bearer {token}"}

    def send(**changes: Any) -> Any:
        records = [sample("transactions", transaction_id=f"txn_{next(numbers)}") | more for more in (changes, {})]
        if request.param == "alone":
            return Browser().post(PATH, records[0], "application/json", headers=headers)
        return Browser().post(f"{PATH}/bulk", records, "application/json", headers=headers)

    assert [send().status_code in STORED, send().status_code in STORED] == [True, True]
    yield send
    request_log.queue.rows.clear()


def batches() -> int:
    return Batch.objects.filter(entity="transactions").count()


@pytest.mark.django_db
def test_a_new_record_asks_nothing_before_it_is_stored(push: Push) -> None:
    """The message that stores it goes by the driver's own cursor, which is not counted here."""
    with CaptureQueriesContext(connection) as asked:
        assert push().status_code in STORED
    assert [query["sql"] for query in asked.captured_queries] == []


def by_sql(statement: str) -> Callable[[NewSecret], None]:
    def end(credentials: NewSecret) -> None:
        with connection.cursor() as cursor:
            cursor.execute(statement)

    return end


ENDS: dict[str, tuple[Callable[[NewSecret], Any], int, str]] = {
    "the token is revoked": (lambda _: AccessToken.objects.all().delete(), 401, "invalid_token"),
    "the token ends sooner": (lambda _: AccessToken.objects.update(expires=timezone.now()), 401, "token_expired"),
    "the token may only read": (lambda _: AccessToken.objects.update(scope="read"), 403, "insufficient_scope"),
    "the secret is revoked": (lambda one: revoke_secret(one.secret, actor=None), 401, "invalid_token"),
    "the client is revoked": (lambda one: revoke_client(one.client, actor=None), 401, "invalid_token"),
    "the client is deleted": (lambda one: one.client.delete(), 401, "invalid_token"),
    "its addresses are others": (
        lambda _: Client.objects.update(allowed_ip_ranges=["10.0.0.0/8"]),
        403,
        "ip_not_allowed",
    ),
    "the partner is suspended": (
        lambda _: Partner.objects.update(status=Partner.Status.SUSPENDED),
        401,
        "invalid_token",
    ),
    "the token is gone before its origin": (
        by_sql(
            "DELETE FROM oauth2_provider_accesstoken; DELETE FROM integrations_tokenorigin",
        ),
        401,
        "invalid_token",
    ),
    "the secret is gone before its tokens": (
        by_sql(
            "DELETE FROM integrations_clientsecret; DELETE FROM integrations_tokenorigin;"
            " DELETE FROM oauth2_provider_accesstoken"
        ),
        401,
        "invalid_token",
    ),
    "by hand": (by_sql("UPDATE integrations_clientsecret SET revoked_at = now()"), 401, "invalid_token"),
}


@pytest.mark.django_db
@pytest.mark.parametrize("what", ENDS)
@pytest.mark.parametrize(
    "body",
    [{}, {"currency": "ZZZ"}, {"transaction_id": "txn_0"}, {"status": "never seen"}, {"customer_id": "nobody"}],
    ids=["new", "refused", "stored already", "with a status to note", "of nobody"],
)
def test_what_ends_a_caller_ends_the_very_next_push(
    push: Push, credentials: NewSecret, body: dict[str, str], what: str
) -> None:
    end, status, code = ENDS[what]
    end(credentials)
    before = batches(), Transaction.objects.count()

    answer = push(**body)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert ("RateLimit-Limit" in answer) == (status == 403)
    assert (batches(), Transaction.objects.count()) == before


@pytest.mark.django_db
def test_who_is_told_of_a_limit_is_one_who_may_call(push: Push, settings: Any) -> None:
    settings.API_TOKEN_LIMIT = 2
    assert push().json()["code"] == "rate_limited"

    AccessToken.objects.all().delete()

    assert push().json()["code"] == "invalid_token"


@pytest.mark.django_db
def test_a_token_that_ended_uses_nothing_of_its_clients_limit(push: Push, ask_for_token: Any, settings: Any) -> None:
    push()
    AccessToken.objects.all().delete()
    push()  # until this one it was presumed to be valid
    settings.API_CLIENT_LIMIT = 5

    assert [push().json()["code"] for _ in range(5)] == ["invalid_token"] * 5
    token = ask_for_token().json()["access_token"]
    assert Browser().get(PATH, headers={"authorization": f"Bearer {token}"}).status_code == 200


@pytest.mark.django_db
def test_who_was_limited_by_address_may_call_once_it_is_allowed(push: Push) -> None:
    Client.objects.update(allowed_ip_ranges=["10.0.0.0/8"])
    assert push().status_code == 403

    Client.objects.update(allowed_ip_ranges=[])

    assert push().status_code in STORED


@pytest.mark.django_db
def test_a_mapping_of_just_now_is_in_the_answer_and_the_call_is_counted_once(
    push: Push, environment: Environment
) -> None:
    before = int(push()["RateLimit-Remaining"])
    StatusMapping.objects.create(
        partner=environment.partner,
        field="status",
        raw_value=sample("transactions")["status"],
        canonical_value="approved",
    )

    answer = push()

    assert answer.json()["data"].get("canonical_status", "approved") == "approved"
    assert not [warning for warning in answer.json()["warnings"] if warning["code"] == "unmapped_status"]
    assert int(answer["RateLimit-Remaining"]) == before - 1


@pytest.mark.django_db
def test_another_name_of_the_client_changes_nothing(push: Push, credentials: NewSecret) -> None:
    Client.objects.update(name="Another")

    assert {push().status_code, push().status_code} <= set(STORED)


@pytest.mark.django_db
def test_tokens_that_expired_are_cleared_away_without_a_word(push: Push, environment: Environment) -> None:
    AccessToken.objects.update(expires=timezone.now() - dt.timedelta(days=1))
    environment.refresh_from_db()
    before = environment.facts_changed_at

    AccessToken.objects.all().delete()

    environment.refresh_from_db()
    assert environment.facts_changed_at == before


@pytest.mark.django_db
def test_a_refused_call_is_logged_without_a_caller(push: Push) -> None:
    AccessToken.objects.all().delete()
    request_log.queue.rows.clear()

    push(currency="ZZZ")

    (noted,) = request_log.queue.rows
    assert (noted.caller, noted.counts, noted.detail, noted.status) == (None, {}, None, 401)


@contextmanager
def alone_in(environment: Environment) -> Iterator[None]:
    """Whoever pushes waits."""
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [INGEST_LOCK, environment.pk])
        yield


# Of this database alone: another process tests beside this one.
WAITERS = """
  FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
 WHERE datname = current_database() AND locktype = 'advisory' AND NOT granted"""


def somebody_waits() -> None:
    deadline = time.monotonic() + 20
    with connection.cursor() as cursor:
        while time.monotonic() < deadline:
            cursor.execute(f"SELECT count(*) {WAITERS}")
            if cursor.fetchone()[0]:
                return
            time.sleep(0.05)
    raise AssertionError("Nobody waits for the environment")


@pytest.mark.django_db(transaction=True)
def test_where_the_connection_ends_in_the_midst_the_push_is_told_to_come_again(
    push: Push, environment: Environment
) -> None:
    answers = []

    def job() -> None:
        answers.append(push())
        connection.close()

    thread = threading.Thread(target=job)
    with alone_in(environment):
        thread.start()
        somebody_waits()
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_terminate_backend(pid) {WAITERS}")
            assert cursor.fetchall() == [(True,)]
        thread.join()

    assert (answers[0].status_code, answers[0].json()["code"]) == (503, "unavailable")
    assert push().status_code in STORED


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("meanwhile", "status"),
    [
        (lambda environment: AccessToken.objects.all().delete(), 401),
        (lambda environment: run_reset(request_reset(environment, actor=Actor()).pk), 422),
        (lambda environment: Affiliate.objects.create(partner=environment.partner, affiliate_id="aff_1"), 200),
    ],
    ids=["revoked", "emptied", "an affiliate"],
)
def test_what_changes_while_a_push_waits_for_the_environment_counts(
    push: Push, environment: Environment, meanwhile: Callable[[Environment], Any], status: int
) -> None:
    answers = []

    def job() -> None:
        answers.append(push(transaction_id="waited"))
        connection.close()

    thread = threading.Thread(target=job)
    with alone_in(environment):
        thread.start()
        somebody_waits()
        meanwhile(environment)
    thread.join()

    assert answers[0].status_code in (STORED if status == 200 else (status,))
    assert Transaction.objects.filter(transaction_id="waited").exists() == (status == 200)
