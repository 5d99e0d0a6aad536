"""The integrations team looks at a partner: once a visit in the trail, and with other eyes read only."""

from __future__ import annotations

import datetime as dt
import uuid

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import CustomerFactory, MembershipFactory, PartnerFactory, StaffFactory
from tests.portal.conftest import SignIn
from track360 import viewing
from track360.models import AuditEvent, Environment, Partner

HOME = "/p/aurora-casino/sandbox/"
HTMX = {"HX-Request": "true"}


def looks() -> list[AuditEvent]:
    return list(AuditEvent.objects.filter(action="partner.looked_at").order_by("at"))


def view_as(staff: Client, role: str = "viewer", slug: str = "aurora-casino") -> None:
    response = staff.post(f"/staff/partners/{slug}/view-as/", {"role": role})
    assert response["Location"] == f"/p/{slug}/sandbox/"


# -- Looks --------------------------------------------------------------------


def test_a_visit_of_the_team_is_one_row_with_its_first_page(staff: Client, sandbox: Environment):
    for page in ("customers/", "", "customers/", "team/"):
        staff.get(HOME + page, REMOTE_ADDR="192.0.2.7")
    (look,) = looks()
    assert (look.actor.email, look.partner, look.environment) == ("team@track360.example", sandbox.partner, sandbox)
    assert (look.detail, look.ip) == ({"path": f"{HOME}customers/"}, "192.0.2.7")


def test_each_environment_and_partner_is_a_visit_of_its_own(staff: Client, partner: Partner):
    PartnerFactory(slug="other")
    for address in (HOME, "/p/aurora-casino/production/", "/p/other/sandbox/", HOME):
        staff.get(address)
    assert [str(look.environment) for look in looks()] == [
        "aurora-casino sandbox",
        "aurora-casino production",
        "other sandbox",
    ]


def test_a_visit_counts_once_in_several_sessions_of_a_person(partner: Partner, sign_in: SignIn):
    person = StaffFactory()
    for client in (sign_in(person), sign_in(person)):
        client.get(HOME)
    sign_in(StaffFactory()).get(HOME)
    assert len(looks()) == 2


def test_after_fifteen_minutes_a_look_is_another_visit(
    staff: Client, partner: Partner, monkeypatch: pytest.MonkeyPatch
):
    staff.get(HOME)
    monkeypatch.setattr(viewing, "VISIT", dt.timedelta(0))
    staff.get(HOME)
    assert len(looks()) == 2


def test_a_list_that_polls_is_no_look_but_a_fragment_without_a_page_is(
    staff: Client, partner: Partner, monkeypatch: pytest.MonkeyPatch
):
    staff.get(HOME, headers=HTMX)
    assert len(looks()) == 1
    monkeypatch.setattr(viewing, "VISIT", dt.timedelta(0))
    staff.get(HOME, headers=HTMX)
    assert len(looks()) == 1
    staff.get(HOME, headers={**HTMX, "HX-Boosted": "true"})
    assert len(looks()) == 2


def test_nobody_is_written_down_for_looking_at_his_own_partner(developer: Client, partner: Partner, sign_in: SignIn):
    developer.get(HOME)
    sign_in(MembershipFactory(partner=partner, user__is_staff=True).user).get(HOME)
    assert looks() == []


# -- View as ------------------------------------------------------------------


@pytest.mark.parametrize(
    ("role", "words"), [("owner", "an owner"), ("viewer", "a viewer"), ("developer", "a develope")]
)
def test_every_page_says_that_it_is_viewed_with_other_eyes(staff: Client, partner: Partner, role: str, words: str):
    view_as(staff, role)
    for page in ("", "customers/", "credentials/", "team/"):
        html = staff.get(HOME + page).content.decode()
        assert f"You are viewing as {words}" in html
        assert 'action="/staff/viewing/stop/"' in html


def test_beginning_and_end_are_audited(staff: Client, partner: Partner):
    view_as(staff, "owner")
    assert staff.post("/staff/viewing/stop/")["Location"] == HOME
    assert "You are viewing as" not in staff.get(HOME).content.decode()
    events = AuditEvent.objects.filter(action__startswith="viewing.").order_by("at")
    assert [(event.action, event.partner, event.detail) for event in events] == [
        ("viewing.started", partner, {"role": "owner"}),
        ("viewing.stopped", partner, {"role": "owner"}),
    ]


def test_beginning_at_another_partner_ends_the_first(staff: Client, partner: Partner):
    PartnerFactory(slug="other")
    view_as(staff)
    view_as(staff, slug="other")
    assert "You are viewing as" not in staff.get(HOME).content.decode()
    actions = AuditEvent.objects.filter(action__startswith="viewing.").order_by("at").values_list("action", "target")
    assert list(actions) == [
        ("viewing.started", "aurora-casino"),
        ("viewing.stopped", "aurora-casino"),
        ("viewing.started", "other"),
    ]


@pytest.mark.parametrize("role", ["owner", "developer", "viewer"])
def test_nothing_can_be_changed_while_viewing(staff: Client, partner: Partner, role: str):
    view_as(staff, role)
    for method in (staff.post, staff.put, staff.delete):
        response = method(f"{HOME}credentials/new/", {"name": "Mine", "scopes": ["read"]})
        assert response.status_code == 403
        assert "everything can be read, nothing changed" in response.content.decode()
    assert not AuditEvent.objects.filter(action="client.created").exists()


@pytest.mark.parametrize("role", ["owner", "developer", "viewer"])
def test_personal_data_is_hidden_from_whoever_views_as_another(staff: Client, sandbox: Environment, role: str):
    customer = CustomerFactory(environment=sandbox, first_name="Elliot", email="elliot@example.com")
    page = f"{HOME}customers/{customer.pk}/"
    assert "elliot@example.com" in staff.get(page).content.decode()
    view_as(staff, role)
    html = staff.get(page).content.decode()
    assert "elliot@example.com" not in html
    assert "Elliot" not in html


def test_a_viewed_role_opens_what_that_role_may(staff: Client, partner: Partner):
    view_as(staff, "viewer")
    assert staff.get(f"{HOME}credentials/new/").status_code == 403
    assert staff.get(f"{HOME}audit/").status_code == 403
    view_as(staff, "owner")
    assert staff.get(f"{HOME}credentials/new/").status_code == 200


def test_an_export_is_not_downloaded_with_other_eyes(staff: Client, partner: Partner):
    page = f"{HOME}settings/export/{uuid.uuid4()}/"
    assert staff.get(page).status_code == 404
    view_as(staff, "owner")
    assert staff.get(page).status_code == 403


def test_whoever_leaves_the_team_views_nothing_any_more(staff: Client, partner: Partner):
    view_as(staff)
    AuditEvent.objects.filter(action="viewing.started").get().actor.__class__.objects.update(is_staff=False)
    assert staff.get(HOME).status_code == 404


@pytest.mark.parametrize("role", ["", "staff", "boss", "owner\x00", "x" * 5000])
def test_a_role_that_does_not_exist_is_refused_with_a_sentence(staff: Client, partner: Partner, role: str):
    response = staff.post("/staff/partners/aurora-casino/view-as/", {"role": role}, follow=True)
    assert "Choose whether to view the partner as" in response.content.decode()
    assert not AuditEvent.objects.filter(action="viewing.started").exists()


def test_stopping_what_was_not_begun_leads_to_the_desk(staff: Client):
    assert staff.post("/staff/viewing/stop/")["Location"] == "/partners/"
    assert not AuditEvent.objects.exists()


def test_only_the_team_views_as_another(developer: Client, staff: Client, partner: Partner):
    assert developer.post("/staff/partners/aurora-casino/view-as/", {"role": "owner"}).status_code == 404
    assert developer.post("/staff/viewing/stop/").status_code == 404
    assert staff.get("/staff/viewing/stop/").status_code == 405
    assert staff.post("/staff/partners/nobody/view-as/", {"role": "owner"}).status_code == 404


def test_a_visit_costs_queries_once(staff: Client, partner: Partner, django_assert_max_num_queries):
    staff.get(f"{HOME}team/")
    with django_assert_max_num_queries(8):
        staff.get(f"{HOME}team/")
    assert timezone.now() - looks()[0].at < dt.timedelta(minutes=1)
