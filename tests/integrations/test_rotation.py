"""`manage.py rotate_secrets`: everything that is sealed comes under the first key, and opens as before."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from django.core.management import CommandError, call_command
from django.utils import timezone

from integrations import connections, webhooks
from integrations.models import Connection, WebhookEndpoint
from tests.factories import CONNECTION_SECRET, WEBHOOK_SECRET, ConnectionFactory, UserFactory, WebhookEndpointFactory
from track360.audit import Actor
from track360.sealed import seal, unseal

OLD, NEW = {"2025": bytes(range(32))}, {"2026": bytes(range(1, 33))}
pytestmark = pytest.mark.django_db


def rotate() -> dict[str, int]:
    out = io.StringIO()
    call_command("rotate_secrets", stdout=out)
    return dict(json.loads(out.getvalue()))


def test_every_sealed_secret_opens_with_the_new_key_alone_afterwards(settings: Any) -> None:
    settings.FIELD_KEYS = OLD
    connection, _ = ConnectionFactory(), ConnectionFactory(sealed_secret="")
    endpoint = WebhookEndpointFactory()
    webhooks.rotate_secret(endpoint, actor=Actor())
    user = UserFactory()
    TOTP.activate(user, "JBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(user).get_unused_codes()
    migrated = UserFactory()
    Authenticator.objects.create(
        user=migrated, type="recovery_codes", data={"migrated_codes": [seal("abc", purpose="second factor")]}
    )
    settings.FIELD_KEYS = NEW | OLD
    assert rotate() == {"rotated": 7, "kept": 0}
    assert rotate() == {"rotated": 0, "kept": 7}
    settings.FIELD_KEYS = NEW
    assert connections.secret_of(Connection.objects.get(pk=connection.pk)) == CONNECTION_SECRET
    signing = webhooks.signing_secrets(WebhookEndpoint.objects.get(), now=timezone.now())
    assert (len(signing), signing[1]) == (2, WEBHOOK_SECRET)
    data = Authenticator.objects.get(user=user, type="totp").data
    assert unseal(data["secret"], purpose="second factor") == "JBSWY3DPEHPK3PXP"
    assert RecoveryCodes(Authenticator.objects.get(user=user, type="recovery_codes")).get_unused_codes() == codes
    other = Authenticator.objects.get(user=migrated).data["migrated_codes"]
    assert unseal(other[0], purpose="second factor") == "abc"


def test_what_no_key_opens_stays_as_it_is_and_is_told(settings: Any) -> None:
    settings.FIELD_KEYS = OLD
    lost = ConnectionFactory()
    settings.FIELD_KEYS = NEW
    out = io.StringIO()
    with pytest.raises(CommandError, match="1 secrets could not be opened"):
        call_command("rotate_secrets", stdout=out)
    assert json.loads(out.getvalue()) == {"rotated": 0, "kept": 0}
    assert Connection.objects.get().sealed_secret == lost.sealed_secret
