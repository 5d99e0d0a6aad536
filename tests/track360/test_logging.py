"""What goes to stderr: faults of ours, in production too; never what was merely refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from tests.factories import MembershipFactory
from track360.env import BASE_DIR


def test_a_refusal_leaves_no_traceback(db: None, caplog: pytest.LogCaptureFixture) -> None:
    membership = MembershipFactory(role="viewer")
    client = Client()
    client.force_login(membership.user, backend="allauth.account.auth_backends.AuthenticationBackend")
    answers = [
        client.get(reverse("client-new", args=[membership.partner.slug, "sandbox"])),
        client.get("/nowhere/"),
        client.get("/", headers={"Host": "evil.example"}),
    ]
    assert [answer.status_code for answer in answers] == [403, 404, 400]
    assert caplog.text == ""


def test_in_production_a_crash_is_logged_to_stderr() -> None:
    keys = Path(os.environ["TRACK360_VAR"], "keys")
    production = {
        "DEBUG": "false",
        "TRACK360_BASE_URL": "https://portal.example.com",
        "DATABASE_URL": "postgresql://localhost/track360",
        "DJANGO_SETTINGS_MODULE": "track360.settings",
        **{f"{name.upper()}_FILE": str(keys / name) for name in ("secret_key", "oauth_signing_key", "field_keys")},
    }
    program = """
import django
from django.test import RequestFactory
from django.core.handlers.exception import response_for_exception
django.setup()
try:
    1 / 0
except ZeroDivisionError as error:
    response_for_exception(RequestFactory().get("/", secure=True, headers={"Host": "portal.example.com"}), error)
"""
    answer = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | production,
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "ERROR django.request: Internal Server Error: /" in answer.stderr
    assert "ZeroDivisionError" in answer.stderr
