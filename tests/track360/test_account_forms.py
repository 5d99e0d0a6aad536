"""The forms of signing in, as people meet them."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

pytestmark = pytest.mark.django_db


def test_the_tab_key_goes_from_email_to_password_to_sign_in(client: Client) -> None:
    html = client.get(reverse("account_login")).content.decode()
    form = html[html.index("<form") :]
    assert form.index('name="login"') < form.index('name="password"') < form.index("Sign in</button>")
    assert form.index("Sign in</button>") < form.index(reverse("account_reset_password"))
    assert form.count(reverse("account_reset_password")) == 1


@pytest.mark.parametrize("page", ["account_login", "account_reset_password"])
def test_a_label_is_plain_and_no_placeholder_repeats_it(client: Client, page: str) -> None:
    html = client.get(reverse(page)).content.decode()
    labels = re.findall(r"<label[^>]*>([^<]+)", html)
    assert "Email" in labels
    assert all(label == label.capitalize() for label in labels)
    assert "placeholder" not in html
