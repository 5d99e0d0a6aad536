"""Nobody outside a partner learns that one of its pages exists, and no environment shows the other's records."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from entities.models import Erasure, MappingChange, Record, Replay
from onboarding.models import PartnerExport
from tests.factories import (
    ActivityFactory,
    ApiRequestFactory,
    ClientFactory,
    ClientSecretFactory,
    ConnectionFactory,
    CustomerFactory,
    DoubledDayFactory,
    FeedFactory,
    InvitationFactory,
    MembershipFactory,
    PartnerFactory,
    QuarantinedRecordFactory,
    ReportFactory,
    RunFactory,
    SampleFactory,
    TransactionFactory,
    WebhookEndpointFactory,
)
from track360.models import AuditEvent, Environment

PORTAL = "p/<slug:partner_slug>/<slug:environment_kind>/"


def portal_routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[str]:
    """Every route under a partner and an environment, as it stands in the URL configuration."""
    routes = []
    for pattern in patterns:
        route = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            routes += portal_routes(pattern.url_patterns, route)
        elif route.startswith(PORTAL):
            routes.append(route)
    return routes


@pytest.fixture
def rows(sandbox: Environment) -> dict[str, object]:
    """One of everything, by what stands for it in a route."""
    client = ClientFactory(environment=sandbox)
    feed = FeedFactory(connection=ConnectionFactory(environment=sandbox))
    return {
        "customers/<int:number>": CustomerFactory(environment=sandbox, customer_id="secret-customer").pk,
        "transactions/<int:number>": TransactionFactory(environment=sandbox).pk,
        "activity/<int:number>": ActivityFactory(environment=sandbox).pk,
        "onboarding/<int:number>": 3,
        "quarantine/<int:number>": QuarantinedRecordFactory(environment=sandbox).pk,
        "<uuid:replay_id>": Replay.objects.create(environment=sandbox, state="done").pk,
        "<uuid:request_id>": ApiRequestFactory(environment=sandbox).pk,
        "runs/<uuid:run_id>": (run := RunFactory(feed=feed)).pk,
        "feeds/<uuid:feed_id>": run.feed_id,
        "<slug:client_id>": client.client_id,
        "<uuid:secret_id>": ClientSecretFactory(client=client).pk,
        "docs/<slug:slug>": "customers",
        "team/<int:number>": MembershipFactory(partner=sandbox.partner).pk,
        "invitations/<uuid:number>": InvitationFactory(partner=sandbox.partner).pk,
        "<uuid:endpoint_id>": WebhookEndpointFactory(partner=sandbox.partner).pk,
        "<uuid:export_id>": PartnerExport.objects.create(partner=sandbox.partner).pk,
        "<uuid:erasure_id>": Erasure.objects.create(environment=sandbox, customer_id="secret-customer").pk,
        "<uuid:change_id>": MappingChange.objects.create(partner=sandbox.partner).pk,
        "<uuid:sample_id>": SampleFactory(environment=sandbox).pk,
        "new/<slug:kind>": "rest",
        "<uuid:connection_id>": feed.connection.pk,
        "<uuid:report_id>": ReportFactory(feed=feed).pk,
        "new/<slug:entity>": "customers",
        "lesson/<slug:entity>": "customers",
        "records/<int:index>": 0,
        "reconciliation/<slug:day>": "2026-03-15",
        "2026-03-15/<slug:entity>": "transactions",
        "doubled/<int:number>": DoubledDayFactory(environment=sandbox).pk,
        "audit/<uuid:event_id>": AuditEvent.objects.create(action="secret.kept", partner=sandbox.partner).pk,
    }


def addresses(rows: dict[str, object], *, slug: str, kind: str) -> list[str]:
    found = []
    for route in portal_routes(get_resolver().url_patterns):
        address = route.replace("<slug:partner_slug>", slug).replace("<slug:environment_kind>", kind)
        for part, value in rows.items():
            before, _, converter = part.rpartition("/")
            address = address.replace(part, f"{before}/{value}" if before else str(value))
        assert "<" not in address, f"the test does not know what to put into {route}"
        found.append(f"/{address}")
    return found


def test_every_page_is_not_found_for_somebody_of_another_partner(outsider: Client, rows: dict[str, object]):
    walked = addresses(rows, slug="aurora-casino", kind="sandbox")
    assert len(walked) > 20
    for address in walked:
        for method in (outsider.get, outsider.post):
            response = method(address)
            assert response.status_code == 404, address
            assert b"secret-customer" not in response.content


@pytest.mark.parametrize(("slug", "kind"), [("nobody", "sandbox"), ("aurora-casino", "staging")])
def test_a_partner_or_environment_that_is_not_there_looks_the_same(
    outsider: Client, developer: Client, rows: dict[str, object], slug: str, kind: str
):
    for address in addresses(rows, slug=slug, kind=kind):
        assert outsider.get(address).status_code == 404
        assert developer.get(address).status_code == 404


@pytest.mark.parametrize(
    ("name", "factory"),
    [
        ("customer-detail", CustomerFactory),
        ("transaction-detail", TransactionFactory),
        ("activity-detail", ActivityFactory),
        ("quarantine-detail", QuarantinedRecordFactory),
    ],
)
def test_a_record_is_found_in_its_own_environment_alone(
    developer: Client, staff: Client, sandbox: Environment, production: Environment, name: str, factory: type
):
    here: Record = factory(environment=sandbox)
    elsewhere: Record = factory(environment=PartnerFactory().environments.get(kind="sandbox"))
    for client in (developer, staff):
        assert client.get(reverse(name, args=["aurora-casino", "sandbox", here.pk])).status_code == 200
        assert client.get(reverse(name, args=["aurora-casino", "production", here.pk])).status_code == 404
        assert client.get(reverse(name, args=["aurora-casino", "sandbox", elsewhere.pk])).status_code == 404


def test_lists_hold_their_own_environment_alone(developer: Client, sandbox: Environment, production: Environment):
    CustomerFactory(environment=production, customer_id="secret-customer")
    TransactionFactory(environment=production, transaction_id="secret-transaction")
    QuarantinedRecordFactory(environment=production, key="secret-record")
    for name in ("customer-list", "transaction-list", "activity-list", "quarantine-list", "overview"):
        html = developer.get(reverse(name, args=["aurora-casino", "sandbox"])).content.decode()
        for secret in ("secret-customer", "secret-transaction", "secret-record"):
            assert secret not in html
