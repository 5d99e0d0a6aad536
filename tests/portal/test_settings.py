"""The settings pages: who may do what, and what it does."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from entities.models import Customer, Erasure
from entities.pipeline import ingest
from onboarding.closing import run_reset
from onboarding.exports import request_export, run_export
from onboarding.models import PartnerExport, SandboxReset, Scope
from tests.factories import MembershipFactory, UserFactory
from tests.payloads import customers
from tests.portal.conftest import SignIn
from track360 import exact_json
from track360.audit import Actor
from track360.models import AuditEvent, Environment, Partner

SETTINGS = "/p/aurora-casino/sandbox/settings/"
PERSON = {"first_name": "Marker", "last_name": "Marker", "email": "marker@example.com"}
RESERVED = ("erasures/", "erasures/new/", "export/", "reset/")


@pytest.fixture
def owner(partner: Partner, sign_in: SignIn) -> Client:
    return sign_in(MembershipFactory(partner=partner, role="owner", user__email="owner@aurora.example").user)


@pytest.fixture
def stored(sandbox: Environment) -> Environment:
    ingest(sandbox, "customers", customers(2, **PERSON))
    return sandbox


# -- Who ----------------------------------------------------------------------


@pytest.mark.parametrize("page", ["", "retention/"])
def test_every_member_reads_the_settings_and_the_retention(
    page: str, owner: Client, developer: Client, viewer: Client, staff: Client, outsider: Client
) -> None:
    people = (owner, developer, viewer, staff, outsider)
    assert [client.get(SETTINGS + page).status_code for client in people] == [200, 200, 200, 200, 404]


@pytest.mark.parametrize("page", RESERVED)
def test_owners_and_the_team_do_what_cannot_be_undone(
    page: str, owner: Client, developer: Client, viewer: Client, staff: Client, outsider: Client
) -> None:
    people = (owner, developer, viewer, staff, outsider)
    assert [client.get(SETTINGS + page).status_code for client in people] == [200, 403, 403, 200, 404]
    assert [client.post(SETTINGS + page, {}).status_code for client in (developer, viewer, outsider)] == [403, 403, 404]


def test_closing_is_the_teams(owner: Client, staff: Client, developer: Client) -> None:
    assert [client.get(f"{SETTINGS}close/").status_code for client in (owner, developer, staff)] == [403, 403, 200]


def test_the_settings_say_what_was_agreed(owner: Client, partner: Partner) -> None:
    contacts = [{"name": "Io", "email": "io@a.example", "role": ""}]
    Scope.objects.create(partner=partner, time_zone="Europe/Malta", contacts=contacts)
    text = owner.get(SETTINGS).content.decode()
    assert "Europe/Malta" in text
    assert "io@a.example" in text


# -- Erasing ------------------------------------------------------------------


def test_an_owner_erases_a_customer_and_reads_the_certificate(owner: Client, stored: Environment) -> None:
    number = Customer.objects.get(customer_id="cst_1").pk
    page = owner.get(f"/p/aurora-casino/sandbox/customers/{number}/").content.decode()
    assert "settings/erasures/new/?customer_id=cst_1" in page
    answer = owner.post(f"{SETTINGS}erasures/new/", {"customer_id": "cst_1", "reason": "Request 7"}, follow=True)
    text = answer.content.decode()
    certificate = Erasure.objects.get()
    assert "Certificate of erasure" in text
    assert str(certificate.pk) in text
    assert "Request 7" in text
    assert Customer.objects.get(customer_id="cst_1").email is None
    event = AuditEvent.objects.get(action="customer.erased")
    assert event.actor is not None
    assert event.actor.email == "owner@aurora.example"
    download = owner.get(f"{SETTINGS}erasures/{certificate.pk}/download/")
    assert exact_json.loads(download.content.decode())["erased"]["customers"] == 1
    assert owner.get(f"{SETTINGS}erasures/new/?customer_id=cst_1").status_code == 302
    assert "cst_1" in owner.get(f"{SETTINGS}erasures/").content.decode()


@pytest.mark.parametrize(
    "sent",
    [
        {"customer_id": "nobody"},
        {"customer_id": ""},
        {"customer_id": "cst_1\x00"},
        {"customer_id": "x" * 129},
        {"customer_id": "cst_1", "reason": "x" * 501},
        {"customer_id": "cst_1", "reason": "\x07"},
    ],
)
def test_what_makes_no_sense_is_refused_and_nothing_typed_is_lost(
    sent: dict[str, str], owner: Client, stored: Environment
) -> None:
    answer = owner.post(f"{SETTINGS}erasures/new/", {"reason": "Request 7", **sent})
    assert answer.status_code == 200
    assert 'class="error"' in answer.content.decode()
    assert "Request 7" in answer.content.decode() or "reason" in sent
    assert not Erasure.objects.exists()


def test_the_address_of_the_form_may_hold_anything(owner: Client, stored: Environment) -> None:
    for query in ("%00", "x" * 3000, "%ff", "cst_9", "a%26b"):
        assert owner.get(f"{SETTINGS}erasures/new/?customer_id={query}").status_code == 200


def test_a_certificate_is_its_partners_own(owner: Client, stored: Environment, sign_in: SignIn) -> None:
    owner.post(f"{SETTINGS}erasures/new/", {"customer_id": "cst_1"})
    pk = Erasure.objects.get().pk
    other = MembershipFactory(role="owner", user__email="second@other.example")
    stranger = sign_in(other.user)
    for suffix in ("", "download/"):
        assert owner.get(f"/p/aurora-casino/production/settings/erasures/{pk}/{suffix}").status_code == 404
        assert stranger.get(f"/p/{other.partner.slug}/sandbox/settings/erasures/{pk}/{suffix}").status_code == 404


# -- Reset --------------------------------------------------------------------


def test_a_reset_is_asked_for_by_typing_the_slug_and_shown_until_it_is_done(owner: Client, stored: Environment) -> None:
    wrong = owner.post(f"{SETTINGS}reset/", {"slug": "aurora"})
    assert "This does not match" in wrong.content.decode()
    assert not SandboxReset.objects.exists()
    waiting = owner.post(f"{SETTINGS}reset/", {"slug": "aurora-casino"}, follow=True).content.decode()
    reset = SandboxReset.objects.get()
    assert "Emptying the sandbox" in waiting
    run_reset(reset.pk)
    assert "The sandbox was emptied" in owner.get(f"{SETTINGS}reset/").content.decode()
    assert not Customer.objects.exists()


def test_a_double_click_and_a_reload_make_one_reset(owner: Client, stored: Environment) -> None:
    form = {"slug": "aurora-casino", "submission": "6f1c7b9e-58f4-4a3c-9a69-0d4cb3a5d4b1"}
    for _turn in range(2):
        assert owner.post(f"{SETTINGS}reset/", form).status_code == 302
    run_reset(SandboxReset.objects.get().pk)
    owner.post(f"{SETTINGS}reset/", form)
    assert SandboxReset.objects.count() == 1


def test_production_has_no_reset(owner: Client, staff: Client) -> None:
    for person in (owner, staff):
        for method in (person.get, person.post):
            assert method("/p/aurora-casino/production/settings/reset/", {"slug": "aurora-casino"}).status_code == 404
    assert not SandboxReset.objects.exists()


# -- Export -------------------------------------------------------------------


def test_an_owner_makes_an_export_and_downloads_it(owner: Client, developer: Client, stored: Environment) -> None:
    for _click in range(2):
        assert owner.post(f"{SETTINGS}export/").status_code == 302
    export = PartnerExport.objects.get()
    address = f"{SETTINGS}export/{export.pk}/"
    assert owner.get(address).status_code == 404
    run_export(export.pk)
    export.refresh_from_db()
    assert export.sha256[:12] in owner.get(f"{SETTINGS}export/").content.decode()
    answer: Any = owner.get(address, headers={"Accept-Encoding": "gzip"})
    content = b"".join(answer.streaming_content)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.read("sandbox/customers.jsonl").decode().count("\n") == 2
    assert int(answer["Content-Length"]) == export.size == len(content)
    assert developer.get(address).status_code == 403
    assert AuditEvent.objects.filter(action="export.downloaded", target=str(export.pk)).count() == 1


def test_an_export_is_its_partners_own_and_ends(owner: Client, stored: Environment, sign_in: SignIn) -> None:
    export = request_export(stored.partner, actor=Actor())
    run_export(export.pk)
    other = MembershipFactory(role="owner", user__email="second@other.example")
    answer = sign_in(other.user).get(f"/p/{other.partner.slug}/sandbox/settings/export/{export.pk}/")
    assert answer.status_code == 404
    export.refresh_from_db()
    default_storage.delete(export.path)
    assert owner.get(f"{SETTINGS}export/{export.pk}/").status_code == 404
    PartnerExport.objects.update(expires_at=export.requested_at)
    assert owner.get(f"{SETTINGS}export/{export.pk}/").status_code == 404
    assert "Deleted" in owner.get(f"{SETTINGS}export/").content.decode()


def test_no_address_serves_the_files(client: Client, owner: Client, stored: Environment) -> None:
    export = request_export(stored.partner, actor=Actor())
    run_export(export.pk)
    export.refresh_from_db()
    for place in ("/media/", "/", "/static/", "/static/../media/"):
        assert owner.get(f"{place}{export.path}").status_code == 404


# -- The end ------------------------------------------------------------------


def test_the_team_closes_a_partner_and_reads_on(owner: Client, staff: Client, stored: Environment) -> None:
    form = {"slug": "aurora-casino", "reason": "It stopped."}
    early = staff.post(f"{SETTINGS}close/", form).content.decode()
    assert "Export the partner" in early
    assert "It stopped." in early
    run_export(request_export(stored.partner, actor=Actor()).pk)
    assert 'class="error"' in staff.post(f"{SETTINGS}close/", {**form, "reason": ""}).content.decode()
    assert "does not match" in staff.post(f"{SETTINGS}close/", {**form, "slug": "x"}).content.decode()
    assert owner.get(SETTINGS).status_code == 200
    closed = staff.post(f"{SETTINGS}close/", form, follow=True).content.decode()
    assert "is closed" in closed
    assert owner.get(SETTINGS).status_code == 404
    assert staff.get(SETTINGS).status_code == 200
    assert staff.get("/p/aurora-casino/sandbox/customers/").status_code == 200
    assert staff.post(f"{SETTINGS}reset/", form).status_code == 403
    assert staff.get(f"{SETTINGS}close/").status_code == 302


def test_of_a_closed_partner_a_customer_can_still_be_erased(staff: Client, stored: Environment) -> None:
    Partner.objects.filter(pk=stored.partner_id).update(status="closed")
    assert staff.post(f"{SETTINGS}erasures/new/", {"customer_id": "cst_1"}).status_code == 302
    assert Customer.objects.get(customer_id="cst_1").email is None
    assert staff.post("/p/aurora-casino/sandbox/credentials/new/", {"name": "x"}).status_code == 403


def test_retention_stands_in_the_docs_too(client: Client, db: None) -> None:
    text = client.get("/docs/retention/").content.decode()
    assert "Request log" in text
    assert "90 days" in text


def test_the_pages_take_as_many_queries_for_many_rows_as_for_few(owner: Client, stored: Environment) -> None:
    def queries() -> list[int]:
        counts = []
        for page in ("", "retention/", "reset/", "export/", "erasures/"):
            with CaptureQueriesContext(connection) as captured:
                assert owner.get(SETTINGS + page).status_code == 200
            counts.append(len(captured))
        return counts

    def fill(number: int) -> None:
        for turn in range(number):
            Erasure.objects.create(environment=stored, customer_id=f"{number} {turn}", by=UserFactory(), counts={})
            PartnerExport.objects.create(partner=stored.partner, state="done", requested_by=UserFactory())

    fill(2)
    few = queries()
    fill(30)
    assert queries() == few
    assert max(few) <= 12
