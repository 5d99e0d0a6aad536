"""A partner with a sandbox client, and ways to fetch a token with it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redis
from django.test import Client as Browser

from entities.pipeline import ingest
from integrations.clients import NewSecret, create_client
from tests.payloads import sample
from track360.models import Environment, User
from track360.partners import create_partner

FORM = "application/x-www-form-urlencoded"


@pytest.fixture(autouse=True)
def _no_requests_counted(settings: Any) -> None:
    """Limits count for a minute by row ids, and a new test database begins with the same ids again."""
    redis.Redis.from_url(settings.REDIS_URL).flushdb()


@pytest.fixture
def sandbox(db: None) -> Environment:
    return create_partner(name="Aurora").environments.get(kind="sandbox")


@pytest.fixture
def production(sandbox: Environment) -> Environment:
    return sandbox.partner.environments.get(kind="production")


@pytest.fixture
def staff(db: None) -> User:
    return User.objects.create_user("ada@track360.test", is_staff=True)


@pytest.fixture
def credentials(sandbox: Environment) -> NewSecret:
    return create_client(sandbox, name="first", actor=None)


@pytest.fixture
def ask_for_token(client: Browser, credentials: NewSecret) -> Callable[..., Any]:
    """POST to the token endpoint; the credentials of `credentials` in the body unless other fields are given."""

    def ask(path: str = "/oauth/token", **fields: Any) -> Any:
        form = {
            "grant_type": "client_credentials",
            "client_id": credentials.client.client_id,
            "client_secret": credentials.clear,
            **fields,
        }
        return client.post(path, "&".join(f"{name}={value}" for name, value in form.items()), content_type=FORM)

    return ask


@pytest.fixture
def token(ask_for_token: Callable[..., Any]) -> str:
    return ask_for_token().json()["access_token"]


@pytest.fixture
def environment(sandbox: Environment) -> Environment:
    return sandbox


@pytest.fixture
def other_environment(db: None) -> Environment:
    return create_partner(name="Borealis").environments.get(kind="sandbox")


@pytest.fixture
def customer(environment: Environment) -> str:
    """The guide's sample customer is stored; gives his id."""
    ingest(environment, "customers", sample("customers"))
    return "cst_100245"
