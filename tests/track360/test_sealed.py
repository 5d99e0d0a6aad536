"""What is encrypted at rest, and with which key."""

from __future__ import annotations

from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP
from cryptography.exceptions import InvalidTag

from tests.factories import UserFactory
from track360.sealed import seal, unseal

OLD, NEW = bytes(range(32)), bytes(range(1, 33))


def test_what_was_sealed_opens_after_the_key_was_changed(settings: Any) -> None:
    settings.FIELD_KEYS = {"2025": OLD}
    before = seal("pässword", purpose="test")
    settings.FIELD_KEYS = {"2026": NEW, "2025": OLD}
    after = seal("pässword", purpose="test")
    assert (before[:5], after[:5]) == ("2025:", "2026:")
    assert unseal(before, purpose="test") == unseal(after, purpose="test") == "pässword"
    settings.FIELD_KEYS = {"2026": NEW}
    with pytest.raises(KeyError):
        unseal(before, purpose="test")


def test_the_same_text_never_looks_the_same_and_opens_for_its_purpose_alone() -> None:
    one, other = seal("secret", purpose="test"), seal("secret", purpose="test")
    assert one != other
    with pytest.raises(InvalidTag):
        unseal(one, purpose="another")


def test_no_second_factor_lies_open_in_the_database(db: None) -> None:
    user = UserFactory()
    TOTP.activate(user, "JBSWY3DPEHPK3PXP")
    codes = RecoveryCodes.activate(user)
    stored = {row.type: row.data for row in Authenticator.objects.filter(user=user)}
    assert "JBSWY3DPEHPK3PXP" not in str(stored)
    assert unseal(stored["totp"]["secret"], purpose="second factor") == "JBSWY3DPEHPK3PXP"
    assert unseal(stored["recovery_codes"]["seed"], purpose="second factor")
    assert codes.validate_code(codes.get_unused_codes()[0])
