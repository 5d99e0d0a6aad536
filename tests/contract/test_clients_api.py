"""`/api/v1/clients`: what people do on the credentials page, by a program."""

from __future__ import annotations

from collections.abc import Callable

import httpx

from integrations.models import Client
from tests.contract.conftest import Caller, new_partner, problem_codes
from track360.models import AuditEvent, Environment

CLIENTS = "/api/v1/clients"


def fetch(anybody: httpx.Client, made: dict) -> httpx.Response:
    form = {
        "grant_type": "client_credentials",
        "client_id": made["client"]["client_id"],
        "client_secret": made["client_secret"],
    }
    return anybody.post("/oauth/token", data=form)


def test_a_program_makes_a_client_whose_secret_fetches_a_token(caller: Caller, anybody: httpx.Client) -> None:
    answer = caller.post(CLIENTS, {"name": "Warehouse", "scopes": ["read"], "ip_ranges": ["127.0.0.0/8"]})

    assert answer.status_code == 201
    made = answer.json()["data"]
    assert (made["client"]["scope"], made["client"]["ip_ranges"]) == ("read", ["127.0.0.0/8"])
    assert fetch(anybody, made).json()["scope"] == "read"
    assert made["client_secret"] not in caller.get(f"{CLIENTS}/{made['client']['client_id']}").text


def test_the_audit_trail_names_the_program(caller: Caller) -> None:
    caller.post(CLIENTS, {"name": "Warehouse"})

    event = AuditEvent.objects.get(action="client.created", detail__name="Warehouse")
    assert (event.actor, event.client_id) == (None, caller.credentials.client.client_id)
    assert event.ip == "127.0.0.1"


def test_a_rotated_secret_works_beside_the_old_one_and_a_third_is_refused(
    caller: Caller, anybody: httpx.Client
) -> None:
    made = caller.post(CLIENTS, {"name": "Warehouse"}).json()["data"]
    address = f"{CLIENTS}/{made['client']['client_id']}"

    second = caller.post(f"{address}/rotate", {"overlap_seconds": 3600})
    third = caller.post(f"{address}/rotate", {})

    assert second.status_code == 201
    assert [fetch(anybody, made).status_code, fetch(anybody, second.json()["data"]).status_code] == [200, 200]
    assert (third.status_code, problem_codes(third)) == (422, ["two_live_secrets"])


def test_a_revoked_secret_and_a_revoked_client_are_refused_at_once(caller: Caller, anybody: httpx.Client) -> None:
    made = caller.post(CLIENTS, {"name": "Warehouse"}).json()["data"]
    client = made["client"]
    address = f"{CLIENTS}/{client['client_id']}"

    revoked = caller.http.delete(f"{address}/secrets/{client['secrets'][0]['id']}")
    assert (revoked.status_code, revoked.content) == (204, b"")
    assert fetch(anybody, made).status_code == 401
    assert caller.http.delete(address).status_code == 204
    assert caller.get(address).json()["data"]["revoked_at"]
    assert client["client_id"] in caller.get(CLIENTS, params={"revoked": 1}).text
    assert client["client_id"] not in caller.get(CLIENTS).text


def test_another_partners_client_does_not_exist(caller: Caller, connect: Callable[..., Caller]) -> None:
    other = connect(new_partner().environments.get(kind="sandbox"))
    address = f"{CLIENTS}/{other.credentials.client.client_id}"

    for answer in (caller.get(address), caller.post(f"{address}/rotate", {}), caller.http.delete(address)):
        assert answer.status_code == 404
    assert Client.objects.get(pk=other.credentials.client.pk).revoked_at is None


def test_production_is_refused_until_it_is_earned(caller: Caller, connect: Callable[..., Caller]) -> None:
    production = connect(caller.environment.partner.environments.get(kind=Environment.Kind.PRODUCTION))

    answer = production.post(CLIENTS, {"name": "Warehouse"})

    assert (answer.status_code, problem_codes(answer)) == (422, ["not_ready"])


def test_bad_bodies_are_refused_at_their_place(caller: Caller) -> None:
    bad = {
        "/name": {"name": ""},
        "/scopes/0": {"name": "Warehouse", "scopes": ["everything"]},
        "/ip_ranges/0": {"name": "Warehouse", "ip_ranges": [7]},
        "": {"name": "Warehouse", "secret": "mine"},
    }
    for pointer, body in bad.items():
        answer = caller.post(CLIENTS, body)
        assert answer.status_code == 422, body
        assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_what_is_no_name_or_range_is_refused(caller: Caller) -> None:
    for body in ({"name": "a\x00b"}, {"name": "   "}, {"name": "Warehouse", "ip_ranges": ["not an address"]}):
        assert caller.post(CLIENTS, body).status_code == 422, body


def test_without_the_scope_manage_nothing_is_to_be_had(connect: Callable[..., Caller], caller: Caller) -> None:
    reader = connect(caller.environment, scopes=("read", "write"))

    assert reader.get(CLIENTS).status_code == 403
    assert reader.post(CLIENTS, {"name": "Warehouse"}).status_code == 403
