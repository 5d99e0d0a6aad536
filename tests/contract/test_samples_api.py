"""`/api/v1/samples`: what people do on the samples pages, by a program; and what no page takes, from outside."""

from __future__ import annotations

import shutil
import socket
import tempfile
from collections.abc import Callable
from typing import Any

import pytest

from onboarding.models import Sample
from onboarding.sample_checks import check_sample
from tests.contract import live
from tests.contract.conftest import Caller, exactly, new_partner, problem_codes
from tests.payloads import sample as record_of
from track360.models import AuditEvent, Environment

SAMPLES = "/api/v1/samples"
BAD = record_of("customers", country_code="UK")


def tried(caller: Caller, *records: Any, entity: str = "customers") -> dict[str, Any]:
    answer = caller.post(SAMPLES, {"entity": entity, "records": list(records)})
    assert answer.status_code == 201, answer.text
    return exactly(answer)["data"]


def test_records_are_tried_and_nothing_is_stored(caller: Caller) -> None:
    result = tried(caller, record_of("customers"), BAD, "text")

    assert (result["state"], result["total"], result["invalid"]) == ("done", 3, 2)
    assert {(error["index"], error["code"], error["pointer"]) for error in result["errors"]} == {
        (1, "country", "/records/1/country_code"),
        (2, "type", "/records/2"),
    }
    assert {group["code"] for group in result["groups"]} == {"country", "type"}
    assert caller.get("/api/v1/igaming/customers").json()["data"] == []
    event = AuditEvent.objects.get(action="sample.created")
    assert (event.client_id, event.target) == (caller.credentials.client.client_id, result["id"])


def test_numbers_come_back_as_they_were_sent(caller: Caller) -> None:
    body = b'{"entity": "activity", "records": [{"total_bets": 1.100, "wins": 123456789012345678901234567890}]}'
    made = caller.post(SAMPLES, body).json()["data"]
    answer = caller.get(f"{SAMPLES}/{made['id']}/refused")
    assert '"total_bets":1.100' in answer.text
    assert "123456789012345678901234567890" in answer.text


def test_customers_of_the_customer_sample_count_as_known(caller: Caller) -> None:
    transaction = record_of("transactions")
    before = tried(caller, transaction, entity="transactions")
    tried(caller, record_of("customers"))
    after = tried(caller, transaction, entity="transactions")
    assert (before["invalid"], after["invalid"]) == (0, 0)
    assert before["warning_count"] == after["warning_count"] + 1


def test_over_a_thousand_records_are_accepted_and_checked_by_the_worker(caller: Caller) -> None:
    answer = caller.post(SAMPLES, {"entity": "customers", "records": [BAD] * 1001})
    assert answer.status_code == 202
    made = answer.json()["data"]
    assert (made["state"], made["checked"], made["errors"]) == ("checking", 0, [])
    sample = Sample.objects.get(pk=made["id"])
    check_sample(sample.pk)  # as the worker does
    result = caller.get(f"{SAMPLES}/{made['id']}").json()["data"]
    assert (result["state"], result["checked"], result["invalid"]) == ("done", 1001, 1001)
    assert len(result["errors"]) == 100


def test_refused_records_are_walked_by_cursor_and_by_page(caller: Caller) -> None:
    made = tried(caller, *[record_of("customers", customer_id=f"cst_{n}", country_code="UK") for n in range(25)])
    address = f"{SAMPLES}/{made['id']}/refused"
    seen: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = caller.get(address, params={"per_page": 10} | cursor).json()
        seen += [row["index"] for row in page["data"]]
        if not page["meta"]["next_cursor"]:
            break
        cursor = {"cursor": page["meta"]["next_cursor"]}
    assert seen == list(range(25))
    assert [row["index"] for row in caller.get(address, params={"per_page": 10, "page": 3}).json()["data"]] == seen[20:]
    assert caller.get(address, params={"cursor": "x"}).json()["code"] == "invalid_cursor"
    assert caller.get(address, params={"page": 10_000, "per_page": 500}).json()["code"] == "page_too_deep"


def test_the_list_is_filtered_and_the_newest_comes_first(caller: Caller) -> None:
    first, second = tried(caller, BAD), tried(caller, record_of("customers"))
    tried(caller, record_of("transactions"), entity="transactions")
    page = caller.get(SAMPLES, params={"entity": "customers", "per_page": 1}).json()
    assert [row["id"] for row in page["data"]] == [second["id"]]
    assert page["meta"]["total"] == 2
    cursor = page["meta"]["next_cursor"]
    rest = caller.get(SAMPLES, params={"entity": "customers", "per_page": 1, "cursor": cursor}).json()
    assert [row["id"] for row in rest["data"]] == [first["id"]]


def test_a_production_token_tries_in_the_sandbox_too(
    caller: Caller, connect: Callable[..., Caller], sandbox: Environment
) -> None:
    production = connect(sandbox.partner.environments.get(kind="production"))
    made = tried(production, record_of("customers"))
    assert caller.get(f"{SAMPLES}/{made['id']}").status_code == 200
    assert Sample.objects.get().environment == sandbox


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"entity": "customers", "records": []}, "empty_batch"),
        ({"entity": "customers"}, "required"),
        ({"entity": "players", "records": [{}]}, "enum"),
        ({"entity": "customers", "records": {}}, "type"),
        ({"entity": "customers", "records": [{}], "more": 1}, "additional_property"),
        ({"entity": "customers", "records": [None] * 200_001}, "too_many_records"),
        ([], "type"),
    ],
)
def test_a_body_that_breaks_the_schema_is_refused(caller: Caller, body: Any, code: str) -> None:
    answer = caller.post(SAMPLES, body)
    assert answer.status_code == 422
    assert code in problem_codes(answer)
    assert not Sample.objects.exists()


def test_nul_in_records_is_a_finding(caller: Caller) -> None:
    result = tried(caller, record_of("customers") | {"customer_id": "a\x00", "\x00": "\x00"})
    assert {error["code"] for error in result["errors"]} == {"control_character", "additional_property"}


def test_a_sample_of_another_partner_does_not_exist(caller: Caller, connect: Callable[..., Caller]) -> None:
    other = connect(new_partner().environments.get(kind="sandbox"))
    made = tried(other, BAD)
    for sample_id in (made["id"], "nonsense", "%00", "00000000-0000-0000-0000-000000000000"):
        assert caller.get(f"{SAMPLES}/{sample_id}").status_code == 404
        assert caller.get(f"{SAMPLES}/{sample_id}/refused").status_code == 404
    assert caller.get(SAMPLES).json()["data"] == []


def test_a_token_without_manage_is_refused(sandbox: Environment, connect: Callable[..., Caller]) -> None:
    caller = connect(sandbox, scopes=("read", "write"))
    assert caller.post(SAMPLES, {"entity": "customers", "records": [BAD]}).status_code == 403
    assert caller.get(SAMPLES).status_code == 403


# -- The page's own limit -----------------------------------------------------


@pytest.mark.parametrize("type_", ["multipart/form-data; boundary=x", "application/x-www-form-urlencoded"])
def test_two_gigabytes_to_a_page_are_refused_before_they_are_read(server: live.Server, type_: str) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    with socket.create_connection(("127.0.0.1", server.port), timeout=20) as connection:
        connection.sendall(
            b"POST /p/aurora-casino/sandbox/samples/new/ HTTP/1.1\r\nHost: localhost\r\n"
            b"Content-Type: " + type_.encode() + b"\r\nContent-Length: 2147483648\r\n\r\n"
            b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\n\r\n'
        )
        for _ in range(60):  # a browser is well under way before it looks for an answer
            connection.sendall(b"x" * 2**20)
        answer = b""
        while b"</html>" not in answer:
            part = connection.recv(65536)
            assert part, answer
            answer += part
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"A page takes at most 10 MB" in answer
    assert free - shutil.disk_usage(tempfile.gettempdir()).free < 20 * 2**20
