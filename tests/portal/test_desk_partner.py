"""A partner is made, and its first owner invited; it is suspended and let in again, each time with a reason."""

from __future__ import annotations

import pytest
from django.core import mail
from django.test import Client

from integrations import clients
from tests.factories import MembershipFactory, OnboardingFactory
from track360.models import AuditEvent, Environment, Invitation, Partner

ABOUT = "/staff/partners/aurora-casino/"
FORM = {"name": "Casa Fortuna", "slug": "", "email": "first@casa.example"}


# -- A new one ----------------------------------------------------------------


def test_a_new_partner_has_both_environments_and_an_invited_owner(staff: Client, django_capture_on_commit_callbacks):
    with django_capture_on_commit_callbacks(execute=True):
        response = staff.post("/partners/new/", FORM, follow=True, REMOTE_ADDR="192.0.2.9")
    assert response.redirect_chain == [("/staff/partners/casa-fortuna/", 302)]
    partner = Partner.objects.get(slug="casa-fortuna")
    assert {environment.kind for environment in partner.environments.all()} == {"sandbox", "production"}
    invitation = Invitation.objects.get(partner=partner)
    assert (invitation.email, invitation.role) == ("first@casa.example", "owner")
    events = AuditEvent.objects.filter(partner=partner, actor__email="team@track360.example")
    assert set(events.values_list("action", "ip")) == {
        ("partner.created", "192.0.2.9"),
        ("invitation.created", "192.0.2.9"),
    }
    html = response.content.decode()
    assert "What happens next" in html
    assert "first@casa.example</strong> follows the link" in html
    assert "Nobody has joined yet. Next: first@casa.example follows the invitation." in html


def test_the_slug_may_be_given(staff: Client):
    staff.post("/partners/new/", {**FORM, "slug": "casa"})
    assert Partner.objects.get().slug == "casa"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"name": ""}, "This field is required"),
        ({"name": "x" * 201}, "at most 200 characters"),
        ({"name": "a\x00b"}, "Null characters are not allowed"),
        ({"name": "a\u202eb"}, "printable characters"),
        ({"name": "賭場"}, "No slug can be made from"),
        ({"slug": "Not A Slug"}, "is not valid"),
        ({"slug": "x" * 64}, "at most 63 characters"),
        ({"slug": "aurora-casino"}, "is taken"),
        ({"name": "Aurora Casino"}, "is taken"),
        ({"email": ""}, "This field is required"),
        ({"email": "nobody"}, "email address"),
        ({"email": f"{'x' * 250}@casa.example"}, "at most 254 characters"),
        ({"email": "a\x00b@casa.example"}, "Null characters are not allowed"),
    ],
)
def test_what_cannot_be_is_refused_at_its_field_and_nothing_is_made(
    staff: Client, partner: Partner, change: dict[str, str], words: str
):
    response = staff.post("/partners/new/", {**FORM, **change})
    assert response.status_code == 200
    html = response.content.decode()
    assert words in html
    assert 'aria-invalid="true"' in html
    for name, value in {**FORM, **change}.items():
        if value.isascii() and value.isprintable() and value:
            assert f'value="{value}"' in html, name
    assert list(Partner.objects.all()) == [partner]
    assert not Invitation.objects.exists()
    assert not AuditEvent.objects.exists()
    assert mail.outbox == []


def test_sent_twice_it_is_made_once(staff: Client):
    staff.post("/partners/new/", FORM)
    assert "is taken" in staff.post("/partners/new/", FORM).content.decode()
    assert Partner.objects.count() == Invitation.objects.count() == 1


def test_the_desk_leads_to_the_form(staff: Client):
    assert 'href="/partners/new/"' in staff.get("/partners/").content.decode()


# -- Its page -----------------------------------------------------------------


def test_its_page_shows_people_figures_and_what_was_done(staff: Client, partner: Partner):
    MembershipFactory(partner=partner, role="owner", user__name="Mina Holt")
    OnboardingFactory(partner=partner, done=3, next_step=4, waiting_for="team", unmapped=2)
    staff.get("/p/aurora-casino/sandbox/team/")  # the overview would judge the steps anew
    html = staff.get(ABOUT).content.decode()
    for words in (
        "3 of 8 steps done. Next: step 4 Samples valid. Waits for you.", "Mina Holt", "2 values to map",
        "looked at the pages of aurora-casino", "View as a viewer",
    ):  # fmt: skip
        assert words in html
    assert "What happens next" not in html


@pytest.mark.parametrize("slug", ["nobody", "x" * 300, "-"])
def test_a_partner_that_is_not_there_is_not_found(staff: Client, developer: Client, partner: Partner, slug: str):
    for page in ("", "suspend/", "lift/"):
        assert staff.get(f"/staff/partners/{slug}/{page}").status_code == 404
        assert developer.post(f"{ABOUT}{page}", {"reason": "x"}).status_code == 404


# -- Suspended ----------------------------------------------------------------


def test_a_suspended_partners_very_next_call_is_refused_until_it_is_lifted(
    staff: Client, partner: Partner, sandbox: Environment
):
    token = clients.issue_token(clients.create_client(sandbox, name="Platform", actor=None).client, actor=None)

    def call() -> int:
        headers = {"authorization": f"Bearer {token}"}
        return Client().get("/api/v1/igaming/customers", headers=headers).status_code

    assert call() == 200
    answer = staff.post(f"{ABOUT}suspend/", {"reason": "Unpaid"}, follow=True)
    assert "Aurora Casino is suspended." in answer.content.decode()
    assert call() == 401
    staff.post(f"{ABOUT}lift/", {"reason": "Paid"})
    assert call() == 200
    events = AuditEvent.objects.filter(action__startswith="partner.susp").order_by("at")
    assert [(event.action, event.detail, event.actor.email) for event in events] == [
        ("partner.suspended", {"reason": "Unpaid"}, "team@track360.example"),
        ("partner.suspension_lifted", {"reason": "Paid"}, "team@track360.example"),
    ]


@pytest.mark.parametrize("reason", ["", "   ", "a\x00b", "x" * 1001])
def test_without_a_readable_reason_nothing_happens(staff: Client, partner: Partner, reason: str):
    for page in ("suspend/", "lift/"):
        response = staff.post(ABOUT + page, {"reason": reason})
        assert response.status_code == 200
        assert 'class="error"' in response.content.decode()
    partner.refresh_from_db()
    assert partner.status == "active"
    assert not AuditEvent.objects.exists()


@pytest.mark.parametrize(
    ("status", "page", "words"),
    [
        ("suspended", "suspend/", "Aurora Casino is suspended already."),
        ("closed", "suspend/", "Aurora Casino is closed already."),
        ("active", "lift/", "Aurora Casino is not suspended: it is active."),
        ("closed", "lift/", "Aurora Casino is not suspended: it is closed."),
    ],
)
def test_what_is_so_already_is_refused_with_a_sentence(
    staff: Client, partner: Partner, status: str, page: str, words: str
):
    Partner.objects.update(status=status)
    html = staff.post(ABOUT + page, {"reason": "Again"}).content.decode()
    assert words in html
    assert ">Again</textarea>" in html.replace("\n", "")
    assert not AuditEvent.objects.exists()
