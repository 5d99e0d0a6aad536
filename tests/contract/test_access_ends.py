"""Access that ends, ends with the very next request; and a limit lets through exactly what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from http.client import HTTPConnection
from typing import Any

import httpx
import pytest
from django.utils import timezone

from integrations import clients
from integrations.models import ClientSecret
from tests.contract import live
from tests.contract.conftest import API, Caller, fetch_token
from track360.models import Environment, Partner, User

LIST = f"{API}/customers"


def suspend(caller: Caller) -> None:
    caller.environment.partner.status = Partner.Status.SUSPENDED
    caller.environment.partner.save(update_fields=["status"])


def revoke_token(caller: Caller) -> None:
    token = caller.http.headers["Authorization"].removeprefix("Bearer ")
    pair = (caller.credentials.client.client_id, caller.credentials.clear)
    assert caller.http.post("/oauth/revoke", data={"token": token}, auth=pair).status_code == 200


ENDS: dict[str, Callable[[Caller], Any]] = {
    "the token is revoked": revoke_token,
    "the secret is revoked": lambda caller: clients.revoke_secret(caller.credentials.secret, actor=None),
    "the client is revoked": lambda caller: clients.revoke_client(caller.credentials.client, actor=None),
    "the partner is suspended": suspend,
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_the_next_request_gets_401_once(end: Callable[[Caller], Any], caller: Caller) -> None:
    assert caller.get(LIST).status_code == 200

    end(caller)

    for answer in (caller.get(LIST), caller.post(LIST, {}), caller.get("/api/v1/requests")):
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer ")


@pytest.mark.parametrize("end", list(ENDS.values())[1:], ids=list(ENDS)[1:])
def test_no_new_token_is_given_once(end: Callable[[Caller], Any], caller: Caller) -> None:
    end(caller)

    pair = (caller.credentials.client.client_id, caller.credentials.clear)
    answer = caller.http.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=pair)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_suspended_partner_that_is_active_again_goes_on_with_the_same_token(caller: Caller) -> None:
    suspend(caller)
    assert caller.get(LIST).status_code == 401

    Partner.objects.filter(pk=caller.environment.partner.pk).update(status=Partner.Status.ACTIVE)

    assert caller.get(LIST).status_code == 200


def test_while_secrets_overlap_both_fetch_tokens_and_then_only_the_new_one(
    caller: Caller, anybody: httpx.Client
) -> None:
    old = caller.credentials
    new = clients.rotate_secret(old.client, actor=None)

    fetch_token(anybody, old)
    fresh = fetch_token(anybody, new)
    ClientSecret.objects.filter(pk=old.secret.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    form = {"grant_type": "client_credentials", "client_id": old.client.client_id, "client_secret": old.clear}
    late = anybody.post("/oauth/token", data=form)

    assert (late.status_code, late.json()["error"]) == (401, "invalid_client")
    fetch_token(anybody, new)
    assert caller.get(LIST).status_code == 200  # a secret that has run out keeps its tokens; a revoked one does not
    clients.revoke_secret(old.secret, actor=None)
    assert caller.get(LIST).status_code == 401
    assert caller.get(LIST, headers={"Authorization": f"Bearer {fresh}"}).status_code == 200


def test_exactly_a_thousand_requests_of_one_token_pass(server: live.Server, caller: Caller) -> None:
    headers = {"Authorization": caller.http.headers["Authorization"]}

    def ask(count: int) -> list[tuple[int, str | None, str | None]]:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=60)
        answers = []
        for _ in range(count):
            connection.request("GET", "/api/nothing", headers=headers)
            answer = connection.getresponse()
            answer.read()
            answers.append((answer.status, answer.headers["RateLimit-Remaining"], answer.headers["Retry-After"]))
        connection.close()
        return answers

    with ThreadPoolExecutor(8) as pool:
        answers = [answer for part in pool.map(ask, [130] * 8) for answer in part]

    assert Counter(status for status, _, _ in answers) == {404: 1000, 429: 40}
    refused = [answer for answer in answers if answer[0] == 429]
    assert {remaining for _, remaining, _ in refused} == {"0"}
    assert all(seconds and seconds.isdigit() and 1 <= int(seconds) <= 60 for _, _, seconds in refused)


def test_another_token_of_the_same_client_has_a_limit_of_its_own(caller: Caller, anybody: httpx.Client) -> None:
    first = caller.get(LIST)
    caller.http.headers["Authorization"] = f"Bearer {fetch_token(anybody, caller.credentials)}"
    second = caller.get(LIST)

    assert first.headers["RateLimit-Remaining"] == second.headers["RateLimit-Remaining"] == "999"


def test_a_client_is_given_sixty_tokens_a_minute(
    caller: Caller, anybody: httpx.Client, connect: Callable[..., Caller]
) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": caller.credentials.client.client_id,
        "client_secret": caller.credentials.clear,
    }

    answers: list[httpx.Response] = [anybody.post("/oauth/token", data=form) for _ in range(61)]

    assert Counter(answer.status_code for answer in answers) == {200: 59, 429: 2}  # one was fetched to connect
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 60
    connect(caller.environment)  # others are not held up


def test_a_client_with_a_list_of_addresses_is_refused_from_elsewhere(
    caller: Caller, anybody: httpx.Client, sandbox: Environment
) -> None:
    staff = User.objects.create_user("rita@track360.test", is_staff=True)
    elsewhere = clients.create_client(sandbox, name="Fixed", actor=staff, ip_ranges=["192.0.2.0/24"])
    caller.credentials.client.allowed_ip_ranges = ["192.0.2.0/24"]
    caller.credentials.client.save(update_fields=["allowed_ip_ranges"])

    answer = caller.get(LIST, headers={"X-Forwarded-For": "192.0.2.7"})
    form = {
        "grant_type": "client_credentials",
        "client_id": elsewhere.client.client_id,
        "client_secret": elsewhere.clear,
    }
    token = anybody.post("/oauth/token", data=form, headers={"X-Forwarded-For": "192.0.2.7"})

    assert (answer.status_code, answer.json()["code"]) == (403, "ip_not_allowed")
    assert token.status_code == 403
