"""Notifications and webhooks, as people see them."""

from __future__ import annotations

import datetime as dt
import html
import ipaddress
import re
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from integrations.models import WebhookEndpoint
from integrations.webhooks import MOST, create_endpoint, signed_call
from onboarding.delivery import send_due
from onboarding.models import Delivery, Notification
from onboarding.notifications import end, tell
from tests.factories import WEBHOOK_SECRET, PartnerFactory, WebhookEndpointFactory
from tests.partner_server import PartnerServer, answers, partner_server
from track360.audit import Actor
from track360.models import Partner

HOME = "/p/aurora-casino/sandbox/"
WEBHOOKS = f"{HOME}settings/webhooks/"
LIST = f"{HOME}notifications/"
WHAT: dict[str, Any] = {"kind": "secret.expires", "subject": "s", "title": "A secret expires", "text": "Soon."}


@pytest.fixture
def endpoint(partner: Partner) -> WebhookEndpoint:
    return WebhookEndpointFactory(partner=partner, url="https://hooks.aurora.example/T0K3N")


@pytest.fixture
def server(settings: Any) -> Iterator[PartnerServer]:
    settings.OUTBOUND_ALLOWED = [(ipaddress.ip_network("127.0.0.0/8"), None)]
    with partner_server() as server:
        yield server


# -- Notifications ------------------------------------------------------------


def test_what_is_open_stands_first_and_is_counted_in_the_frame(viewer: Client, partner: Partner):
    tell(partner, **{**WHAT, "title": "Something was"})
    tell(partner, **{**WHAT, "title": "Something is"}, lasting=True, path=f"{HOME}credentials/")
    tell(PartnerFactory(), **{**WHAT, "title": "Somebody else's"}, lasting=True)
    page = viewer.get(LIST).content.decode()
    assert "1 thing needs you" in page
    assert page.index("Something is") < page.index("Something was")
    assert f'href="{HOME}credentials/"' in page
    assert "Somebody else" not in page
    assert "1 open notifications" in viewer.get(HOME).content.decode()
    end(partner, kind="secret.expires", subject="s")
    page = viewer.get(LIST).content.decode()
    assert "Nothing is open." in page
    assert "Something is" in page


def test_before_anything_was_told_it_says_what_will_be(developer: Client, viewer: Client):
    assert "Nothing to tell yet" in developer.get(LIST).content.decode()
    assert WEBHOOKS not in viewer.get(LIST).content.decode()


def test_what_was_told_is_paged(viewer: Client, partner: Partner):
    for number in range(60):
        tell(partner, **{**WHAT, "title": f"Number {number}."})
    first = viewer.get(LIST).content.decode()
    assert "Number 59." in first
    assert "Number 9." not in first
    older = html.unescape(re.findall(r'href="(\?before=[^"]+)"', first)[0])
    second = viewer.get(LIST + older).content.decode()
    assert "Number 9." in second
    assert "Number 0." in second
    assert "Number 10." not in second


@pytest.mark.parametrize("before", ["x", "2026-13-45", "2026-03-01", "\x00", "9" * 500, "2026-03-01T00:00:00+99:00"])
def test_a_place_in_the_list_that_cannot_be_read_counts_as_none(viewer: Client, partner: Partner, before: str):
    tell(partner, **WHAT)
    response = viewer.get(LIST, {"before": before})
    assert response.status_code == 200
    assert "A secret expires" in response.content.decode()


def test_titles_and_texts_are_shown_as_text(viewer: Client, partner: Partner):
    tell(partner, **{**WHAT, "title": "<b>x</b>", "text": "<script>1</script>"}, lasting=True)
    page = viewer.get(LIST).content.decode()
    assert "<b>x</b>" not in page
    assert "<script>1" not in page


# -- Webhooks -----------------------------------------------------------------


def test_a_secret_is_shown_once_when_the_webhook_is_made(developer: Client, partner: Partner):
    form = {"url": "https://hooks.aurora.example/track360", "submission": str(uuid.uuid4())}
    answer = developer.post(f"{WEBHOOKS}new/", form)
    secret = re.findall(r"whsec_[A-Za-z0-9+/=]+", html.unescape(answer.content.decode()))[0]
    assert answer.headers["Cache-Control"].find("no-store") >= 0
    endpoint = WebhookEndpoint.objects.get()
    assert secret not in endpoint.sealed_secret
    again = developer.post(f"{WEBHOOKS}new/", form, follow=True)
    assert "whsec_" not in again.content.decode()
    assert "exists already" in again.content.decode()
    assert WebhookEndpoint.objects.count() == 1
    for page in (WEBHOOKS, f"{WEBHOOKS}{endpoint.pk}/"):
        assert "whsec_" not in developer.get(page).content.decode()


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "required"),
        ("http://hooks.aurora.example/", "must begin with https://"),
        ("https://127.0.0.1/hook", "does not lead to a public address"),
        ("https://2130706433/hook", "does not lead to a public address"),
        ("https://[::ffff:10.0.0.1]/", "does not lead to a public address"),
        ("https://hooks.aurora.example:22/", "Port 22 is not open"),
        ("https://user:pw@hooks.aurora.example/", "must not hold a user name"),
        ("javascript:alert(1)", "must begin with https://"),
        ("https://hooks.aurora.example/" + "x" * 500, "at most 500 characters"),
        ("https://hooks.aurora.example/\x00", "Null characters are not allowed"),
        ("https://hooks.aurora.example/T0K3N", "There is a webhook with this address already"),
    ],
)
def test_an_address_that_cannot_be_called_is_refused_and_kept_in_the_form(
    developer: Client, endpoint: WebhookEndpoint, url: str, sentence: str
):
    answer = developer.post(f"{WEBHOOKS}new/", {"url": url})
    assert answer.status_code == 200
    page = html.unescape(answer.content.decode())
    assert sentence in page
    assert "\x00" in url or url in page
    assert WebhookEndpoint.objects.count() == 1


def test_a_refused_form_may_be_mended_and_sent_again(developer: Client, partner: Partner):
    once = {"submission": str(uuid.uuid4())}
    refused = developer.post(f"{WEBHOOKS}new/", once | {"url": "http://hooks.aurora.example/"})
    assert "The address must begin with https://." in refused.content.decode()
    assert (
        "The webhook is ready"
        in developer.post(f"{WEBHOOKS}new/", once | {"url": "https://hooks.aurora.example/"}).content.decode()
    )
    assert developer.post(f"{WEBHOOKS}new/", once | {"url": "https://hooks.aurora.example/2"}).status_code == 302
    assert WebhookEndpoint.objects.filter(partner=partner).count() == 1


def test_there_is_an_end_to_webhooks(developer: Client, partner: Partner):
    for _ in range(MOST):
        WebhookEndpointFactory(partner=partner)
    answer = developer.post(f"{WEBHOOKS}new/", {"url": "https://one.more.example/"})
    assert "There are 10 webhooks already" in answer.content.decode()
    assert f"{WEBHOOKS}new/" not in developer.get(WEBHOOKS).content.decode()


def test_a_test_shows_what_the_server_answered(developer: Client, partner: Partner, server: PartnerServer):
    endpoint = create_endpoint(partner, url=f"{server.url}/hook", actor=Actor()).endpoint
    here = f"{WEBHOOKS}{endpoint.pk}/"
    server.replies = [answers(418, b"short and stout"), answers(200)]
    answer = developer.post(f"{here}test/", follow=True).content.decode()
    assert "On its way" in answer
    assert 'hx-trigger="every 2s"' in answer
    assert "already" in developer.post(f"{here}test/", follow=True).content.decode()
    assert Delivery.objects.count() == 1
    send_due(Delivery.Channel.WEBHOOK)
    page = developer.get(here).content.decode()
    assert "short and stout" in page
    assert "The last call failed" in page
    assert "hx-trigger" not in page
    developer.post(f"{here}test/")
    send_due(Delivery.Channel.WEBHOOK)
    fragment = developer.get(here, headers={"HX-Request": "true"}).content.decode()
    assert "200 OK" in fragment
    assert "<html" not in fragment
    assert "webhook.test" not in developer.get(LIST).content.decode()


def test_it_is_switched_off_and_on(developer: Client, partner: Partner, endpoint: WebhookEndpoint):
    here = f"{WEBHOOKS}{endpoint.pk}/"
    for to, is_active in (("off", False), ("off", False), ("on", True), ("on", True)):
        assert developer.post(f"{here}switch/", {"to": to}).status_code == 302
        endpoint.refresh_from_db()
        assert endpoint.is_active is is_active
    assert developer.get(f"{here}switch/").status_code == 302
    endpoint.refresh_from_db()
    assert endpoint.is_active


def test_a_rotated_secret_is_shown_once(developer: Client, endpoint: WebhookEndpoint):
    here = f"{WEBHOOKS}{endpoint.pk}/rotate/"
    assert "Rotate the secret?" in developer.get(here).content.decode()
    form = {"submission": str(uuid.uuid4())}
    assert "whsec_" in developer.post(here, form).content.decode()
    assert "whsec_" not in developer.post(here, form, follow=True).content.decode()


def test_a_removed_webhook_is_gone_and_so_is_that_it_was_off(
    developer: Client, partner: Partner, endpoint: WebhookEndpoint
):
    tell(partner, **{**WHAT, "kind": "webhook.off", "subject": str(endpoint.pk)}, lasting=True)
    here = f"{WEBHOOKS}{endpoint.pk}/"
    assert developer.get(f"{here}remove/").status_code == 200
    assert developer.post(f"{here}remove/", follow=True).status_code == 200
    assert developer.post(f"{here}remove/").status_code == 404
    assert not Notification.objects.filter(over_at=None).exists()


@pytest.mark.parametrize("page", ["", "new/", "{}/", "{}/test/", "{}/switch/", "{}/rotate/", "{}/remove/"])
def test_webhooks_are_for_those_who_may_change_things(
    viewer: Client, staff: Client, outsider: Client, endpoint: WebhookEndpoint, page: str
):
    address = WEBHOOKS + page.format(endpoint.pk)
    for method in ("get", "post"):
        assert getattr(viewer, method)(address).status_code == 403
        assert getattr(outsider, method)(address).status_code == 404
    assert staff.get(address).status_code in (200, 302)


def test_a_webhook_of_another_partner_is_not_found(developer: Client):
    other = WebhookEndpointFactory()
    for page in ("", "test/", "switch/", "rotate/", "remove/"):
        assert developer.post(f"{WEBHOOKS}{other.pk}/{page}").status_code == 404
    other.refresh_from_db()
    assert other.is_active


def test_a_list_of_webhooks_shows_no_more_of_an_address_than_its_host(developer: Client, endpoint: WebhookEndpoint):
    page = developer.get(WEBHOOKS).content.decode()
    assert "hooks.aurora.example" in page
    assert "T0K3N" not in page


# -- The docs -----------------------------------------------------------------


@pytest.mark.parametrize("example", ["example-verify", "example-verify-by-hand"])
def test_the_examples_of_the_docs_tell_our_calls_from_others(
    client: Client, endpoint: WebhookEndpoint, example: str, db: None
):
    page = client.get("/docs/notifications/").content.decode()
    (code,) = re.findall(rf'id="{example}">(.*?)</code>', page, re.DOTALL)
    names: dict[str, Any] = {}
    exec(html.unescape(code), names)
    event_from = names["event_from"]
    call = signed_call(endpoint, message_id="msg_1", kind="step.green", at=timezone.now(), data={"title": "Ü"})
    assert event_from(call.body, call.headers, WEBHOOK_SECRET)["data"] == {"title": "Ü"}
    assert event_from(call.body + b" ", call.headers, WEBHOOK_SECRET) is None
    assert event_from(call.body, call.headers, "whsec_" + "A" * 32) is None
    old = {**call.headers, "webhook-timestamp": str(int(timezone.now().timestamp()) - 600)}
    assert event_from(call.body, old, WEBHOOK_SECRET) is None


def test_the_docs_name_every_kind_that_programs_are_told(client: Client, db: None):
    page = client.get("/docs/notifications/").content.decode()
    for kind in Notification.Kind:
        assert kind == Notification.Kind.MENTION or kind.value in page, kind


def test_the_newest_twenty_calls_are_shown(developer: Client, partner: Partner, endpoint: WebhookEndpoint):
    for number in range(25):
        notification = tell(partner, **{**WHAT, "subject": str(number)})
        assert notification is not None
        Delivery.objects.filter(notification=notification).update(
            last_error=f"Answer {number}.", next_try_at=timezone.now() + dt.timedelta(hours=1), tried_at=timezone.now()
        )
    page = developer.get(f"{WEBHOOKS}{endpoint.pk}/").content.decode()
    assert "Answer 24." in page
    assert "Answer 4." not in page
    assert "Waits" in page
