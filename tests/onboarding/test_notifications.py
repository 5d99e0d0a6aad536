"""What is told to whom: each thing once, until it is over."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import transaction

from onboarding.models import Delivery, Notification, StepState
from onboarding.notifications import end, tell
from tests.factories import MembershipFactory, PartnerFactory, UserFactory, WebhookEndpointFactory
from track360.models import Partner

WHAT: dict[str, Any] = {"kind": "secret.expires", "subject": "secret 7", "title": "A secret expires", "text": "Soon."}


@pytest.fixture
def partner(db: None) -> Partner:
    partner = PartnerFactory(name="Aurora Casino")
    for role in ("owner", "developer", "viewer"):
        MembershipFactory(partner=partner, role=role, user__email=f"{role}@aurora.example")
    MembershipFactory(partner=partner, role="owner", user__email="left@aurora.example", user__is_active=False)
    MembershipFactory(role="owner", user__email="owner@other.example")
    UserFactory(email="team@track360.example", is_staff=True)
    return partner


def told(notification: Notification | None) -> list[str]:
    assert notification is not None
    return sorted(notification.deliveries.filter(channel="email").values_list("email", flat=True))


def test_owners_and_developers_are_told_and_nobody_else(partner: Partner):
    assert told(tell(partner, **WHAT)) == ["developer@aurora.example", "owner@aurora.example"]


def test_each_active_webhook_of_the_partner_is_called(partner: Partner):
    endpoint = WebhookEndpointFactory(partner=partner)
    WebhookEndpointFactory(partner=partner, is_active=False)
    WebhookEndpointFactory()
    tell(partner, **WHAT)
    assert [row.endpoint for row in Delivery.objects.filter(channel="webhook")] == [endpoint]


def test_what_lasts_is_told_once_until_it_is_over(partner: Partner):
    first = tell(partner, **WHAT, lasting=True)
    assert first is not None
    assert first.over_at is None
    assert tell(partner, **WHAT, lasting=True) is None
    end(partner, kind="secret.expires", subject="another")
    assert tell(partner, **WHAT, lasting=True) is None
    end(partner, kind="secret.expires", subject="secret 7")
    assert tell(partner, **WHAT, lasting=True) is not None
    assert tell(PartnerFactory(), **WHAT, lasting=True) is not None


def test_an_event_is_over_at_once_and_told_each_time(partner: Partner):
    events = [tell(partner, **WHAT) for _ in range(2)]
    assert all(event and event.over_at for event in events)


def test_who_is_named_is_told_and_no_webhook_is(partner: Partner):
    WebhookEndpointFactory(partner=partner)
    mentioned = UserFactory(email="Mia@Track360.example", is_staff=True)
    assert told(tell(partner, **WHAT, to=[mentioned, mentioned])) == ["mia@track360.example"]
    assert not Delivery.objects.filter(channel="webhook").exists()


@pytest.mark.parametrize(("waiting_for", "team_is_told"), [("partner", False), ("team", True)])
def test_the_team_is_told_of_a_step_when_the_next_one_is_theirs(partner: Partner, waiting_for: str, team_is_told: bool):
    StepState.objects.create(partner=partner, number=7, state="met", waiting_for="nobody")
    StepState.objects.create(partner=partner, number=8, state="open", waiting_for=waiting_for)
    notification = tell(partner, **{**WHAT, "kind": "step.green"})
    assert ("team@track360.example" in told(notification)) is team_is_told
    assert "team@track360.example" not in told(tell(partner, **WHAT))


def test_what_is_rolled_back_was_never_told(partner: Partner):
    with transaction.atomic():
        tell(partner, **WHAT)
        transaction.set_rollback(True)
    assert not Notification.objects.exists()
    assert not Delivery.objects.exists()


def test_a_long_subject_and_a_title_of_two_lines_are_taken(partner: Partner):
    notification = tell(partner, **{**WHAT, "subject": "s" * 300, "title": "One\r\nBcc: two" + "t" * 300}, lasting=True)
    assert notification is not None
    assert notification.title.startswith("One Bcc: two")
    end(partner, kind="secret.expires", subject="s" * 300)
    assert not Notification.objects.filter(over_at=None).exists()
