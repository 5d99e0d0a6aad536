"""Emails and webhooks go out, again when they did not arrive, and not for ever. The partner's server is a real one."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core import mail
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from integrations import webhooks
from integrations.models import WebhookEndpoint
from onboarding import delivery
from onboarding.delivery import DELAYS, JITTER, LEASE, send_due, switch_on
from onboarding.models import Delivery, Notification
from onboarding.notifications import open_for, tell
from tests.factories import WEBHOOK_SECRET, MembershipFactory, PartnerFactory, UserFactory, WebhookEndpointFactory
from tests.partner_server import PartnerServer, answers, drips, floods, hangs, partner_server
from track360.audit import Actor
from track360.models import AuditEvent, Membership, Partner

WHAT: dict[str, Any] = {"kind": "secret.expires", "subject": "secret 7", "title": "A secret expires", "text": "Soon."}
EMAIL, WEBHOOK = Delivery.Channel.EMAIL, Delivery.Channel.WEBHOOK


@pytest.fixture
def partner(db: None) -> Partner:
    return PartnerFactory(slug="aurora-casino", name="Aurora Casino")


@pytest.fixture
def owner(partner: Partner) -> Membership:
    return MembershipFactory(partner=partner, role="owner", user__email="owner@aurora.example")


@pytest.fixture
def server(settings: Any) -> Iterator[PartnerServer]:
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
    with partner_server() as server:
        yield server


@pytest.fixture
def endpoint(partner: Partner, server: PartnerServer) -> WebhookEndpoint:
    return WebhookEndpointFactory(partner=partner, url=f"{server.url}/hook")


def the_delivery() -> Delivery:
    return Delivery.objects.select_related("endpoint", "notification").get()


def due_again() -> None:
    """As if the time to the next try had passed."""
    past = timezone.now() - dt.timedelta(hours=1)
    Delivery.objects.exclude(next_try_at=None).update(next_try_at=past)
    WebhookEndpoint.objects.exclude(last_error_at=None).update(last_error_at=past)


# -- Email --------------------------------------------------------------------


def test_an_email_says_whom_it_is_about_what_happened_and_where_to_go(
    owner: Membership, partner: Partner, settings: Any
):
    tell(partner, **WHAT, path="/p/aurora-casino/production/credentials/", environment=partner.environments.first())
    assert send_due(EMAIL) == 1
    (email,) = mail.outbox
    assert email.subject == "Aurora Casino: A secret expires"
    assert email.to == ["owner@aurora.example"]
    assert "Soon." in email.body
    assert f"{settings.BASE_URL}/p/aurora-casino/production/credentials/" in email.body
    assert the_delivery().delivered_at
    assert send_due(EMAIL) == 0


def test_without_a_page_to_go_to_the_link_leads_to_the_notifications(owner: Membership, partner: Partner):
    tell(partner, **WHAT)
    send_due(EMAIL)
    assert "/p/aurora-casino/sandbox/notifications/" in mail.outbox[0].body


def test_a_name_of_two_lines_makes_no_second_header(owner: Membership, partner: Partner):
    Partner.objects.update(name="Aurora\r\nBcc: all@example.com")
    partner.refresh_from_db()
    tell(partner, **WHAT)
    send_due(EMAIL)
    assert mail.outbox[0].subject == "Aurora Bcc: all@example.com: A secret expires"


def test_a_mail_server_that_is_away_is_tried_again(owner: Membership, partner: Partner, settings: Any):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 1, 1
    tell(partner, **WHAT)
    assert send_due(EMAIL) == 1
    waiting = the_delivery()
    assert waiting.last_error == "The mail server did not take it: ConnectionRefusedError."
    assert waiting.delivered_at is None
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    assert send_due(EMAIL) == 0
    due_again()
    assert send_due(EMAIL) == 1
    assert [email.to for email in mail.outbox] == [["owner@aurora.example"]]
    assert the_delivery().last_error == ""


@pytest.mark.parametrize("change", ["left", "shut", "closed"])
def test_who_does_not_belong_to_the_partner_any_more_gets_no_email(owner: Membership, partner: Partner, change: str):
    tell(partner, **WHAT)
    if change == "left":
        owner.delete()
    elif change == "shut":
        owner.user.is_active = False
        owner.user.save()
    else:
        Partner.objects.update(status="closed")
    send_due(EMAIL)
    assert mail.outbox == []
    assert the_delivery().next_try_at is None
    assert "belongs" in the_delivery().last_error


def test_a_member_of_the_team_is_told_of_a_closed_partner(partner: Partner):
    tell(partner, **WHAT, to=[UserFactory(is_staff=True)])
    Partner.objects.update(status="closed")
    send_due(EMAIL)
    assert len(mail.outbox) == 1


# -- Webhooks -----------------------------------------------------------------


def test_a_call_is_verified_by_the_partners_own_library(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer, settings: Any
):
    production = partner.environments.get(kind="production")
    notification = tell(partner, **{**WHAT, "title": "Ein Schlüssel läuft ab"}, environment=production, path="/x/")
    assert notification is not None
    send_due(WEBHOOK)
    (call,) = server.calls
    assert (call.method, call.path) == ("POST", "/hook")
    assert call.headers["content-type"] == "application/json"
    payload = Webhook(WEBHOOK_SECRET).verify(call.body, call.headers)
    assert payload["type"] == "secret.expires"
    assert dt.datetime.fromisoformat(payload["timestamp"]) == notification.at
    assert payload["data"] == {
        "partner": "aurora-casino",
        "environment": "production",
        "subject": "secret 7",
        "title": "Ein Schlüssel läuft ab",
        "text": "Soon.",
        "url": f"{settings.BASE_URL}/x/",
    }
    with pytest.raises(WebhookVerificationError):
        Webhook(WEBHOOK_SECRET).verify(call.body + b" ", call.headers)
    endpoint.refresh_from_db()
    assert endpoint.last_success_at
    assert the_delivery().status == 204


def test_an_answer_of_500_is_tried_again_under_the_same_id(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer
):
    server.replies = [answers(500, b"<h1>Oops\x00\n</h1>"), answers(200)]
    tell(partner, **WHAT)
    before = timezone.now()
    assert send_due(WEBHOOK) == 1
    waiting = the_delivery()
    assert waiting.last_error == "It answered 500 Internal Server Error: <h1>Oops </h1>"
    assert waiting.status == 500
    assert waiting.next_try_at is not None
    assert waiting.next_try_at - before > DELAYS[0] * (1 - JITTER)
    assert send_due(WEBHOOK) == 0
    due_again()
    assert send_due(WEBHOOK) == 1
    assert the_delivery().delivered_at
    first, second = server.calls
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    Webhook(WEBHOOK_SECRET).verify(second.body, second.headers)


@pytest.mark.parametrize("reply", [hangs, drips, floods])
def test_whoever_hangs_drips_or_floods_is_left_and_tried_again(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer, reply: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(webhooks, "DEADLINE_SECONDS", 0.3)
    server.replies = [reply]
    tell(partner, **WHAT)
    send_due(WEBHOOK)
    waiting = the_delivery()
    assert waiting.next_try_at
    assert "in time" in waiting.last_error or "more than 65,536 bytes" in waiting.last_error


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_redirect_to_the_metadata_address_is_not_followed(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer, status: int
):
    server.replies = [answers(status, Location="http://169.254.169.254/latest/meta-data/")]
    tell(partner, **WHAT)
    send_due(WEBHOOK)  # tests reach loopback alone: a connection to there would be an error
    assert "redirects are not followed" in the_delivery().last_error
    assert len(server.calls) == 1


def test_a_name_that_leads_inside_by_now_is_not_called(partner: Partner, server: PartnerServer, settings: Any):
    settings.OUTBOUND_ALLOWED = []
    WebhookEndpointFactory(partner=partner, url=server.url.replace("http:", "https:"))
    tell(partner, **WHAT)
    send_due(WEBHOOK)
    assert server.calls == []
    assert the_delivery().last_error


def test_one_that_failed_is_left_alone_for_a_minute_whatever_else_waits(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(delivery.AT_ONCE, WEBHOOK, 1)
    server.replies = [answers(503)]
    for turn in range(5):
        tell(partner, **{**WHAT, "subject": f"secret {turn}"})
    assert send_due(WEBHOOK) == 1
    other = WebhookEndpointFactory(partner=partner, url=f"{server.url}/other")
    assert send_due(WEBHOOK) == 0
    server.replies = [answers(200)]
    Delivery.objects.create(notification=Notification.objects.all()[0], channel=WEBHOOK, endpoint=other)
    assert send_due(WEBHOOK) == 1
    due_again()
    assert send_due(WEBHOOK) == 5


def test_what_never_arrives_is_given_up_after_three_days_and_the_webhook_switched_off(
    endpoint: WebhookEndpoint, owner: Membership, partner: Partner, server: PartnerServer
):
    assert dt.timedelta(days=2, hours=18) < sum(DELAYS, dt.timedelta()) < dt.timedelta(days=3)
    server.replies = [answers(500)]
    tell(partner, **WHAT, to=None)
    for _ in range(len(DELAYS)):
        assert send_due(WEBHOOK) == 1
        due_again()
    assert open_for(partner).count() == 0
    assert send_due(WEBHOOK) == 1
    endpoint.refresh_from_db()
    assert not endpoint.is_active
    assert not Delivery.objects.filter(channel="webhook").exclude(next_try_at=None).exists()
    (told,) = open_for(partner)
    assert told.kind == "webhook.off"
    assert "500" in told.text
    assert [row.email for row in told.deliveries.all()] == ["owner@aurora.example"]
    tell(partner, **WHAT)
    assert len(server.calls) == len(DELAYS) + 1
    switch_on(endpoint, actor=Actor(user=owner.user))
    assert open_for(partner).count() == 0


def test_one_that_takes_other_calls_stays_on_when_one_is_given_up(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer
):
    server.replies = [answers(500)]
    tell(partner, **WHAT)
    Delivery.objects.update(attempts=len(DELAYS))
    WebhookEndpoint.objects.update(last_success_at=timezone.now())
    send_due(WEBHOOK)
    endpoint.refresh_from_db()
    assert endpoint.is_active
    assert the_delivery().next_try_at is None


def test_410_gone_switches_off_at_once_with_all_that_waits(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer
):
    server.replies = [answers(410)]
    tell(partner, **WHAT)
    later = tell(partner, **{**WHAT, "subject": "another"})
    assert later is not None
    later.deliveries.update(next_try_at=timezone.now() + dt.timedelta(hours=1))
    send_due(WEBHOOK)
    endpoint.refresh_from_db()
    assert not endpoint.is_active
    assert later.deliveries.get().next_try_at is None
    assert AuditEvent.objects.filter(action="webhook.switched_off", partner=partner, actor=None).exists()


def test_what_waited_for_a_webhook_that_was_switched_off_meanwhile_is_not_sent(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer
):
    tell(partner, **WHAT)
    webhooks.switch_endpoint(endpoint, on=False, actor=Actor())
    send_due(WEBHOOK)
    assert server.calls == []
    assert the_delivery().next_try_at is None


def test_a_test_is_tried_once_and_though_the_webhook_is_off(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer
):
    webhooks.switch_endpoint(endpoint, on=False, actor=Actor())
    WebhookEndpoint.objects.update(last_error_at=timezone.now())
    server.replies = [answers(401)]
    delivery.send_test(endpoint, actor=Actor())
    assert send_due(WEBHOOK) == 1
    assert json.loads(server.calls[0].body)["type"] == "webhook.test"
    assert the_delivery().next_try_at is None
    assert the_delivery().last_error == "It answered 401 Unauthorized."


def test_after_a_rotation_both_secrets_fit_until_the_old_one_ends(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer
):
    new = webhooks.rotate_secret(endpoint, actor=Actor()).secret
    tell(partner, **WHAT)
    send_due(WEBHOOK)
    for secret in (WEBHOOK_SECRET, new):
        Webhook(secret).verify(server.calls[0].body, server.calls[0].headers)
    WebhookEndpoint.objects.update(old_secret_ends_at=timezone.now())
    tell(partner, **WHAT)
    send_due(WEBHOOK)
    Webhook(new).verify(server.calls[1].body, server.calls[1].headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(WEBHOOK_SECRET).verify(server.calls[1].body, server.calls[1].headers)


def test_a_secret_that_cannot_be_opened_holds_up_nobody_else(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer
):
    WebhookEndpointFactory(partner=partner, sealed_secret=endpoint.sealed_secret)  # bound to the other row
    tell(partner, **WHAT)
    assert send_due(WEBHOOK) == 2
    assert len(server.calls) == 1
    assert Delivery.objects.get(delivered_at=None).next_try_at


def test_a_closed_partner_is_not_called(endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer):
    tell(partner, **WHAT)
    Partner.objects.update(status="closed")
    send_due(WEBHOOK)
    assert server.calls == []
    endpoint.refresh_from_db()
    assert endpoint.last_error_at is None


# -- Nothing is lost, nothing is tried by two ---------------------------------


def test_a_worker_killed_while_it_tries_loses_nothing(
    owner: Membership, partner: Partner, monkeypatch: pytest.MonkeyPatch
):
    tell(partner, **WHAT)
    with monkeypatch.context() as patch:

        def killed(delivery: Delivery) -> None:
            raise SystemExit

        patch.setattr(delivery, "_try_email", killed)
        with pytest.raises(SystemExit):
            send_due(EMAIL)
    taken = the_delivery()
    assert taken.attempts == 1
    assert taken.next_try_at is not None
    assert timezone.now() < taken.next_try_at <= timezone.now() + LEASE
    assert send_due(EMAIL) == 0
    due_again()
    assert send_due(EMAIL) == 1
    assert len(mail.outbox) == 1


def test_one_that_kills_every_worker_is_given_up(owner: Membership, partner: Partner):
    tell(partner, **WHAT)
    Delivery.objects.update(attempts=len(DELAYS) + 1)
    send_due(EMAIL)
    assert mail.outbox == []
    assert the_delivery().next_try_at is None


def test_who_comes_back_after_another_has_taken_it_writes_nothing(
    endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer
):
    tell(partner, **WHAT)
    (mine,) = delivery._take(WEBHOOK, 10)
    due_again()
    (his,) = delivery._take(WEBHOOK, 10)
    delivery._settle(his, delivery.Outcome(status=200))
    delivery._settle(mine, delivery.Outcome("late", status=500))
    assert the_delivery().delivered_at
    assert the_delivery().last_error == ""
    endpoint.refresh_from_db()
    assert endpoint.is_active


@pytest.mark.django_db(transaction=True)
def test_what_another_worker_holds_is_passed_over():
    partner = PartnerFactory()
    MembershipFactory(partner=partner, role="owner")
    tell(partner, **WHAT)
    other = connection.copy()
    try:
        other.set_autocommit(False)
        with other.cursor() as cursor:
            cursor.execute("SELECT id FROM onboarding_delivery FOR UPDATE")
        assert delivery._take(EMAIL, 10) == []
        other.rollback()
        assert len(delivery._take(EMAIL, 10)) == 1
    finally:
        other.close()


def test_taking_costs_as_much_for_many_as_for_few(endpoint: WebhookEndpoint, partner: Partner, server: PartnerServer):
    def queries(number: int) -> int:
        for turn in range(number):
            tell(partner, **{**WHAT, "subject": str(turn)})
        with CaptureQueriesContext(connection) as captured:
            delivery._take(WEBHOOK, 50)
        return len(captured)

    assert queries(2) == queries(30)


# -- Actions ------------------------------------------------------------------


def test_neither_secret_nor_path_of_the_address_is_audited(partner: Partner, server: PartnerServer):
    new = webhooks.create_endpoint(partner, url=f"{server.url}/T0K3N?key=s3cret", actor=Actor())
    webhooks.rotate_secret(new.endpoint, actor=Actor())
    webhooks.remove_endpoint(new.endpoint, actor=Actor())
    events = AuditEvent.objects.filter(partner=partner).order_by("at")
    assert [event.action for event in events] == ["webhook.created", "webhook.rotated", "webhook.removed"]
    written = str([(event.target, event.detail) for event in events]) + repr(new)
    assert "T0K3N" not in written
    assert "s3cret" not in written
    assert new.secret not in written
    assert new.secret.startswith("whsec_")
