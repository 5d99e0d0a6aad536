"""The team page, and where a person lands after signing in."""

from __future__ import annotations

import re

from allauth.mfa.models import Authenticator
from django.test import Client
from django.urls import reverse

from tests.factories import MembershipFactory, PartnerFactory, UserFactory
from track360.models import Environment, Partner, User

TEAM = "/p/aurora-casino/sandbox/team/"


def test_people_stand_with_role_and_second_factor(developer: Client, viewer: Client, partner: Partner):
    dev = User.objects.get(email="dev@aurora.example")
    Authenticator.objects.create(user=dev, type=Authenticator.Type.TOTP, data={})
    Authenticator.objects.create(
        user=User.objects.get(email="viewer@aurora.example"), type=Authenticator.Type.RECOVERY_CODES, data={}
    )
    MembershipFactory(user__email="stranger@elsewhere.example")

    html = developer.get(TEAM).content.decode()

    assert "2 people. viewer@aurora.example signs in without a second factor." in html
    rows = re.findall(r"<tr>\s*<th scope=\"row\">(.*?)</tr>", html, re.DOTALL)
    assert ["Developer" in row and "On" in row and "(you)" in row for row in rows] == [True, False]
    assert "Viewer" in rows[1]
    assert "Off" in rows[1]
    assert "stranger@elsewhere.example" not in html


def test_a_team_without_any_second_factor_is_not_counted_twice(developer: Client, viewer: Client):
    assert "2 people, none with a second factor." in developer.get(TEAM).content.decode()


def test_whoever_has_no_second_factor_is_led_to_it(developer: Client):
    html = developer.get(TEAM).content.decode()
    assert "Set up your second factor" in html
    assert reverse("mfa_index") in html


def test_a_member_lands_in_the_sandbox_of_his_partner(developer: Client):
    assert developer.get("/").headers["Location"] == "/p/aurora-casino/sandbox/"


def test_staff_land_on_the_list_of_partners(staff: Client):
    assert staff.get("/").headers["Location"] == "/partners/"


def test_somebody_without_a_partner_is_told_whom_to_ask(db: None, sign_in):
    response = sign_in(UserFactory()).get("/")
    assert response.status_code == 200
    assert "no partner yet" in response.content.decode()


def test_nobody_gets_in_without_signing_in(client: Client, sandbox: Environment):
    for path in ("/", TEAM, "/partners/", "/p/aurora-casino/sandbox/", "/p/nobody/sandbox/"):
        assert client.get(path).headers["Location"].startswith("/accounts/login/?next=")


def test_the_switches_lead_to_the_same_page_elsewhere(developer: Client, partner: Partner):
    other = PartnerFactory(slug="casa-fortuna", name="Casa Fortuna")
    MembershipFactory(partner=other, user=User.objects.get(email="dev@aurora.example"), role="viewer")
    html = developer.get("/p/aurora-casino/sandbox/customers/").content.decode()
    assert 'href="/p/aurora-casino/production/customers/"' in html
    assert 'href="/p/casa-fortuna/sandbox/customers/"' in html
    assert 'data-environment="production"' in developer.get("/p/aurora-casino/production/team/").content.decode()


def test_a_closed_partner_is_not_found_by_its_people_and_open_to_staff(
    developer: Client, staff: Client, partner: Partner
):
    Partner.objects.filter(pk=partner.pk).update(status=Partner.Status.CLOSED)
    assert developer.get(TEAM).status_code == 404
    assert "no partner yet" in developer.get("/").content.decode()
    assert staff.get(TEAM).status_code == 200


def test_a_suspended_partner_is_read_and_not_changed(developer: Client, staff: Client, partner: Partner):
    Partner.objects.filter(pk=partner.pk).update(status=Partner.Status.SUSPENDED)
    new = "/p/aurora-casino/sandbox/credentials/new/"
    assert developer.get(TEAM).status_code == 200
    refused = developer.post(new, {"name": "x", "scopes": ["read"]})
    assert refused.status_code == 403
    assert "This partner is suspended" in refused.content.decode()
    assert staff.post(new, {"name": "x", "scopes": ["read"]}).status_code == 200


def test_somebody_made_inactive_is_out_with_the_next_click(developer: Client):
    User.objects.filter(email="dev@aurora.example").update(is_active=False)
    assert developer.get(TEAM).headers["Location"].startswith("/accounts/login/")
