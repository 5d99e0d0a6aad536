"""Whoever only views reads no name and no address of a player, on no page."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.test import Client
from django.urls import get_resolver

from entities.models import Customer, QuarantinedRecord, RecordChange
from entities.pipeline import ingest
from integrations import request_log
from integrations.clients import create_client, issue_token
from integrations.models import ApiRequest, ConnectionTest
from onboarding import samples
from onboarding.models import Sample
from onboarding.tasks import start_check
from tests.factories import ConnectionFactory, FeedFactory, MembershipFactory
from tests.payloads import customers
from tests.portal.test_isolation import portal_routes
from track360 import exact_json
from track360.audit import Actor
from track360.models import Environment

MARKER = "marker"
PERSON = {"first_name": "Marker", "last_name": "Marker", "email": "marker@example.com"}
# Everything about a person that a platform may send by mistake: in a misspelt field, nested, as the wrong type.
FAULTY: list[Any] = [
    {"customer_id": "cst_7", "affiliate_id": 1, **PERSON},
    {"customer_id": "cst_8", "firstName": "Marker", "email": "marker"},
    {"customer_id": "cst_9", "affiliate_id": {"name": "Marker"}, "first_name": ["Marker"]},
    "Marker",
    ["Marker"],
]


@pytest.fixture
def held(sandbox: Environment, settings: Any) -> dict[str, list[str]]:
    """A partner whose every store holds the marker; what stands in a route for it -> the values to try."""
    ingest(sandbox, "customers", customers(3, **PERSON))
    ingest(sandbox, "customers", customers(3, email="other@marker.example", last_modified_date=...))
    ingest(sandbox, "customers", FAULTY, lenient=True)
    new = create_client(sandbox, name="crm", actor=None, scopes=("read", "write"))
    token = issue_token(new.client, actor=MembershipFactory(partner=sandbox.partner).user)
    for body in (exact_json.dumps(FAULTY), '{"first_name": "Marker", email: marker@example.com'):
        headers = {"Authorization": f"Bearer {token}"}
        Client().post("/api/v1/igaming/customers/bulk", body, "application/json", headers=headers)
    request_log.flush()
    header = "customer_id,signup_date,affiliate_id,first_name,last_name,email,phone\n"
    payloads = [
        exact_json.dumps([*customers(1, **PERSON), *FAULTY]),
        header + "cst_1,2026-03-12T09:15:00Z,aff_1,Marker,Marker,marker@example.com,Marker\n",
        '{"first_name": "Marker", ',
    ]
    for payload in payloads:
        try:
            sample = samples.create_sample(
                sandbox, entity="customers", payload=payload.encode(), origin=Sample.Origin.PASTE, actor=Actor()
            )
            start_check(sample)
        except Exception:  # noqa: BLE001, S110
            pass  # refused with a sentence of the form
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox), entity="customers")
    finding = {
        "index": 0,
        "pointer": "/0/email",
        "field": "email",
        "code": "format",
        "message": "'Marker' is no address",
    }
    rows = [{"record": record, "errors": [finding], "warnings": [finding]} for record in FAULTY]
    result = {"ok": True, "steps": [], "cursor_kind": "moment", "names": [], "calls": []}
    ConnectionTest.objects.create(
        connection=feed.connection, environment=sandbox, state="passed", feeds={"customers": result},
        rows={"customers": rows},
    )  # fmt: skip
    return {
        "<uuid:connection_id>": [str(feed.connection.pk)],
        "<uuid:feed_id>": [str(feed.pk)],
        "customers/<int:number>": [f"customers/{pk}" for pk in Customer.objects.values_list("pk", flat=True)],
        "quarantine/<int:number>": [
            f"quarantine/{pk}" for pk in QuarantinedRecord.objects.values_list("pk", flat=True)
        ],
        "<uuid:request_id>": [str(pk) for pk in ApiRequest.objects.values_list("pk", flat=True)],
        "<uuid:sample_id>": [str(pk) for pk in Sample.objects.values_list("pk", flat=True)],
        "<int:index>": ["0", "1", "2", "3", "4", "5"],
        "<slug:day>": ["2026-03-12"],
        "<slug:client_id>": [new.client.client_id],
        "<slug:slug>": ["customers"],
        "<slug:entity>": ["customers"],
    }


def filled(route: str, held: dict[str, list[str]]) -> list[str]:
    """Every address of the route; a part that nothing of a person stands behind becomes something that is not there."""
    for part, values in held.items():
        if part in route:
            return [address for value in values for address in filled(route.replace(part, value, 1), held)]
    unknown = {"<int:number>": "1", "<int:": "1", "<uuid:": str(uuid.uuid4()), "<slug:": "x", "<str:": "x"}
    while "<" in route:
        part = route[route.index("<") : route.index(">") + 1]
        route = route.replace(part, next(value for kind, value in unknown.items() if part.startswith(kind)))
    return [f"/{route}"]


def pages(held: dict[str, list[str]]) -> list[str]:
    routes = portal_routes(get_resolver().url_patterns)
    place = [
        route.replace("<slug:partner_slug>", "aurora-casino").replace("<slug:environment_kind>", "sandbox")
        for route in routes
    ]
    return [address for route in place for address in filled(route, held)]


def read(client: Client, address: str) -> tuple[int, str]:
    response: Any = client.get(address)
    content = b"".join(response.streaming_content) if response.streaming else response.content
    return response.status_code, content.decode(errors="replace").lower()


def test_no_page_shows_a_viewer_who_somebody_is(viewer: Client, held: dict[str, list[str]]) -> None:
    assert RecordChange.objects.count() == 3
    assert QuarantinedRecord.objects.count() == len(FAULTY)
    assert Sample.objects.count() >= 1
    shown = []
    read_pages = 0
    for address in pages(held):
        status, text = read(viewer, address)
        assert status in {200, 302, 403, 404, 405}, (address, status)
        read_pages += status == 200
        if MARKER in text:
            shown.append(f"{address}: …{text[text.index(MARKER) - 80 : text.index(MARKER) + 40]}…")
    assert shown == []
    assert read_pages > 30


def test_the_same_pages_show_a_developer(developer: Client, held: dict[str, list[str]]) -> None:
    """Or the walk would prove nothing."""
    showing = {address.split("/")[4] for address in pages(held) if MARKER in read(developer, address)[1]}
    assert {"customers", "quarantine", "samples", "connections"} <= showing
    assert "requests" not in showing
