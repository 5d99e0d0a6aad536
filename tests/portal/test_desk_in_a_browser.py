"""The team's pages in a real browser: sound in both themes and sizes, and a partner seen with other eyes."""

from __future__ import annotations

import datetime as dt
import itertools

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django.live_server_helper import LiveServer

from onboarding.models import Onboarding
from tests.factories import MembershipFactory, OnboardingFactory, PartnerFactory, UserFactory
from tests.portal.test_integration_pages_in_a_browser import faults, signed_in
from tests.track360.test_look import SCREENS
from track360 import audit
from track360.models import AuditEvent, Environment, Partner

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def filled(partner: Partner) -> list[str]:
    """Partners in every phase and trouble, and the addresses that show them."""
    now = timezone.now()
    owner = MembershipFactory(partner=partner, role="owner", user__name="Mina Holt").user
    OnboardingFactory(partner=partner, phase=2, done=2, next_step=3, waiting_for="team", unmapped=3, days_over_plan=4)
    looks = (
        {"phase": 1, "done": 0, "next_step": 1},
        {"phase": 1, "done": 1, "next_step": 2, "waiting_for": "team"},
        {"phase": 3, "done": 3, "next_step": 4, "days_over_plan": 12},
        {"phase": 4, "done": 5, "next_step": 6, "received_24h": 12_400, "refused_24h": 1_900, "last_traffic_at": now},
        {"phase": 4, "done": 4, "next_step": 5, "unmapped": 1, "unknown_affiliates": 12},
        {"phase": 5, "done": 7, "next_step": 8, "waiting_for": "team", "secrets_expiring": 2, "last_traffic_at": now},
        {"phase": 5, "done": 8, "next_step": None, "waiting_for": "nobody", "last_traffic_at": now},
        {"phase": 5, "done": 8, "next_step": None, "waiting_for": "nobody", "last_traffic_at": now - dt.timedelta(3)},
    )
    names = "Casa Fortuna|Nordlys Kasino|Golden Reef|Blue Lantern Gaming International|Spinverse|Rook & Ace|Veld|Baltic"
    for name, figures in zip(names.split("|"), looks, strict=True):
        OnboardingFactory(partner=PartnerFactory(name=name), **figures)
    PartnerFactory(name="Not yet computed")
    PartnerFactory(name="Stopped", slug="stopped", status="suspended")
    sandbox = partner.environments.get(kind="sandbox")
    who = audit.Actor(user=owner, ip="2001:db8:85a3::8a2e:370:7334")
    audit.record("client.secret_rotated", actor=who, environment=sandbox, target="cl_7Yq2", overlap_hours=24)
    audit.record(
        "statusmapping.created", actor=UserFactory(name="Team Member"), partner=partner, target="kyc_status_id: 3"
    )
    audit.record(
        "step.overridden", actor=who, partner=partner, target="step 3", reason="The affiliates come on Monday."
    )
    audit.record("client.created", actor=audit.Actor(client_id="cl_manage"), environment=sandbox, target="cl_8")
    event = AuditEvent.objects.get(action="step.overridden")
    return [
        "/partners/",
        "/partners/?view=list",
        "/partners/?q=nobody",
        "/partners/?phase=9",
        "/partners/new/",
        "/staff/partners/aurora-casino/",
        "/staff/partners/stopped/",
        "/staff/partners/aurora-casino/suspend/",
        "/staff/audit/",
        f"/staff/audit/{event.pk}/",
        "/p/aurora-casino/sandbox/audit/",
        "/p/aurora-casino/sandbox/audit/?from=soon",
        f"/p/aurora-casino/sandbox/audit/{event.pk}/",
    ]


def test_the_teams_pages_are_sound_in_both_themes_and_sizes(
    live_server: LiveServer, staff: Client, sandbox: Environment
) -> None:
    addresses = filled(sandbox.partner)
    found: list[str] = []
    for width, scheme in SCREENS:
        viewport = {"width": width, "height": 900}
        with signed_in(staff, live_server, viewport=viewport, color_scheme=scheme) as (page, complaints):
            for address in addresses:
                page.goto(address)
                found += faults(page)
            found += complaints
    assert found == []


def test_the_team_goes_from_the_desk_to_a_partner_and_sees_it_with_other_eyes(
    live_server: LiveServer, staff: Client, sandbox: Environment
) -> None:
    filled(sandbox.partner)
    walk = Onboarding.objects.filter(partner=sandbox.partner)
    figures = walk.get().figures | {"waiting_for": "team"}
    found: list[str] = []
    for width, scheme in itertools.islice(SCREENS, 2):
        walk.update(figures=figures)  # to look at a partner is to judge its steps
        viewport = {"width": width, "height": 900}
        with signed_in(staff, live_server, viewport=viewport, color_scheme=scheme) as (page, complaints):
            page.goto("/partners/")
            page.get_by_label("Waiting for").select_option("team")
            page.wait_for_url("**/partners/?*waiting=team*")
            page.get_by_role("link", name="About Aurora Casino").click()
            page.get_by_role("button", name="View as a viewer").click()
            banner = page.get_by_label("Viewing as somebody else")
            assert "You are viewing as a viewer of Aurora Casino." in banner.inner_text()
            found += faults(page)
            banner.get_by_role("button", name="Stop").click()
            page.get_by_text("You see Aurora Casino as yourself again.").wait_for()
            found += complaints
    assert found == []
